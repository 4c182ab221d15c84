import { test } from 'node:test';
import { checkerFor } from './drawn-stream.ts';
import { videoDecodeError } from './video-decode-error.ts';

const check = checkerFor(videoDecodeError, {
  '.': {},
  '#': { isDamaged: true },
  // One picture in ten.
  s: (index) => ({ isDamaged: index % 10 === 0 }),
});

test('damaged pictures open at the first one and close after the last one', () => {
  check('..#..', 'open@1000 close@1500');
  check('..###..', 'open@1000 close@2500');
});

test('less than a second between two of them is one defect, more is two', () => {
  check('..s.', '');
  check('..ss..', 'open@1000 close@1550');
  check('..#.#...', 'open@1000 close@2500');
  check('..#..#...', 'open@1000 close@1500 open@2500 close@3000');
});

test('pictures that could not be given out belong to it; a gap without errors does not', () => {
  check('..__#..', 'open@1000 close@2500');
  check('..__..', '');
  check('..____#..', 'open@3000 close@3500');
});

test('lost chunks neither end it nor begin it', () => {
  check('..##~~##..', 'open@1000 close@4000');
  check('....~~#...', 'open@3000 close@3500');
});
