/** For tests: what ffmpeg's own filters find in a file, a second opinion that shares no code with ours. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { FaultType } from './truth.ts';

export const FFMPEG = process.env.FFMPEG_BIN ?? 'ffmpeg';

export type Finding = { readonly type: FaultType; readonly startMs: number; readonly endMs: number };

const run = promisify(execFile);
const DEFECT_MS_MIN = 2000;
const BLOCK_S = 0.1;

/** Black of 2 s or more. */
export async function findBlack(input: string): Promise<Finding[]> {
  const text = await filterPictures(input, 'blackdetect=d=2:pix_th=0.10:pic_th=0.95');
  return [...text.matchAll(/black_start:([\d.]+) black_end:([\d.]+)/g)].map(([, start, end]) => ({
    type: 'video-black',
    startMs: Math.round(Number(start) * 1000),
    endMs: Math.round(Number(end) * 1000),
  }));
}

/** Still pictures of 2 s or more, black ones included, by freezedetect a little above its default threshold. */
export async function findStill(input: string, durationMs: number): Promise<Finding[]> {
  const text = await filterPictures(input, 'freezedetect=n=-55dB:d=2');
  const ends = [...text.matchAll(/freeze_end: ([\d.]+)/g)].map((match) => Number(match[1]) * 1000);
  return [...text.matchAll(/freeze_start: ([\d.]+)/g)].map(([, start], i) => ({
    type: 'video-freeze',
    startMs: Math.round(Number(start) * 1000),
    endMs: Math.round(ends[i] ?? durationMs),
  }));
}

/**
 * Spans of 2 s or more in which no picture differs from the one before by more than 1.5 code values in the mean. For
 * content that moves all over, all the time: freezedetect gives such a freeze up at the next key frame.
 */
export async function findHolds(input: string, durationMs: number): Promise<Finding[]> {
  const difference = 'format=gray,tblend=all_mode=difference,signalstats';
  const print = 'metadata=mode=print:key=lavfi.signalstats.YAVG:file=-';
  const args = [
    '-hide_banner',
    '-nostats',
    '-v',
    'error',
    '-i',
    input,
    '-an',
    '-vf',
    `${difference},${print}`,
  ];
  const { stdout } = await run(FFMPEG, [...args, '-f', 'null', '-'], { maxBuffer: 10_000_000 });
  const samples = [...stdout.matchAll(/pts_time:([\d.]+)\s+\S+YAVG=(\S+)/g)];
  return spansOf('video-freeze', samples, (level) => level <= 1.5, durationMs);
}

async function filterPictures(input: string, filters: string): Promise<string> {
  const args = ['-hide_banner', '-nostats', '-i', input, '-an', '-vf', filters, '-f', 'null', '-'];
  return (await run(FFMPEG, args)).stderr;
}

/** Spans of 2 s or more in which the RMS of every 100 ms is below -60 dBFS; sound that ends early counts as silence. */
export async function findInSound(input: string, durationMs: number): Promise<Finding[]> {
  const measure = `asetnsamples=n=${48_000 * BLOCK_S},astats=metadata=1:reset=1:measure_perchannel=none`;
  const print = 'ametadata=mode=print:key=lavfi.astats.Overall.RMS_level:file=-';
  const filters = `aresample=48000,apad,atrim=end=${durationMs / 1000},${measure},${print}`;
  const args = [
    '-hide_banner',
    '-nostats',
    '-v',
    'error',
    '-i',
    input,
    '-vn',
    '-af',
    filters,
    '-f',
    'null',
    '-',
  ];
  const { stdout } = await run(FFMPEG, args, { maxBuffer: 10_000_000 });
  const samples = [...stdout.matchAll(/pts_time:([\d.]+)\s+\S+RMS_level=(\S+)/g)];
  return spansOf('audio-silence', samples, (level) => level < -60, durationMs);
}

/** Spans of 2 s or more of consecutive samples (time in seconds, level) that match. */
function spansOf(
  type: FaultType,
  samples: readonly RegExpExecArray[],
  matches: (level: number) => boolean,
  durationMs: number,
): Finding[] {
  const found: Finding[] = [];
  let fromMs: number | null = null;
  const close = (toMs: number): void => {
    if (fromMs !== null && toMs - fromMs >= DEFECT_MS_MIN) found.push({ type, startMs: fromMs, endMs: toMs });
    fromMs = null;
  };
  for (const [, time, text] of samples) {
    const startMs = Math.round(Number(time) * 1000);
    if (matches(text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text))) fromMs ??= startMs;
    else close(startMs);
  }
  close(durationMs);
  return found;
}
