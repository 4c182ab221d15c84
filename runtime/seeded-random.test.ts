import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from './seeded-random.ts';

const draw = (random: SeededRandom, count: number): number[] =>
  Array.from({ length: count }, () => random.next());

test('a seed means the same numbers for ever: recorded seeds of failures depend on it', () => {
  assert.deepEqual(draw(new SeededRandom(1), 4), [1005125978, 38498823, 32616290, 1665184738]);
  assert.deepEqual(draw(new SeededRandom('replay'), 2), draw(new SeededRandom('replay'), 2));
  assert.notDeepEqual(draw(new SeededRandom(1), 4), draw(new SeededRandom(2), 4));
});

test('below() is uniform and stays below its bound', () => {
  const random = new SeededRandom(7);
  const seen = new Array<number>(6).fill(0);
  for (let i = 0; i < 60_000; i += 1) seen[random.below(6)]! += 1;
  // 10,000 expected in each, standard deviation 91
  for (const count of seen) assert.ok(Math.abs(count - 10_000) < 500, `seen ${seen}`);
  assert.equal(random.below(1), 0);
  assert.throws(() => random.below(0), /must be an integer from 1/);
});

test('between() is half-open, chance() counts in thousandths', () => {
  const random = new SeededRandom(9);
  const seen = new Set<number>();
  for (let i = 0; i < 200; i += 1) seen.add(random.between(-1, 2));
  assert.deepEqual([...seen].sort(), [-1, 0, 1]);
  let hits = 0;
  for (let i = 0; i < 10_000; i += 1) if (random.chance(250)) hits += 1;
  assert.ok(Math.abs(hits - 2500) < 250, `${hits} hits`);
  assert.equal(random.chance(0), false);
  assert.equal(random.chance(1000), true);
});

test('a fork is not moved by how much the others draw', () => {
  const one = new SeededRandom(3);
  const two = new SeededRandom(3);
  const [forkOne, forkTwo] = [one.fork('faults'), two.fork('faults')];
  draw(one, 50);
  assert.deepEqual(draw(forkOne, 5), draw(forkTwo, 5));
});
