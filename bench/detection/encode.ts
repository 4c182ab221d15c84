/** From pictures and sound to a file: codecs, rates and containers as they are in use. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { Workshop } from './workshop.ts';

export type Container = 'mkv' | 'mp4' | 'ts';
export type PictureCodec = { readonly name: string; readonly args: readonly string[] };

export type Recording = {
  readonly inputs: readonly string[];
  /** Filters of the pictures, or a whole graph that ends in [v]. */
  readonly pictureFilters: readonly string[] | string;
  readonly codec: PictureCodec;
  readonly framesPerSecond: number;
  /** File with the sound; null for none. */
  readonly wav: string | null;
  readonly soundCodec: readonly string[];
  readonly container: Container;
  readonly seconds: number;
  readonly more?: readonly string[];
};

/** Codecs at rates that a viewer finds good, for pictures of 320 x 180 and somewhat more. */
export const CODECS: readonly PictureCodec[] = [
  { name: 'H.264', args: ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '22'] },
  {
    name: 'H.264 with B pictures',
    args: ['-c:v', 'libx264', '-preset', 'superfast', '-crf', '25', '-bf', '3'],
  },
  {
    name: 'H.264 at 250 kbit/s',
    args: ['-c:v', 'libx264', '-preset', 'superfast', '-b:v', '250k', '-maxrate', '250k', '-bufsize', '300k'],
  },
  {
    name: 'MPEG-2',
    args: ['-c:v', 'mpeg2video', '-b:v', '1200k', '-maxrate', '1500k', '-bufsize', '900k', '-bf', '2'],
  },
  {
    name: 'HEVC',
    args: [
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-crf',
      '27',
      '-x265-params',
      'log-level=error:frame-threads=1:pools=none',
    ],
  },
];

export function pickCodec(random: SeededRandom): PictureCodec {
  return CODECS[random.below(10) < 8 ? random.below(4) : 4]!;
}

export function pickSoundCodec(container: Container, random: SeededRandom): readonly string[] {
  const codecs = [
    ['-c:a', 'aac', '-b:a', '128k'],
    ['-c:a', 'aac', '-b:a', '64k'],
    ['-c:a', 'mp2', '-b:a', '192k'],
    ['-c:a', 'ac3', '-b:a', '192k'],
  ];
  return random.pick(container === 'mp4' ? codecs.slice(0, 2) : codecs);
}

/** Encodes the recording; the same one is made once only. */
export function recorded(workshop: Workshop, recording: Recording): Promise<string> {
  const { inputs, pictureFilters, codec, framesPerSecond, wav, soundCodec, container, seconds } = recording;
  const graph = typeof pictureFilters === 'string' ? pictureFilters : `[0:v]${pictureFilters.join(',')}[v]`;
  const sound = wav === null ? [] : ['-i', wav];
  const inputCount = inputs.filter((one) => one === '-i').length;
  const args = [
    ...[...inputs, ...sound, '-filter_complex', graph, '-map', '[v]'],
    ...(wav === null ? [] : ['-map', `${inputCount}:a`, ...soundCodec]),
    ...[...codec.args, '-g', String(2 * framesPerSecond), '-threads', '1', '-pix_fmt', 'yuv420p'],
    ...['-fps_mode', 'passthrough', '-flags', '+bitexact', '-fflags', '+bitexact'],
    ...[...(recording.more ?? []), '-t', seconds.toFixed(3)],
  ];
  return workshop.made(['recorded', args, container], container, async (file) => {
    await workshop.ffmpeg([...args, file]);
  });
}
