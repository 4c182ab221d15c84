/** The demonstration's faults as far as a run watched them. */
import type { InjectedFault } from '../consumers/summary/comparison.ts';
import { type FaultTruth, occurrencesUntil } from '../producers/demo/truth.ts';

/** Longer than any fault: one that runs when watching ends keeps its real end, and so counts as not finished. */
const BEYOND_MS = 120_000;

/** Every fault that began before its stream was watched to, repetitions included. */
export function faultsWithin(
  truth: readonly FaultTruth[],
  watchedUpToMs: ReadonlyMap<string, number>,
): readonly InjectedFault[] {
  return [...new Set(truth.map(({ streamId }) => streamId))].flatMap((streamId) => {
    const untilMs = watchedUpToMs.get(streamId) ?? 0;
    return occurrencesUntil(truth, streamId, untilMs + BEYOND_MS)
      .filter(({ startMs }) => startMs < untilMs)
      .map(({ type, startMs, endMs }) => ({ programmeId: streamId, type, startMs, endMs }));
  });
}
