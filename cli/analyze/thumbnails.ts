/** A small picture at each of some places of a file, as data URLs. What cannot be decoded there is left out. */
import { spawn } from 'node:child_process';
import { filePathOf } from '../../producers/ingest/stream-spec.ts';

const WIDTH_PX = 240;
const JPEG_BYTES_MAX = 512 * 1024;
const DEADLINE_MS = 20_000;

/** By place, ms after the first timestamp; in the order that was given, one decoder at a time. */
export async function thumbnailsOf(
  ffmpegPath: string,
  file: string,
  placesMs: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  for (const placeMs of placesMs) {
    if (signal.aborted) break;
    const jpeg = await pictureAt(ffmpegPath, file, placeMs);
    if (jpeg !== null) found.set(placeMs, `data:image/jpeg;base64,${jpeg.toString('base64')}`);
  }
  return found;
}

function pictureAt(ffmpegPath: string, file: string, placeMs: number): Promise<Buffer | null> {
  const child = spawn(
    ffmpegPath,
    [
      ...[
        '-hide_banner',
        '-nostdin',
        '-loglevel',
        'error',
        '-threads',
        '1',
        '-protocol_whitelist',
        'file,pipe',
      ],
      ...['-ss', (placeMs / 1_000).toFixed(3), '-i', `file:${filePathOf(file)}`],
      ...['-map', '0:V:0', '-frames:v', '1', '-vf', `scale=${WIDTH_PX}:-2`, '-q:v', '5'],
      ...['-f', 'image2pipe', '-c:v', 'mjpeg', 'pipe:1'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= JPEG_BYTES_MAX) parts.push(part);
      else child.kill('SIGKILL');
    });
    const end = (isWhole: boolean): void => {
      clearTimeout(deadline);
      resolve(isWhole && bytes > 0 ? Buffer.concat(parts) : null);
    };
    child.on('error', () => end(false));
    child.on('close', (code) => end(code === 0 && bytes <= JPEG_BYTES_MAX));
  });
}
