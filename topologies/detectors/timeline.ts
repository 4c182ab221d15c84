/**
 * Presentation time, programme time and log time of one stream. A stream's presentation time less log time is said as
 * an `anchor` whenever it moves by 500 ms, and once a minute all the same: so a reader can tell what a seal (log time)
 * covers, also one that began late, and a stream that says none any more is not watched any more.
 *
 * A seal at T covers presentation time T + (presentation less log time, as the last anchor before that seal says).
 */
import type { StateOf } from '../../runtime/struct-codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

/** An anchor is said again when it moves by this much. */
const ANCHOR_MOVE_MS = 500;
/** While chunks come it is said at least this often, ms of log time. */
const ANCHOR_EVERY_MS = 60_000;

export const TIMELINE_FIELDS = {
  /** An anchor was said for this probe run. */
  said: 'bool',
  /** Log time at which it was said last. */
  saidAtMs: 'long',
  /** Presentation time less log time, as last said. */
  presentationLessLogMs: 'long',
  /** Programme time less presentation time, as last said; null when the source tells none. */
  programLessPresentationMs: 'long?',
  /** The same as the latest chunk has it. */
  programNowMs: 'long?',
  /** Half width of what that may be wrong by. */
  uncertaintyNowMs: 'int',
  /** Presentation time that seals under earlier anchors covered. */
  coveredMs: 'long',
} as const;

export type Timeline = StateOf<typeof TIMELINE_FIELDS>;

export function newTimeline(): Timeline {
  return {
    said: false,
    saidAtMs: 0,
    presentationLessLogMs: 0,
    programLessPresentationMs: null,
    programNowMs: null,
    uncertaintyNowMs: 0,
    coveredMs: 0,
  };
}

/** Takes a chunk that came at log time `timeMs`; true when an anchor has to be said now. */
export function takeChunk(
  timeline: Timeline,
  chunk: FrameFeatures,
  coveredToMs: number,
  timeMs: number,
  sealedUpToMs: number,
): boolean {
  const programMs = chunk.programTimeMs === null ? null : chunk.programTimeMs - chunk.basePtsMs;
  timeline.programNowMs = programMs;
  timeline.uncertaintyNowMs = chunk.uncertaintyMs;
  const presentationMs = coveredToMs - timeMs;
  const same =
    timeline.said &&
    timeMs - timeline.saidAtMs < ANCHOR_EVERY_MS &&
    Math.abs(presentationMs - timeline.presentationLessLogMs) < ANCHOR_MOVE_MS &&
    isNear(programMs, timeline.programLessPresentationMs);
  if (same) return false;
  // What seals covered under the old anchor stays covered, also when the new one would put it later.
  if (timeline.said) timeline.coveredMs = sealedPresentationMs(timeline, sealedUpToMs);
  timeline.said = true;
  timeline.saidAtMs = timeMs;
  timeline.presentationLessLogMs = presentationMs;
  timeline.programLessPresentationMs = programMs;
  return true;
}

/** Presentation time up to which everything was sealed: nothing is charged before it. */
export function sealedPresentationMs(timeline: Timeline, sealedUpToMs: number): number {
  if (!timeline.said) return 0;
  return Math.max(timeline.coveredMs, sealedUpToMs + timeline.presentationLessLogMs);
}

/** Presentation time as programme time, by the latest chunk; null when the source tells none. */
export function programTimeOf(timeline: Timeline, presentationMs: number): number | null {
  return timeline.programNowMs === null ? null : presentationMs + timeline.programNowMs;
}

function isNear(left: number | null, right: number | null): boolean {
  if (left === null || right === null) return left === right;
  return Math.abs(left - right) < ANCHOR_MOVE_MS;
}
