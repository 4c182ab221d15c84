/**
 * `audio-loudness`: short-term loudness (ITU-R BS.1770-4 and EBU Tech 3341: 3 s) more than 8 LU from the declared target
 * for 10 s, until it is within 6 LU (definitions, section 1; EBU R 128, ATSC A/85). Only where a target is declared.
 *
 * A mean over 3 s knows late. The defect begins where the level changed: at the point that divides what was heard in the
 * last 6 s best into a part before and a part since. It ends where the last 400 ms were still out of bounds.
 */
import { list, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { centiDbOf, powerOf } from './audio-power.ts';
import { GOOD, INTERVAL_DEFAULTS, UNKNOWN } from './interval-detector.ts';
import { audioBlockDetector } from './sample-detector.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 10_000,
  joinMs: 1_000,
  highAfterMs: 60_000,
  criticalAfterMs: 600_000,
  /** Loudness that is meant, hundredths of LUFS: -2300 by EBU R 128, -2400 by ATSC A/85. 0: none is declared. */
  targetCentiLufs: 0,
  /** A run begins when short-term loudness is further than this from the target, hundredths of LU. */
  openCentiLu: 800,
  /** A defect ends when it is no further than this. */
  closeCentiLu: 600,
  /** At or below this nothing is judged, hundredths of LUFS. */
  floorCentiLufs: -7_000,
};

const MEMO = {
  /** Powers of the last blocks, the oldest first, {@link KEPT_BLOCKS} at most. */
  powers: list('long'),
  /** End of the block before. */
  nextMs: 'long',
  /** Where the level left its bounds; null while it is within them. */
  sinceMs: 'long?',
  tooLoud: 'bool',
} as const;
type Memo = StateOf<typeof MEMO>;

export const audioLoudness = audioBlockDetector({
  type: 'audio-loudness',
  version: 1,
  defaults: DEFAULTS,
  memo: {
    codec: structCodec({ version: 1, fields: MEMO }),
    init: (): Memo => ({ powers: [], nextMs: 0, sinceMs: null, tooLoud: false }),
  },
  watches: (settings) => settings.targetCentiLufs !== 0,
  judge(block, settings, open, memo) {
    const { loudnessCentiLufs, startMs, durationMs } = block;
    if (loudnessCentiLufs === null) return UNKNOWN;
    const { powers } = memo;
    if (Math.abs(startMs - memo.nextMs) > GAP_MS_MAX) {
      powers.length = 0;
      memo.sinceMs = null;
    }
    memo.nextMs = startMs + durationMs;
    powers.push(powerOf(loudnessCentiLufs));
    if (powers.length > KEPT_BLOCKS) powers.shift();
    if (powers.length < SHORT_TERM_BLOCKS) return UNKNOWN;
    const shortTerm = loudnessOf(powers, powers.length - SHORT_TERM_BLOCKS, powers.length);
    if (shortTerm <= settings.floorCentiLufs) return UNKNOWN;
    const offCentiLu = shortTerm - settings.targetCentiLufs;
    const distance = Math.abs(offCentiLu);
    const tooLoud = offCentiLu > 0;
    if (distance <= settings.closeCentiLu || (memo.sinceMs !== null && tooLoud !== memo.tooLoud)) {
      memo.sinceMs = null;
      return GOOD;
    }
    const momentary = loudnessOf(powers, powers.length - MOMENTARY_BLOCKS, powers.length);
    const momentaryOff = momentary - settings.targetCentiLufs;
    const isOutNow = (tooLoud ? momentaryOff : -momentaryOff) > settings.closeCentiLu;
    if (!isOutNow || (!open && distance <= settings.openCentiLu)) return UNKNOWN;
    memo.tooLoud = tooLoud;
    memo.sinceMs ??= memo.nextMs - (powers.length - changeAt(powers, tooLoud, settings)) * durationMs;
    const confidencePermille = Math.min(1_000, 600 + Math.floor((distance - settings.closeCentiLu) / 2));
    return { verdict: 'bad', confidencePermille, figure: shortTerm, sinceMs: memo.sinceMs };
  },
  describe: (run, settings) =>
    `short-term loudness of ${lufs(run.figureMin)} to ${lufs(run.figureMax)} LUFS where ${lufs(settings.targetCentiLufs)} ` +
    `is meant, for ${run.badToMs - run.startMs} ms`,
});

const MOMENTARY_BLOCKS = 4;
const SHORT_TERM_BLOCKS = 30;
const KEPT_BLOCKS = 60;
/** Block starts are rounded to milliseconds. */
const GAP_MS_MAX = 2;

/** Loudness of the blocks [from, to) together. */
function loudnessOf(powers: readonly number[], from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += powers[i]!;
  return centiDbOf(Math.floor(sum / (to - from)));
}

/**
 * Index of the first block since which the level is another: of all divisions into a part that is still within bounds and
 * one that is not, the likeliest, when the powers of each part are spread as those of noise are (the sum of the lengths
 * times the logarithms of the means is least). 0 when the level was out of bounds all the time.
 */
function changeAt(powers: readonly number[], tooLoud: boolean, settings: typeof DEFAULTS): number {
  const count = powers.length;
  let [best, leastCost] = [0, Number.POSITIVE_INFINITY];
  for (let at = MOMENTARY_BLOCKS; at <= count - MOMENTARY_BLOCKS; at++) {
    const before = loudnessOf(powers, 0, at);
    const offCentiLu = before - settings.targetCentiLufs;
    if ((tooLoud ? offCentiLu : -offCentiLu) > settings.openCentiLu) continue;
    const cost = at * before + (count - at) * loudnessOf(powers, at, count);
    if (cost < leastCost) [best, leastCost] = [at, cost];
  }
  return best;
}

function lufs(centi: number): string {
  return (centi / 100).toFixed(1);
}
