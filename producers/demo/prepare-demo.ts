/** Prepares the demonstration: streams to watch, and apart from them the list of what is wrong with them. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { STREAM_DEFAULTS, type StreamSpec } from '../ingest/stream-spec.ts';
import { type HlsOrigin, startHlsOrigin } from './hls-origin.ts';
import { type PlannedStream, planDemo, truthOf } from './plan.ts';
import {
  chooseEncoder,
  type Encoder,
  renderArguments,
  renderedPath,
  runFfmpeg,
  VOD_PLAYLIST,
} from './render.ts';
import type { FaultTruth } from './truth.ts';

export type DemoOptions = {
  /** Rendered streams are kept in its `demo` folder and found again by what they were made from. */
  readonly dataDir: string;
  readonly ffmpegPath: string;
  /** How long the demonstration will run, in ms; streams are at most this long before they repeat. */
  readonly durationMs: number;
  readonly seed: number;
  readonly onProgress?: (message: string) => void;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Folder of the clips; that of the repository when left out. */
  readonly mediaDir?: string;
};

export type Demo = {
  readonly streams: readonly StreamSpec[];
  /** Never shown to what watches the streams. */
  readonly truth: readonly FaultTruth[];
  /** Closes the HTTP origin. */
  stop(): Promise<void>;
};

/**
 * Renders what is not there yet (a few seconds), starts the HLS origin, and gives the streams and the truth.
 * Rejects with one line that says what to do when a clip is missing or ffmpeg cannot encode.
 */
export async function prepareDemo(options: DemoOptions): Promise<Demo> {
  const tell = options.onProgress ?? (() => {});
  const mediaDir = options.mediaDir ?? fileURLToPath(new URL('../../test/media/', import.meta.url));
  const plan = planDemo(options.durationMs, options.seed);
  const encoder = await chooseEncoder(options.ffmpegPath);
  if (encoder === null) {
    throw new Error(
      `${options.ffmpegPath} encodes neither H.264 nor MPEG-4 nor MPEG-2; install a full ffmpeg 5.1 or newer`,
    );
  }
  if (encoder.name !== 'libx264') tell(`this ffmpeg has no libx264; the demonstration uses ${encoder.name}`);
  const folder = join(
    options.dataDir,
    'demo',
    await contentHash(plan, mediaDir, encoder, options.ffmpegPath),
  );
  if (existsSync(folder)) tell(`${plan.length} demonstration streams are there from an earlier start`);
  else await renderAll(plan, mediaDir, folder, encoder, options);

  const origins: HlsOrigin[] = [];
  const streams: StreamSpec[] = [];
  for (const stream of plan) {
    const path = renderedPath(folder, stream);
    if (stream.delivery === 'file') {
      streams.push({ ...STREAM_DEFAULTS, programmeId: stream.streamId, input: path, loop: true });
      continue;
    }
    const origin = await startHlsOrigin(path, VOD_PLAYLIST, options.clock ?? systemClock);
    origins.push(origin);
    const allow = [new URL(origin.url).host];
    streams.push({ ...STREAM_DEFAULTS, programmeId: stream.streamId, input: origin.url, allow });
  }
  return {
    streams,
    truth: plan.flatMap(truthOf),
    async stop() {
      await Promise.all(origins.map((origin) => origin.stop()));
    },
  };
}

const RENDERED_AT_ONCE = 2;

async function renderAll(
  plan: readonly PlannedStream[],
  mediaDir: string,
  folder: string,
  encoder: Encoder,
  options: DemoOptions,
): Promise<void> {
  const tell = options.onProgress ?? (() => {});
  // Rendered beside and renamed when whole: an interrupted start leaves nothing that looks finished.
  const beside = `${folder}.${process.pid}.part`;
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { recursive: true });
  const waiting = [...plan];
  const render = async (): Promise<void> => {
    for (let stream = waiting.shift(); stream !== undefined; stream = waiting.shift()) {
      tell(`rendering ${stream.streamId}: ${stream.what}, ${stream.durationMs / 1000} s`);
      if (stream.delivery === 'hls') await mkdir(renderedPath(beside, stream));
      await runFfmpeg(options.ffmpegPath, renderArguments(stream, mediaDir, beside, encoder), options.signal);
    }
  };
  try {
    const renders = Array.from({ length: RENDERED_AT_ONCE }, render);
    const failed = (await Promise.allSettled(renders)).find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await rename(beside, folder).catch((cause: unknown) => {
      // Somebody else was faster with the same.
      if (!existsSync(folder)) throw cause;
    });
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

/** Names a demonstration after everything that its bytes depend on. */
async function contentHash(
  plan: readonly PlannedStream[],
  mediaDir: string,
  encoder: Encoder,
  ffmpegPath: string,
): Promise<string> {
  const hash = createHash('sha256');
  const clips = new Set(plan.flatMap(({ clip }) => [clip.picture, clip.sound]));
  for (const name of [...clips].sort()) {
    const bytes = await readFile(join(mediaDir, name)).catch((cause: unknown) => {
      throw new Error(
        `${join(mediaDir, name)} cannot be read; get the repository's test/media folder again`,
        { cause },
      );
    });
    hash.update(name).update(bytes);
  }
  const build = (await runFfmpeg(ffmpegPath, ['-version'])).split('\n')[0]!;
  hash.update(build);
  for (const stream of plan) hash.update(JSON.stringify(renderArguments(stream, '', '', encoder)));
  return hash.digest('hex').slice(0, 16);
}
