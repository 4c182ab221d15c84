import { test } from 'node:test';
import { audioClipping } from './audio-clipping.ts';
import { checkerFor } from './drawn-stream.ts';

const LOUD = { rmsCentiDbfs: [-900, -1_000], peakCentiDbfs: [-10, -60] };
const CLIPPED = { ...LOUD, clipPermille: [85, 70] };
const CLEAN = { ...LOUD, clipPermille: [6, 4] };
const check = checkerFor(audioClipping, {
  '.': {},
  '#': CLIPPED,
  // One channel alone.
  o: { ...LOUD, clipPermille: [5, 90] },
  // Clipped, then turned down by 2 dB; by 6 dB it is some other thing's ceiling.
  d: { ...CLIPPED, peakCentiDbfs: [-210, -260] },
  l: { ...CLIPPED, peakCentiDbfs: [-600, -650] },
  // Brickwalled music: up to the ceiling all the time, and seldom near it.
  b: (index) => ({ ...LOUD, peakCentiDbfs: [-10, -10], clipPermille: [index % 3 === 0 ? 28 : 12, 9] }),
  c: CLEAN,
  // Three blocks of five, and two of five.
  '3': (index) => (index % 5 < 3 ? CLIPPED : CLEAN),
  '2': (index) => (index % 5 < 2 ? CLIPPED : CLEAN),
  // A drum: one block of five.
  t: (index) => (index % 5 === 0 ? CLIPPED : {}),
});

test('clipping of 2 s opens at its first block and closes after its last', () => {
  check('..####.....', 'open@1000 close@3000');
  check('..###...', '');
  check('..oooo.....', 'open@1000 close@3000');
});

test('the ceiling may be anywhere down to -3 dBFS', () => {
  check('..dddd.....', 'open@1000 close@3000');
  check('..llll..', '');
});

test('loud is not clipped: brickwalled music, drums', () => {
  check('..bbbbbbbbbb..', '');
  check('..cccccccccc..', '');
  check('..tttttttttt..', '');
});

test('half of the blocks are enough', () => {
  check('..33333333.....', 'open@1000 close@4800');
  check('..22222222..', '');
});

test('a pause in which nothing clips, as in speech, is part of it when it is short', () => {
  check('..####..####.....', 'open@1000 close@6000');
  check('..####...####.....', 'open@1000 close@6500');
  check('..####....####.....', 'open@1000 close@3000 open@5000 close@7000');
});

test('lost chunks break the row of blocks, not the defect', () => {
  check('..####~~####.....', 'open@1000 close@6000');
});
