/**
 * Sound in blocks of 100 ms on the presentation timeline: RMS level, sample peak and what clipping shows by for each
 * channel, the correlation of left and right, and loudness. Sums of squares and products are whole numbers and decibels
 * come from a table; K-weighting is floating point, always added in the order of the samples. So the same samples give the
 * same figures on every machine, however they come in pieces.
 */
import {
  channelWeights,
  createKWeighting,
  type KWeightingState,
  LOUDNESS_OFFSET_CENTI_DB,
  resetKWeighting,
  weightedSquareSum,
} from './loudness.ts';
import { createOnsets, type OnsetState, onsetsOf, resetOnsets } from './sound-onsets.ts';

export const AUDIO_BLOCK_MS = 100;
/** Level of digital silence, and of everything below it, in hundredths of dBFS. */
export const FLOOR_CENTI_DBFS = -12_000;

/** One measured block. Block `index` covers [index * 100 ms, (index + 1) * 100 ms) of the stream's timeline. */
export type AudioBlock = {
  readonly index: number;
  /** Per channel, hundredths of dBFS; a full-scale sine has -301, a full-scale square 0. */
  readonly rmsCentiDbfs: readonly number[];
  /** Per channel, hundredths of dBFS. */
  readonly peakCentiDbfs: readonly number[];
  /**
   * Per channel: share of samples within 1 dB of the peak, or above what only one of 400 exceeds, thousandths; 0 where the
   * peak is below -12 dBFS.
   */
  readonly clipPermille: readonly number[];
  /** Of the first two channels, thousandths; 0 where one of them is silent, null where there is one only. */
  readonly correlationPermille: number | null;
  /** Of this block alone, all channels together, hundredths of LUFS. */
  readonly loudnessCentiLufs: number;
  /** 16 bits of fingerprint, the earliest as the most significant one; see `sound-onsets.ts`. */
  readonly onsets: number;
};

/** What must be remembered from one piece of sound to the next. */
export type AudioState = {
  readonly sampleRateHz: number;
  readonly channels: number;
  block: number;
  /** Samples per channel in the present block. */
  sampleCount: number;
  /** The present block, interleaved. */
  samples: Int16Array;
  readonly weighting: KWeightingState;
  readonly weights: readonly number[];
  readonly onsets: OnsetState;
};

export function createAudioState(sampleRateHz: number, channels: number): AudioState {
  if (!(sampleRateHz > 0) || !(channels > 0)) {
    throw new RangeError(`no sound has ${channels} channels at ${sampleRateHz} Hz`);
  }
  return {
    sampleRateHz,
    channels,
    block: 0,
    sampleCount: 0,
    samples: new Int16Array((Math.ceil((sampleRateHz * AUDIO_BLOCK_MS) / 1_000) + 1) * channels),
    weighting: createKWeighting(sampleRateHz, channels),
    weights: channelWeights(channels),
    onsets: createOnsets(sampleRateHz, channels),
  };
}

/**
 * Measures interleaved 16-bit samples that begin at `startSample` on the stream's timeline (samples per channel since
 * 0 ms), and gives out the blocks that they complete. A block with less than half of its samples is left out: where
 * sound is missing there is no level.
 */
export function analyseSamples(state: AudioState, samples: Int16Array, startSample: number): AudioBlock[] {
  const blocks: AudioBlock[] = [];
  const count = Math.floor(samples.length / state.channels);
  let done = 0;
  while (done < count) {
    const block = blockOf(state, startSample + done);
    if (block !== state.block) {
      pushMeasured(state, blocks);
      resetKWeighting(state.weighting);
      resetOnsets(state.onsets);
      state.block = block;
    }
    const take = Math.min(count - done, firstSampleOf(state, block + 1) - (startSample + done));
    addSamples(state, samples.subarray(done * state.channels, (done + take) * state.channels));
    done += take;
    if (startSample + done === firstSampleOf(state, block + 1)) {
      pushMeasured(state, blocks);
      state.block = block + 1;
    }
  }
  return blocks;
}

/** Gives out the block under way, at the end of the sound or before a gap, when at least half of it is there. */
export function finishSamples(state: AudioState): AudioBlock[] {
  const blocks: AudioBlock[] = [];
  pushMeasured(state, blocks);
  return blocks;
}

/**
 * Ten times the decimal logarithm of a power ratio, in hundredths, rounded to nearest: 1 is 0, 0.5 is
 * -301. {@link FLOOR_CENTI_DBFS} for 1e-12 and below. Divisions, multiplications and a table only.
 */
export function powerCentiDb(ratio: number): number {
  if (!(ratio > POWER_FLOOR)) return FLOOR_CENTI_DBFS;
  let mantissa = ratio * HALF_STEP;
  let centiDb = 0;
  while (mantissa < 1) {
    mantissa *= 10;
    centiDb -= 1000;
  }
  while (mantissa >= 10) {
    mantissa /= 10;
    centiDb += 1000;
  }
  return centiDb + stepsBelow(mantissa);
}

const POWER_FLOOR = 1e-12;
const FULL_SCALE = 32_768;

function blockOf(state: AudioState, sample: number): number {
  return Math.floor((sample * 1000) / (state.sampleRateHz * AUDIO_BLOCK_MS));
}

function firstSampleOf(state: AudioState, block: number): number {
  return Math.ceil((block * AUDIO_BLOCK_MS * state.sampleRateHz) / 1000);
}

function addSamples(state: AudioState, samples: Int16Array): void {
  const at = state.sampleCount * state.channels;
  // Pieces that overlap on the timeline can be more than a block holds.
  if (at + samples.length > state.samples.length) {
    const larger = new Int16Array(at + samples.length);
    larger.set(state.samples.subarray(0, at));
    state.samples = larger;
  }
  state.samples.set(samples, at);
  state.sampleCount += samples.length / state.channels;
}

/** Measures and empties the block under way. */
function pushMeasured(state: AudioState, blocks: AudioBlock[]): void {
  const { block, sampleCount } = state;
  const nominal = firstSampleOf(state, block + 1) - firstSampleOf(state, block);
  if (sampleCount > 0) {
    const measured = measuredBlock(state);
    if (2 * sampleCount >= nominal) blocks.push(measured);
  }
  state.sampleCount = 0;
}

function measuredBlock({
  block,
  channels,
  sampleCount,
  samples,
  weighting,
  weights,
  onsets,
}: AudioState): AudioBlock {
  const fullScalePower = sampleCount * FULL_SCALE * FULL_SCALE;
  const rmsCentiDbfs: number[] = [];
  const peakCentiDbfs: number[] = [];
  const clipPermille: number[] = [];
  const squareSums: number[] = [];
  let weightedSum = 0;
  for (let channel = 0; channel < channels; channel++) {
    const squareSum = squareSumOf(samples, sampleCount, channel, channels);
    const peak = peakOf(samples, sampleCount, channel, channels);
    squareSums.push(squareSum);
    rmsCentiDbfs.push(powerCentiDb(squareSum / fullScalePower));
    peakCentiDbfs.push(powerCentiDb((peak * peak) / (FULL_SCALE * FULL_SCALE)));
    clipPermille.push(nearPeakPermille(samples, sampleCount, channel, channels, peak));
    const weight = weights[channel]!;
    if (weight > 0)
      weightedSum += weight * weightedSquareSum(weighting, samples, sampleCount, channel, channels);
  }
  return {
    index: block,
    rmsCentiDbfs,
    peakCentiDbfs,
    clipPermille,
    correlationPermille:
      channels < 2
        ? null
        : correlationPermille(samples, sampleCount, channels, squareSums[0]! * squareSums[1]!),
    loudnessCentiLufs: loudnessCentiLufs(weightedSum / fullScalePower),
    onsets: onsetsOf(onsets, samples, sampleCount),
  };
}

// Each loop in a function of its own: V8 replaces code while it runs for one loop, not for several within another.

function squareSumOf(samples: Int16Array, sampleCount: number, channel: number, channels: number): number {
  let sum = 0;
  for (let i = channel, end = sampleCount * channels; i < end; i += channels) {
    const value = samples[i]!;
    sum += value * value;
  }
  return sum;
}

function peakOf(samples: Int16Array, sampleCount: number, channel: number, channels: number): number {
  let peak = 0;
  for (let i = channel, end = sampleCount * channels; i < end; i += channels) {
    const value = samples[i]!;
    const size = value < 0 ? -value : value;
    if (size > peak) peak = size;
  }
  return peak;
}

/** Below this peak (-12 dBFS) nothing is clipped by what carries it, and nobody looks at the share. */
const CLIP_PEAK_MIN = 8_231;
/** Of a level: 1 dB below it, 10^(-1/20). */
const ONE_DB_BELOW = 0.8912509381337456;
/** A codec rings above a ceiling that is flat: one sample of so many stands above it by chance, and is not the ceiling. */
const RINGING_ONE_OF = 400;
/** Levels are counted in steps of 128 code values, 0.05 dB at -3 dBFS. */
const LEVEL_BITS = 7;
const LEVELS = new Int32Array((FULL_SCALE >> LEVEL_BITS) + 1);

function nearPeakPermille(
  samples: Int16Array,
  sampleCount: number,
  channel: number,
  channels: number,
  peak: number,
): number {
  if (peak < CLIP_PEAK_MIN) return 0;
  LEVELS.fill(0);
  countLevels(samples, sampleCount, channel, channels);
  let level = peak >> LEVEL_BITS;
  let near = 0;
  while (near + LEVELS[level]! <= sampleCount / RINGING_ONE_OF) near += LEVELS[level--]!;
  for (const least = Math.ceil(level * ONE_DB_BELOW); level >= least; level--) near += LEVELS[level]!;
  return Math.floor((near * 1_000) / sampleCount);
}

function countLevels(samples: Int16Array, sampleCount: number, channel: number, channels: number): void {
  for (let i = channel, end = sampleCount * channels; i < end; i += channels) {
    const value = samples[i]!;
    LEVELS[(value < 0 ? -value : value) >> LEVEL_BITS]! += 1;
  }
}

/** `powers`: the product of both channels' sums of squares. */
function correlationPermille(
  samples: Int16Array,
  sampleCount: number,
  channels: number,
  powers: number,
): number {
  if (powers === 0) return 0;
  let sum = 0;
  for (let i = 0, end = sampleCount * channels; i < end; i += channels) sum += samples[i]! * samples[i + 1]!;
  // Adding 0 makes 0 of -0.
  return Math.round((sum * 1_000) / Math.sqrt(powers)) + 0;
}

/** A ratio of powers above 1, as weighted sums have, is taken in the table's range. */
function loudnessCentiLufs(ratio: number): number {
  const centi = ratio > 1 ? powerCentiDb(ratio / 100) + 2_000 : powerCentiDb(ratio);
  return Math.max(FLOOR_CENTI_DBFS, centi + LOUDNESS_OFFSET_CENTI_DB);
}

/** 10^(1/1000) times 2^160, rounded down: one hundredth of a decibel as a ratio of powers. */
const STEP = 0x10097137a277153da98fae1a098288a4892b7ab72n;
const STEP_BITS = 160n;
/** 10^(1/2000): rounding down after it is rounding to nearest. */
const HALF_STEP = 1.001151955538169;
/** A double holds 53 bits, and the table reaches almost 10. */
const TABLE_BITS = 49n;
const STEPS_PER_DECADE = 1000;
/** 10^(k/1000) for k = 0..999, each the double nearest below. */
const DECADE = decadeTable();

function decadeTable(): Float64Array {
  const table = new Float64Array(STEPS_PER_DECADE);
  let value = 1n << STEP_BITS;
  for (let step = 0; step < STEPS_PER_DECADE; step++) {
    table[step] = Number(value >> (STEP_BITS - TABLE_BITS)) / 2 ** Number(TABLE_BITS);
    value = (value * STEP) >> STEP_BITS;
  }
  return table;
}

/** The greatest k with 10^(k/1000) at most `mantissa`, which is in [1, 10). */
function stepsBelow(mantissa: number): number {
  let low = 0;
  let high = STEPS_PER_DECADE - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (DECADE[middle]! <= mantissa) low = middle;
    else high = middle - 1;
  }
  return low;
}
