import { test } from 'node:test';
import { audioChannelLost } from './audio-channel-lost.ts';
import { checkerFor } from './drawn-stream.ts';

const check = checkerFor(audioChannelLost, {
  '.': { rmsCentiDbfs: [-2_000, -2_200] },
  '#': { rmsCentiDbfs: [-2_000, -12_000] },
  // What a codec leaves of a channel that is gone.
  n: { rmsCentiDbfs: [-8_500, -2_400] },
  // A source that is far to one side, as mixes have them.
  w: { rmsCentiDbfs: [-2_000, -6_000] },
  // Between what mixes have and what is lost: not judged.
  u: { rmsCentiDbfs: [-2_000, -6_500] },
  // Pauses: both channels silent, or nearly.
  p: { rmsCentiDbfs: [-9_500, -12_000] },
  q: { rmsCentiDbfs: [-6_100, -12_000] },
  // Speech in the channel that is left, with 300 ms of pause in each half second.
  s: (index) => ({ rmsCentiDbfs: [-12_000, index % 5 < 3 ? -7_000 : -2_500] }),
});
const surround = checkerFor(audioChannelLost, {
  '.': { rmsCentiDbfs: [-2_000, -2_000, -1_900, -3_000, -4_000, -4_000] },
  // LFE and surrounds are silent.
  f: { rmsCentiDbfs: [-2_000, -2_000, -1_900, -12_000, -12_000, -12_000] },
  // Front left is gone.
  l: { rmsCentiDbfs: [-12_000, -2_000, -1_900, -3_000, -4_000, -4_000] },
});
const mono = checkerFor(audioChannelLost, { '.': { rmsCentiDbfs: [-2_000] } });
const tracks = checkerFor(audioChannelLost, { '.': { rmsCentiDbfs: [-2_000, -12_000, -12_000, -12_000] } });

test('a channel that is gone for 2 s opens at its first block and closes where it comes back', () => {
  check('..####..', 'open@1000 close@3000');
  check('..###...', '');
  check('..nnnnnn..', 'open@1000 close@4000');
});

test('gaps under half a second join; longer ones do not', () => {
  check('..####.####..', 'open@1000 close@3000 open@3500 close@5500');
  check('..###..####..', 'open@3500 close@5500');
});

test('a source at one side of a mix is content', () => {
  check('..wwwwwwww..', '');
  check('..uuuuuuuu..', '');
});

test('quiet sound tells nothing of a channel: neither a defect, nor its end', () => {
  check('..pppppp..', '');
  check('..qqqqqq..', '');
  check('..####pp####..', 'open@1000 close@6000');
  check('..ssssss..', 'open@1300 close@4000');
});

test('LFE, surrounds, mono sound and rows of tracks have no pair', () => {
  surround('..ffffff..', '');
  surround('..llllll..', 'open@1000 close@4000');
  mono('........', '');
  tracks('........', '');
});
