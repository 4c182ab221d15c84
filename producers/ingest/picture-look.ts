/**
 * A closer look at a picture, a few times a second: how sharp it is, whether the scene went on, and whether blocks show
 * in it that no content has. Sharpness is judged in the small picture, where a Gaussian of 1.1 % of the picture's height
 * has a sigma of one pixel; edges of blocks exist at native size only, and are looked for in every sixteenth line of it.
 */
import { PICTURE_HEIGHT_PX, PICTURE_WIDTH_PX } from './frame-analysis.ts';

/**
 * Time between two looks, s: from the first on, the next picture that is not of kind B is looked at, from the second on
 * any one. Most pictures of kind B are decoded without taking out the edges of their blocks, see `ffmpeg-command.ts`. No
 * usual rate of pictures has a multiple of its interval near either.
 */
export const LOOK_INTERVAL_S = 0.13;
export const LOOK_INTERVAL_MAX_S = 0.31;
/** Lines of the native picture from one sampled line to the next: one through every macroblock of 16 x 16. */
export const LOOK_LINE_STEP = 16;

/** Figures of one look; names and units as in `frame-features.avsc`. */
export type PictureLook = {
  readonly sharpPermille: number;
  readonly medianSharpPermille: number;
  readonly texturedBlocks: number;
  readonly sceneCenti: number;
  readonly gridSteps: number;
  readonly otherSteps: number;
};

/** What must be remembered from look to look of one stream. */
export type LookState = { readonly blockSums: Int32Array; hasPrevious: boolean };

export function createLookState(): LookState {
  return { blockSums: new Int32Array(BLOCKS), hasPrevious: false };
}

/**
 * `luma` is the small picture's luma plane, `lines` are sampled lines of the native one, `lineWidthPx` bytes each. Neither
 * is kept.
 */
export function lookAt(
  state: LookState,
  luma: Uint8Array,
  lines: Uint8Array,
  lineWidthPx: number,
): PictureLook {
  return { ...sharpnessOf(luma), sceneCenti: sceneChange(state, luma), ...gridOf(lines, lineWidthPx) };
}

/** `sceneCenti` of a look that has no predecessor. */
export const NO_PREVIOUS_LOOK_CENTI = 25_500;

const GRID_COLUMNS = 16;
const GRID_ROWS = 9;
const BLOCKS = GRID_COLUMNS * GRID_ROWS;
const BLOCK_WIDTH_PX = PICTURE_WIDTH_PX / GRID_COLUMNS;
const BLOCK_HEIGHT_PX = PICTURE_HEIGHT_PX / GRID_ROWS;
const BLOCK_PIXELS = BLOCK_WIDTH_PX * BLOCK_HEIGHT_PX;
/** A block has texture when differences over 4 pixels have at least this sum of squares: 6 code values each. */
const TEXTURE_SUM_MIN = 36 * 2 * BLOCK_PIXELS;

/**
 * Sharpness is the energy of second differences over that of differences across 4 pixels. Contrast and brightness fall
 * out of it, so fades leave it as it is; a Gaussian takes it down by 5 to 8 at a sigma of one pixel, by 2 at half of one.
 * Once for the whole picture, where the strongest edges decide, and once as the median of the blocks that have texture.
 */
function sharpnessOf(luma: Uint8Array) {
  const ratios: number[] = [];
  let fineSum = 0;
  let coarseSum = 0;
  for (let block = 0; block < BLOCKS; block++) {
    const column = block % GRID_COLUMNS;
    const row = (block - column) / GRID_COLUMNS;
    const left = Math.max(2, column * BLOCK_WIDTH_PX);
    const right = Math.min(PICTURE_WIDTH_PX - 2, (column + 1) * BLOCK_WIDTH_PX);
    const top = Math.max(2, row * BLOCK_HEIGHT_PX);
    const bottom = Math.min(PICTURE_HEIGHT_PX - 2, (row + 1) * BLOCK_HEIGHT_PX);
    let fine = 0;
    let coarse = 0;
    for (let y = top; y < bottom; y++) {
      fine += fineEnergy(luma, y * PICTURE_WIDTH_PX + left, y * PICTURE_WIDTH_PX + right);
      coarse += coarseEnergy(luma, y * PICTURE_WIDTH_PX + left, y * PICTURE_WIDTH_PX + right);
    }
    fineSum += fine;
    coarseSum += coarse;
    if (coarse >= TEXTURE_SUM_MIN) ratios.push(Math.floor((1000 * fine) / coarse));
  }
  ratios.sort((a, b) => a - b);
  return {
    sharpPermille:
      coarseSum === 0 ? 0 : Math.min(SHARP_PERMILLE_MAX, Math.floor((1000 * fineSum) / coarseSum)),
    medianSharpPermille: Math.min(SHARP_PERMILLE_MAX, ratios[ratios.length >> 1] ?? 0),
    texturedBlocks: ratios.length,
  };
}

function fineEnergy(luma: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) {
    const twice = 2 * luma[at]!;
    const across = twice - luma[at - 1]! - luma[at + 1]!;
    const down = twice - luma[at - PICTURE_WIDTH_PX]! - luma[at + PICTURE_WIDTH_PX]!;
    sum += across * across + down * down;
  }
  return sum;
}

function coarseEnergy(luma: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) {
    const across = luma[at + 2]! - luma[at - 2]!;
    const down = luma[at + 2 * PICTURE_WIDTH_PX]! - luma[at - 2 * PICTURE_WIDTH_PX]!;
    sum += across * across + down * down;
  }
  return sum;
}

/** Finer patterns than pixels can hold do not come any sharper. */
const SHARP_PERMILLE_MAX = 10_000;

/** Mean difference of the blocks' means to the look before: blur and grain do not show in it, a cut does. */
function sceneChange(state: LookState, luma: Uint8Array): number {
  let total = 0;
  for (let block = 0; block < BLOCKS; block++) {
    const column = block % GRID_COLUMNS;
    const row = (block - column) / GRID_COLUMNS;
    let sum = 0;
    for (let y = row * BLOCK_HEIGHT_PX; y < (row + 1) * BLOCK_HEIGHT_PX; y++) {
      const start = y * PICTURE_WIDTH_PX + column * BLOCK_WIDTH_PX;
      for (let at = start; at < start + BLOCK_WIDTH_PX; at++) sum += luma[at]!;
    }
    total += Math.abs(sum - state.blockSums[block]!);
    state.blockSums[block] = sum;
  }
  if (!state.hasPrevious) {
    state.hasPrevious = true;
    return NO_PREVIOUS_LOOK_CENTI;
  }
  return Math.floor((100 * total) / (BLOCKS * BLOCK_PIXELS));
}

/** Side of a macroblock, and the period of what is looked for. */
const GRID_PX = 16;
/** Blocks of damage have an edge at one column of the grid in so many sampled lines in a row, at most. */
const RUN_LINES_MAX = 4;
/** Least step from one pixel to the next that is counted; deblocked coding noise at low bitrates stays below. */
const STEP_MIN = 20;

/**
 * Steps between two pixels that lie between even ones on both sides, by their place in the grid of macroblocks. Content
 * has as many at one place as at the next. Blocks that a decoder put where they do not belong have them on the grid. Of
 * the places off the grid the middle of macroblocks counts apart: the transform of MPEG-2 shows there as much as on it.
 */
function gridOf(lines: Uint8Array, widthPx: number) {
  const counts = new Int32Array(GRID_PX);
  const rows = widthPx === 0 ? 0 : Math.floor(lines.length / widthPx);
  const runs = new Int32Array(Math.ceil(widthPx / GRID_PX));
  const lastRows = new Int32Array(runs.length);
  for (let row = 0; row < rows; row++) countSteps(lines, row, widthPx, counts, runs, lastRows);
  const places = Math.max(1, rows * Math.floor(widthPx / GRID_PX));
  let others = 0;
  for (let phase = 1; phase < GRID_PX; phase++) if (phase !== GRID_PX / 2) others += counts[phase]!;
  const other = Math.max(counts[GRID_PX / 2]!, others / (GRID_PX - 2));
  // A small picture has few places: an edge of content that stands on the grid by chance is a large part of them.
  const least = EXCESS_MIN + Math.floor((3 * rows) / 2);
  const onGrid = counts[0]! - other < least ? Math.min(counts[0]!, other) : counts[0]!;
  return {
    gridSteps: Math.round((STEPS_PER * onGrid) / places),
    otherSteps: Math.round((STEPS_PER * other) / places),
  };
}

/**
 * Steps of one sampled line. A column of the grid that has one in many lines in a row is an edge that was drawn, as of a
 * bar or a window: `runs` and `lastRows` are the lines in a row that it had one in, and the last of them plus one.
 */
function countSteps(
  lines: Uint8Array,
  row: number,
  widthPx: number,
  counts: Int32Array,
  runs: Int32Array,
  lastRows: Int32Array,
): void {
  const from = row * widthPx;
  let left = lines[from + 2]!;
  for (let at = from + 3; at < from + widthPx - 3; at++) {
    const right = lines[at]!;
    const step = Math.abs(right - left);
    const before = left;
    left = right;
    if (step < STEP_MIN || !isAlone(lines, at, before, right, step)) continue;
    const phase = (at - from) % GRID_PX;
    counts[phase]! += 1;
    if (phase !== 0) continue;
    const column = (at - from) / GRID_PX;
    const run = row > 0 && lastRows[column] === row ? runs[column]! + 1 : 1;
    runs[column] = run;
    lastRows[column] = row + 1;
    if (run > RUN_LINES_MAX) counts[0]! -= run === RUN_LINES_MAX + 1 ? run : 1;
  }
}

/** Whether the step from `left`, before `at`, to `right` lies between pixels that are even on both sides. */
function isAlone(lines: Uint8Array, at: number, left: number, right: number, step: number): boolean {
  const beforeLeft = lines[at - 2]!;
  const afterRight = lines[at + 1]!;
  return (
    4 * Math.abs(left - beforeLeft) <= step &&
    4 * Math.abs(afterRight - right) <= step &&
    2 * Math.abs(beforeLeft - lines[at - 3]!) <= step &&
    2 * Math.abs(lines[at + 2]! - afterRight) <= step
  );
}

/** So many more than elsewhere, and as many as an edge and a half from top to bottom has: fewer are none. */
const EXCESS_MIN = 8;
/** Steps are told per so many places. */
const STEPS_PER = 100_000;
