import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { centiDbOf, powerOf } from './audio-power.ts';

test('powers of known levels, and back', () => {
  assert.deepEqual([0, -1_000, -10_000, 1_000, -301].map(powerOf), [1e10, 1e9, 1, 1e11, 5_000_345_349]);
  assert.deepEqual([-10_001, -12_000].map(powerOf), [0, 0]);
  assert.deepEqual([1e10, 5e9, 1_000, 0].map(centiDbOf), [0, -302, -7_000, -10_000]);
});

test('levels that sound has come back as they were', () => {
  fc.assert(
    fc.property(fc.integer({ min: -7_000, max: 4_000 }), (centi) => {
      assert.equal(centiDbOf(powerOf(centi)), centi);
      assert.ok(powerOf(centi + 1) > powerOf(centi) || centi === 4_000);
    }),
  );
});
