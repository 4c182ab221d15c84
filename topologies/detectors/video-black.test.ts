import { test } from 'node:test';
import { checkerFor } from './drawn-stream.ts';
import { videoBlack } from './video-black.ts';

const check = checkerFor(videoBlack, {
  '.': { darkPermille: 300 },
  '#': { darkPermille: 1_000 },
  // Black, but for a logo of 96 pixels square at 720p, and its glow.
  l: { darkPermille: 960 },
  // A dark scene: much is dark, some is lit.
  d: { darkPermille: 949 },
  // Sensor noise about the limit, picture by picture.
  n: (index) => ({ darkPermille: index % 3 === 0 ? 944 : 970 }),
});

test('black of 2 s opens at its first picture and closes at the first one that is not', () => {
  check('..####..', 'open@1000 close@3000');
  check('..#####.', 'open@1000 close@3500');
});

test('less than 2 s is none, and two halves with a picture between are not joined', () => {
  check('..###...', '');
  check('..###.###...', '');
});

test('from the first picture on, and to the last one', () => {
  check('#####...', 'open@0 close@2500');
  check('...#####', 'open@1500');
});

test('a logo on black is black; a dark scene is not', () => {
  check('..lllll.', 'open@1000 close@3500');
  check('..ddddddddd.', '');
});

test('noise about the limit neither opens nor, once it is open, closes', () => {
  check('..nnnnnnnn..', '');
  check('..#####nnnn..', 'open@1000 close@5500');
});

test('severity rises with time', () => {
  check(`.${'#'.repeat(130)}.`, 'open@500 high@10500 critical@60500 close@65500');
});

test('limits are per stream', () => {
  const streams = { news: { 'video-black': { darkPermilleMin: 900, minMs: 1_000 } } };
  check('..dd..', 'open@1000 close@2000', { streams });
  check('..dd..', '', { streams: { sports: streams.news } });
  check('..##..', 'open@1000 close@2000', { detectors: { 'video-black': { minMs: 1_000 } } });
});

// A picture stands for half a second where no next one comes. What follows was not seen.
test('missing pictures and lost chunks: what was not seen neither adds nor breaks', () => {
  check('..###__###..', 'open@1000 close@5000');
  check('..#____#####.', 'open@3500 close@6000');
  check('..####______.', 'open@1000 close@3450');
  check('..####~~###..', 'open@1000 close@5500');
});

test('nothing seen for 5 s closes it where it was last seen', () => {
  check('..####__________________..', 'open@1000 close@3450');
  check('..####____________####..', 'open@1000 close@3450 open@9000 close@11000');
});
