/**
 * `video-block-corruption`: damage of the bitstream that shows, for 200 ms or more, until the picture is clean again
 * (definitions, section 1). Two kinds of evidence:
 *
 * - **The decoder** told of an error, or got a packet with a gap. What it conceals is in every picture that is made of
 *   this one, long after its last error: up to the next key picture that is whole. An error in a picture of kind B is gone
 *   with it. Pictures that it could not give out at all before a damaged one belong to the damage.
 * - **Blocks in the picture** that are none of its content's: steps on the grid of macroblocks, many more than elsewhere
 *   and than this stream is used to. That shows damage that was decoded and encoded again upstream, and damage that a
 *   decoder did not notice, as that of HEVC often does not. One look may be chance, two in a row are not; and blocks that
 *   stay as they are for long were drawn, damage is gone with the next key picture.
 */
import { type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { GOOD, INTERVAL_DEFAULTS, type Judgement, UNKNOWN } from './interval-detector.ts';
import { frameDetector } from './sample-detector.ts';
import type { Frame } from './samples.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 200,
  joinMs: 600,
  /** Steps on the grid, beyond those elsewhere, from which on a look shows blocks, per 100,000 places. */
  gridStepsMin: 1_800,
  /** And as many times what the stream is used to. */
  gridTimesUsual: 4,
  /** Blocks that were there go on down to this share of the least, thousandths. */
  gridPermilleStay: 500,
  /** Blocks that stay as many as they are, give or take a quarter, for this long are content, ms. */
  steadyMsMax: 10_000,
  /** Blocks that come with a change of the whole scene beyond this are its content, hundredths of a code value. */
  sceneCentiMax: 3_000,
  /** After this long without an error and without a key picture nothing is known of the picture any more, ms. */
  claimedMsMax: 30_000,
  /** A gap before a damaged picture is of pictures that could not be decoded up to this long, ms. */
  gapMsLimit: 2_000,
};

/** Remembered from picture to picture. */
const MEMO = {
  /** Damage is in all pictures until the next whole key picture; when the decoder told of it last. */
  lasting: 'bool',
  toldMs: 'long',
  /** Looks in a row that show blocks, and the first of them. */
  blockLooks: 'int',
  blocksFromMs: 'long',
  /** About as many steps as now, beyond those elsewhere, are on the grid since when. */
  steadySteps: 'int',
  steadyFromMs: 'long',
  /** Steps on the grid that this stream is used to, beyond those elsewhere, hundredths; null before the first look. */
  usualCenti: 'long?',
  looks: 'int',
  /** The picture before. */
  lastMs: 'long?',
} as const;
type Memo = StateOf<typeof MEMO>;

export const videoBlockCorruption = frameDetector({
  type: 'video-block-corruption',
  version: 3,
  defaults: DEFAULTS,
  memo: {
    codec: structCodec({ version: 3, fields: MEMO }),
    init: (): Memo => ({
      lasting: false,
      toldMs: 0,
      blockLooks: 0,
      blocksFromMs: 0,
      steadySteps: 0,
      steadyFromMs: 0,
      usualCenti: null,
      looks: 0,
      lastMs: null,
    }),
  },
  frameHoldMs: (intervalMs) => Math.max(500, 2 * intervalMs),
  judge(frame, settings, _open, memo) {
    const { ptsMs, damage, isKey } = frame;
    const gapFromMs = memo.lasting || damage === 0 ? null : gapBefore(frame, settings, memo);
    memo.lastMs = ptsMs;
    // A key picture may have been among what was lost on the way: the decoder's word no longer holds.
    if (frame.afterLoss || (isKey && damage !== LASTING)) memo.lasting = false;
    if (damage === LASTING) memo.lasting = true;
    if (damage !== 0) memo.toldMs = ptsMs;
    const blocks = judgeBlocks(frame, settings, memo);
    if (damage === 0 && !memo.lasting) return blocks;
    if (ptsMs - memo.toldMs > settings.claimedMsMax) return UNKNOWN;
    const since = gapFromMs === null ? {} : { sinceMs: gapFromMs };
    return { verdict: 'bad', confidencePermille: 900, figure: Math.max(0, frame.gridSteps), ...since };
  },
  goodUpTo(chunk, from, settings, memo) {
    const { basePtsMs, framePtsMs, lookPtsMs, damagePtsMs } = chunk;
    if (memo.lasting || memo.blockLooks > 0 || damagePtsMs.length > 0) return from;
    const fromMs = framePtsMs[from] ?? Number.POSITIVE_INFINITY;
    for (let look = 0; look < lookPtsMs.length; look++) {
      if (lookPtsMs[look]! < fromMs) continue;
      const excess = chunk.lookGridSteps[look]! - chunk.lookOtherSteps[look]!;
      if (excess >= settings.gridStepsMin) {
        const to = Math.max(from, framePtsMs.indexOf(lookPtsMs[look]!));
        if (to > from) memo.lastMs = basePtsMs + framePtsMs[to - 1]!;
        return to;
      }
      getUsedTo(excess, memo);
    }
    const last = framePtsMs.at(-1);
    if (last !== undefined) memo.lastMs = basePtsMs + last;
    return framePtsMs.length;
  },
  describe: (run) =>
    run.figureMax >= 0 && run.samples > 0
      ? `damaged pictures for ${run.badToMs - run.startMs} ms; up to ${run.figureMax} of 100,000 places on the grid of ` +
        'macroblocks have a step that the content does not explain'
      : '',
});

/** As probes write it. */
const LASTING = 2;
/** So many looks are needed to know what a stream is used to. */
const LOOKS_MIN = 10;

/** Where pictures that are absent before this one began; null when none are, or too many for a decoder's trouble. */
function gapBefore(frame: Frame, settings: typeof DEFAULTS, memo: Memo): number | null {
  const { ptsMs, intervalMs, afterLoss } = frame;
  if (memo.lastMs === null || afterLoss) return null;
  const gapMs = ptsMs - memo.lastMs;
  const leastMs = intervalMs === 0 ? 100 : Math.max(100, Math.ceil((5 * intervalMs) / 2));
  return gapMs > leastMs && gapMs < settings.gapMsLimit ? memo.lastMs + intervalMs : null;
}

function judgeBlocks(frame: Frame, settings: typeof DEFAULTS, memo: Memo): Judgement {
  if (frame.gridSteps >= 0) takeLook(frame, settings, memo);
  if (memo.blockLooks < 2) return GOOD;
  return {
    verdict: 'bad',
    confidencePermille: 700,
    figure: Math.max(0, frame.gridSteps),
    sinceMs: memo.blocksFromMs,
  };
}

function takeLook(frame: Frame, settings: typeof DEFAULTS, memo: Memo): void {
  const excess = frame.gridSteps - frame.otherSteps;
  const least = Math.max(settings.gridStepsMin, (settings.gridTimesUsual * (memo.usualCenti ?? 0)) / 100);
  const stays = memo.blockLooks > 0 ? settings.gridPermilleStay : 1_000;
  // What comes with another scene is its content.
  const isCut = memo.blockLooks === 0 && frame.sceneCenti > settings.sceneCentiMax;
  const shows = excess * 1_000 >= least * stays && memo.looks >= LOOKS_MIN && !isCut;
  const isTold = frame.damage !== 0 || memo.lasting;
  if (shows && (isTold || !isDrawn(frame.ptsMs, excess, settings, memo))) {
    if (memo.blockLooks === 0) memo.blocksFromMs = frame.ptsMs;
    memo.blockLooks = Math.min(memo.blockLooks + 1, LOOKS_MIN);
  } else {
    memo.blockLooks = 0;
    if (!isTold) getUsedTo(excess, memo);
  }
}

/** Whether blocks show that have stayed as they are for too long to be damage; the stream is used to them from now on. */
function isDrawn(ptsMs: number, excess: number, settings: typeof DEFAULTS, memo: Memo): boolean {
  if (memo.blockLooks === 0 || 4 * Math.abs(excess - memo.steadySteps) > memo.steadySteps) {
    memo.steadySteps = excess;
    memo.steadyFromMs = ptsMs;
  }
  if (ptsMs - memo.steadyFromMs < settings.steadyMsMax) return false;
  memo.usualCenti = 100 * excess;
  return true;
}

/** Quickly to more, slowly to less: drawings with edges on the grid come and go. */
function getUsedTo(excess: number, memo: Memo): void {
  const centi = 100 * Math.max(0, excess);
  const before = memo.usualCenti ?? 0;
  memo.usualCenti =
    centi > before ? Math.floor((3 * before + centi) / 4) : Math.floor((255 * before + centi) / 256);
  memo.looks = Math.min(memo.looks + 1, LOOKS_MIN);
}
