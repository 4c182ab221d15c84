/** Faults that are put into samples, and where they then hold by definition. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { Span } from './media-file.ts';
import { levelDbfs, noise, type Sound, sampleAt } from './sound.ts';

export const SOUND_FAULTS = [
  'audio-silence',
  'audio-clipping',
  'audio-phase-inverted',
  'audio-channel-lost',
] as const;
export type SoundFault = (typeof SOUND_FAULTS)[number];

/**
 * Puts one fault into `sound` somewhere within [fromMs, toMs), and says where it is; null when there is no place for it. It
 * begins and ends next to sound that can be heard: in a pause nobody can say where it began.
 */
export function putSoundFault(
  sound: Sound,
  type: SoundFault,
  fromMs: number,
  toMs: number,
  lengthMs: number,
  random: SeededRandom,
): Span | null {
  const severity = random.below(1_001) / 1_000;
  for (let attempt = 0; attempt < 200; attempt++) {
    const startMs = random.between(fromMs, toMs - lengthMs + 1);
    const endMs = startMs + lengthMs;
    if (!isHeardAbout(sound, startMs, endMs)) continue;
    if (type === 'audio-silence') silence(sound, startMs, endMs, severity, random);
    else if (type === 'audio-phase-inverted') invert(sound, startMs, endMs, severity);
    else if (type === 'audio-channel-lost') loseChannel(sound, startMs, endMs, severity, random);
    else return clip(sound, startMs, endMs, severity);
    return { type, startMs, endMs };
  }
  return null;
}

/** Raises or lowers the level within [startMs, endMs). */
export function changeLevel({ left, right }: Sound, startMs: number, endMs: number, gainDb: number): void {
  const gain = 10 ** (gainDb / 20);
  for (const channel of [left, right])
    for (let i = sampleAt(startMs); i < Math.min(channel.length, sampleAt(endMs)); i++) channel[i]! *= gain;
}

const HEARD_DBFS = -40;

function isHeardAbout({ left, right }: Sound, startMs: number, endMs: number): boolean {
  const heard = (from: number, to: number): boolean =>
    Math.min(levelDbfs(left, from, to), levelDbfs(right, from, to)) > HEARD_DBFS;
  const borders = [startMs - 200, startMs - 100, startMs, startMs + 100, endMs - 200, endMs - 100, endMs];
  if (!borders.every((at) => heard(at, at + 100))) return false;
  let quiet = 0;
  for (let at = startMs; at < endMs; at += 100) if (!heard(at, at + 100)) quiet += 1;
  return quiet * 500 < endMs - startMs;
}

/** From digital silence to the noise of a quiet line at -64 dBFS. */
function silence(
  { left, right }: Sound,
  startMs: number,
  endMs: number,
  severity: number,
  random: SeededRandom,
): void {
  const levelDb = severity > 0.5 ? Number.NEGATIVE_INFINITY : -84 + 40 * severity;
  const amplitude = Math.sqrt(3) * 10 ** (levelDb / 20);
  for (const channel of [left, right])
    for (let i = sampleAt(startMs); i < sampleAt(endMs); i++)
      channel[i] = amplitude === 0 ? 0 : amplitude * noise(random);
}

/** Correlation from -0.7 to -1: the same on both sides, upside down on one, with another sound mixed in. */
function invert({ left, right }: Sound, startMs: number, endMs: number, severity: number): void {
  const delay = sampleAt(37);
  const share = 0.5 * (1 - severity);
  const from = sampleAt(startMs);
  const middle = left.slice(from - delay, sampleAt(endMs));
  for (let i = 0; i < middle.length; i++) middle[i] = (middle[i]! + right[from - delay + i]!) / 2;
  for (let i = from; i < sampleAt(endMs); i++) {
    const now = middle[i - from + delay]!;
    const other = share * middle[i - from]!;
    left[i] = 0.8 * (now + other * 0.5);
    right[i] = -0.8 * (now - other * 0.5);
  }
}

function loseChannel(
  { left, right }: Sound,
  startMs: number,
  endMs: number,
  severity: number,
  random: SeededRandom,
): void {
  const lost = random.chance(500) ? left : right;
  const gain = severity > 0.4 ? 0 : 10 ** (-(56 + 20 * severity) / 20);
  for (let i = sampleAt(startMs); i < sampleAt(endMs); i++) lost[i]! *= gain;
}

const CLIPPED_BLOCK_MS = 100;
/** From the first such block to the last one, by the definition. */
const CLIPPED_MS_MIN = 2_000;
/** Of the samples of a block, within 1 dB of the peak, by the definition. */
const CLIPPED_SHARE = 0.03;
/** A codec rounds the corners: what is meant to be clipped behind it has to be clipped so far before. */
const SURVIVES_SHARE = 0.12;

/**
 * Cut off flat, at a ceiling from -0.1 to -2.5 dBFS: as hard as makes two of three blocks clipped also behind a codec.
 * It begins with the first one that is, and ends with the last one.
 */
function clip(sound: Sound, startMs: number, endMs: number, severity: number): Span | null {
  const ceiling = 10 ** (-(0.1 + 2.4 * (1 - severity)) / 20);
  const from = sampleAt(startMs);
  const to = sampleAt(endMs);
  const channels = [sound.left, sound.right];
  const before = channels.map((channel) => channel.slice(from, to));
  for (let gainDb = 6 + 8 * severity; gainDb <= 48; gainDb += 3) {
    const gain = 10 ** (gainDb / 20);
    for (const [at, channel] of channels.entries())
      for (let i = from; i < to; i++)
        channel[i] = ceiling * Math.max(-1, Math.min(1, before[at]![i - from]! * gain));
    const surely = clippedBlocks(sound, startMs, endMs, SURVIVES_SHARE);
    if (3 * surely.filter(Boolean).length < 2 * surely.length) continue;
    const clipped = clippedBlocks(sound, startMs, endMs, CLIPPED_SHARE);
    if ((clipped.lastIndexOf(true) - clipped.indexOf(true)) * CLIPPED_BLOCK_MS < CLIPPED_MS_MIN) continue;
    return {
      type: 'audio-clipping',
      startMs: startMs + clipped.indexOf(true) * CLIPPED_BLOCK_MS,
      endMs: Math.min(endMs, startMs + (clipped.lastIndexOf(true) + 1) * CLIPPED_BLOCK_MS),
    };
  }
  for (const [at, channel] of channels.entries()) channel.set(before[at]!, from);
  return null;
}

function clippedBlocks({ left, right }: Sound, startMs: number, endMs: number, share: number): boolean[] {
  const blocks: boolean[] = [];
  for (let at = startMs; at < endMs; at += CLIPPED_BLOCK_MS) {
    const [from, to] = [sampleAt(at), sampleAt(Math.min(endMs, at + CLIPPED_BLOCK_MS))];
    blocks.push([left, right].some((channel) => isClipped(channel.subarray(from, to), share)));
  }
  return blocks;
}

/** A peak of -3 dBFS or more, and more than `share` of the samples within 1 dB of it. */
function isClipped(samples: Float32Array, share: number): boolean {
  let peak = 0;
  for (const value of samples) peak = Math.max(peak, Math.abs(value));
  if (20 * Math.log10(peak + 1e-9) < -3) return false;
  const near = peak * 10 ** (-1 / 20);
  let count = 0;
  for (const value of samples) if (Math.abs(value) >= near) count += 1;
  return count > share * samples.length;
}
