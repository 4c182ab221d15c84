/**
 * One second after the other of a stream held against the reference: first the lag of the two timelines has to be found
 * in a minute of the reference, by sound alone; from then on it is followed.
 */
import { type StateOf, struct } from '../../runtime/struct-codec.ts';
import type { StepContext } from '../../runtime/topology.ts';
import { alignPictures } from './align-pictures.ts';
import { alignRepeatedSound, alignSound, type Peak } from './align-sound.ts';
import { KEPT_MS, keptOf } from './av-fingerprint.ts';
import { chunkOrder } from './chunk-order.ts';
import { type StreamScope, streamKeyOf } from './stream-step.ts';

/** What is judged at a time, ms. */
export const SLOT_MS = 1_000;
/** By so much of the stream about it, and by no less. */
const WINDOW_MS = 4_000;
const WINDOW_MS_MIN = 3_000;
/** The timelines are found by so much of the stream. */
const SEARCH_MS = 8_000;
/** Another attempt is made when so much more of it is there. */
const RETRY_MS = 4_000;
/** What cannot be judged yet, because the reference is behind, is put off for this long. */
const WAIT_MS = 28_000;
/** Sound and pictures are looked for within this of where sound was before. */
const REACH_MS = 1_500;
/** After so many seconds in a row without sound or pictures that fit, the timelines are looked for anew. */
const MISSES_MAX = 12;

/** Least likeness in millionths: over a minute, within reach, of pictures. Chance stays under 0.4. */
const SEARCH_SCORE_MIN = 500_000;
const SOUND_SCORE_MIN = 400_000;
const PICTURE_SCORE_MIN = 600_000;
/** What is unlike at the second best lag is at least so much more than a multiple of that at the best one, in quarters. */
const DISTINCT_MIN = 5_000;
const [BEYOND_DOUBT, LIKELY] = [8, 5];
/**
 * Likely is believed when so many seconds in a row say the same: three windows without a picture in common. Chance does so
 * once in 5,600 attempts; what moves periodically is as alike one period further, and is not likely at any lag.
 */
const AGREED_MIN = 9;
/** So many showings of the same sound are looked at. */
const REPEATS_MAX = 6;
const ONE = 1_000_000;

export const avSyncMemoFields = struct({
  probeEpochMs: 'long',
  referenceEpochMs: 'long',
  /** Where the stream begins to be seen. */
  firstMs: 'long',
  /** The second to be judged next; null before anything was seen. */
  nextMs: 'long?',
  /** The same sound is so much later than in the reference; null when it is not known. */
  lagUs: 'long?',
  /** So are its pictures, where they told it last beyond doubt. */
  picturesLagUs: 'long?',
  /** So many seconds in a row are likely to have this lag of pictures, the first one's. */
  agreed: 'int',
  agreedLagUs: 'long',
  misses: 'int',
  /** What there was of the stream at the last attempt to find the lag. */
  triedAtMs: 'long?',
});
export type AvSyncMemo = StateOf<(typeof avSyncMemoFields)['fields']>;

export function newMemo(): AvSyncMemo {
  return {
    probeEpochMs: 0,
    referenceEpochMs: 0,
    firstMs: 0,
    nextMs: null,
    lagUs: null,
    picturesLagUs: null,
    agreed: 0,
    agreedLagUs: 0,
    misses: 0,
    triedAtMs: null,
  };
}

/** The stream that is judged, and how far it was seen. */
export type Point = {
  readonly scope: StreamScope;
  readonly reference: StreamScope;
  readonly coveredToMs: number;
  /** No more will come. */
  readonly isEnd: boolean;
};

type Window = { readonly fromMs: number; readonly toMs: number };

/** What the next second is judged by: about it, else what there is at the beginning or the end. Null when more has to come. */
export function windowOf({ firstMs, nextMs }: AvSyncMemo, { coveredToMs, isEnd }: Point): Window | null {
  const aboutMs = nextMs! + (SLOT_MS - WINDOW_MS) / 2;
  const fromMs = Math.max(aboutMs, Math.ceil(firstMs / 100) * 100);
  if (fromMs + WINDOW_MS <= coveredToMs) return { fromMs, toMs: fromMs + WINDOW_MS };
  if (!isEnd) return null;
  const toMs = Math.floor(coveredToMs / 100) * 100;
  return { fromMs: Math.max(toMs - WINDOW_MS, Math.ceil(firstMs / 100) * 100), toMs };
}

/** Lead of the sound in ms; null where it cannot be told, `later` when it may be told when more is there. */
export function judgeSlot(
  memo: AvSyncMemo,
  point: Point,
  window: Window,
  timeMs: number,
  context: StepContext,
): number | null | 'later' {
  const reference = context.read<Seen>(chunkOrder.name, streamKeyOf(point.reference));
  const isPatient = !point.isEnd && point.coveredToMs - memo.nextMs! < WAIT_MS;
  if (reference === undefined || !reference.known) return isPatient ? 'later' : null;
  if (reference.probeEpochMs !== memo.referenceEpochMs) {
    memo.referenceEpochMs = reference.probeEpochMs;
    memo.lagUs = null;
    forgetPictures(memo);
    memo.triedAtMs = null;
  }
  if (memo.lagUs === null) {
    const isKnown = search(memo, point, window, reference, timeMs, context);
    if (!isKnown) return isPatient ? 'later' : null;
  }
  const neededToMs = window.toMs - Math.floor(memo.lagUs! / 1_000) + REACH_MS;
  if (reference.coveredToMs < neededToMs && reference.phase === 'watching' && isPatient) return 'later';
  if (window.toMs - window.fromMs < WINDOW_MS_MIN) return null;
  return offsetIn(memo, point, window, context);
}

/** What the first reducer knows of a stream. */
type Seen = {
  readonly known: boolean;
  readonly phase: string;
  readonly probeEpochMs: number;
  readonly coveredToMs: number;
  readonly lastFeaturesAtMs: number;
};

/** Looks for the stream's sound in all that is kept of the reference. */
function search(
  memo: AvSyncMemo,
  { scope, reference, coveredToMs, isEnd }: Point,
  window: Window,
  seen: Seen,
  timeMs: number,
  context: StepContext,
): boolean {
  const toMs = Math.min(window.fromMs + SEARCH_MS, coveredToMs);
  if (toMs - window.fromMs < SEARCH_MS && !isEnd) return false;
  const isTooSoon = memo.triedAtMs !== null && coveredToMs - memo.triedAtMs < RETRY_MS;
  if (isTooSoon && !isEnd) return false;
  memo.triedAtMs = coveredToMs;
  const fromMs = seen.coveredToMs - KEPT_MS;
  const there = keptOf(context, reference, seen.probeEpochMs, fromMs, seen.coveredToMs);
  const here = keptOf(context, scope, memo.probeEpochMs, window.fromMs, Math.floor(toMs / 100) * 100);
  // Both at the pace of the log: what they have shown up to now is of the same time, but for how long each took.
  const hintMs = coveredToMs - timeMs - (seen.coveredToMs - seen.lastFeaturesAtMs);
  const lagToUs = (window.fromMs - fromMs) * 1_000;
  const lagFromUs = (window.fromMs - seen.coveredToMs) * 1_000;
  const peaks = alignRepeatedSound(
    there.sound,
    here.sound,
    lagFromUs,
    lagToUs,
    hintMs * 1_000,
    REPEATS_MAX,
  ).filter(({ score }) => score >= SEARCH_SCORE_MIN);
  // Where sound repeats itself, pictures tell which of them it is.
  const isShown = ({ lagUs }: Peak) =>
    isDistinct(alignPictures(there.pictures, here.pictures, lagUs, REACH_MS), BEYOND_DOUBT);
  const peak = peaks.length > 1 ? (peaks.find(isShown) ?? peaks[0]) : peaks[0];
  if (peak === undefined) return false;
  memo.lagUs = peak.lagUs;
  memo.misses = 0;
  return true;
}

function offsetIn(
  memo: AvSyncMemo,
  { scope, reference }: Point,
  { fromMs, toMs }: Window,
  context: StepContext,
): number | null {
  const lagUs = memo.lagUs!;
  const lagMs = Math.floor(lagUs / 1_000);
  const here = keptOf(context, scope, memo.probeEpochMs, fromMs, toMs);
  const thereFromMs = fromMs - lagMs - REACH_MS - SLACK_MS;
  const thereToMs = toMs - lagMs + REACH_MS + SLACK_MS;
  const there = keptOf(context, reference, memo.referenceEpochMs, thereFromMs, thereToMs);
  const reachUs = REACH_MS * 1_000;
  const sound = alignSound(there.sound, here.sound, lagUs - reachUs, lagUs + reachUs);
  if (sound === null || sound.score < SOUND_SCORE_MIN) {
    countMiss(memo);
    return null;
  }
  memo.lagUs = sound.lagUs;
  if (here.hasStep || there.hasStep) {
    forgetPictures(memo);
    return null;
  }
  const pictures = alignPictures(there.pictures, here.pictures, sound.lagUs, REACH_MS);
  countAgreed(memo, pictures);
  const isBeyondDoubt = isDistinct(pictures, BEYOND_DOUBT) || memo.agreed >= AGREED_MIN;
  if (pictures === null || !(isBeyondDoubt || isWhereItWas(pictures, memo))) {
    countMiss(memo);
    return null;
  }
  if (isBeyondDoubt) memo.picturesLagUs = pictures.lagUs;
  memo.misses = 0;
  return Math.round((pictures.lagUs - sound.lagUs) / 1_000);
}

function countMiss(memo: AvSyncMemo): void {
  memo.misses += 1;
  if (memo.misses <= MISSES_MAX) return;
  memo.lagUs = null;
  forgetPictures(memo);
}

function forgetPictures(memo: AvSyncMemo): void {
  memo.picturesLagUs = null;
  memo.agreed = 0;
}

function countAgreed(memo: AvSyncMemo, pictures: Peak | null): void {
  if (!isDistinct(pictures, LIKELY)) memo.agreed = 0;
  else if (memo.agreed > 0 && isNear(pictures.lagUs, memo.agreedLagUs)) memo.agreed += 1;
  else {
    memo.agreed = 1;
    memo.agreedLagUs = pictures.lagUs;
  }
}

/** Read about what is looked for, ms. */
const SLACK_MS = 500;

/** What moves in a row comes again at other lags; where it is likest just where it was before, it is still there. */
function isWhereItWas({ lagUs, score }: Peak, { picturesLagUs }: AvSyncMemo): boolean {
  return picturesLagUs !== null && score >= PICTURE_SCORE_MIN && isNear(lagUs, picturesLagUs);
}

/** Half of what is allowed between sound and pictures; chance comes as near in one of 75 attempts. */
const PICTURES_DRIFT_US = 20_000;

function isNear(lagUs: number, otherUs: number): boolean {
  return Math.abs(lagUs - otherUs) <= PICTURES_DRIFT_US;
}

/** Pictures are alike, and at no other lag as much: what is unlike there is more by so many quarters. */
function isDistinct(peak: Peak | null, quarters: number): peak is Peak {
  if (peak === null || peak.score < PICTURE_SCORE_MIN) return false;
  return 4 * (ONE - peak.secondScore - DISTINCT_MIN) >= quarters * (ONE - peak.score);
}
