import { test } from 'node:test';
import { checkerFor, type Looks } from './drawn-stream.ts';
import { videoBlockCorruption } from './video-block-corruption.ts';

const PICTURES_PER_CHARACTER = 10;
const first = (index: number): boolean => index % PICTURES_PER_CHARACTER === 0;
/** Of each half second the pictures of which one is looked at. */
const firstLook = (index: number): boolean => index % PICTURES_PER_CHARACTER < 4;

const LOOKS: Looks = {
  '.': {},
  // The decoder tells of damage that lasts, once.
  '#': (index) => ({ damage: first(index) ? 2 : 0 }),
  // A key picture that is whole, and one that is damaged itself.
  k: (index) => ({ isKey: first(index) }),
  K: (index) => ({ isKey: first(index), damage: first(index) ? 2 : 0 }),
  // One picture of kind B in ten.
  b: (index) => ({ damage: first(index) ? 1 : 0 }),
  // Most of them.
  B: (index) => ({ damage: index % 2 === 0 ? 1 : 0 }),
  // Blocks, of which the decoder says nothing.
  g: { look: { gridSteps: 4_000 } },
  G: { look: { gridSteps: 8_000 } },
  // As many steps elsewhere: a drawing.
  d: { look: { gridSteps: 4_000, otherSteps: 3_500 } },
  // A few more than usual.
  f: { look: { gridSteps: 1_200 } },
  // A cut to a picture with edges on the grid.
  c: (index) => ({ look: { gridSteps: 4_000, sceneCenti: firstLook(index) ? 6_000 : 100 } }),
};
const check = checkerFor(videoBlockCorruption, LOOKS);

test('damage lasts up to the next whole key picture, however long ago the decoder told of it', () => {
  check('..#....k..', 'open@1000 close@3500');
  check('..#.#..k..', 'open@1000 close@3500');
  check('..#..K..k.', 'open@1000 close@4000');
});

test('damage in pictures that no other is made of is gone with them', () => {
  check('..b..b...k', '');
  check('..BBB....k', 'open@1000 close@2450');
});

test('without a key picture nothing is claimed for ever', () => {
  check(`..#${'.'.repeat(80)}`, 'open@1000 high@11000 close@31050');
});

test('blocks in the picture are damage where the decoder says nothing, from the second look on', () => {
  check('.....gggg....', 'open@2600 close@4600');
  check('.....dddd....', '');
  check('.....ffff....', '');
});

test('a stream that has such edges is used to them, and a cut to them is content', () => {
  check('gggggggggg....gggg...', '');
  check('......cggg......', '');
});

test('blocks that stay as they are were drawn: the stream is used to them from then on', () => {
  check(`.....${'g'.repeat(40)}`, 'open@2600 high@12600 close@12600');
  check(`.....${'gG'.repeat(15)}...`, 'open@2600 high@12600 close@17600');
});

test('lost chunks may hold the key picture: the word of the decoder ends with them', () => {
  check('..##~~....', 'open@1000 close@2000');
});

test('pictures that could not be given out before a damaged one belong to the damage', () => {
  check('..__b.....', 'open@1000 close@2050');
  check('..__......', '');
  check('..____b...', '');
});
