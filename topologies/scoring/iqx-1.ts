/**
 * Scoring model `iqx-1`: published impairments (`impairments.ts`), multiplied; for the session also how the recent and
 * the worst windows were.
 *
 * Multiplying independent impairments: the usual choice where each is a share of the opinion (Hossfeld, Schatz, Seufert,
 * Hirth, Zinner, Tran-Gia, "Quantification of YouTube QoE via crowdsourcing", IEEE ISM 2011, and the IQX work).
 * Session: six tenths of the whole, three of the recent windows (each new one counts an eighth: a memory of about 80 s),
 * one of the worst. That the end and the peak are remembered and the length is not: Fredrickson, Kahneman, "Duration
 * neglect in retrospective evaluations of affective episodes", J. Personality and Social Psychology 65(1), 1993; for
 * pictures Hands, Avons, "Recency and duration neglect in subjective assessment of television picture quality", Applied
 * Cognitive Psychology 15(6), 2001. The three weights are this project's choice.
 *
 * What was not told is neither perfect nor bad: it is taken as in a usual session, which costs points under the cause
 * `not-told`, and as good and as bad as it can be for the ends of the interval.
 */
import { compareKeys } from '../../runtime/key-order.ts';
import type { SessionFigures, SessionResult, SessionStage } from '../sessions/figures.ts';
import { apportion, type Cause } from './attribution.ts';
import { coverageOf, type DefectExposure } from './exposure.ts';
import {
  defectLeftPpm,
  failureLeftPpm,
  isPerceived,
  qualityLeftPpm,
  scaled,
  stallLeftPpm,
  startupLeftPpm,
  switchLeftPpm,
  WHOLE_PPM,
} from './impairments.ts';
import { type Judgement, NOT_TOLD, type ScoringModel, type SessionMemory } from './model.ts';

export const iqx1: ScoringModel = {
  name: 'iqx-1',
  score(result, exposure, memory) {
    if (result.figures.kind === 'final') {
      const session = judgeSession(result, memory);
      return { window: session, session };
    }
    const window = judgeWindow(result, exposure);
    remember(memory, window, exposure);
    return { window, session: judgeSession(result, memory) };
  },
};

/** What is left after each impairment, millionths. */
type Left = { readonly cause: string; readonly ppm: number };

/** How much of one thing was told, thousandths, and what an untold one leaves: usually, and at worst. */
type Untold = { readonly toldPermille: number; readonly usualPpm: number; readonly worstPpm: number };

function judgeWindow(result: SessionResult, exposure: DefectExposure): Judgement {
  const { figures, told } = result;
  const startupMs = startupIn(result);
  const fails = hasFailed(figures) && !hasFailed(result.before);
  const isSeen = shownMs(figures) + figures.stallMs > 0 && told.states + told.bitrate > 0;
  if (!isSeen && startupMs === null && !fails) return NOT_JUDGED;
  const left: Left[] = [
    ...(fails ? [{ cause: 'failure', ppm: failureLeftPpm(figures.contentStarted) }] : []),
    ...(startupMs === null ? [] : [{ cause: 'startup', ppm: startupLeftPpm(startupMs) }]),
    ...seenLeft(figures),
    ...defectsLeft(new Map(exposure.byType.map(({ type, ms }) => [type, ms])), shownMs(figures)),
  ];
  const coverage = coverageOf(exposure);
  const loss = lossOf(left, untoldOf(result, figures, coverage, true), exposure.possibleMs, shownMs(figures));
  return { ...judgementOf(loss), confidencePermille: confidenceOf(result, coverage) };
}

function judgeSession(result: SessionResult, memory: SessionMemory): Judgement {
  const { soFar, told } = result;
  const hasPlayed =
    (shownMs(soFar) + soFar.stallMs > 0 && told.states + told.bitrate > 0) || memory.scoredWindows > 0;
  if (!hasPlayed && !hasFailed(soFar) && soFar.contentStartupMs === null) return NOT_JUDGED;
  const left: Left[] = [
    ...(hasFailed(soFar) ? [{ cause: 'failure', ppm: failureLeftPpm(soFar.contentStarted) }] : []),
    ...(soFar.contentStartupMs === null
      ? []
      : [{ cause: 'startup', ppm: startupLeftPpm(soFar.contentStartupMs) }]),
    ...seenLeft(soFar),
    ...defectsLeft(memory.defectMs, shownMs(soFar)),
  ];
  const coverage = coverageOf(memory);
  const loss = lossOf(left, untoldOf(result, soFar, coverage, false), memory.possibleMs, shownMs(soFar));
  const judged = memory.scoredWindows === 0 ? judgementOf(loss) : withMemory(loss, memory);
  return { ...judged, confidencePermille: confidenceOf(result, coverage) };
}

type Judged = Omit<Judgement, 'confidencePermille'>;

/** Six tenths of the whole session, three of its recent windows, one of the worst. */
function withMemory(loss: Loss, memory: SessionMemory): Judged {
  const mixed = (wholeMilli: number, recentMilli: number, worst: number) =>
    6 * wholeMilli + 3 * recentMilli + 1_000 * worst;
  const weights = new Map<string, number>();
  for (const { cause, points } of apportion(loss.milli, loss.weights))
    weights.set(cause, mixed(points, 0, 0));
  for (const [cause, milli] of inOrder(memory.recentByCause))
    weights.set(cause, (weights.get(cause) ?? 0) + mixed(0, milli, 0));
  for (const [cause, points] of inOrder(memory.worstByCause))
    weights.set(cause, (weights.get(cause) ?? 0) + mixed(0, 0, points));
  const pointsOf = (wholeMilli: number) =>
    roundedPoints(Math.floor(mixed(wholeMilli, memory.recentLossMilli, memory.worstLoss) / 10));
  const points = pointsOf(loss.milli);
  const score = 100 - points;
  return {
    score,
    mosCenti: mosOf(score),
    scoreMin: 100 - pointsOf(loss.mostMilli),
    scoreMax: 100 - pointsOf(loss.leastMilli),
    causes: apportion(
      points,
      [...weights].map(([cause, weight]) => ({ cause, points: weight })),
    ),
  };
}

function remember(memory: SessionMemory, window: Judgement, exposure: DefectExposure): void {
  memory.possibleMs += exposure.possibleMs;
  memory.renderedMs += exposure.renderedMs;
  memory.coveredMs += exposure.coveredMs;
  memory.beyondHorizon ||= exposure.beyondHorizon;
  if (exposure.vantage !== '') memory.vantage = exposure.vantage;
  for (const { type, ms, defectIds } of exposure.byType) {
    memory.defectMs.set(type, (memory.defectMs.get(type) ?? 0) + ms);
    for (const id of defectIds) if (!memory.defectIds.includes(id)) memory.defectIds.push(id);
  }
  if (memory.defectIds.length > DEFECT_IDS_MAX)
    memory.defectIds.splice(0, memory.defectIds.length - DEFECT_IDS_MAX);
  if (window.score === null) return;
  const loss = 100 - window.score;
  const isFirst = memory.scoredWindows === 0;
  memory.scoredWindows += 1;
  const fade = (before: number, points: number) =>
    isFirst ? 1_000 * points : Math.floor((7 * before + 1_000 * points) / 8);
  memory.recentLossMilli = fade(memory.recentLossMilli, loss);
  const costs = new Map(window.causes.map(({ cause, points }) => [cause, points]));
  for (const cause of new Set([...memory.recentByCause.keys(), ...costs.keys()])) {
    const milli = fade(memory.recentByCause.get(cause) ?? 0, costs.get(cause) ?? 0);
    if (milli === 0) memory.recentByCause.delete(cause);
    else memory.recentByCause.set(cause, milli);
  }
  if (loss <= memory.worstLoss) return;
  memory.worstLoss = loss;
  memory.worstByCause = costs;
}

const DEFECT_IDS_MAX = 8;

function seenLeft(figures: SessionFigures): readonly Left[] {
  const { stallMs, stallCount, bitrateBps, heightPx, switchesUp, switchesDown } = figures;
  const playingMs = shownMs(figures);
  return [
    { cause: 'stalls', ppm: stallLeftPpm(stallMs, stallCount, playingMs) },
    { cause: 'quality', ppm: qualityLeftPpm(bitrateBps, heightPx) },
    { cause: 'switches', ppm: switchLeftPpm(switchesUp, switchesDown, playingMs) },
  ];
}

/** Content that moved, ms; where the player tells no states, content that was on screen. */
function shownMs({ playingMs, watchedMs, playerState }: SessionFigures): number {
  return playerState === 'unknown' ? Math.max(playingMs, watchedMs) : playingMs;
}

function defectsLeft(defectMs: ReadonlyMap<string, number>, playingMs: number): readonly Left[] {
  return inOrder(defectMs)
    .filter(([type]) => isPerceived(type))
    .map(([type, ms]) => ({ cause: `defect:${type}`, ppm: defectLeftPpm(type, ms, playingMs) }));
}

/** The whole startup in the window in which the content began; before that what was waited for in each; else null. */
function startupIn({ figures, before, sums }: SessionResult): number | null {
  if (figures.contentStarted) return before.contentStarted ? null : figures.contentStartupMs;
  return sums.startupWaitMs > 0 ? sums.startupWaitMs : null;
}

/** Technical failures only: that a viewer may not watch is no matter of quality (CTA-2066 keeps business ones apart). */
function hasFailed({ outcome, playbackFailure }: Pick<SessionStage, 'outcome' | 'playbackFailure'>): boolean {
  return outcome === 'vsf-technical' || playbackFailure === 'technical';
}

function untoldOf(
  { told }: SessionResult,
  figures: SessionFigures,
  coverage: number,
  isWindow: boolean,
): readonly Untold[] {
  const untold: Untold[] = [{ toldPermille: told.events, usualPpm: 990_000, worstPpm: 700_000 }];
  if (!isWindow && figures.contentStartupMs === null)
    untold.push({ toldPermille: told.startup, usualPpm: 970_000, worstPpm: 700_000 });
  untold.push({ toldPermille: told.states, usualPpm: 960_000, worstPpm: 400_000 });
  // A window in which nothing played has no picture to judge.
  if (shownMs(figures) === 0) return untold;
  const bitrate = figures.bitrateBps === null && figures.heightPx === null ? 0 : told.bitrate;
  untold.push({ toldPermille: bitrate, usualPpm: 850_000, worstPpm: 500_000 });
  untold.push({ toldPermille: coverage, usualPpm: 990_000, worstPpm: 700_000 });
  return untold;
}

/** Losses in thousandths of a point: as judged, and if all that was not told were bad, or good. */
type Loss = {
  readonly milli: number;
  readonly mostMilli: number;
  readonly leastMilli: number;
  /** What each impairment takes by itself: shares of the loss. */
  readonly weights: readonly Cause[];
};

function lossOf(
  left: readonly Left[],
  untold: readonly Untold[],
  possibleMs: number,
  playingMs: number,
): Loss {
  let toldPpm = WHOLE_PPM;
  const weights: Cause[] = [];
  for (const { cause, ppm } of left) {
    toldPpm = scaled(toldPpm, ppm);
    if (ppm < WHOLE_PPM) weights.push({ cause, points: WHOLE_PPM - ppm });
  }
  let usualPpm = WHOLE_PPM;
  // A defect that may have been seen counts as the worst there is for the lower end.
  let worstPpm = possibleMs === 0 ? WHOLE_PPM : defectLeftPpm('video-freeze', possibleMs, playingMs);
  for (const one of untold) {
    usualPpm = scaled(usualPpm, mixedPpm(one, one.usualPpm));
    worstPpm = scaled(worstPpm, mixedPpm(one, one.worstPpm));
  }
  if (usualPpm < WHOLE_PPM) weights.push({ cause: NOT_TOLD, points: WHOLE_PPM - usualPpm });
  const milliOf = (leftPpm: number) => Math.floor((WHOLE_PPM - leftPpm) / 10);
  const milli = milliOf(scaled(toldPpm, usualPpm));
  return {
    milli,
    mostMilli: Math.max(milli, milliOf(scaled(toldPpm, worstPpm))),
    leastMilli: milliOf(toldPpm),
    weights,
  };
}

function judgementOf(loss: Loss): Judged {
  const points = roundedPoints(loss.milli);
  const score = 100 - points;
  return {
    score,
    mosCenti: mosOf(score),
    scoreMin: 100 - roundedPoints(loss.mostMilli),
    scoreMax: 100 - roundedPoints(loss.leastMilli),
    causes: apportion(points, loss.weights),
  };
}

function mixedPpm({ toldPermille }: Untold, untoldPpm: number): number {
  return Math.floor((toldPermille * WHOLE_PPM + (1_000 - toldPermille) * untoldPpm) / 1_000);
}

/** States weigh most: stalls and startup are judged by them. */
function confidenceOf({ told }: SessionResult, coverage: number): number {
  const sum =
    100 * told.startup + 400 * told.states + 250 * told.bitrate + 150 * coverage + 100 * told.events;
  return Math.floor(sum / 1_000);
}

function roundedPoints(milli: number): number {
  return Math.floor((milli + 500) / 1_000);
}

/** The scale of 1 to 5 that the score's hundred points stand for. */
function mosOf(score: number): number {
  return 100 + 4 * score;
}

/** Not in the order of insertion, which a restore would not bring back. */
function inOrder(entries: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...entries].sort(([a], [b]) => compareKeys(a, b));
}

const NOT_JUDGED: Judgement = {
  score: null,
  mosCenti: null,
  scoreMin: null,
  scoreMax: null,
  confidencePermille: 0,
  causes: [],
};
