import { test } from 'node:test';
import { audioLoudness } from './audio-loudness.ts';
import { checkerFor, type Look } from './drawn-stream.ts';

const at = (lufs: number): Look => ({ loudnessCentiLufs: lufs * 100 });
/** Speech about a level: syllables, and a pause of 300 ms in each second. */
const speech = (lufs: number) => (index: number) =>
  index % 10 < 7 ? at(lufs + [1, 3, -2, 4, 0, -4, 2][index % 7]!) : at(-55);
const check = checkerFor(audioLoudness, {
  '.': at(-23),
  l: at(-10),
  q: at(-36),
  // Within 8 LU: an ad that is too loud by 7, a quiet scene.
  a: at(-16),
  m: at(-30),
  // Not within 6 LU any more.
  n: at(-29.5),
  _: {},
  s: speech(-23),
  S: speech(-10),
  Q: speech(-36),
  // A fade-out to nothing, 2 dB per character.
  f: (index) => at(-23 - Math.floor((index % 200) / 2.5)),
  x: at(-80),
});
const target = { streams: { news: { 'audio-loudness': { targetCentiLufs: -2_300 } } } };

test('without a declared target nothing is judged', () => {
  check(`....${'l'.repeat(30)}....`, '');
});

test('10 s out of bounds open where the level changed and close where it comes back', () => {
  check(`........${'l'.repeat(24)}........`, 'open@4000 close@16300', target);
  check(`........${'q'.repeat(24)}........`, 'open@4000 close@16000', target);
  check(`........${'l'.repeat(18)}........`, '', target);
});

test('out of bounds from the first block on', () => {
  check(`${'q'.repeat(24)}........`, 'open@0 close@12000', target);
});

test('less than 8 LU is content', () => {
  check(`........${'a'.repeat(40)}........`, '', target);
  check(`........${'m'.repeat(40)}........`, '', target);
});

test('it goes on until the level is within 6 LU', () => {
  check(`........${'q'.repeat(24)}${'n'.repeat(10)}........`, 'open@4000 close@21000', target);
});

test('speech with pauses: as it is meant, and too loud, and too quiet', () => {
  check('s'.repeat(60), '', target);
  check(`${'s'.repeat(16)}${'S'.repeat(30)}${'s'.repeat(16)}`, 'open@8000 close@22900', target);
  // The pause before it is as quiet.
  check(`${'s'.repeat(16)}${'Q'.repeat(30)}${'s'.repeat(16)}`, 'open@7700 close@23000', target);
});

test('a fade-out, and silence, are no matter of loudness', () => {
  check(`........${'f'.repeat(20)}${'x'.repeat(40)}`, '', target);
});
