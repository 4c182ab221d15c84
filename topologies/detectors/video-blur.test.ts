import { test } from 'node:test';
import { checkerFor, type Looks } from './drawn-stream.ts';
import { videoBlur } from './video-blur.ts';

/** Of each half second the pictures of which one is looked at. */
const first = (index: number): boolean => index % 10 < 4;
const soft = (by: number) => ({
  sharpPermille: Math.floor(500 / by),
  medianSharpPermille: Math.floor(450 / by),
});

const LOOKS: Looks = {
  '.': {},
  // A Gaussian of 1.1 %, and one of half of it.
  '#': { look: soft(6) },
  h: { look: soft(2) },
  // The same of finely structured content, which stays as sharp as soft content is.
  f: { look: { sharpPermille: 1_250, medianSharpPermille: 1_100 } },
  F: { look: { sharpPermille: 270, medianSharpPermille: 240 } },
  // Another scene, whole, soft, and blurred.
  c: (index) => ({ look: { sceneCenti: first(index) ? 5_000 : 100 } }),
  s: (index) => ({ look: { ...soft(2.2), sceneCenti: first(index) ? 5_000 : 100 } }),
  C: (index) => ({ look: { ...soft(7), sceneCenti: first(index) ? 5_000 : 100 } }),
  // Shallow focus: most of it is soft, and what matters is not.
  o: (index) => ({
    look: { sharpPermille: 350, medianSharpPermille: 60, sceneCenti: first(index) ? 5_000 : 100 },
  }),
  // A station's logo stays sharp over blurred pictures.
  l: { look: { sharpPermille: 190, medianSharpPermille: 65 } },
  // Hardly anything in the picture.
  e: { look: { ...soft(8), texturedBlocks: 3 } },
  // Of a fade the last that has texture, a few hard edges, and the first that has it again.
  x: { look: { sharpPermille: 1_600, medianSharpPermille: 1_500, texturedBlocks: 8 } },
  y: { look: { sharpPermille: 320, medianSharpPermille: 300, texturedBlocks: 50 } },
  // Blurred so that little has texture; and another scene, of smooth shades.
  b: { look: { ...soft(6), texturedBlocks: 6 } },
  g: (index) => ({ look: { ...soft(7), texturedBlocks: 30, sceneCenti: first(index) ? 5_000 : 100 } }),
  // A title over soft ground, that goes.
  t: { look: { ...soft(7), texturedBlocks: 30 } },
};
const check = checkerFor(videoBlur, LOOKS);

test('detail that is gone from one look to the next opens there, and closes at the first sharp look', () => {
  check('........######....', 'open@4000 close@7000');
  check('........####......', '');
  check('ffffffffFFFFFFffff', 'open@4000 close@7000');
});

test('half the sigma is no blur', () => {
  check('........hhhhhhhhhh....', '');
});

test('it goes on through cuts, and may begin with one', () => {
  check('........###C##C##c...', 'open@4000 close@8600');
  check('........CCCCCCC###c..', 'open@4000 close@9000');
});

test('texture that goes with the detail leaves it open', () => {
  check('........#bbb##....', 'open@4000 close@7000');
});

test('cuts to soft content, to shallow focus and to smooth shades are content', () => {
  check('........ssssssssss....', '');
  check('........oooooooooo....', '');
  check('........gggggggggg....', '');
});

test('a stream that is soft by itself is as it is', () => {
  check('##################', '');
});

test('a logo does not hide it', () => {
  check('........llllllll....', 'open@4000 close@8000');
});

test('where hardly anything has texture nothing is judged', () => {
  check('........eeeeeeeeee....', '');
  check('........tttt....', '');
});

test('a fade through black is none, nor is one that ends before it is black', () => {
  check('........xeey.......', '');
  check('........xy.........', '');
});
