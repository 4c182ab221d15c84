import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FaultTruth, occurrencesUntil } from './truth.ts';

const fault = (startMs: number, endMs: number, type: FaultTruth['type'] = 'video-black'): FaultTruth => ({
  streamId: 's',
  type,
  startMs,
  endMs,
  repeatEveryMs: 1000,
  origin: 'inserted',
});

const check = (truth: readonly FaultTruth[], untilMs: number, expected: readonly [number, number][]) =>
  assert.deepEqual(
    occurrencesUntil(truth, 's', untilMs).map(({ startMs, endMs }) => [startMs, endMs]),
    expected,
  );

test('a fault comes again in each repetition, and one under way is cut at the end', () => {
  check([fault(100, 400)], 2200, [
    [100, 400],
    [1100, 1400],
    [2100, 2200],
  ]);
});

test('one at the end and one at the beginning are a single one across the repetition', () => {
  check([fault(0, 100), fault(900, 1000)], 2000, [
    [0, 100],
    [900, 1100],
    [1900, 2000],
  ]);
});

test('other types and other streams stay apart', () => {
  check([fault(0, 500), fault(100, 600, 'audio-silence')], 700, [
    [0, 500],
    [100, 600],
  ]);
  assert.deepEqual(occurrencesUntil([fault(0, 500)], 'other', 5000), []);
});
