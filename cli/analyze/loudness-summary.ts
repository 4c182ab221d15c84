/**
 * Loudness of a whole input from the loudness of its blocks: momentary (400 ms), short-term (3 s), integrated with both
 * gates (ITU-R BS.1770-4, Annex 1), loudness range (EBU Tech 3342), and the highest sample.
 */
import type { FrameFeatures } from '../../schemas/records.ts';
import { blocksOf } from './plots.ts';

export type LoudnessPoint = { readonly momentaryLufs: number | null; readonly shortTermLufs: number | null };

export type LoudnessSummary = {
  /** By presentation time of the block that a window ends with, ms. */
  readonly points: ReadonlyMap<number, LoudnessPoint>;
  /** Null where nothing was above the gates. */
  readonly integratedLufs: number | null;
  readonly rangeLu: number | null;
  readonly momentaryLufsMax: number | null;
  readonly shortTermLufsMax: number | null;
  readonly samplePeakDbfs: number;
};

/** Null when there is no sound, or it was measured by a probe that did not yet know loudness. */
export function loudnessOf(chunks: readonly FrameFeatures[]): LoudnessSummary | null {
  const points = new Map<number, LoudnessPoint>();
  const momentary: number[] = [];
  const shortTerm: number[] = [];
  let powers: number[] = [];
  let nextMs = Number.NaN;
  let peakCentiDbfs = FLOOR_CENTI;
  for (const { atMs, chunk, index } of blocksOf(chunks)) {
    const centi = chunk.audioLoudnessCentiLufs[index];
    if (centi === undefined) continue;
    // A window does not reach across a gap.
    if (atMs !== nextMs) powers = [];
    nextMs = atMs + chunk.audioBlockMs;
    powers.push(powerOf(centi / 100));
    if (powers.length > SHORT_TERM_BLOCKS) powers.shift();
    const momentaryPower = meanOfLast(powers, MOMENTARY_BLOCKS);
    const shortTermPower = meanOfLast(powers, SHORT_TERM_BLOCKS);
    if (momentaryPower !== null) momentary.push(momentaryPower);
    if (shortTermPower !== null) shortTerm.push(shortTermPower);
    points.set(atMs, { momentaryLufs: lufsOf(momentaryPower), shortTermLufs: lufsOf(shortTermPower) });
    for (let channel = 0; channel < chunk.audioChannels; channel++)
      peakCentiDbfs = Math.max(
        peakCentiDbfs,
        chunk.audioPeakCentiDbfs[index * chunk.audioChannels + channel]!,
      );
  }
  if (points.size === 0) return null;
  return {
    points,
    integratedLufs: lufsOf(mean(gated(momentary, INTEGRATED_GATE_LU))),
    rangeLu: rangeOf(gated(shortTerm, RANGE_GATE_LU)),
    momentaryLufsMax: lufsOf(greatest(momentary)),
    shortTermLufsMax: lufsOf(greatest(shortTerm)),
    samplePeakDbfs: peakCentiDbfs / 100,
  };
}

const FLOOR_CENTI = -12_000;
const MOMENTARY_BLOCKS = 4;
const SHORT_TERM_BLOCKS = 30;
const ABSOLUTE_GATE_LUFS = -70;
const INTEGRATED_GATE_LU = 10;
const RANGE_GATE_LU = 20;

/** What is above the absolute gate, and then above so much under the mean of that. */
function gated(powers: readonly number[], belowMeanLu: number): readonly number[] {
  const audible = powers.filter((power) => power > powerOf(ABSOLUTE_GATE_LUFS));
  const level = mean(audible);
  return level === null ? [] : audible.filter((power) => power > level * 10 ** (-belowMeanLu / 10));
}

/** From the 10th to the 95th percentile. */
function rangeOf(powers: readonly number[]): number | null {
  if (powers.length === 0) return null;
  const sorted = [...powers].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))]!;
  return 10 * Math.log10(at(0.95) / at(0.1));
}

function powerOf(lufs: number): number {
  return 10 ** (lufs / 10);
}

function lufsOf(power: number | null): number | null {
  return power === null ? null : 10 * Math.log10(power);
}

function mean(powers: readonly number[]): number | null {
  return powers.length === 0 ? null : powers.reduce((sum, power) => sum + power, 0) / powers.length;
}

function meanOfLast(powers: readonly number[], count: number): number | null {
  return powers.length < count ? null : mean(powers.slice(-count));
}

function greatest(powers: readonly number[]): number | null {
  return powers.length === 0 ? null : powers.reduce((most, power) => Math.max(most, power), 0);
}
