/** What a scoring model is: a versioned module; another one is one more entry in `MODELS`. */
import { list, map, type StateOf } from '../../runtime/struct-codec.ts';
import type { SessionResult } from '../sessions/figures.ts';
import type { Cause } from './attribution.ts';
import type { DefectExposure } from './exposure.ts';

/** A score with what it is made of. Null throughout when nothing was judged. */
export type Judgement = {
  /** 0 to 100, whole. */
  readonly score: number | null;
  /** Mean opinion score, hundredths, 100 to 500. */
  readonly mosCenti: number | null;
  /** What it would be if all that was not told were bad, and if it were good. */
  readonly scoreMin: number | null;
  readonly scoreMax: number | null;
  /** How much of what the model wants to know was told, thousandths. */
  readonly confidencePermille: number;
  /** Every cause that cost points, most expensive first; their points add up to exactly 100 less the score. */
  readonly causes: readonly Cause[];
};

export type Judged = {
  readonly window: Judgement;
  /** The session up to the end of the window. For finals the same as `window`. */
  readonly session: Judgement;
};

/** What a model keeps of a session's earlier windows. */
export const MEMORY_FIELDS = {
  /** Windows that got a score. */
  scoredWindows: 'int',
  /** Loss of the recent windows, recent ones counting more, thousandths of a point; and what each cause has of it. */
  recentLossMilli: 'int',
  recentByCause: map('int'),
  /** Loss of the worst window, points, and its causes. */
  worstLoss: 'int',
  worstByCause: map('int'),
  /** Sums over all windows, ms. */
  defectMs: map('long'),
  defectIds: list('string'),
  possibleMs: 'long',
  renderedMs: 'long',
  coveredMs: 'long',
  beyondHorizon: 'bool',
  vantage: 'string',
} as const;

export type SessionMemory = StateOf<typeof MEMORY_FIELDS>;

export function newMemory(): SessionMemory {
  return {
    scoredWindows: 0,
    recentLossMilli: 0,
    recentByCause: new Map(),
    worstLoss: 0,
    worstByCause: new Map(),
    defectMs: new Map(),
    defectIds: [],
    possibleMs: 0,
    renderedMs: 0,
    coveredMs: 0,
    beyondHorizon: false,
    vantage: '',
  };
}

export interface ScoringModel {
  /** Name and version, as score records cite it. A change of any number in it is another version. */
  readonly name: string;
  /**
   * Judges a window and the session so far; or, for a final result, the session. A window is taken into `memory`, which
   * the caller keeps from one window of a session to the next. Pure apart from that.
   */
  score(result: SessionResult, exposure: DefectExposure, memory: SessionMemory): Judged;
}

/** Cause of what stands for things that the player, or the probes, did not tell. */
export const NOT_TOLD = 'not-told';

/** Column of a score record that a cause's points are added to. */
export function columnOf(cause: string): PointColumn {
  if (cause.startsWith('defect:')) return 'defectPoints';
  return COLUMNS[cause] ?? 'otherPoints';
}

export type PointColumn =
  | 'startupPoints'
  | 'stallPoints'
  | 'qualityPoints'
  | 'switchPoints'
  | 'defectPoints'
  | 'failurePoints'
  | 'otherPoints';

const COLUMNS: { readonly [cause: string]: PointColumn } = {
  startup: 'startupPoints',
  stalls: 'stallPoints',
  quality: 'qualityPoints',
  switches: 'switchPoints',
  failure: 'failurePoints',
};
