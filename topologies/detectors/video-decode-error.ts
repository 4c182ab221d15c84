/**
 * `video-decode-error`: the decoder tells of errors or concealment in pictures for 200 ms or more (definitions, section 1).
 * What it tells of once, in one picture, is no defect; pictures that it could not give out at all before one that it
 * tells of errors in belong to it.
 */
import { structCodec } from '../../runtime/struct-codec.ts';
import { GOOD, INTERVAL_DEFAULTS } from './interval-detector.ts';
import { frameDetector } from './sample-detector.ts';

export const videoDecodeError = frameDetector({
  type: 'video-decode-error',
  version: 1,
  defaults: {
    ...INTERVAL_DEFAULTS,
    minMs: 200,
    joinMs: 1_000,
    /** A gap before a damaged picture is of pictures that could not be decoded up to this long, ms. */
    gapMsLimit: 2_000,
  },
  memo: {
    codec: structCodec({ version: 1, fields: { lastMs: 'long?', damagedMs: 'long?' } }),
    init: (): { lastMs: number | null; damagedMs: number | null } => ({ lastMs: null, damagedMs: null }),
  },
  frameHoldMs,
  judge({ ptsMs, intervalMs, isDamaged, afterLoss }, settings, _open, memo) {
    const { lastMs, damagedMs } = memo;
    memo.lastMs = ptsMs;
    if (!isDamaged) return GOOD;
    memo.damagedMs = ptsMs;
    const bad = { verdict: 'bad', confidencePermille: 950, figure: 1 } as const;
    if (lastMs === null || afterLoss) return bad;
    const gapMs = ptsMs - lastMs;
    const isGap = gapMs > frameHoldMs(intervalMs) && gapMs < settings.gapMsLimit;
    // Within a row of damaged pictures the gap is bridged anyhow.
    const begins = damagedMs === null || ptsMs - damagedMs >= settings.joinMs;
    return isGap && begins ? { ...bad, sinceMs: lastMs + intervalMs } : bad;
  },
  goodUpTo({ basePtsMs, framePtsMs, decodeErrorPtsMs }, from, _settings, memo) {
    const last = framePtsMs.at(-1);
    if (decodeErrorPtsMs.length > 0 || last === undefined) return from;
    memo.lastMs = basePtsMs + last;
    return framePtsMs.length;
  },
  describe: (run) =>
    `the decoder told of errors in ${run.samples} ${run.samples === 1 ? 'picture' : 'pictures'} ` +
    `within ${run.badToMs - run.startMs} ms`,
});

function frameHoldMs(intervalMs: number): number {
  return intervalMs === 0 ? 100 : Math.max(100, Math.ceil((5 * intervalMs) / 2));
}
