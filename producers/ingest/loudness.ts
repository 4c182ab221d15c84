/**
 * K-weighting of ITU-R BS.1770-4, Annex 1: a shelf for what a head adds to high tones, then a high pass, then the mean
 * square of each channel with its weight. Two biquads per channel in direct form, transposed; a sample costs ten
 * multiplications.
 *
 * The recommendation gives coefficients for 48 kHz only. Those for other rates are of the same analogue filters, whose
 * corner, gain and quality follow from the printed ones by the bilinear transform (Recommendation ITU-R BS.1770-4, Annex
 * 1, tables 1 and 2; the derivation: B. De Man, "Evaluation of Implementations of the EBU R128 Loudness Measurement",
 * AES 145, 2018). At 48 kHz they agree with the tables to their last digit but two.
 */

/** b0, b1, b2, a1, a2 with a0 = 1: y = b0 x + b1 x' + b2 x'' - a1 y' - a2 y''. */
export type Biquad = readonly [b0: number, b1: number, b2: number, a1: number, a2: number];

/** The two stages for a sample rate: shelf, then high pass. */
export function kWeighting(sampleRateHz: number): readonly [shelf: Biquad, highPass: Biquad] {
  return [shelfFor(sampleRateHz), highPassFor(sampleRateHz)];
}

/** State of the two stages of each channel: what transposed direct form remembers, four numbers a channel. */
export type KWeightingState = {
  readonly shelf: Biquad;
  readonly highPass: Biquad;
  readonly memory: Float64Array;
};

export function createKWeighting(sampleRateHz: number, channels: number): KWeightingState {
  const [shelf, highPass] = kWeighting(sampleRateHz);
  return { shelf, highPass, memory: new Float64Array(4 * channels) };
}

/**
 * Filters `count` samples of one channel of interleaved sound, and gives out the sum of the squares. `samples` are 16-bit
 * values; so is the unit of the result, squared.
 */
export function weightedSquareSum(
  { shelf, highPass, memory }: KWeightingState,
  samples: Int16Array,
  count: number,
  channel: number,
  channels: number,
): number {
  const [b0, b1, b2, a1, a2] = shelf;
  const [c0, c1, c2, d1, d2] = highPass;
  const at = 4 * channel;
  let s1 = memory[at]!;
  let s2 = memory[at + 1]!;
  let t1 = memory[at + 2]!;
  let t2 = memory[at + 3]!;
  let sum = 0;
  for (let i = channel, end = count * channels; i < end; i += channels) {
    const x = samples[i]!;
    const y = b0 * x + s1;
    s1 = b1 * x - a1 * y + s2;
    s2 = b2 * x - a2 * y;
    const z = c0 * y + t1;
    t1 = c1 * y - d1 * z + t2;
    t2 = c2 * y - d2 * z;
    sum += z * z;
  }
  memory[at] = settled(s1);
  memory[at + 1] = settled(s2);
  memory[at + 2] = settled(t1);
  memory[at + 3] = settled(t2);
  return sum;
}

/** Forgets what came before: sound that begins anew after a gap. */
export function resetKWeighting({ memory }: KWeightingState): void {
  memory.fill(0);
}

/**
 * Weight of each channel's power (table 3), by the number of channels in the order of ffmpeg's layouts: LFE counts for
 * nothing, channels to the side and behind for 1.41.
 */
export function channelWeights(channels: number): readonly number[] {
  const surround = SURROUND_WEIGHT;
  if (channels <= 3) return FRONT_WEIGHTS.slice(0, channels);
  if (channels === 4) return [1, 1, surround, surround];
  if (channels === 5) return [...FRONT_WEIGHTS, surround, surround];
  return Array.from({ length: channels }, (_, channel) => (channel < 3 ? 1 : channel === 3 ? 0 : surround));
}

/** Loudness in LUFS is this more than ten times the logarithm of the weighted power: a 997 Hz sine is not changed. */
export const LOUDNESS_OFFSET_CENTI_DB = -69;

const FRONT_WEIGHTS = [1, 1, 1] as const;
const SURROUND_WEIGHT = 1.41;

/** In silence a filter's memory falls for ever, into numbers so small that processors are slow with them. */
const NOTHING = 1e-12;

function settled(value: number): number {
  return value < NOTHING && value > -NOTHING ? 0 : value;
}

function shelfFor(sampleRateHz: number): Biquad {
  const cornerHz = 1681.974450955533;
  const quality = 0.7071752369554196;
  const gainDb = 3.999843853973347;
  const k = Math.tan((Math.PI * cornerHz) / sampleRateHz);
  const high = 10 ** (gainDb / 20);
  const band = high ** 0.4996667741545416;
  const a0 = 1 + k / quality + k * k;
  return [
    (high + (band * k) / quality + k * k) / a0,
    (2 * (k * k - high)) / a0,
    (high - (band * k) / quality + k * k) / a0,
    (2 * (k * k - 1)) / a0,
    (1 - k / quality + k * k) / a0,
  ];
}

function highPassFor(sampleRateHz: number): Biquad {
  const cornerHz = 38.13547087602444;
  const quality = 0.5003270373238773;
  const k = Math.tan((Math.PI * cornerHz) / sampleRateHz);
  const a0 = 1 + k / quality + k * k;
  return [1, -2, 1, (2 * (k * k - 1)) / a0, (1 - k / quality + k * k) / a0];
}
