import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultTruth } from '../producers/demo/truth.ts';
import { faultsWithin } from './truth-list.ts';

const FREEZE: FaultTruth = {
  streamId: 'one',
  type: 'video-freeze',
  startMs: 4000,
  endMs: 7000,
  repeatEveryMs: 10_000,
  origin: 'inserted',
};

/** Starts and ends, in seconds. */
function check(watchedUpToMs: number, expected: string): void {
  const faults = faultsWithin(
    [FREEZE, { ...FREEZE, streamId: 'never watched' }],
    new Map([['one', watchedUpToMs]]),
  );
  assert.equal(faults.map(({ startMs, endMs }) => `${startMs / 1000}-${endMs / 1000}`).join(' '), expected);
}

test('faults count from when they began; one that runs at the end keeps its real end', () => {
  check(0, '');
  check(4000, '');
  check(4001, '4-7');
  check(13_000, '4-7');
  check(15_000, '4-7 14-17');
  check(30_000, '4-7 14-17 24-27');
});
