/**
 * `video-frame-drop`: at least 10 % of the expected pictures are absent in each of two seconds, or none comes for 500 ms
 * and less than 2 s (definitions, section 1).
 *
 * What is expected is the stream's own rate, learned from it: a container's nominal rate is wrong for pulldown (24
 * pictures in a 30 Hz container) and for a variable rate. A gap longer than the mean interval is a deficit, a shorter
 * one makes up for it, so whatever is regular comes to nothing within a second. A rate that varies raises the limit by
 * as much as it was seen to vary. Another even cadence that stays is taken for the new rate.
 */
import { list, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { GOOD, INTERVAL_DEFAULTS, type Judgement, UNKNOWN } from './interval-detector.ts';
import { frameDetector } from './sample-detector.ts';
import type { Frame } from './samples.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  /** What another type leaves over has to be as long; every gap that counts is longer. */
  minMs: 300,
  /** The bad part of a gap lies before the picture that ends it, so a row of gaps is over this much later than it ended. */
  joinMs: 3_000,
  /** Gaps with less than this between them are one defect. */
  joinGapMs: 1_000,
  /** Share of expected pictures that are absent in a second, thousandths. */
  absentPermilleMin: 100,
  /** An open defect goes on from this share on. */
  absentPermilleStay: 50,
  /** One gap that is a defect by itself. */
  gapMsMin: 500,
  /** From here on pictures are missing, which is another type. */
  gapMsLimit: 2_000,
  /** An even cadence below the expected one is the new rate after this. */
  slowerCadenceMs: 30_000,
};
type Settings = typeof DEFAULTS;

const CELL = struct({
  /** Presentation time in units of {@link CELL_MS}. */
  at: 'long',
  /** When the first absent picture of the cell was due. */
  dueMs: 'long',
  /** Time without pictures that should have had some, us; below 0 where more came than expected. */
  deficitUs: 'long',
});

/** Remembered from picture to picture. */
const MEMO = {
  lastMs: 'long?',
  /** Seconds that the rate was learned from; it is known from {@link EVEN_SECONDS} or {@link UNEVEN_SECONDS} on. */
  learned: 'int',
  /** Mean interval of pictures, us, and its mean absolute deviation from second to second. */
  meanUs: 'int',
  deviationUs: 'int',
  /** Extremes of the intervals that the rate was learned from. */
  gapMsMin: 'int',
  gapMsMax: 'int',
  /** The second under way. */
  secondFromMs: 'long',
  secondPictures: 'int',
  /** Means of the seconds before the rate was known. */
  firstMeansUs: list('int'),
  /** Deficits of the last two seconds, where there are any. */
  cells: list(CELL),
  /** First absent picture of the defect, and end of its last gap. */
  startMs: 'long',
  endMs: 'long',
  /** Time without pictures since then that should have had some, us. */
  sinceEndUs: 'long',
  /** A cadence other than the expected one: its interval, and since when it has been even. */
  evenGapMs: 'int',
  evenFromMs: 'long',
  /** A slower rate that the stream had as well, and until when that is remembered. */
  slowUs: 'int',
  slowUntilMs: 'long',
} as const;
type Memo = StateOf<typeof MEMO>;

const CELL_MS = 100;
const WINDOW_CELLS = 10;
const EVEN_SECONDS = 3;
const UNEVEN_SECONDS = 8;
/** Timestamps are rounded to milliseconds. */
const JITTER_US = 2_000;
/** A new cadence above the expected one is the new rate after this. */
const FASTER_CADENCE_MS = 3_000;
const SLOW_MEMORY_MS = 600_000;
/** Absence has to last most of two windows: its first absent picture comes after their beginning, its last one before their end. */
const LASTING_MS = 1_400;

export const videoFrameDrop = frameDetector({
  type: 'video-frame-drop',
  version: 1,
  defaults: DEFAULTS,
  memo: { codec: structCodec({ version: 1, fields: MEMO }), init: newMemo },
  // What counts is the time before a picture: it ends with that picture.
  frameHoldMs: () => 0,
  judge(frame, settings, open, memo) {
    const { ptsMs, afterLoss } = frame;
    const { lastMs } = memo;
    if (lastMs === null || afterLoss || ptsMs - lastMs >= settings.gapMsLimit) {
      resume(ptsMs, memo);
      return lastMs === null ? UNKNOWN : GOOD;
    }
    const gapMs = ptsMs - lastMs;
    if (!isKnown(memo)) {
      follow(ptsMs, gapMs, memo);
      return UNKNOWN;
    }
    forgetOld(ptsMs, memo.cells);
    if (isUsual(gapMs, memo)) {
      follow(ptsMs, gapMs, memo);
      return GOOD;
    }
    const judgement = judgeGap(frame, gapMs, settings, open, memo);
    noteCadence(ptsMs, gapMs, settings, memo);
    follow(ptsMs, judgement === GOOD ? gapMs : 0, memo);
    return judgement;
  },
  goodUpTo({ basePtsMs, framePtsMs }, from, _settings, memo) {
    let index = from;
    // Whether chunks were lost before the first picture is for `judge` to see.
    if (index === 0 || !isKnown(memo) || memo.cells.length > 0) return index;
    for (; index < framePtsMs.length; index++) {
      const ptsMs = basePtsMs + framePtsMs[index]!;
      const gapMs = ptsMs - memo.lastMs!;
      if (!isUsual(gapMs, memo)) break;
      follow(ptsMs, gapMs, memo);
    }
    return index;
  },
  describe: (run) =>
    `up to ${run.figureMax} of 1000 expected pictures absent in a second, within ${run.badToMs - run.startMs} ms`,
});

function newMemo(): Memo {
  return {
    lastMs: null,
    learned: 0,
    meanUs: 0,
    deviationUs: 0,
    gapMsMin: 0,
    gapMsMax: 0,
    secondFromMs: 0,
    secondPictures: 0,
    firstMeansUs: [],
    cells: [],
    startMs: 0,
    endMs: 0,
    sinceEndUs: 0,
    evenGapMs: 0,
    evenFromMs: 0,
    slowUs: 0,
    slowUntilMs: 0,
  };
}

function isKnown(memo: Memo): boolean {
  return memo.meanUs > 0;
}

function isUsual(gapMs: number, memo: Memo): boolean {
  return Math.abs(gapMs * 1_000 - memo.meanUs) <= JITTER_US;
}

/** Begins anew at a picture: nothing is said of the time before it. */
function resume(ptsMs: number, memo: Memo): void {
  memo.lastMs = ptsMs;
  memo.secondFromMs = ptsMs;
  memo.secondPictures = 0;
  memo.cells.length = 0;
  memo.evenGapMs = 0;
}

function judgeGap(frame: Frame, gapMs: number, settings: Settings, open: boolean, memo: Memo): Judgement {
  const { ptsMs } = frame;
  const expectedUs = memo.slowUs > memo.meanUs && ptsMs < memo.slowUntilMs ? memo.slowUs : memo.meanUs;
  const dueMs = memo.lastMs! + Math.round(expectedUs / 1_000);
  const deficitUs = gapMs * 1_000 - expectedUs;
  addDeficit(ptsMs, dueMs, deficitUs, memo.cells);
  memo.sinceEndUs += deficitUs;
  if (deficitUs <= JITTER_US) return GOOD;
  const varyingUs = Math.floor((5_000_000 * memo.deviationUs) / memo.meanUs);
  const lastUs = deficitIn(memo.cells, ptsMs, 0);
  const beforeUs = deficitIn(memo.cells, ptsMs, WINDOW_CELLS);
  const steady = 20 * memo.deviationUs <= memo.meanUs && gapMs > 2 * memo.gapMsMax;
  const isLong = steady && gapMs >= settings.gapMsMin && gapMs * 1_000 >= 3 * expectedUs;
  if (open && memo.lastMs! - memo.endMs < settings.joinGapMs) {
    const isMore = 2 * memo.sinceEndUs >= expectedUs;
    // What is absent at random comes in clusters: a second that has little of it is seen with the one before.
    const stayUs = Math.max(lastUs, (lastUs + beforeUs) / 2);
    if (!isLong && !(isMore && stayUs >= settings.absentPermilleStay * 1_000 + varyingUs)) return GOOD;
  } else if (isLong) memo.startMs = dueMs;
  else {
    const leastUs = settings.absentPermilleMin * 1_000 + varyingUs;
    // Windows of whole cells are up to 100 ms short, and what is absent evenly falls into one or the other.
    if (4 * Math.min(lastUs, beforeUs) < 3 * leastUs || 10 * (lastUs + beforeUs) < 17 * leastUs) return GOOD;
    const startMs = Math.max(beginningOf(memo.cells, expectedUs), memo.endMs);
    if (ptsMs - startMs < LASTING_MS) return GOOD;
    memo.startMs = startMs;
  }
  memo.endMs = ptsMs;
  memo.sinceEndUs = 0;
  return {
    verdict: 'bad',
    confidencePermille: 950 - Math.min(350, Math.floor((5_000 * memo.deviationUs) / memo.meanUs)),
    figure: Math.min(1_000, Math.floor(lastUs / 1_000)),
    sinceMs: memo.startMs,
  };
}

function addDeficit(ptsMs: number, dueMs: number, deficitUs: number, cells: Memo['cells']): void {
  const at = Math.floor(ptsMs / CELL_MS);
  const last = cells.at(-1);
  if (last?.at === at) last.deficitUs += deficitUs;
  else if (cells.length > 0 || deficitUs > 0) cells.push({ at, dueMs, deficitUs });
}

function forgetOld(ptsMs: number, cells: Memo['cells']): void {
  const oldest = Math.floor(ptsMs / CELL_MS) - 2 * WINDOW_CELLS;
  while (cells.length > 0 && cells[0]!.at <= oldest) cells.shift();
}

/** Deficit of one second, which ends `cellsAgo` before the cell of `ptsMs`. */
function deficitIn(cells: Memo['cells'], ptsMs: number, cellsAgo: number): number {
  const end = Math.floor(ptsMs / CELL_MS) - cellsAgo;
  let sumUs = 0;
  for (const { at, deficitUs } of cells) if (at <= end && at > end - WINDOW_CELLS) sumUs += deficitUs;
  return sumUs;
}

/** The point since which the most is absent: what went before comes to nothing. */
function beginningOf(cells: Memo['cells'], expectedUs: number): number {
  let sumUs = 0;
  let mostUs = 0;
  let startMs = cells.at(-1)!.dueMs;
  for (const { dueMs, deficitUs } of cells.toReversed()) {
    sumUs += deficitUs;
    if (2 * (sumUs - mostUs) < expectedUs) continue;
    mostUs = sumUs;
    startMs = dueMs;
  }
  return startMs;
}

/** Learns the rate, second by second. A `gapMs` of 0 is left out: it was found to be a defect. */
function follow(ptsMs: number, gapMs: number, memo: Memo): void {
  memo.lastMs = ptsMs;
  if (isUsual(gapMs, memo)) memo.evenGapMs = 0;
  if (gapMs === 0) {
    memo.secondFromMs = ptsMs;
    memo.secondPictures = 0;
    return;
  }
  memo.secondPictures += 1;
  if (memo.meanUs === 0) {
    memo.gapMsMin = memo.gapMsMin === 0 ? gapMs : Math.min(memo.gapMsMin, gapMs);
    memo.gapMsMax = Math.max(memo.gapMsMax, gapMs);
  }
  const durationMs = ptsMs - memo.secondFromMs;
  if (durationMs < 1_000) return;
  learn(Math.round((durationMs * 1_000) / memo.secondPictures), memo);
  memo.secondFromMs = ptsMs;
  memo.secondPictures = 0;
}

function learn(secondUs: number, memo: Memo): void {
  if (isKnown(memo)) {
    // One second that stands out moves little: it may be the beginning of a defect.
    const most = Math.max(2 * memo.deviationUs, Math.floor(memo.meanUs / 50));
    const moved = Math.max(-most, Math.min(most, secondUs - memo.meanUs));
    memo.meanUs += Math.trunc(moved / 16);
    memo.deviationUs += Math.trunc((Math.abs(moved) - memo.deviationUs) / 16);
    return;
  }
  const means = memo.firstMeansUs;
  means.push(secondUs);
  const even = 2 * memo.gapMsMax <= 3 * memo.gapMsMin + 4;
  if (means.length < (even ? EVEN_SECONDS : UNEVEN_SECONDS)) return;
  memo.meanUs = Math.round(means.reduce((sum, us) => sum + us, 0) / means.length);
  memo.deviationUs = Math.max(...means.map((us) => Math.abs(us - memo.meanUs)));
  memo.firstMeansUs = [];
}

/** Another even cadence is no defect for ever: after a while it is what the stream has. */
function noteCadence(ptsMs: number, gapMs: number, settings: Settings, memo: Memo): void {
  if (Math.abs(gapMs - memo.evenGapMs) > 2) {
    memo.evenGapMs = gapMs;
    memo.evenFromMs = ptsMs;
    return;
  }
  const gapUs = memo.evenGapMs * 1_000;
  const slower = gapUs > memo.meanUs;
  if (ptsMs - memo.evenFromMs < (slower ? settings.slowerCadenceMs : FASTER_CADENCE_MS)) return;
  if (slower) {
    memo.slowUs = gapUs;
    memo.slowUntilMs = ptsMs + SLOW_MEMORY_MS;
  } else if (memo.slowUs < memo.meanUs) {
    memo.slowUs = memo.meanUs;
    memo.slowUntilMs = ptsMs + SLOW_MEMORY_MS;
  }
  memo.meanUs = gapUs;
  memo.deviationUs = 0;
  memo.gapMsMax = memo.evenGapMs;
  memo.cells.length = 0;
}
