/**
 * How far two courses of the same pictures are apart: the lag at which brightness and motion go together best, by their
 * normalised cross-correlation. What B shows at its own times is compared with what A shows there, between its pictures
 * on a line, so that the two may have other frame rates. Where both have the same pictures, the differences of their
 * timestamps tell the lag exactly.
 */
import { bestOf, between, type Peak } from './align-sound.ts';
import type { Pictures } from './av-fingerprint.ts';

/** Lags are tried so far apart, ms. */
const STEP_MS = 10;
const ONE = 1_000_000;
/** A second peak is further away than this, lags. */
const PEAK_LAGS = 15;
/** Below this standard deviation, hundredths of a code value, a course tells nothing. */
const LUMA_SPREAD_MIN = 10;
const DIFF_SPREAD_MIN = 8;
const PICTURES_MIN = 12;
/** Same pictures have timestamps whose differences differ by no more, ms: those of 24 and 60 per s are rounded. */
const SAME_MS = 3;

/** Aligns all of `b` with `a`, for lags within `reachMs` of `aboutUs`. Null where too little moves to tell it by. */
export function alignPictures(a: Pictures, b: Pictures, aboutUs: number, reachMs: number): Peak | null {
  if (b.ms.length < PICTURES_MIN || a.ms.length < PICTURES_MIN) return null;
  const courses: Course[] = [];
  if (spreadOf(b.luma) >= LUMA_SPREAD_MIN) courses.push({ aMs: a.ms, a: a.luma, bMs: b.ms, b: b.luma });
  const motion = levelled(b.diff.slice(1));
  if (spreadOf(motion) >= DIFF_SPREAD_MIN)
    courses.push({ aMs: middlesOf(a.ms), a: levelled(a.diff.slice(1)), bMs: middlesOf(b.ms), b: motion });
  if (courses.length === 0 || isGrain(a) || isGrain(b)) return null;
  const aboutMs = Math.round(aboutUs / 1_000);
  const lags = Math.ceil(reachMs / STEP_MS);
  const scores = new Int32Array(2 * lags + 1);
  for (let i = 0; i < scores.length; i++) scores[i] = likeness(courses, aboutMs + (i - lags) * STEP_MS);
  const best = bestOf(scores);
  if (best <= 0 || best >= scores.length - 1) return null;
  let secondScore = 0;
  for (let i = 0; i < scores.length; i++) {
    const isElsewhere = Math.abs(i - best) > PEAK_LAGS;
    if (isElsewhere && scores[i]! > secondScore) secondScore = scores[i]!;
  }
  const score = scores[best]!;
  const lagUs = (aboutMs + (best - lags) * STEP_MS) * 1_000 + between(scores, best, STEP_MS * 1_000);
  const same = sameOf(a.ms, b.ms, courses, lagUs);
  if (same === null || same.score < score - SAME_LOSS) return { lagUs, score, secondScore };
  return { lagUs: same.lagUs, score: Math.max(score, same.score), secondScore };
}

/** Rounding to milliseconds costs the true lag this much likeness at most, millionths. */
const SAME_LOSS = 20_000;

type Course = {
  readonly aMs: readonly number[];
  readonly a: readonly number[];
  readonly bMs: readonly number[];
  readonly b: readonly number[];
};

/** Motion is between two pictures, and so is its time: else it would depend on the frame rate. */
function middlesOf(ms: readonly number[]): readonly number[] {
  return ms.slice(1).map((one, i) => Math.floor((one + ms[i]!) / 2));
}

/**
 * Motion, without what stands out alone. About a key picture much changes at once, even of a still: that tells how far the
 * key pictures of two encoders are apart, and would be taken for content. Nothing counts for more than twice what an eighth
 * of the pictures reach.
 */
function levelled(diff: readonly number[]): readonly number[] {
  const most = 2 * eighthsOf(diff)(7);
  return diff.map((one) => Math.min(one, most));
}

/**
 * Next to no change of brightness, and as much motion in one picture as in the next: noise over a still, at the pace of its
 * encoder. Three quarters of the pictures are then less than half of the middle one's motion apart.
 */
function isGrain({ luma, diff }: Pictures): boolean {
  const reached = eighthsOf(diff);
  return spreadOf(luma) < GRAIN_LUMA_SPREAD && 2 * (reached(7) - reached(1)) < reached(4);
}

const GRAIN_LUMA_SPREAD = 20;

function eighthsOf(numbers: readonly number[]): (eighths: number) => number {
  const sorted = [...numbers].sort((x, y) => x - y);
  return (eighths) => sorted[(eighths * sorted.length) >> 3]!;
}

/** Mean correlation of the courses at a lag, millionths; 0 where A does not reach over most of B. */
function likeness(courses: readonly Course[], lagMs: number): number {
  let total = 0;
  for (const course of courses) total += correlation(course, lagMs);
  return Math.floor(total / courses.length);
}

function correlation({ aMs, a, bMs, b }: Course, lagMs: number): number {
  let count = 0;
  let [sumA, sumB, squaresA, squaresB, products] = [0, 0, 0, 0, 0];
  let at = 0;
  for (let i = 0; i < bMs.length; i++) {
    const ms = bMs[i]! - lagMs;
    if (ms < aMs[0]!) continue;
    while (at + 1 < aMs.length && aMs[at + 1]! <= ms) at++;
    const startMs = aMs[at]!;
    if (at + 1 === aMs.length && ms > startMs) break;
    const value =
      ms === startMs
        ? a[at]!
        : a[at]! + Math.round(((a[at + 1]! - a[at]!) * (ms - startMs)) / (aMs[at + 1]! - startMs));
    count++;
    sumA += value;
    sumB += b[i]!;
    squaresA += value * value;
    squaresB += b[i]! * b[i]!;
    products += value * b[i]!;
  }
  if (3 * count < 2 * bMs.length) return 0;
  const spreadA = count * squaresA - sumA * sumA;
  const spreadB = count * squaresB - sumB * sumB;
  if (spreadA <= 0 || spreadB <= 0) return 0;
  const root = Math.sqrt(spreadA) * Math.sqrt(spreadB);
  return Math.floor(((count * products - sumA * sumB) * ONE) / root);
}

/**
 * Where the pictures of B are those of A, each has one of A at the same distance: of the distances about `lagUs` the one at
 * which they are most alike. Null where B has other pictures, as with some other frame rates.
 */
function sameOf(
  aMs: readonly number[],
  bMs: readonly number[],
  courses: readonly Course[],
  lagUs: number,
): { readonly lagUs: number; readonly score: number } | null {
  let found: { readonly lagUs: number; readonly score: number } | null = null;
  const intervalMs = Math.min(intervalOf(aMs), intervalOf(bMs));
  for (const besideMs of [0, -intervalMs, intervalMs]) {
    const sameUs = distanceOf(aMs, bMs, Math.round(lagUs / 1_000) + besideMs);
    if (sameUs === null) continue;
    const score = likeness(courses, Math.round(sameUs / 1_000));
    if (found === null || score > found.score) found = { lagUs: sameUs, score };
  }
  return found;
}

/**
 * Mean distance of the pictures of B to those of A next to where they are expected, microseconds; null where it varies.
 * Where one has more pictures than the other, the other's are looked for among them.
 */
function distanceOf(aMs: readonly number[], bMs: readonly number[], lagMs: number): number | null {
  const inReach = aMs.filter((ms) => ms + lagMs >= bMs[0]! && ms + lagMs <= bMs.at(-1)!);
  const apart =
    inReach.length < bMs.length
      ? distancesOf(inReach, bMs, -lagMs).map((ms) => -ms)
      : distancesOf(bMs, aMs, lagMs);
  if (apart.length < PICTURES_MIN) return null;
  const middle = middleOf(apart);
  const same = apart.filter((one) => Math.abs(one - middle) <= SAME_MS);
  if (5 * same.length < 4 * apart.length) return null;
  let total = 0;
  for (const one of same) total += one;
  return lagMs * 1_000 + Math.round((total * 1_000) / same.length);
}

/** Of each time less `lagMs`: how long after the nearest of the others it is. */
function distancesOf(ofMs: readonly number[], othersMs: readonly number[], lagMs: number): number[] {
  let at = 0;
  return ofMs.map((ms) => {
    const wanted = ms - lagMs;
    while (
      at + 1 < othersMs.length &&
      Math.abs(othersMs[at + 1]! - wanted) <= Math.abs(othersMs[at]! - wanted)
    )
      at++;
    return wanted - othersMs[at]!;
  });
}

function intervalOf(ms: readonly number[]): number {
  return middleOf(ms.slice(1).map((one, i) => one - ms[i]!));
}

function middleOf(numbers: readonly number[]): number {
  return [...numbers].sort((x, y) => x - y)[numbers.length >> 1]!;
}

function spreadOf(course: readonly number[]): number {
  let [sum, squares] = [0, 0];
  for (const value of course) {
    sum += value;
    squares += value * value;
  }
  const count = course.length;
  return Math.floor(Math.sqrt((count * squares - sum * sum) / (count * count)));
}
