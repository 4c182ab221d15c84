/**
 * What one small picture tells: brightness, spread, darkness, change. Pure integer arithmetic over a 160 x 90 picture
 * in planar YUV 4:2:0, video range, so that the same bytes give the same figures on every machine.
 */

/** Size of the picture that the decoder hands over, whatever the size of the stream. */
export const PICTURE_WIDTH_PX = 160;
export const PICTURE_HEIGHT_PX = 90;
const CHROMA_WIDTH_PX = PICTURE_WIDTH_PX / 2;
const CHROMA_HEIGHT_PX = PICTURE_HEIGHT_PX / 2;
const LUMA_BYTES = PICTURE_WIDTH_PX * PICTURE_HEIGHT_PX;
const CHROMA_BYTES = CHROMA_WIDTH_PX * CHROMA_HEIGHT_PX;
/** Bytes of one picture: luma, then Cb, then Cr, without padding. */
export const PICTURE_BYTES = LUMA_BYTES + 2 * CHROMA_BYTES;

/** Greatest luma code value that counts as dark: 10 % of the nominal range 16..235 (`definitions.md`, video-black). */
const DARK_LUMA_MAX = 37;
/**
 * Greatest distance of Cb and Cr from 128 that counts as neutral. Pure blue at BT.709 has luma 32, but Cb 240; the
 * chroma noise of a dark sensor stays below 10 after averaging into the small picture.
 */
const NEUTRAL_CHROMA_DISTANCE_MAX = 16;

/**
 * When a picture becomes the new anchor, in hundredths of a code value: its mean difference to the present anchor is
 * above the first figure, or the difference of one block is above the second plus the third times the mean.
 *
 * A key frame of a frozen picture pulses: everything that has texture changes a little, up to 2.6 code values in the
 * mean at starved bitrates, and the worst block by at most 3.5 times the mean. A lip that moves changes one block and
 * nothing else. So the limit for a block follows the mean. The limits are the most that coding noise explains; a
 * detector may judge by any stricter ones, since the differences stay in the record while the anchor stays.
 */
const ANCHOR_MEAN_CENTI_MAX = 300;
const ANCHOR_PEAK_FLOOR_CENTI = 150;
const ANCHOR_PEAK_PER_MEAN = 3;

/** `diffMeanCenti` of a picture that has no predecessor. */
export const NO_PREDECESSOR_CENTI = 25_500;

/** Features of one picture; names and units as in `frame-features.avsc`. */
export type PictureFeatures = {
  readonly lumaMeanCenti: number;
  readonly lumaSpreadCenti: number;
  readonly chromaSpreadCenti: number;
  readonly darkPermille: number;
  readonly diffMeanCenti: number;
  readonly anchorMeanCenti: number;
  readonly anchorPeakCenti: number;
  readonly anchorAgeMs: number;
};

/** What must be remembered from picture to picture of one stream. */
export type PictureState = {
  readonly previous: Uint8Array;
  readonly anchor: Uint8Array;
  anchorPtsMs: number;
  hasPrevious: boolean;
};

export function createPictureState(): PictureState {
  return {
    previous: new Uint8Array(LUMA_BYTES),
    anchor: new Uint8Array(LUMA_BYTES),
    anchorPtsMs: 0,
    hasPrevious: false,
  };
}

/**
 * Measures one picture and remembers it. `picture` holds {@link PICTURE_BYTES} bytes and is not kept; `ptsMs` is its
 * presentation time, which gives the age of the anchor.
 */
export function analysePicture(state: PictureState, picture: Uint8Array, ptsMs: number): PictureFeatures {
  if (picture.length !== PICTURE_BYTES) {
    throw new RangeError(`a picture has ${PICTURE_BYTES} bytes, this one ${picture.length}`);
  }
  const luma = measureLuma(picture, state.previous, state.anchor);
  const features = {
    lumaMeanCenti: ratioRounded(luma.sum * 100, LUMA_BYTES),
    lumaSpreadCenti: spreadCenti(luma.sum, luma.squareSum, LUMA_BYTES),
    chromaSpreadCenti: chromaSpreadCenti(picture),
    darkPermille: darkPermille(picture),
  };
  const first = !state.hasPrevious;
  const diffMeanCenti = first ? NO_PREDECESSOR_CENTI : ratioRounded(luma.diffSum * 100, LUMA_BYTES);
  const anchorMeanCenti = ratioRounded(luma.anchorSum * 100, LUMA_BYTES);
  const anchorPeakCenti = ratioRounded(luma.anchorBlockSumMax * 100, BLOCK_PIXELS);
  const changed =
    anchorMeanCenti > ANCHOR_MEAN_CENTI_MAX ||
    anchorPeakCenti > ANCHOR_PEAK_FLOOR_CENTI + ANCHOR_PEAK_PER_MEAN * anchorMeanCenti;

  const lumaPlane = picture.subarray(0, LUMA_BYTES);
  state.previous.set(lumaPlane);
  state.hasPrevious = true;
  if (first || changed) {
    state.anchor.set(lumaPlane);
    state.anchorPtsMs = ptsMs;
    return { ...features, diffMeanCenti, anchorMeanCenti: 0, anchorPeakCenti: 0, anchorAgeMs: 0 };
  }
  return {
    ...features,
    diffMeanCenti,
    anchorMeanCenti,
    anchorPeakCenti,
    anchorAgeMs: ptsMs - state.anchorPtsMs,
  };
}

const GRID_COLUMNS = 16;
const GRID_ROWS = 9;
const BLOCK_WIDTH_PX = PICTURE_WIDTH_PX / GRID_COLUMNS;
const BLOCK_HEIGHT_PX = PICTURE_HEIGHT_PX / GRID_ROWS;
const BLOCK_PIXELS = BLOCK_WIDTH_PX * BLOCK_HEIGHT_PX;

type LumaSums = {
  readonly sum: number;
  readonly squareSum: number;
  readonly diffSum: number;
  readonly anchorSum: number;
  readonly anchorBlockSumMax: number;
};

function measureLuma(picture: Uint8Array, previous: Uint8Array, anchor: Uint8Array): LumaSums {
  let sum = 0;
  let squareSum = 0;
  let diffSum = 0;
  let anchorSum = 0;
  let anchorBlockSumMax = 0;
  for (let block = 0; block < GRID_COLUMNS * GRID_ROWS; block++) {
    const column = block % GRID_COLUMNS;
    const row = (block - column) / GRID_COLUMNS;
    const origin = row * BLOCK_HEIGHT_PX * PICTURE_WIDTH_PX + column * BLOCK_WIDTH_PX;
    let anchorBlockSum = 0;
    for (let y = 0; y < BLOCK_HEIGHT_PX; y++) {
      const start = origin + y * PICTURE_WIDTH_PX;
      for (let at = start; at < start + BLOCK_WIDTH_PX; at++) {
        const value = picture[at]!;
        // 32 bits hold all of these sums; saying so spares a check for each addition.
        sum = (sum + value) | 0;
        squareSum = (squareSum + value * value) | 0;
        diffSum = (diffSum + Math.abs(value - previous[at]!)) | 0;
        anchorBlockSum = (anchorBlockSum + Math.abs(value - anchor[at]!)) | 0;
      }
    }
    anchorSum += anchorBlockSum;
    if (anchorBlockSum > anchorBlockSumMax) anchorBlockSumMax = anchorBlockSum;
  }
  return { sum, squareSum, diffSum, anchorSum, anchorBlockSumMax };
}

/** Root of the mean of both planes' variances: an even blue picture has none, though Cb and Cr lie far apart. */
function chromaSpreadCenti(picture: Uint8Array): number {
  const blue = varianceTimesSquaredCount(picture, LUMA_BYTES, LUMA_BYTES + CHROMA_BYTES);
  const red = varianceTimesSquaredCount(picture, LUMA_BYTES + CHROMA_BYTES, PICTURE_BYTES);
  return rootRounded(ratioRounded((blue + red) * 100, (2 * CHROMA_BYTES * CHROMA_BYTES) / 100));
}

function varianceTimesSquaredCount(picture: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let squareSum = 0;
  for (let at = from; at < to; at++) {
    const value = picture[at]!;
    sum += value;
    squareSum += value * value;
  }
  return squareSum * (to - from) - sum * sum;
}

function darkPermille(picture: Uint8Array): number {
  let dark = 0;
  for (let chromaRow = 0; chromaRow < CHROMA_HEIGHT_PX; chromaRow++) {
    const from = LUMA_BYTES + chromaRow * CHROMA_WIDTH_PX;
    let above = chromaRow * 2 * PICTURE_WIDTH_PX;
    for (let chroma = from; chroma < from + CHROMA_WIDTH_PX; chroma++) {
      const below = above + PICTURE_WIDTH_PX;
      const count =
        isDark(picture[above]!) +
        isDark(picture[above + 1]!) +
        isDark(picture[below]!) +
        isDark(picture[below + 1]!);
      above += 2;
      if (count > 0 && isNeutral(picture[chroma]!) && isNeutral(picture[chroma + CHROMA_BYTES]!))
        dark += count;
    }
  }
  return ratioRounded(dark * 1000, LUMA_BYTES);
}

/** 1 or 0: noise about the limit would mislead a processor that guesses branches. */
function isDark(luma: number): number {
  return (luma - DARK_LUMA_MAX - 1) >>> 31;
}

function isNeutral(chroma: number): boolean {
  return Math.abs(chroma - 128) <= NEUTRAL_CHROMA_DISTANCE_MAX;
}

/**
 * Standard deviation in hundredths, from integer sums: sqrt(E[x^2] - E[x]^2). The factor of 10,000 is split between
 * numerator and denominator, which keeps both below 2^53.
 */
function spreadCenti(sum: number, squareSum: number, count: number): number {
  return rootRounded(ratioRounded((squareSum * count - sum * sum) * 100, (count * count) / 100));
}

/** Quotient of two non-negative numbers below 2^53, rounded half up. IEEE division alone, the same everywhere. */
function ratioRounded(numerator: number, denominator: number): number {
  return Math.floor((2 * numerator + denominator) / (2 * denominator));
}

/** Integer root, rounded to nearest; corrected by comparison, so no library's rounding shows. */
function rootRounded(square: number): number {
  let root = Math.floor(Math.sqrt(square));
  while (root * root > square) root--;
  while ((root + 1) * (root + 1) <= square) root++;
  return square - root * root > root ? root + 1 : root;
}
