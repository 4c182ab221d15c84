/** Renders a planned stream with ffmpeg: the clip, its sound, the faults. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { InsertedFault, PlannedStream } from './plan.ts';

/** What this build of ffmpeg encodes with. */
export type Encoder = { readonly name: string; readonly args: readonly string[] };

/** Preferred first: what is light to decode at good quality. ffmpeg's own encoders are in every build. */
const ENCODERS: readonly Encoder[] = [
  { name: 'libx264', args: ['-preset', 'ultrafast', '-crf', '23', '-pix_fmt', 'yuv420p'] },
  { name: 'mpeg4', args: ['-q:v', '3', '-pix_fmt', 'yuv420p'] },
  { name: 'mpeg2video', args: ['-q:v', '3', '-pix_fmt', 'yuv420p'] },
];

const SEGMENT_S = 2;
export const VOD_PLAYLIST = 'vod.m3u8';

/** The best encoder of this build; null when it has none of those that the demonstration can use. */
export async function chooseEncoder(ffmpegPath: string): Promise<Encoder | null> {
  const listed = await runFfmpeg(ffmpegPath, ['-hide_banner', '-encoders']);
  const names = new Set([...listed.matchAll(/^ V\S+ (\S+)/gm)].map((match) => match[1]));
  return ENCODERS.find((encoder) => names.has(encoder.name)) ?? null;
}

/** Where a stream lies in the folder of its demonstration. */
export function renderedPath(folder: string, stream: PlannedStream): string {
  return stream.delivery === 'file' ? join(folder, `${stream.streamId}.mp4`) : join(folder, stream.streamId);
}

/** Arguments that render `stream` into `folder` from the clips in `mediaDir`. The HLS folder has to exist. */
export function renderArguments(
  stream: PlannedStream,
  mediaDir: string,
  folder: string,
  encoder: Encoder,
): string[] {
  const { clip, durationMs } = stream;
  const seek = clip.cut === null ? ['-stream_loop', '-1'] : ['-ss', seconds(clip.cut.fromMs)];
  const target = renderedPath(folder, stream);
  const output =
    stream.delivery === 'file'
      ? ['-f', 'mp4', target]
      : [
          ...[
            '-f',
            'hls',
            '-hls_time',
            String(SEGMENT_S),
            '-hls_list_size',
            '0',
            '-hls_playlist_type',
            'vod',
          ],
          ...['-hls_segment_filename', join(target, 'segment-%05d.ts'), join(target, VOD_PLAYLIST)],
        ];
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error', '-y'],
    ...seek,
    ...['-i', join(mediaDir, clip.picture)],
    ...(clip.sound === clip.picture ? [] : ['-stream_loop', '-1', '-i', join(mediaDir, clip.sound)]),
    ...['-map', '0:v:0', '-map', clip.sound === clip.picture ? '0:a:0' : '1:a:0'],
    ...['-vf', pictureFilters(stream), '-af', soundFilters(stream.faults)],
    ...['-c:v', encoder.name, ...encoder.args, '-threads', '1'],
    ...['-g', String(clip.framesPerSecond * SEGMENT_S), '-bf', '0'],
    ...['-c:a', 'aac', '-b:a', '96k', '-t', seconds(durationMs), '-map_metadata', '-1'],
    ...output,
  ];
}

/** Runs ffmpeg to its end and gives what it printed. Rejects with its last message when it fails. */
export async function runFfmpeg(
  ffmpegPath: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const child = spawn(ffmpegPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' as const }),
  });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(0, OUTPUT_CHARS_MAX);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  const [code, exitSignal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return output;
  const reason = complaint.trim().split('\n').at(-1) || `it ended with ${exitSignal ?? `code ${code}`}`;
  throw new Error(`${ffmpegPath} failed: ${reason}`);
}

const OUTPUT_CHARS_MAX = 200_000;
/** Enough to be on the safe side of a picture's rounded time, and less than half a picture. */
const TIME_SLACK_MS = 10;
const SAMPLE_RATE_HZ = 48_000;

function pictureFilters(stream: PlannedStream): string {
  const frozen = stream.faults.filter((fault) => fault.type === 'video-freeze');
  const black = stream.faults.filter((fault) => fault.type === 'video-black');
  const filters = ['scale=640:360:flags=bicubic', 'setsar=1'];
  if (frozen.length > 0) {
    // Pictures in the interval go, and the one before each hole fills it.
    filters.push(`select='not(${frozen.map(during).join('+')})'`, `fps=${stream.clip.framesPerSecond}`);
  }
  if (black.length > 0) filters.push(`drawbox=color=black:t=fill:enable='${black.map(during).join('+')}'`);
  return filters.join(',');
}

function soundFilters(faults: readonly InsertedFault[]): string {
  const filters = [`aresample=${SAMPLE_RATE_HZ}`, 'aformat=channel_layouts=stereo', 'apad'];
  const silent = faults.filter((fault) => fault.type === 'audio-silence');
  if (silent.length > 0) {
    // Filters switch at the borders of frames: 10 ms frames make the border exact.
    filters.push('asetnsamples=n=480', `volume=volume=0:enable='${silent.map(during).join('+')}'`);
  }
  return filters.join(',');
}

function during(fault: InsertedFault): string {
  const slack = fault.type === 'audio-silence' ? 1 : TIME_SLACK_MS;
  return `gte(t,${seconds(fault.startMs - slack)})*lt(t,${seconds(fault.endMs - slack)})`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
