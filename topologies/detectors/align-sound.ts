/**
 * How far two fingerprints of the same sound are apart: the lag at which their bits go together best, by the correlation
 * of two binary series (phi), refined between bits by a parabola through the peak. Whole numbers but for one root and
 * one quotient per lag, which are the same on every machine.
 */
import { BLOCK_MS, type Sound } from './av-fingerprint.ts';

const BITS_PER_BLOCK = 16;
/** Time of a bit, microseconds. */
const BIT_US = (BLOCK_MS * 1_000) / BITS_PER_BLOCK;
/** Scores are in millionths. */
const ONE = 1_000_000;
/** A second peak is one that is further away than sound is like itself, bits: 100 ms. */
const PEAK_BITS = 16;

/** A peak of likeness. */
export type Peak = {
  /** The same content is so much later in B than in A, microseconds. */
  readonly lagUs: number;
  /** How alike they are there, millionths: 0 is chance. */
  readonly score: number;
  /** The best elsewhere. */
  readonly secondScore: number;
};

/**
 * Aligns all of `b` with `a`, for lags from `lagFromUs` to `lagToUs`. Null where there is not enough sound to tell it by,
 * or where the best lag is at an end of the range: what is beyond is not known.
 */
export function alignSound(a: Sound, b: Sound, lagFromUs: number, lagToUs: number): Peak | null {
  const scores = scoresOf(a, b, lagFromUs, lagToUs);
  return scores === null ? null : peakAt(scores, bestOf(scores), lagFromUs);
}

/**
 * The same, and every other lag at which they are almost as alike as at the best one, up to `countMax`: a programme may
 * repeat itself. The one nearest to `hintUs` comes first.
 */
export function alignRepeatedSound(
  a: Sound,
  b: Sound,
  lagFromUs: number,
  lagToUs: number,
  hintUs: number,
  countMax: number,
): readonly Peak[] {
  const scores = scoresOf(a, b, lagFromUs, lagToUs);
  if (scores === null) return [];
  const least = scores[bestOf(scores)]! - AS_GOOD;
  const found: Peak[] = [];
  for (let i = 1; i + 1 < scores.length; i++) {
    if (scores[i]! < least || scores[i]! <= 0 || !isHighest(scores, i)) continue;
    const peak = peakAt(scores, i, lagFromUs);
    if (peak !== null) found.push(peak);
  }
  const awayUs = ({ lagUs }: Peak) => Math.abs(lagUs - hintUs);
  return found.sort((x, y) => awayUs(x) - awayUs(y) || x.lagUs - y.lagUs).slice(0, countMax);
}

/** Of all lags that are not another peak's; of equal ones the first. */
function isHighest(scores: Int32Array, at: number): boolean {
  for (let i = Math.max(0, at - PEAK_BITS); i <= Math.min(scores.length - 1, at + PEAK_BITS); i++) {
    if (scores[i]! > scores[at]! || (scores[i] === scores[at] && i < at)) return false;
  }
  return true;
}

/** Likeness at each lag; null where there is not enough sound. */
function scoresOf(a: Sound, b: Sound, lagFromUs: number, lagToUs: number): Int32Array | null {
  const bits = b.blocks.length * BITS_PER_BLOCK;
  if (4 * b.present < 3 * b.blocks.length) return null;
  const bWords = wordsOf(b.blocks);
  const bCount = countIn(bWords);
  if (bCount * ONES_SHARE < bits) return null;
  const aWords = wordsOf(a.blocks);
  const before = onesBefore(a.blocks);
  const startBit = (b.fromBlock - a.fromBlock) * BITS_PER_BLOCK;
  const lagFrom = Math.ceil(lagFromUs / BIT_US);
  const lagTo = Math.floor(lagToUs / BIT_US);
  const scores = new Int32Array(Math.max(0, lagTo - lagFrom + 1));
  for (let i = 0; i < scores.length; i++) {
    const at = startBit - lagFrom - i;
    // A window that reaches beyond what is known of A is not looked at.
    if (at < 0 || at + bits >= before.length) continue;
    const aCount = before[at + bits]! - before[at]!;
    if (aCount * ONES_SHARE < bits) continue;
    scores[i] = phi(bothIn(aWords, at, bWords), aCount, bCount, bits);
  }
  return scores;
}

/** Of silence or steady sound fewer bits than this share are set. */
const ONES_SHARE = 20;
/** Lags so much less alike than the best, millionths, may as well be it. */
const AS_GOOD = 120_000;

function peakAt(scores: Int32Array, at: number, lagFromUs: number): Peak | null {
  if (at <= 0 || at >= scores.length - 1) return null;
  let secondScore = 0;
  for (let i = 0; i < scores.length; i++) {
    const isElsewhere = Math.abs(i - at) > PEAK_BITS;
    if (isElsewhere && scores[i]! > secondScore) secondScore = scores[i]!;
  }
  const lagUs = (Math.ceil(lagFromUs / BIT_US) + at) * BIT_US + between(scores, at, BIT_US);
  return { lagUs, score: scores[at]!, secondScore };
}

/** How far beside place `at` the top of the parabola through it and its neighbours lies, in `unit`. */
export function between(scores: Int32Array, at: number, unit: number): number {
  const [left, middle, right] = [scores[at - 1]!, scores[at]!, scores[at + 1]!];
  const bend = 2 * middle - left - right;
  return bend <= 0 ? 0 : Math.round(((right - left) * unit) / (2 * bend));
}

export function bestOf(scores: Int32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}

function phi(both: number, aCount: number, bCount: number, bits: number): number {
  const spread = aCount * (bits - aCount) * (bCount * (bits - bCount));
  return spread === 0 ? 0 : Math.floor(((bits * both - aCount * bCount) * ONE) / Math.sqrt(spread));
}

/** The row of bits in words of 32, and a last one of zeros. */
function wordsOf(blocks: Uint16Array): Int32Array {
  const words = new Int32Array((blocks.length + 3) >> 1);
  for (let i = 0; i < blocks.length; i++) words[i >> 1]! |= blocks[i]! << (i % 2 === 0 ? 16 : 0);
  return words;
}

/** For each bit of the row, how many before it are set. */
function onesBefore(blocks: Uint16Array): Int32Array {
  const before = new Int32Array(blocks.length * BITS_PER_BLOCK + 1);
  let ones = 0;
  for (let bit = 0; bit + 1 < before.length; bit++) {
    ones += (blocks[bit >> 4]! >> (15 - (bit & 15))) & 1;
    before[bit + 1] = ones;
  }
  return before;
}

/** Bits that are set in both, the row of A taken from bit `at` on. */
function bothIn(a: Int32Array, at: number, b: Int32Array): number {
  const shift = at & 31;
  let word = at >> 5;
  let both = 0;
  for (let i = 0; i < b.length; i++, word++) {
    const high = word < a.length ? a[word]! : 0;
    const low = word + 1 < a.length ? a[word + 1]! : 0;
    const shifted = shift === 0 ? high : (high << shift) | (low >>> (32 - shift));
    both += onesIn(shifted & b[i]!);
  }
  return both;
}

function countIn(words: Int32Array): number {
  let ones = 0;
  for (let i = 0; i < words.length; i++) ones += onesIn(words[i]!);
  return ones;
}

/** Bits set in 32, by halves (Warren, Hacker's Delight, 5-1). */
function onesIn(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
