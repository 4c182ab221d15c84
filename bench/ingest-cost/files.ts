/** The files that are measured: 30 pictures a second, stereo AAC, of stated codec, size and bitrate. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export type FileKind = {
  readonly encoder: readonly string[];
  readonly heightPx: 720 | 1080;
  readonly bitrateKbps: number;
};

const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '60'];
const HEVC = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error:keyint=60'];

export const FILES: readonly FileKind[] = [
  { encoder: H264, heightPx: 720, bitrateKbps: 3_000 },
  { encoder: H264, heightPx: 1080, bitrateKbps: 5_000 },
  { encoder: HEVC, heightPx: 720, bitrateKbps: 2_000 },
  { encoder: HEVC, heightPx: 1080, bitrateKbps: 3_500 },
];

const media = (name: string): string => fileURLToPath(new URL(`../../test/media/${name}`, import.meta.url));
const run = promisify(execFile);

/** Every picture of a clip of 24 a second, shown as 30, and its sound as much faster. */
export async function renderFile(
  ffmpegPath: string,
  folder: string,
  { encoder, heightPx, bitrateKbps }: FileKind,
  source = media('big-buck-bunny-trailer-360p.mp4'),
): Promise<string> {
  const path = join(folder, `${encoder[1]}-${heightPx}.mp4`);
  const pictures = ['-vf', `setpts=N/30/TB,scale=-2:${heightPx}`, '-r', '30'];
  const sound = ['-af', 'atempo=1.25', '-c:a', 'aac', '-b:a', '128k', '-ar', '48000', '-shortest'];
  const rate = ['-b:v', `${bitrateKbps}k`];
  await run(ffmpegPath, [
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', '-i', source],
    ...[...pictures, ...encoder, ...rate, '-pix_fmt', 'yuv420p', ...sound, path],
  ]);
  return path;
}

/**
 * Half a minute for streams that show it again and again: a street and a speech, with nothing in it for which a shallow
 * depth would look closer.
 */
export async function renderLiveClip(ffmpegPath: string, folder: string): Promise<string> {
  const clip = join(folder, 'live.mp4');
  const again = ['-stream_loop', '-1', '-i'];
  const pictures = [
    '-vf',
    'setpts=N/30/TB,scale=1280:720',
    '-r',
    '30',
    '-b:v',
    '3000k',
    '-pix_fmt',
    'yuv420p',
  ];
  await run(ffmpegPath, [
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', ...again, media('city-360p.mp4')],
    ...[...again, media('speech-jfk-1961.wav'), '-map', '0:v', '-map', '1:a', '-t', '30'],
    ...[...H264, ...pictures, '-c:a', 'aac', '-b:a', '128k', '-ar', '48000', '-ac', '2', clip],
  ]);
  return clip;
}

/** Codec, size, pictures a second and bitrate of a file's pictures, as ffmpeg reads them; and how long it lasts. */
export async function describeFile(ffmpegPath: string, path: string): Promise<string> {
  // Asked for no output it tells of the input, and fails.
  const said = await run(ffmpegPath, ['-hide_banner', '-nostdin', '-i', path]).catch((error) => error);
  const text = String(said.stderr);
  const video = /Stream #.*Video: (\w+).*, (\d+x\d+).*?, (\d+) kb\/s.*?, ([\d.]+) fps/.exec(text);
  const duration = /Duration: (\d+):(\d+):([\d.]+)/.exec(text);
  if (video === null || duration === null)
    throw new Error(`${path}: ffmpeg tells no codec and bitrate: ${text}`);
  const [, codec, size, kbps, rate] = video;
  const seconds = Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3]);
  return `${codec} ${size}, ${rate} pictures/s, ${kbps} kbit/s, ${seconds.toFixed(0)} s`;
}
