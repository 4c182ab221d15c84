/**
 * What is really wrong with the demonstration streams. It is for comparing afterwards; nothing that watches the streams
 * ever reads it.
 */

export type FaultType = 'video-black' | 'video-freeze' | 'audio-silence';

/** One impairment, [startMs, endMs) on the presentation timeline of the stream, and again in each repetition. */
export type FaultTruth = {
  readonly streamId: string;
  readonly type: FaultType;
  readonly startMs: number;
  readonly endMs: number;
  /** The stream repeats after this many ms, and the fault with it. */
  readonly repeatEveryMs: number;
  /** Put in on purpose, or part of the original clip. */
  readonly origin: 'inserted' | 'natural';
};

/** One occurrence of a fault. */
export type FaultOccurrence = Pick<FaultTruth, 'streamId' | 'type' | 'startMs' | 'endMs' | 'origin'>;

/**
 * Every occurrence that begins before `untilMs` of its stream's timeline, repetitions included, in order of start. One
 * that is still running then ends at `untilMs`. Occurrences that touch (the end of one repetition and the beginning of
 * the next) are one.
 */
export function occurrencesUntil(
  truth: readonly FaultTruth[],
  streamId: string,
  untilMs: number,
): FaultOccurrence[] {
  const found: FaultOccurrence[] = [];
  for (const fault of truth) {
    if (fault.streamId !== streamId) continue;
    for (let offsetMs = 0; fault.startMs + offsetMs < untilMs; offsetMs += fault.repeatEveryMs) {
      const { type, origin } = fault;
      const endMs = Math.min(fault.endMs + offsetMs, untilMs);
      found.push({ streamId, type, startMs: fault.startMs + offsetMs, endMs, origin });
    }
  }
  found.sort((a, b) => a.startMs - b.startMs || (a.type < b.type ? -1 : 1));
  return joinTouching(found);
}

function joinTouching(sorted: readonly FaultOccurrence[]): FaultOccurrence[] {
  const joined: FaultOccurrence[] = [];
  for (const fault of sorted) {
    const at = joined.findLastIndex((earlier) => earlier.type === fault.type);
    const earlier = joined[at];
    if (earlier !== undefined && fault.startMs <= earlier.endMs) {
      joined[at] = { ...earlier, endMs: Math.max(earlier.endMs, fault.endMs) };
    } else {
      joined.push(fault);
    }
  }
  return joined;
}
