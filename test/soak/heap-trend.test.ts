import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapTrendOf } from './heap-trend.ts';
import type { Sample } from './soak-run.ts';

/** A process with this heap, in KiB, in each minute from 1 on. */
function samplesOf(process: string, heapKib: (minute: number) => number | null, minutes: number): Sample[] {
  return Array.from({ length: minutes }, (_, i) => i + 1).flatMap((minute) => {
    const kib = heapKib(minute);
    const fixed = { process, ageMs: 0, tasks: 4, codeBytes: 0, externalBytes: 0, rssBytes: 0 };
    return kib === null ? [] : [{ ...fixed, minute, liveHeapBytes: kib * 1_024 }];
  });
}

test('a heap that grows by 2 % from minute 10 to 30 does not hold, whatever it did before', () => {
  const growing = samplesOf('i1', (minute) => 10_000 + Math.max(0, minute - 10) * 11, 30);
  assert.deepEqual(heapTrendOf(growing, 'i1', 30), {
    ...{ process: 'i1', fromMinute: 10, toMinute: 30, fromBytes: 10_000 * 1_024, toBytes: 10_209 * 1_024 },
    ...{ riseBasisPoints: 209, isHeld: false },
  });
  const warm = samplesOf('i1', (minute) => (minute < 9 ? 5_000 + minute * 500 : 10_000 + minute), 30);
  assert.equal(heapTrendOf(warm, 'i1', 30)?.isHeld, true);
});

test('one odd minute decides nothing', () => {
  const odd = samplesOf('i1', (minute) => (minute === 10 || minute === 30 ? 20_000 : 10_000), 30);
  assert.equal(heapTrendOf(odd, 'i1', 30)?.riseBasisPoints, 0);
});

test('nothing is said of a short run, or of a process that was not there throughout', () => {
  const steady = (minute: number): number => 10_000 + minute;
  assert.equal(heapTrendOf(samplesOf('i1', steady, 29), 'i1', 29), null);
  const late = samplesOf('i2', (minute) => (minute < 11 ? null : 10_000), 30);
  assert.equal(heapTrendOf(late, 'i2', 30), null);
});
