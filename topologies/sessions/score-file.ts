/** Scores of recorded sessions, from what their players told alone: no stream was watched beside them. */

import type { Cause } from '../scoring/attribution.ts';
import { nothingKnown } from '../scoring/exposure.ts';
import { type Judgement, newMemory, type ScoringModel } from '../scoring/model.ts';
import type { SessionResult } from './figures.ts';
import type { RecordedSession } from './recorded-sessions.ts';

/** One line of `everyview score --json`. Null means that it did not happen or was not told. */
export type SessionLine = {
  readonly sessionId: string;
  /** It was seen to end; else its reports stop. */
  readonly final: boolean;
  readonly outcome: string;
  readonly startupMs: number | null;
  /** Where no states are told, a lower bound. */
  readonly stallCount: number | null;
  readonly stallMs: number | null;
  readonly score: number | null;
  readonly mosCenti: number | null;
  /** Share of startup, states and bitrate that was told, 0 to 1. */
  readonly coverage: number;
  /** How much of all that the model wants to know was told, 0 to 1. */
  readonly confidence: number;
  readonly causes: readonly Cause[];
};

/** Null for a session in which playback was never asked for. */
export function lineOf(session: RecordedSession, model: ScoringModel): SessionLine | null {
  const memory = newMemory();
  let last: { result: SessionResult; judgement: Judgement } | null = null;
  for (const result of session.results) {
    const judged = model.score(result, nothingKnown(result.figures.exposedMs), memory);
    if (result.figures.kind === 'final') last = { result, judgement: judged.session };
  }
  if (last === null) return null;
  const { figures, told } = last.result;
  const { score, mosCenti, confidencePermille, causes } = last.judgement;
  const unlessUntold = (value: number) => (told.states === 0 && value === 0 ? null : value);
  return {
    sessionId: session.sessionId,
    final: !figures.provisional,
    outcome: figures.outcome,
    startupMs: figures.contentStartupMs,
    stallCount: unlessUntold(figures.stallCount),
    stallMs: unlessUntold(figures.stallMs),
    score,
    mosCenti,
    coverage: Math.floor((told.startup + told.states + told.bitrate) / 3) / 1_000,
    confidence: confidencePermille / 1_000,
    causes: causes.map(({ cause, points }) => ({ cause, points })),
  };
}
