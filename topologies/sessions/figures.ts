/**
 * What the fold over one session's events (`topologies/sessions/`) hands to whoever scores it (`topologies/scoring/`):
 * the figures of CTA-2066 for a stretch of log time, and what was on screen in it.
 */
import type { QosScore } from '../../schemas/records.ts';

/** Fields of a score record that the scoring model and the join with stream defects fill in. */
export type ScoreField =
  | 'model'
  | 'score'
  | 'mosCenti'
  | 'sessionScore'
  | 'sessionMosCenti'
  | 'scoreMin'
  | 'scoreMax'
  | 'confidencePermille'
  | 'coveragePermille'
  | 'startupPoints'
  | 'stallPoints'
  | 'qualityPoints'
  | 'switchPoints'
  | 'defectPoints'
  | 'failurePoints'
  | 'otherPoints'
  | 'causes'
  | 'causePoints'
  | 'defectTypes'
  | 'defectMs'
  | 'defectIds'
  | 'defectPossibleMs'
  | 'beyondHorizon'
  | 'vantage'
  | 'partial'
  | 'configHash';

/** Everything else of a score record is a figure of the session itself. */
export type SessionFigures = Omit<QosScore, ScoreField>;

/**
 * A stretch of log time `[startMs, endMs)` in which the same thing was rendered in the same way: content, playing.
 * Paused, stalled, seeking and ad time is in no span.
 */
export type RenderedSpan = {
  readonly startMs: number;
  readonly endMs: number;
  /** Media moves this fast against the wall, thousandths. */
  readonly ratePermille: number;
  /** Programme time at `startMs`, Unix ms; null when the viewer's place is not known. */
  readonly programTimeStartMs: number | null;
  /** How far off that may be, either way, ms. */
  readonly uncertaintyMs: number;
  /** player, anchor, latency, vod or unknown (definitions, section 4). */
  readonly timeSource: string;
  /** The picture could be seen: not in a hidden tab. */
  readonly isVisible: boolean;
  /** The sound could be heard: not muted. */
  readonly isAudible: boolean;
  /** Empty when the player does not name it. */
  readonly renditionId: string;
  readonly cdn: string;
  /** Null when not told. */
  readonly bitrateBps: number | null;
  readonly heightPx: number | null;
};

/** One 10 s window of a session, or (kind `final`) the whole of it. */
export type SessionResult = {
  readonly figures: SessionFigures;
  /** For windows: what was rendered in it, by start. Empty for finals. */
  readonly spans: readonly RenderedSpan[];
  /** For windows: the session from its beginning to the end of this window. For finals the same as `figures`. */
  readonly soFar: SessionFigures;
  /**
   * Shares of what the model wants to know that were told, thousandths; a v1-only session tells little. Each is 0 when
   * nothing of its kind was told and 1000 when all of it was.
   */
  readonly told: {
    readonly startup: number;
    readonly states: number;
    readonly bitrate: number;
    readonly position: number;
    /** Of the events that the player numbered, those that arrived. */
    readonly events: number;
  };
  /** Sums that a score record has no field for, over the same stretch as `figures`. */
  readonly sums: SessionSums;
  /**
   * What the last result before this one said, so that a change is counted once: an attempt began here when
   * `before.attempted` is false, its outcome became known here when `before.outcome` differs. For the first result of a
   * session nothing was said: not attempted, outcome `pending`.
   */
  readonly before: SessionStage;
};

export type SessionSums = {
  /** Session time less pauses and less what nothing is known of, ms; the denominator of the session's rebuffering ratio. */
  readonly sessionMs: number;
  /** Waiting for the first frame, or for the content after an ad: no ad on screen and not paused, ms. */
  readonly startupWaitMs: number;
  /** The player told no state, or was not heard, ms. */
  readonly unknownMs: number;
  /** Playing time for which the bitrate is known, ms. */
  readonly bitrateMs: number;
  /** Bits of content played in that time. */
  readonly bitrateBits: number;
};

export type SessionStage = {
  readonly attempted: boolean;
  readonly outcome: string;
  readonly contentStarted: boolean;
  readonly ended: boolean;
  readonly playbackFailure: string;
};
