/**
 * `video-freeze`: pictures arrive in regular time and nothing in them changes, for 2 s (definitions, section 1).
 *
 * The probe keeps an anchor, the first picture of a still run, and moves it when a picture differs by more than coding
 * noise can. Four things are left to judge here:
 *
 * - **Grain.** A hold with grain is content. A frozen picture pulses at key frames and may swing between the pictures of
 *   a group, but some of its pictures repeat the one before exactly: at least a third in MPEG-2 at 400 kbit/s with
 *   B pictures, nearly all in H.264, once a starved encoder has made up for what it left out. With grain that survives the
 *   encoder none do.
 * - **Slow motion.** An encoder that is short of bits repeats pictures in which little moves, and makes up for it in one
 *   now and then; in the dark, motion is of less than a code value, and the pictures get further and further away from the
 *   first one. A frozen picture changes as much in a key picture, and in those next to it, and in no other.
 * - **Motion that stops, or a hold.** Pictures that moved steadily and then stop are an encoder's fault. A still that
 *   begins with a cut, or in content that hardly moves, is most likely meant: it is of low severity, and no defect at
 *   all up to `staticContentMs`.
 * - **Missing pictures** are no freeze: a picture stands for little more than its own time.
 */
import { list, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { GOOD, INTERVAL_DEFAULTS, type Judgement } from './interval-detector.ts';
import { frameDetector } from './sample-detector.ts';
import type { Frame } from './samples.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 2_000,
  joinMs: 0,
  /** Holds that look meant are no defect up to this long, ms. */
  staticContentMs: 0,
  /** A picture repeats the one before when their mean difference is at most this, hundredths of a code value. */
  repeatCentiMax: 4,
  /** A still run is frozen when at least so many of its last 25 pictures are repeats, thousandths. */
  repeatPermilleMin: 200,
  /** Below this an open defect ends. */
  repeatPermilleStay: 80,
  /** Motion below this, hundredths of a code value from picture to picture, is hardly any. */
  motionCentiMin: 20,
  /** A picture that is no key picture and differs from the one before by as much shows what moved, hundredths of a code value. */
  stirCentiMin: 110,
  /** So much further away from the anchor in less than a second, but for what key pictures did, something moves. */
  driftCentiMin: 9,
  /** Back towards it: what a key picture spoiled is repaired as well, in more pictures than it explains. */
  driftBackCentiMin: 20,
};

/** Remembered from picture to picture. */
const MEMO = {
  /** The last {@link WINDOW_PICTURES} pictures of the still run, one bit each: 1 for a repeat. */
  repeats: 'int',
  pictures: 'int',
  /** Presentation time of the picture before. */
  lastMs: 'long',
  /** The freeze did not begin before this picture. */
  stillFromMs: 'long',
  /** Running mean of the difference from picture to picture; null before the first one. */
  motionCenti: 'long?',
  /** The same where the still run began. */
  motionBeforeCenti: 'long',
  /** The still run began in steady motion. */
  stoppedShort: 'bool',
  /** A picture that differs as much as one that shows what moved: it did, unless a key picture comes right behind it. */
  stirMs: 'long?',
  /** Pictures since that one. */
  sinceStir: 'int',
  /** Difference to the anchor of the picture before; null where no picture was repeated. */
  anchorCenti: 'long?',
  /** By how much that rose since it was asked last, and in the latest pictures, which a key picture may explain. */
  driftCenti: 'long',
  rises: list('long'),
  /** When it is asked next. */
  driftAtMs: 'long',
  /** Pictures that the latest key picture explains still. */
  explained: 'int',
} as const;

export const videoFreeze = frameDetector({
  type: 'video-freeze',
  version: 3,
  defaults: DEFAULTS,
  memo: {
    codec: structCodec({ version: 3, fields: MEMO }),
    init: () => ({
      repeats: 0,
      pictures: 0,
      lastMs: 0,
      stillFromMs: 0,
      motionCenti: null,
      motionBeforeCenti: 0,
      stoppedShort: true,
      stirMs: null,
      sinceStir: 0,
      anchorCenti: null,
      driftCenti: 0,
      rises: [],
      driftAtMs: 0,
      explained: 0,
    }),
  },
  frameHoldMs,
  judge(frame, settings, open, memo) {
    let judgement = GOOD;
    if (frame.anchorAgeMs === 0) beginRun(frame.ptsMs, frame.diffMeanCenti, settings, memo);
    else judgement = judgeStill(frame, settings, open, memo);
    follow(frame.ptsMs, frame.diffMeanCenti, memo);
    return judgement;
  },
  goodUpTo(chunk, from, settings, memo) {
    const { basePtsMs, framePtsMs, anchorAgeMs, diffMeanCenti } = chunk;
    const holdMs = frameHoldMs(Math.ceil(chunk.frameIntervalUs / 1_000));
    let index = from;
    for (; index < framePtsMs.length; index++) {
      const ptsMs = basePtsMs + framePtsMs[index]!;
      const change = diffMeanCenti[index]!;
      if (anchorAgeMs[index] === 0) beginRun(ptsMs, change, settings, memo);
      // A still picture is good as long as none of its run repeats another. Lost chunks are for `judge` to see.
      else if (
        index > 0 &&
        memo.repeats === 0 &&
        !repeats(change, settings) &&
        memo.stirMs === null &&
        change < settings.stirCentiMin &&
        settings.repeatPermilleMin > 0
      ) {
        addStill(ptsMs, change, anchorAgeMs[index]!, ptsMs - memo.lastMs > holdMs, settings, memo);
        if (isGrain(anchorAgeMs[index]!, memo)) memo.stillFromMs = ptsMs;
      } else break;
      follow(ptsMs, change, memo);
    }
    return index;
  },
  describe: (run) =>
    `no change beyond coding noise for ${run.badToMs - run.startMs} ms: at most ${run.figureMax} hundredths of a ` +
    `luma step from its first picture${run.harmless ? '; it looks like a hold that is meant' : ''}`,
});

type Memo = StateOf<typeof MEMO>;

/** A little more than its own time: a late picture is no missing one. */
function frameHoldMs(intervalMs: number): number {
  return intervalMs === 0 ? 500 : Math.max(100, Math.ceil((5 * intervalMs) / 2));
}

const WINDOW_PICTURES = 25;
/** An encoder has made a frozen picture as good as it will by then. */
const SETTLED_MS = 2_000;
const WINDOW_MASK = (1 << WINDOW_PICTURES) - 1;
/** What the probe writes for a picture that has no predecessor. */
const NO_PREDECESSOR_CENTI = 25_500;

/** The picture changed: it is the anchor, and perhaps the first of a freeze, which the next ones will tell. */
function beginRun(ptsMs: number, change: number, settings: typeof DEFAULTS, memo: Memo): void {
  const { motionCenti } = memo;
  memo.repeats = 0;
  memo.pictures = 0;
  memo.stillFromMs = ptsMs;
  memo.stirMs = null;
  memo.anchorCenti = null;
  memo.motionBeforeCenti = motionCenti ?? 0;
  // Nothing is known of what came before the first picture: then a freeze is taken for the fault that it may be.
  memo.stoppedShort =
    motionCenti === null ||
    (motionCenti >= settings.motionCentiMin && change <= 3 * motionCenti && 2 * change >= motionCenti);
}

/** What the next picture is held against. */
function follow(ptsMs: number, change: number, memo: Memo): void {
  memo.lastMs = ptsMs;
  if (change < NO_PREDECESSOR_CENTI) {
    memo.motionCenti = Math.floor((3 * (memo.motionCenti ?? change) + change) / 4);
  }
}

function repeats(change: number, settings: typeof DEFAULTS): boolean {
  return change <= settings.repeatCentiMax;
}

/**
 * A full window without repeats is grain, unless the still run is young: an encoder that is short of bits makes a frozen
 * picture better for a second or two before it repeats it.
 */
function isGrain(anchorAgeMs: number, memo: Memo): boolean {
  return memo.pictures === WINDOW_PICTURES && anchorAgeMs >= SETTLED_MS;
}

/** The next picture of the still run. It does not freeze before a gap, nor while what was slow goes on. */
function addStill(
  ptsMs: number,
  change: number,
  anchorAgeMs: number,
  afterGap: boolean,
  settings: typeof DEFAULTS,
  memo: Memo,
): void {
  if (afterGap || goesOn(change, anchorAgeMs, settings, memo)) memo.stillFromMs = ptsMs;
  memo.repeats = ((memo.repeats << 1) | (repeats(change, settings) ? 1 : 0)) & WINDOW_MASK;
  memo.pictures = Math.min(memo.pictures + 1, WINDOW_PICTURES);
}

function judgeStill(frame: Frame, settings: typeof DEFAULTS, open: boolean, memo: Memo): Judgement {
  // Missing pictures are no freeze, but chunks that were lost on the way are bridged: the probe saw them.
  const afterGap = !frame.afterLoss && frame.ptsMs - memo.lastMs > frameHoldMs(frame.intervalMs);
  addStill(frame.ptsMs, frame.diffMeanCenti, frame.anchorAgeMs, afterGap, settings, memo);
  if (hasDrifted(frame, settings, memo)) return beginAgain(frame.ptsMs, 0, memo);
  if (hasStirred(frame, settings, memo)) {
    const fromMs = open ? frame.ptsMs : memo.stirMs!;
    memo.stirMs = null;
    return beginAgain(fromMs, memo.sinceStir, memo);
  }
  const repeatPermille = Math.floor((countBits(memo.repeats) * 1_000) / memo.pictures);
  if (repeatPermille < (open ? settings.repeatPermilleStay : settings.repeatPermilleMin)) {
    // What freezes later did not freeze before here.
    if (isGrain(frame.anchorAgeMs, memo)) memo.stillFromMs = frame.ptsMs;
    return GOOD;
  }
  const harmless = !memo.stoppedShort;
  return {
    verdict: 'bad',
    confidencePermille: 600 + Math.floor((2 * repeatPermille) / 5),
    figure: frame.anchorMeanCenti,
    sinceMs: Math.max(memo.stillFromMs, frame.ptsMs - frame.anchorAgeMs),
    harmless,
    minMs: harmless ? Math.max(settings.minMs, settings.staticContentMs) : settings.minMs,
  };
}

/** It moved before this, and may be still from here on: of the run, its last `pictures` are left. */
function beginAgain(fromMs: number, pictures: number, memo: Memo): Judgement {
  memo.stillFromMs = fromMs;
  memo.anchorCenti = null;
  memo.pictures = pictures;
  memo.repeats &= (1 << pictures) - 1;
  return GOOD;
}

/** After this an encoder has drawn most of a frozen picture, ms. */
const DRAWN_MS = 300;
/** From a picture that is shown before a key picture, and was decoded after it, to that one; and as many after it. */
const NEAR_KEY_PICTURES = 3;
/** After this it is as good as it will get, but for key pictures, ms. */
const SETTLING_MS = 1_000;
/** It is asked for the first time shortly before a freeze can be told of, and from then on as often, ms. */
const DRIFT_ASKED_MS = 1_850;
const DRIFT_AGAIN_MS = 1_000;

/** Whether what was slow before the run goes on as before: a frozen picture changes less from picture to picture. */
function goesOn(change: number, anchorAgeMs: number, settings: typeof DEFAULTS, memo: Memo): boolean {
  const half = Math.max(settings.motionCentiMin, memo.motionBeforeCenti) / 2;
  return anchorAgeMs < SETTLING_MS && change >= half && (memo.motionCenti ?? 0) >= half;
}

/** Whether something moved in a picture a few pictures ago: by now no key picture has come that explains it. */
function hasStirred({ ptsMs, diffMeanCenti, isKey }: Frame, settings: typeof DEFAULTS, memo: Memo): boolean {
  if (memo.stirMs === null) {
    if (diffMeanCenti < settings.stirCentiMin || ptsMs - memo.stillFromMs < DRAWN_MS || isKey) return false;
    memo.stirMs = ptsMs;
    memo.sinceStir = 0;
    return false;
  }
  memo.sinceStir += 1;
  if (isKey) memo.stirMs = null;
  return memo.stirMs !== null && memo.sinceStir === NEAR_KEY_PICTURES;
}

/** Whether the pictures get further and further away from the anchor, or nearer to it. */
function hasDrifted(
  { ptsMs, anchorMeanCenti, isKey }: Frame,
  settings: typeof DEFAULTS,
  memo: Memo,
): boolean {
  if (memo.repeats === 0) {
    memo.anchorCenti = null;
    return false;
  }
  if (memo.anchorCenti === null) {
    memo.driftAtMs = memo.stillFromMs + DRIFT_ASKED_MS;
    memo.driftCenti = 0;
    memo.rises.length = 0;
    memo.explained = 0;
  }
  const riseCenti = anchorMeanCenti - (memo.anchorCenti ?? anchorMeanCenti);
  memo.anchorCenti = anchorMeanCenti;
  if (isKey) {
    memo.rises.length = 0;
    memo.explained = NEAR_KEY_PICTURES;
  } else if (memo.explained > 0) memo.explained -= 1;
  else if (ptsMs - memo.stillFromMs >= SETTLING_MS) memo.rises.push(riseCenti);
  if (memo.rises.length > NEAR_KEY_PICTURES) memo.driftCenti += memo.rises.shift()!;
  if (ptsMs < memo.driftAtMs) return false;
  const hasMoved =
    memo.driftCenti >= settings.driftCentiMin || memo.driftCenti <= -settings.driftBackCentiMin;
  memo.driftCenti = 0;
  memo.driftAtMs = ptsMs + DRIFT_AGAIN_MS;
  return hasMoved;
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
