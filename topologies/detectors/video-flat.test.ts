import { test } from 'node:test';
import { checkerFor } from './drawn-stream.ts';
import { videoFlat } from './video-flat.ts';

const check = checkerFor(videoFlat, {
  '.': {},
  '#': { lumaSpreadCenti: 20, chromaSpreadCenti: 10 },
  // Noise: now a little above the limits, now below.
  n: (index) => ({ lumaSpreadCenti: index % 3 === 0 ? 230 : 170, chromaSpreadCenti: 60 }),
  // A black picture is even, too, but that has a type of its own.
  b: { lumaSpreadCenti: 20, chromaSpreadCenti: 10, darkPermille: 1_000 },
  // One colour with a line of text, and a logo of one luma and another colour.
  s: { lumaSpreadCenti: 900, chromaSpreadCenti: 10 },
  l: { lumaSpreadCenti: 20, chromaSpreadCenti: 400 },
});

test('an even picture opens after 2 s at its first picture, and closes at the first one with content', () => {
  check('..#####.', 'open@1000 close@3500');
  check('..###...', '');
});

test('black is not flat; text and a logo are content', () => {
  check('..bbbbbb..', '');
  check('..ssssss..', '');
  check('..llllll..', '');
});

test('noise about the limits neither opens it nor ends it', () => {
  check('..nnnnnnnn..', '');
  check('..####nnnn..', 'open@1000 close@5000');
});

test('it ends where it becomes black, and where pictures are missing for long', () => {
  check('..#####bbbbb', 'open@1000 close@3500');
  check('..#####_____________..', 'open@1000 close@3950');
});

test('lost chunks do not end it; limits can be set', () => {
  check('..####~~##..', 'open@1000 close@5000');
  check('..ssssss..', 'open@1000 close@4000', {
    detectors: { 'video-flat': { lumaSpreadCentiMax: 1_000, lumaSpreadCentiStay: 1_000 } },
  });
});
