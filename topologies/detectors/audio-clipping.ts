/**
 * `audio-clipping`: in at least half of the blocks of 100 ms some channel peaks at -3 dBFS or above and has more than 3 % of
 * its samples within 1 dB of that peak, wherever the ceiling is, for 2 s (definitions, section 1). What is cut off flat
 * stays near its peak through the codec; music that is only loud comes there for a moment at a time. The quarter percent
 * that stands highest is left aside, since a codec rings above a flat ceiling.
 */
import { type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { GOOD, INTERVAL_DEFAULTS, UNKNOWN } from './interval-detector.ts';
import { audioBlockDetector } from './sample-detector.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 2_000,
  joinMs: 500,
  /** Peaks below this are not clipped, hundredths of dBFS. */
  peakCentiDbfsMin: -300,
  /** A block is clipped when more than this share of a channel's samples is within 1 dB of its peak, thousandths. */
  clipPermilleMax: 30,
};

const MEMO = {
  /** First clipped block of the run; null when there is none. */
  sinceMs: 'long?',
  /** Blocks since then, {@link BLOCKS_MIN} at most. */
  blocks: 'int',
  /** Clipped blocks since then less the others, {@link AHEAD_MAX} at most: half of them are clipped while it is not below 0. */
  ahead: 'int',
  /** End of the block before. */
  nextMs: 'long',
} as const;
type Memo = StateOf<typeof MEMO>;

export const audioClipping = audioBlockDetector({
  type: 'audio-clipping',
  version: 1,
  defaults: DEFAULTS,
  memo: {
    codec: structCodec({ version: 1, fields: MEMO }),
    init: (): Memo => ({ sinceMs: null, blocks: 0, ahead: 0, nextMs: 0 }),
  },
  judge(block, settings, open, memo) {
    const { peakCentiDbfs, clipPermille, startMs, durationMs } = block;
    if (clipPermille.length === 0) return UNKNOWN;
    let sharePermille = -1;
    for (let channel = 0; channel < clipPermille.length; channel++) {
      if (isClipped(peakCentiDbfs[channel]!, clipPermille[channel]!, settings))
        sharePermille = Math.max(sharePermille, clipPermille[channel]!);
    }
    const clips = sharePermille >= 0;
    const follows = memo.sinceMs !== null && Math.abs(startMs - memo.nextMs) <= GAP_MS_MAX;
    if (!follows) begin(clips ? startMs : null, memo);
    if (memo.sinceMs === null) return GOOD;
    memo.nextMs = startMs + durationMs;
    memo.blocks = Math.min(memo.blocks + 1, BLOCKS_MIN);
    memo.ahead = Math.min(memo.ahead + (clips ? 1 : -1), AHEAD_MAX);
    if (memo.ahead < AHEAD_MIN) {
      begin(null, memo);
      return GOOD;
    }
    // Nothing is said while it is less than half: a pause in speech, or the end. And few blocks prove nothing.
    if (!clips || memo.ahead < 0 || (!open && memo.blocks < BLOCKS_MIN)) return UNKNOWN;
    const confidencePermille = Math.min(1_000, 700 + 3 * (sharePermille - settings.clipPermilleMax));
    return { verdict: 'bad', confidencePermille, figure: sharePermille, sinceMs: memo.sinceMs };
  },
  goodUpTo({ audioChannels, audioPeakCentiDbfs, audioClipPermille }, from, settings, memo) {
    if (memo.sinceMs !== null) return from;
    const count = audioClipPermille.length;
    let at = from * audioChannels;
    while (at < count) {
      if (isClipped(audioPeakCentiDbfs[at]!, audioClipPermille[at]!, settings)) break;
      at += 1;
    }
    return count === 0 ? from : Math.floor(at / audioChannels);
  },
  describe: (run) =>
    `up to ${(run.figureMax / 10).toFixed(1)} % of the samples within 1 dB of the peak, for ${run.badToMs - run.startMs} ms`,
});

/** So many blocks show what a share is. */
const BLOCKS_MIN = 20;
/** A pause in clipped speech may take this long, in blocks, however long it was clipped before. */
const AHEAD_MAX = 15;
/** So far behind, in blocks, it was no pause: the run is over. */
const AHEAD_MIN = -4;
/** Block starts are rounded to milliseconds. */
const GAP_MS_MAX = 2;

function isClipped(peakCentiDbfs: number, sharePermille: number, settings: typeof DEFAULTS): boolean {
  return sharePermille > settings.clipPermilleMax && peakCentiDbfs >= settings.peakCentiDbfsMin;
}

function begin(sinceMs: number | null, memo: Memo): void {
  memo.sinceMs = sinceMs;
  memo.blocks = 0;
  memo.ahead = 0;
  memo.nextMs = 0;
}
