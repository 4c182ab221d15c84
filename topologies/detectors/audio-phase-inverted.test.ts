import { test } from 'node:test';
import { audioPhaseInverted } from './audio-phase-inverted.ts';
import { checkerFor } from './drawn-stream.ts';

const QUIET = { rmsCentiDbfs: [-5_400, -5_400] };
const check = checkerFor(audioPhaseInverted, {
  '.': {},
  '#': { correlationPermille: -850 },
  // Wide mixes: a chorus, an artificial widener.
  w: { correlationPermille: -400 },
  v: (index) => ({ correlationPermille: index % 2 === 0 ? -580 : -200 }),
  // Mono content, and two tracks of noise.
  m: { correlationPermille: 1_000 },
  n: (index) => ({ correlationPermille: index % 2 === 0 ? -250 : 250 }),
  // Inverted, but nobody hears it.
  q: { ...QUIET, correlationPermille: -950 },
  // Speech that is inverted: 200 ms of pause in each half second, in which there is only room noise.
  s: (index) => (index % 5 < 3 ? { correlationPermille: -950 } : { ...QUIET, correlationPermille: 100 }),
  // The energy decides: loud blocks are inverted, soft ones are not; and the other way round.
  e: (index) =>
    index % 5 < 4
      ? { correlationPermille: -900 }
      : { rmsCentiDbfs: [-4_000, -4_000], correlationPermille: 300 },
  f: (index) =>
    index % 5 < 4
      ? { rmsCentiDbfs: [-4_000, -4_000], correlationPermille: -900 }
      : { correlationPermille: 300 },
});

test('a pair that is inverted for 2 s opens at its first block and closes after its last', () => {
  check('..####..', 'open@1000 close@3000');
  check('..###...', '');
  check('####', 'open@0');
});

test('wide stereo, mono sound and noise are content', () => {
  check('..wwwwwwww..', '');
  check('..vvvvvvvv..', '');
  check('..mmmmmmmm..', '');
  check('..nnnnnnnn..', '');
});

test('a wide mix after an inversion is soon no part of it', () => {
  check('..####wwwwwwww', 'open@1000 close@4500');
  check('wwww####....', 'open@0 close@4000');
});

test('what is hardly heard is not judged, and pauses do not end it', () => {
  check('..qqqqqq..', '');
  check('..ssssssss..', 'open@1000 close@4800');
});

test('energy decides', () => {
  check('..eeeeee..', 'open@1000 close@3900');
  check('..ffffff..', '');
});
