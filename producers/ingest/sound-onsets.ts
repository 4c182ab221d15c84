/**
 * A fingerprint of sound in 160 bits a second, by which two points of one programme are aligned, in the way of SMPTE ST
 * 2064-1: each bit tells whether the sound swells (its short-term envelope is above its long-term one). That survives
 * another codec, bitrate, level and number of channels, and comes at its place in time to a few milliseconds.
 *
 * The envelope is of a band that every codec keeps: sums over a sixth of a millisecond, and the differences of
 * neighbouring ones. One addition a sample; whole numbers only, so that the same samples give the same bits.
 */

/** Bits of a block of 100 ms, each for 6.25 ms. */
export const ONSETS_PER_BLOCK = 16;

export type OnsetState = {
  readonly channels: number;
  /** Samples per channel in one sum. */
  readonly boxSamples: number;
  /** Samples per channel in one bit, times {@link ONSETS_PER_BLOCK}. */
  readonly blockSamples: number;
  previous: number;
  fast: number;
  slow: number;
};

export function createOnsets(sampleRateHz: number, channels: number): OnsetState {
  const boxSamples = Math.max(1, Math.round(sampleRateHz / BOXES_PER_S));
  return {
    channels,
    boxSamples,
    blockSamples: sampleRateHz / BLOCKS_PER_S,
    previous: 0,
    fast: 0,
    slow: 0,
  };
}

/** Forgets what came before: sound that begins anew after a gap. */
export function resetOnsets(state: OnsetState): void {
  state.previous = 0;
  state.fast = 0;
  state.slow = 0;
}

/** The bits of one block of interleaved 16-bit samples, the earliest as the most significant one of 16. */
export function onsetsOf(state: OnsetState, samples: Int16Array, sampleCount: number): number {
  const { channels, boxSamples, blockSamples } = state;
  const perBox = boxSamples * channels;
  let bits = 0;
  let box = 0;
  for (let bin = 1; bin <= ONSETS_PER_BLOCK; bin++) {
    const boxesEnd = Math.min(
      Math.floor((bin * blockSamples) / (ONSETS_PER_BLOCK * boxSamples)),
      Math.floor(sampleCount / boxSamples),
    );
    let level = 0;
    const boxes = boxesEnd - box;
    for (; box < boxesEnd; box++) {
      const sum = sumOf(samples, box * perBox, perBox);
      const change = sum - state.previous;
      level += change < 0 ? -change : change;
      state.previous = sum;
    }
    if (boxes > 0) takeLevel(state, Math.floor((level * SCALE) / (boxes * perBox)));
    bits = bits * 2 + (isSwelling(state) ? 1 : 0);
  }
  return bits;
}

const BLOCKS_PER_S = 10;
const BOXES_PER_S = 6_000;
/** Levels are in 1/256 of a code value of 16 bits, so that shifts keep the small ones. */
const SCALE = 256;
/** Weight of a new level: about 10 ms, and about 100 ms. */
const FAST_SHARE = 2;
const SLOW_SHARE = 16;
/** Noise that goes up and down by a sixteenth does not swell; nor does what lies 72 dB below full scale. */
const RISE_SHARE = 16;
const FLOOR = 8 * SCALE;

function takeLevel(state: OnsetState, level: number): void {
  state.fast += Math.trunc((level - state.fast) / FAST_SHARE);
  state.slow += Math.trunc((level - state.slow) / SLOW_SHARE);
}

function isSwelling({ fast, slow }: OnsetState): boolean {
  return fast > slow + Math.floor(slow / RISE_SHARE) + FLOOR;
}

function sumOf(samples: Int16Array, from: number, count: number): number {
  let sum = 0;
  for (let at = from; at < from + count; at++) sum += samples[at]!;
  return sum;
}
