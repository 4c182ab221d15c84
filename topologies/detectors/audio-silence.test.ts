import { test } from 'node:test';
import { audioSilence } from './audio-silence.ts';
import { checkerFor } from './drawn-stream.ts';

const check = checkerFor(audioSilence, {
  '.': { rmsCentiDbfs: [-2_000, -2_100] },
  '#': { rmsCentiDbfs: [-9_000, -12_000] },
  // Just at the limit: not under it.
  l: { rmsCentiDbfs: [-6_000, -12_000] },
  // One channel alone is silent.
  o: { rmsCentiDbfs: [-12_000, -2_000] },
  // Quiet speech.
  q: { rmsCentiDbfs: [-5_500, -5_600] },
  // A click in each half second.
  c: (index) => ({ rmsCentiDbfs: index % 5 === 4 ? [-4_000, -4_000] : [-9_000, -9_000] }),
});

test('silence of 2 s opens at its first block and closes at the first one with sound', () => {
  check('..####..', 'open@1000 close@3000');
  check('..###...', '');
});

test('pauses in speech stay pauses: nothing is joined', () => {
  check('.###.###.###.', '');
  check('.cccccccc.', '');
});

test('every channel has to be under the limit', () => {
  check('..oooooo..', '');
  check('..llllll..', '');
  check('..qqqqqq..', '');
});

test('no sound at all is not silence: nothing is known of it', () => {
  check('..______..', '');
  // A block stands for its own time and 2 ms of rounding.
  check('..####__..', 'open@1000 close@3002');
});

test('severity rises with time', () => {
  check(`.${'#'.repeat(24)}.`, 'open@500 high@10500 close@12500');
});
