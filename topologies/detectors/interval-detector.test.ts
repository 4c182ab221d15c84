import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  GOOD,
  INTERVAL_DEFAULTS,
  type IntervalContext,
  type Judgement,
  newIntervalState,
  settleTo,
  takeGood,
  takeSample,
} from './interval-detector.ts';

const BAD: Judgement = { verdict: 'bad', confidencePermille: 1_000, figure: 1 };
const HOLD_MS = 100;

function contextOf(): IntervalContext {
  const settings = { ...INTERVAL_DEFAULTS, minMs: 2_000, joinMs: 0 };
  return { type: 'any', trackId: 'video', settings, describe: () => 'bad', offset: 0, out: [] };
}

test('samples that come after their time are no defect at another one', () => {
  const context = contextOf();
  const state = newIntervalState();
  takeSample(state, 0, HOLD_MS, GOOD, context);
  for (let secondMs = 5_000; secondMs < 10_000; secondMs += 1_000) {
    settleTo(state, secondMs, context);
    for (let ms = secondMs - 3_000; ms < secondMs - 2_000; ms += 50) {
      takeSample(state, ms, HOLD_MS, { ...BAD, sinceMs: 1_000 }, context);
    }
  }
  assert.equal(state.run, null);
  assert.deepEqual(context.out, []);
});

test('good samples that come after their time do not end a run', () => {
  const context = contextOf();
  const state = newIntervalState();
  for (let ms = 0; ms < 3_000; ms += 50) takeSample(state, ms, HOLD_MS, BAD, context);
  settleTo(state, 3_000, context);
  takeSample(state, 1_000, HOLD_MS, GOOD, context);
  for (let ms = 3_000; ms < 4_000; ms += 50) takeSample(state, ms, HOLD_MS, BAD, context);
  takeSample(state, 4_000, HOLD_MS, GOOD, context);
  assert.deepEqual(
    context.out.map(({ kind, startMs, endMs }) => [kind, startMs, endMs]),
    [
      ['open', 0, null],
      ['close', 0, 4_000],
    ],
  );
});

test('a row of good samples that is over leaves no trace; what reaches into the present stands from there', () => {
  const context = contextOf();
  const state = newIntervalState();
  takeSample(state, 0, HOLD_MS, GOOD, context);
  settleTo(state, 5_000, context);
  const before = { ...state };
  takeGood(state, 2_000, 4_900, HOLD_MS);
  assert.deepEqual(state, before);
  takeGood(state, 2_000, 4_950, HOLD_MS);
  assert.equal(state.sampleStartMs, 5_000);
});
