/** What one session adds to its cohort: what its player told, as soon as a window is told; its score, once it has one. */
import { coverageOf, type DefectExposure } from '../scoring/exposure.ts';
import type { Judgement } from '../scoring/model.ts';
import type { SessionResult } from '../sessions/figures.ts';
import { type CohortSums, countIn, newSums, scoreBucketOf, startupBucketOf } from './sums.ts';

/** A window of a session by its player's word; `hasNewError` when it told an error code that it had not told before. */
export function windowSums(result: SessionResult, hasNewError: boolean): CohortSums {
  const { figures, sums, before } = result;
  const into = newSums();
  const isPlaying = figures.outcome === 'play' && !figures.ended;
  into.sessions = 1;
  into.concurrent = isPlaying ? 1 : 0;
  into.pendingOutcomes = figures.outcome === 'pending' ? 1 : 0;
  addChanges(into, result);
  if (figures.contentStarted && !before.contentStarted && figures.contentStartupMs !== null) {
    into.startupCount = 1;
    into.startupMsSum = figures.contentStartupMs;
    countIn(into.startupBuckets, String(startupBucketOf(figures.contentStartupMs)), 1);
  }
  into.playingMs = figures.playingMs;
  into.stallMs = figures.stallMs;
  into.stallMsSeek = figures.stallMsSeek;
  into.stallCount = figures.stallCount;
  into.stalledSessions = figures.stallMs > 0 ? 1 : 0;
  into.sessionMs = sums.sessionMs;
  into.adPlayingMs = figures.adPlayingMs;
  into.adStallMs = figures.adStallMs;
  into.bitrateMs = sums.bitrateMs;
  into.bitrateKilobits = Math.floor(sums.bitrateBits / 1_000);
  into.switchesUp = figures.switchesUp;
  into.switchesDown = figures.switchesDown;
  into.droppedFrames = figures.droppedFrames ?? 0;
  into.liveLatencyCount = isPlaying && figures.liveLatencyMs !== null ? 1 : 0;
  into.liveLatencyMsSum = into.liveLatencyCount * (figures.liveLatencyMs ?? 0);
  into.errorSessions = hasNewError ? 1 : 0;
  into.eventCount = figures.eventCount;
  into.eventsLost = figures.eventsLost ?? 0;
  return into;
}

/** A final record adds only what it changed: its sums were told window by window. Null when it changed nothing. */
export function finalSums(result: SessionResult): CohortSums | null {
  const { figures, before } = result;
  const into = newSums();
  // The window that it is counted in was told before it, as pending or as playing.
  if (before.outcome === 'pending' && figures.outcome !== 'pending') into.pendingOutcomes = -1;
  if (before.outcome === 'play' && !before.ended && figures.ended) into.concurrent = -1;
  return addChanges(into, result) ? into : null;
}

/** Adds a window's score, and the defects that were seen in it. */
export function addScore(
  into: CohortSums,
  score: Judgement,
  exposure: DefectExposure,
  exposedMs: number,
): CohortSums {
  if (score.score !== null) {
    into.scoredSessions = 1;
    into.scoreSum = score.score;
    countIn(into.scoreBuckets, String(scoreBucketOf(score.score)), 1);
    for (const { cause, points } of score.causes) {
      countIn(into.causePoints, cause, points);
      countIn(into.causeSessions, cause, 1);
    }
  }
  for (const { type, ms } of exposure.byType) {
    countIn(into.defectSessions, type, 1);
    countIn(into.defectMs, type, ms);
  }
  into.defectPossibleSessions = exposure.possibleMs > 0 ? 1 : 0;
  into.exposedMs = exposedMs;
  into.coveredMs = Math.floor((exposedMs * coverageOf(exposure)) / 1_000);
  into.beyondHorizonSessions = exposure.beyondHorizon ? 1 : 0;
  return into;
}

/**
 * Attempts, outcomes and ends, each where it became known. An outcome that turned out otherwise is taken back where that
 * became known, so that over all windows attempts are plays + failures + exits + unknown + pending.
 */
function addChanges(into: CohortSums, { figures, before }: SessionResult): boolean {
  const isNew = !before.attempted;
  if (isNew) into.attempts = 1;
  const isDecided = figures.outcome !== before.outcome;
  if (isDecided) {
    addOutcome(into, before.outcome, -1);
    addOutcome(into, figures.outcome, 1);
  }
  const endedBefore = before.ended && before.outcome === 'play';
  const endedNow = figures.ended && figures.outcome === 'play';
  if (endedBefore) addEnd(into, before.playbackFailure, -1);
  if (endedNow) addEnd(into, figures.playbackFailure, 1);
  const isEndChanged = endedBefore !== endedNow || before.playbackFailure !== figures.playbackFailure;
  return isNew || isDecided || isEndChanged;
}

function addOutcome(into: CohortSums, outcome: string, count: number): void {
  if (outcome === 'play') into.plays += count;
  else if (outcome === 'vsf-technical') into.vsfTechnical += count;
  else if (outcome === 'vsf-business') into.vsfBusiness += count;
  else if (outcome === 'ebvs') into.ebvs += count;
  else if (outcome === 'unknown') into.unknownOutcomes += count;
}

function addEnd(into: CohortSums, playbackFailure: string, count: number): void {
  into.endedPlays += count;
  if (playbackFailure === 'technical') into.vpfTechnical += count;
  else if (playbackFailure === 'business') into.vpfBusiness += count;
}
