/** The files that are measured: 30 pictures a second, stereo AAC, of stated codec, size and bitrate. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export type FileKind = {
  readonly name: string;
  readonly encoder: readonly string[];
  readonly heightPx: 720 | 1080;
  readonly bitrateKbps: number;
};

const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '60'];
const HEVC = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error:keyint=60'];

export const FILES: readonly FileKind[] = [
  { name: 'h264 720p30, 3 Mbit/s', encoder: H264, heightPx: 720, bitrateKbps: 3_000 },
  { name: 'h264 1080p30, 5 Mbit/s', encoder: H264, heightPx: 1080, bitrateKbps: 5_000 },
  { name: 'hevc 720p30, 2 Mbit/s', encoder: HEVC, heightPx: 720, bitrateKbps: 2_000 },
  { name: 'hevc 1080p30, 3.5 Mbit/s', encoder: HEVC, heightPx: 1080, bitrateKbps: 3_500 },
];

const TRAILER = fileURLToPath(new URL('../../test/media/big-buck-bunny-trailer-360p.mp4', import.meta.url));
const run = promisify(execFile);

/** Every picture of a clip of 24 a second, shown as 30, and its sound as much faster. */
export async function renderFile(
  ffmpegPath: string,
  folder: string,
  { encoder, heightPx, bitrateKbps }: FileKind,
  source = TRAILER,
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
