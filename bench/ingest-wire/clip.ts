/** The clip of the benches: the one with most happening in it, at 30 pictures a second and with sound throughout. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MEDIA = fileURLToPath(new URL('../../test/media/', import.meta.url));
const run = promisify(execFile);

/** 26 s at 360p: the trailer without its titles, its 24 pictures a second shown as 30, its sound as much faster. */
export async function fullClip(ffmpegPath: string, folder: string): Promise<string> {
  const clip = join(folder, 'clip.mp4');
  await run(ffmpegPath, [
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', '-ss', '10'],
    ...['-i', join(MEDIA, 'big-buck-bunny-trailer-360p.mp4'), '-t', '33'],
    ...['-vf', 'setpts=N/30/TB', '-af', 'atempo=1.25', '-r', '30'],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '900k', '-g', '60'],
    ...['-c:a', 'aac', '-b:a', '128k', '-ar', '48000', '-shortest', clip],
  ]);
  return clip;
}
