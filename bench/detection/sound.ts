/** Sound as samples: what the clips have, and what is made up. 48 kHz stereo, full scale is 1. */
import { writeFileSync } from 'node:fs';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { hashOf, type Workshop } from './workshop.ts';

export const RATE_HZ = 48_000;

export type Sound = { readonly left: Float32Array; readonly right: Float32Array };
export type SoundKind = (typeof SOUND_KINDS)[number];
export const SOUND_KINDS = ['film', 'speech', 'chords', 'crowd'] as const;

/** So much of a kind of sound, beginning somewhere in it. */
export async function contentSound(
  workshop: Workshop,
  kind: SoundKind,
  seconds: number,
  random: SeededRandom,
): Promise<Sound> {
  const samples = Math.round(seconds * RATE_HZ);
  if (kind === 'chords') return chords(samples, random);
  if (kind === 'crowd') return crowd(samples, random);
  const source = kind === 'film' ? await filmSound(workshop) : await speech(workshop);
  const sound = repeated(source, random.below(source.left.length), samples);
  // The trailer's is quiet for long.
  return kind === 'film' ? scaled(sound, 9) : sound;
}

/** 16-bit samples in a WAV file, kept under the hash of what it holds. */
export async function wavOf(workshop: Workshop, { left, right }: Sound): Promise<string> {
  const bytes = Buffer.alloc(44 + left.length * 4);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(36 + left.length * 4, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  for (const [at, value] of [16, 0x0002_0001, RATE_HZ, RATE_HZ * 4, 0x0010_0004].entries())
    bytes.writeUInt32LE(value, 16 + at * 4);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(left.length * 4, 40);
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset + 44, left.length * 2);
  for (let i = 0; i < left.length; i++) {
    samples[2 * i] = Math.max(-32_768, Math.min(32_767, Math.round(left[i]! * 32_767)));
    samples[2 * i + 1] = Math.max(-32_768, Math.min(32_767, Math.round(right[i]! * 32_767)));
  }
  return workshop.made(['wav', hashOf(bytes)], 'wav', async (file) => writeFileSync(file, bytes));
}

/** Level of a channel over [fromMs, toMs), dBFS. */
export function levelDbfs(channel: Float32Array, fromMs: number, toMs: number): number {
  const from = Math.max(0, sampleAt(fromMs));
  const to = Math.min(channel.length, sampleAt(toMs));
  let sum = 0;
  for (let i = from; i < to; i++) sum += channel[i]! * channel[i]!;
  return 10 * Math.log10(sum / Math.max(1, to - from) + 1e-12);
}

export function sampleAt(ms: number): number {
  return Math.round((ms * RATE_HZ) / 1_000);
}

/** Everything louder or quieter. */
export function scaled({ left, right }: Sound, gainDb: number): Sound {
  const gain = 10 ** (gainDb / 20);
  return { left: left.map((value) => value * gain), right: right.map((value) => value * gain) };
}

const decoded = new Map<string, Promise<Sound>>();

/** The film's music and effects; the silence that it ends with is left out, and it is never silent for 2 s. */
function filmSound(workshop: Workshop): Promise<Sound> {
  return decodedSound(workshop, 'big-buck-bunny-trailer-360p.mp4', 500, 40_500);
}

async function speech(workshop: Workshop): Promise<Sound> {
  return decodedSound(workshop, 'speech-jfk-1961.wav', 300, 10_700);
}

function decodedSound(workshop: Workshop, name: string, fromMs: number, toMs: number): Promise<Sound> {
  let sound = decoded.get(name);
  if (sound === undefined) {
    sound = decode(workshop, workshop.media(name), fromMs, toMs);
    decoded.set(name, sound);
  }
  return sound;
}

async function decode(workshop: Workshop, file: string, fromMs: number, toMs: number): Promise<Sound> {
  const raw = ['-ac', '2', '-ar', String(RATE_HZ), '-f', 'f32le', 'pipe:1'];
  const { stdout } = await workshop.ffmpeg(['-i', file, '-vn', ...raw]);
  const all = new Float32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
  const from = sampleAt(fromMs);
  const count = Math.min(sampleAt(toMs), Math.floor(all.length / 2)) - from;
  const pick = (channel: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => all[2 * (from + i) + channel]!);
  return { left: pick(0), right: pick(1) };
}

function repeated({ left, right }: Sound, from: number, samples: number): Sound {
  const round = (channel: Float32Array): Float32Array => {
    const out = new Float32Array(samples);
    for (let i = 0; i < samples; i++) out[i] = channel[(from + i) % channel.length]!;
    return out;
  };
  return { left: round(left), right: round(right) };
}

/** Two voices to a side, the lower one in common, that swell at different times. About -20 LUFS, never silent. */
function chords(samples: number, random: SeededRandom): Sound {
  const base = 160 + random.below(120);
  const third = base * (random.chance(500) ? 1.26 : 1.19);
  const tone = (hz: number, i: number): number => Math.sin((2 * Math.PI * hz * i) / RATE_HZ);
  const side = (hz: number, beat: number): Float32Array =>
    Float32Array.from({ length: samples }, (_, i) => {
      const common = 0.15 * tone(base, i) * (0.7 + 0.3 * tone(0.31, i));
      const own = 0.07 * tone(hz, i) * (0.6 + 0.4 * tone(beat, i));
      return common + own + 0.05 * tone(base * 5.01, i) * Math.abs(tone(1.9, i)) ** 8;
    });
  return { left: side(third, 0.9), right: side(base * 1.5, 0.7) };
}

/** Noise that rises and falls slowly, as of many voices, a little apart on both sides. */
function crowd(samples: number, random: SeededRandom): Sound {
  const left = new Float32Array(samples);
  const right = new Float32Array(samples);
  let [common, l, r] = [0, 0, 0];
  for (let i = 0; i < samples; i++) {
    const swell = 0.7 + 0.3 * Math.sin((2 * Math.PI * 0.23 * i) / RATE_HZ);
    common = 0.9 * common + 0.1 * noise(random);
    l = 0.8 * l + 0.2 * noise(random);
    r = 0.8 * r + 0.2 * noise(random);
    left[i] = swell * (0.55 * common + 0.12 * l);
    right[i] = swell * (0.55 * common + 0.12 * r);
  }
  return { left, right };
}

/** Uniform in [-1, 1). */
export function noise(random: SeededRandom): number {
  return random.next() / 2 ** 31 - 1;
}
