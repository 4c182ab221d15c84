import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../failure.ts';
import { pointInTime } from '../values.ts';
import { rangeOf } from './range.ts';

test('a range is half-open, everything where nothing is said, and never empty', () => {
  assert.deepEqual(rangeOf({}), { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER });
  assert.deepEqual(rangeOf({ from: 5, to: 6 }), { fromMs: 5, toMs: 6 });
  const [from, to] = [pointInTime('2026-01-31T18:30:00Z'), pointInTime('1769884200000')];
  assert.equal(from, to);
  assert.throws(() => rangeOf({ from, to }), UsageError);
  assert.throws(() => rangeOf({ from, to: from - 1 }), /from 2026-01-31T18:30:00.000Z to .* holds nothing/);
  assert.throws(() => pointInTime('yesterday'), /It is no time/);
});
