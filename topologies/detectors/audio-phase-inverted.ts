/**
 * `audio-phase-inverted`: left and right cancel each other: over 2 s their correlation, weighted by energy, is -0.6 or
 * less, with both above -50 dBFS (definitions, section 1). A wide mix reaches -0.4.
 */
import { list, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { hasFrontPair } from './audio-pair.ts';
import { powerOf } from './audio-power.ts';
import { GOOD, INTERVAL_DEFAULTS, UNKNOWN } from './interval-detector.ts';
import { audioBlockDetector } from './sample-detector.ts';
import type { AudioBlock } from './samples.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 2_000,
  joinMs: 500,
  /** Energy-weighted correlation of the last 2 s of sound, thousandths, up to which the pair is inverted. */
  correlationPermilleMax: -600,
  /** Up to here an open defect goes on. */
  correlationPermilleStay: -500,
  /** A block by itself is no part of a defect when its correlation is above this, thousandths. */
  blockPermilleMax: -300,
  /** Blocks with a channel at or below this are not judged, hundredths of dBFS. */
  levelCentiDbfsMin: -5_000,
};

const MEMO = {
  /** First block of the run of negative ones; null when there is none. */
  sinceMs: 'long?',
  /** End of the block before, and how long the blocks before were not negative. */
  nextMs: 'long',
  positiveMs: 'long',
  /** Of the run's last {@link WINDOW_BLOCKS} judged blocks: weight, and weight times thousandths of correlation. */
  weights: list('long'),
  products: list('long'),
} as const;
type Memo = StateOf<typeof MEMO>;

export const audioPhaseInverted = audioBlockDetector({
  type: 'audio-phase-inverted',
  version: 1,
  defaults: DEFAULTS,
  memo: {
    codec: structCodec({ version: 1, fields: MEMO }),
    init: (): Memo => ({ sinceMs: null, nextMs: 0, positiveMs: 0, weights: [], products: [] }),
  },
  judge(block, settings, open, memo) {
    const { correlationPermille, rmsCentiDbfs, startMs, durationMs } = block;
    if (correlationPermille === null || !hasFrontPair(rmsCentiDbfs.length)) return UNKNOWN;
    if (Math.abs(startMs - memo.nextMs) > GAP_MS_MAX) reset(memo);
    const isNegative = correlationPermille <= settings.blockPermilleMax;
    if (memo.sinceMs === null && !isNegative) return GOOD;
    const [left, right] = rmsCentiDbfs as [number, number];
    const isQuiet = Math.min(left, right) <= settings.levelCentiDbfsMin;
    if (isQuiet && memo.sinceMs === null) return UNKNOWN;
    memo.nextMs = startMs + durationMs;
    if (isQuiet) return UNKNOWN;
    memo.sinceMs ??= startMs;
    add(block, correlationPermille, memo);
    if (!isNegative) {
      memo.positiveMs += durationMs;
      if (memo.positiveMs >= settings.joinMs) reset(memo);
      return GOOD;
    }
    memo.positiveMs = 0;
    const isWhole = memo.weights.length === WINDOW_BLOCKS;
    const overallPermille = weightedPermille(memo);
    const limit = open ? settings.correlationPermilleStay : settings.correlationPermilleMax;
    if (overallPermille > limit) return isWhole ? GOOD : UNKNOWN;
    if (!isWhole && !open) return UNKNOWN;
    return {
      verdict: 'bad',
      confidencePermille: Math.min(1_000, 200 - overallPermille),
      figure: overallPermille,
      sinceMs: memo.sinceMs,
    };
  },
  goodUpTo({ audioChannels, audioCorrelationPermille }, from, settings, memo) {
    if (memo.sinceMs !== null || !hasFrontPair(audioChannels)) return from;
    const count = audioCorrelationPermille.length;
    let index = from;
    while (index < count && audioCorrelationPermille[index]! > settings.blockPermilleMax) index += 1;
    return index;
  },
  describe: (run) =>
    `left and right correlated by ${(run.figureMax / 1_000).toFixed(2)} or less (-1 cancels out) for ` +
    `${run.badToMs - run.startMs} ms`,
});

const WINDOW_BLOCKS = 20;
/** Block starts are rounded to milliseconds. */
const GAP_MS_MAX = 2;

function reset(memo: Memo): void {
  memo.sinceMs = null;
  memo.nextMs = 0;
  memo.positiveMs = 0;
  memo.weights = [];
  memo.products = [];
}

function add({ rmsCentiDbfs }: AudioBlock, correlationPermille: number, memo: Memo): void {
  const [left, right] = rmsCentiDbfs as [number, number];
  // The geometric mean of both powers: what the correlation was divided by.
  const weight = powerOf(Math.floor((left + right) / 2));
  memo.weights.push(weight);
  memo.products.push(weight * correlationPermille);
  if (memo.weights.length <= WINDOW_BLOCKS) return;
  memo.weights.shift();
  memo.products.shift();
}

function weightedPermille({ weights, products }: Memo): number {
  let weight = 0;
  let product = 0;
  for (let i = 0; i < weights.length; i++) {
    weight += weights[i]!;
    product += products[i]!;
  }
  return Math.ceil(product / Math.max(1, weight));
}
