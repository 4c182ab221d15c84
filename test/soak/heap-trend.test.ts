import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapTrendOf } from './heap-trend.ts';
import type { Sample } from './soak-run.ts';

/** A process with this heap, in KiB, in each minute from 1 on. */
function samplesOf(heapKib: (minute: number) => number, minutes: number): Sample[] {
  const fixed = { tasks: 4, codeBytes: 0, externalBytes: 0, rssBytes: 0 };
  return Array.from({ length: minutes }, (_, i) => {
    return { ...fixed, minute: i + 1, liveHeapBytes: heapKib(i + 1) * 1_024 };
  });
}

test('a heap that grows by 2 % from minute 10 to 30 does not hold, whatever it did before', () => {
  const growing = samplesOf((minute) => 10_000 + Math.max(0, minute - 10) * 11, 30);
  assert.deepEqual(heapTrendOf(growing, 30), {
    ...{ fromMinute: 10, toMinute: 30, fromBytes: 10_000 * 1_024, toBytes: 10_209 * 1_024 },
    ...{ riseBasisPoints: 209, isHeld: false },
  });
  const warm = samplesOf((minute) => (minute < 9 ? 5_000 + minute * 500 : 10_000 + minute), 30);
  assert.equal(heapTrendOf(warm, 30)?.isHeld, true);
});

test('one odd minute decides nothing', () => {
  const odd = samplesOf((minute) => (minute === 10 || minute === 30 ? 20_000 : 10_000), 30);
  assert.equal(heapTrendOf(odd, 30)?.riseBasisPoints, 0);
});

test('nothing is said of a short run', () => {
  const steady = samplesOf((minute) => 10_000 + minute, 29);
  assert.equal(heapTrendOf(steady, 29), null);
});
