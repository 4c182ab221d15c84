/** Media files of several kinds, damaged in ways that a seed decides: what a probe may be handed. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SeededRandom } from '../../runtime/seeded-random.ts';

export type Whole = {
  readonly extension: string;
  /** Container and codecs. */
  readonly what: string;
  readonly bytes: Buffer;
};
export type Mutated = {
  readonly name: string;
  /** What it was before, and what was done to it. */
  readonly what: string;
  readonly damages: readonly string[];
  readonly bytes: Buffer;
};

/** A clip of two seconds in each container and codec that this ffmpeg can write, and the beginnings of two real ones. */
export async function wholeFiles(ffmpegPath: string, folder: string): Promise<readonly Whole[]> {
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=2'];
  const sound = ['-f', 'lavfi', '-i', 'sine=sample_rate=44100:duration=2'];
  const made: Whole[] = [];
  const { stdout: encoders } = await run(ffmpegPath, ['-hide_banner', '-encoders']);
  for (const [extension, coding] of KINDS) {
    const codecs = coding.filter((_, at) => coding[at - 1]?.startsWith('-c:'));
    if (!codecs.every((codec) => new RegExp(` ${codec} `).test(encoders))) continue;
    const file = join(folder, `whole-${made.length}.${extension}`);
    await run(ffmpegPath, [...QUIET, ...pictures, ...sound, ...coding, file]);
    made.push({ extension, what: `${extension}: ${codecs.join(', ')}`, bytes: readFileSync(file) });
  }
  for (const clip of ['city-360p.mp4', 'speech-jfk-1961.wav']) {
    const file = join(folder, `cut-${clip}`);
    const whole = fileURLToPath(new URL(clip, import.meta.url));
    await run(ffmpegPath, [...QUIET, '-i', whole, '-t', '1', '-c', 'copy', file]);
    made.push({ extension: clip.slice(-3), what: clip, bytes: readFileSync(file) });
  }
  return made;
}

/** File number `number` of a seed: the same bytes whenever the whole files are the same. */
export function mutate(whole: readonly Whole[], seed: number, number: number): Mutated {
  const random = new SeededRandom(`${seed}/${number}`);
  const { extension, what, bytes } = random.pick(whole);
  let mutated: Buffer = Buffer.from(bytes);
  const names: string[] = [];
  for (let rounds = random.between(1, 4); rounds > 0; rounds--) {
    const [name, damage] = random.pick(DAMAGES);
    names.push(name);
    mutated = damage(mutated, random, whole);
  }
  const name = `${String(number).padStart(4, '0')}-${names.join('-')}.${extension}`;
  return { name, what, damages: names, bytes: mutated };
}

const run = promisify(execFile);
const QUIET = ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y'];

const SMALL = ['-pix_fmt', 'yuv420p', '-g', '12'];
const KINDS: readonly (readonly [extension: string, coding: readonly string[]])[] = [
  ['mp4', [...SMALL, '-c:v', 'mpeg4', '-c:a', 'aac']],
  ['mp4', [...SMALL, '-c:v', 'mpeg4', '-c:a', 'aac', '-movflags', '+frag_keyframe+empty_moov']],
  ['mov', [...SMALL, '-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', '-c:a', 'pcm_s16le']],
  ['ts', [...SMALL, '-c:v', 'mpeg2video', '-c:a', 'mp2']],
  ['ts', [...SMALL, '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-c:a', 'aac']],
  ['ts', [...SMALL, '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=0', '-c:a', 'ac3']],
  [
    'mp4',
    [...SMALL, '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=0', '-c:a', 'aac'],
  ],
  ['mpg', [...SMALL, '-c:v', 'mpeg1video', '-c:a', 'mp2']],
  ['mkv', [...SMALL, '-c:v', 'mpeg4', '-c:a', 'flac']],
  ['avi', [...SMALL, '-c:v', 'mpeg4', '-c:a', 'ac3']],
  ['flv', [...SMALL, '-c:v', 'flv', '-c:a', 'aac']],
  ['asf', [...SMALL, '-c:v', 'msmpeg4', '-c:a', 'wmav2']],
  ['mxf', [...SMALL, '-c:v', 'mpeg2video', '-c:a', 'pcm_s16le', '-ar', '48000']],
  ['nut', [...SMALL, '-c:v', 'ffv1', '-c:a', 'pcm_s16le']],
  ['flac', ['-vn', '-c:a', 'flac']],
  ['wav', ['-vn', '-c:a', 'pcm_s16le']],
  ['aac', ['-vn', '-c:a', 'aac', '-f', 'adts']],
  ['ogg', ['-vn', '-c:a', 'flac', '-f', 'ogg']],
];

type Damage = (bytes: Buffer, random: SeededRandom, whole: readonly Whole[]) => Buffer;

/** Where a lie about sizes does most: the beginning, where headers are, or anywhere. */
function place(bytes: Buffer, random: SeededRandom): number {
  if (bytes.length < 16) return 0;
  return random.chance(700)
    ? random.below(Math.min(4_096, bytes.length - 8))
    : random.below(bytes.length - 8);
}

const EXTREMES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x40000000, 0x10001];

const DAMAGES: readonly (readonly [name: string, damage: Damage])[] = [
  [
    'bits',
    (bytes, random) => {
      if (bytes.length === 0) return bytes;
      for (let count = random.between(1, 64); count > 0; count--) {
        const at = random.below(bytes.length);
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
      }
      return bytes;
    },
  ],
  ['cut', (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1))],
  ['headless', (bytes, random) => bytes.subarray(random.below(Math.min(2_000, bytes.length + 1)))],
  [
    'spliced',
    (bytes, random, whole) => {
      const other = random.pick(whole).bytes;
      return Buffer.concat([
        bytes.subarray(0, random.below(bytes.length + 1)),
        other.subarray(random.below(other.length)),
      ]);
    },
  ],
  [
    'lies',
    (bytes, random) => {
      for (let count = random.between(1, 12); count > 0 && bytes.length >= 16; count--) {
        const at = place(bytes, random);
        if (random.chance(500)) bytes.writeUInt32BE(random.pick(EXTREMES), at);
        else bytes.writeUInt32LE(random.pick(EXTREMES), at);
      }
      return bytes;
    },
  ],
  [
    'zeros',
    (bytes, random) => {
      const at = random.below(bytes.length + 1);
      return bytes.fill(0, at, Math.min(bytes.length, at + random.between(1, 5_000)));
    },
  ],
  [
    'noise',
    (bytes, random) => {
      const from = random.below(bytes.length + 1);
      const to = Math.min(bytes.length, from + random.between(1, 2_000));
      for (let at = from; at < to; at++) bytes[at] = random.below(256);
      return bytes;
    },
  ],
  [
    'twice',
    (bytes, random) => {
      const from = random.below(bytes.length + 1);
      const part = bytes.subarray(from, Math.min(bytes.length, from + random.between(1, 20_000)));
      return Buffer.concat([bytes.subarray(0, from), part, part, bytes.subarray(from)]);
    },
  ],
];
