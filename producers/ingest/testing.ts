/** For tests: clips from ffmpeg's own sources, a sink that remembers, and waiting for conditions. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import type { FeatureSink } from './bounded-writer.ts';
import { type IngestProgress, type StreamResult, startIngest } from './ingest.ts';
import { parseStreamSpec, type StreamSpecInput } from './parse-stream-spec.ts';

/** The decoder that the tests run with. */
export const FFMPEG = process.env.FFMPEG_BIN ?? 'ffmpeg';

const run = promisify(execFile);

/** Runs ffmpeg to its end; rejects with its messages when it fails. */
export async function ffmpeg(...args: string[]): Promise<void> {
  await run(FFMPEG, ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', ...args]);
}

/** A folder of one's own, and its removal. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'everyview-ingest-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A sink that keeps every record. */
export class RememberingSink implements FeatureSink {
  readonly records: FrameFeatures[] = [];
  async write(_topicKey: string, record: FrameFeatures): Promise<void> {
    this.records.push(record);
  }
}

/** Whatever became of the input: the log goes on upwards, and nothing of it is missing. */
export function assertGoesOn(records: readonly FrameFeatures[]): void {
  const pts = picturesOf(records).map(({ ptsMs }) => ptsMs);
  assert.ok(
    pts.every((ms, i) => i === 0 || ms > pts[i - 1]!),
    'upwards',
  );
  assert.deepEqual(
    records.map(({ seq }) => seq),
    records.map((_, i) => i),
  );
}

export type Watched = {
  readonly records: readonly FrameFeatures[];
  readonly result: StreamResult;
  readonly progress: readonly IngestProgress[];
};

/** Ingests one input to its end as fast as possible, with `config` in force. */
export async function watchToEnd(
  input: string,
  spec: Partial<StreamSpecInput> = {},
  config: unknown = null,
): Promise<Watched> {
  const sink = new RememberingSink();
  const progress: IngestProgress[] = [];
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'test', pace: 'fast', ...spec, input })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
    probeEpochMs: 1_000_000,
    config,
    onProgress: (step) => progress.push(step),
  });
  const results = await ingest.done;
  return { records: sink.records, result: results[0]!, progress };
}

/** One picture of a stream, at its place on the timeline. */
export type TimelinePicture = {
  readonly ptsMs: number;
  readonly darkPermille: number;
  readonly diffMeanCenti: number;
  readonly anchorAgeMs: number;
};

export function picturesOf(records: readonly FrameFeatures[]): TimelinePicture[] {
  return records.flatMap((record) =>
    record.framePtsMs.map((offsetMs, i) => ({
      ptsMs: record.basePtsMs + offsetMs,
      darkPermille: record.darkPermille[i]!,
      diffMeanCenti: record.diffMeanCenti[i]!,
      anchorAgeMs: record.anchorAgeMs[i]!,
    })),
  );
}

/** Audio blocks at their places on the timeline, with the level of the loudest channel. */
export function blocksOf(records: readonly FrameFeatures[]): { startMs: number; rmsCentiDbfs: number }[] {
  return records.flatMap((record) => {
    const { audioChannels: channels, audioRmsCentiDbfs: levels } = record;
    if (channels === 0) return [];
    return Array.from({ length: levels.length / channels }, (_, i) => ({
      startMs: record.basePtsMs + record.audioStartMs + i * record.audioBlockMs,
      rmsCentiDbfs: Math.max(...levels.slice(i * channels, (i + 1) * channels)),
    }));
  });
}

/** Spans of at least `minMs` in which every item is one: [start of the first, start of the first that is not). */
export function spans<T>(
  items: readonly T[],
  startOf: (item: T) => number,
  isOne: (item: T) => boolean,
  minMs: number,
): [number, number][] {
  const found: [number, number][] = [];
  let fromMs: number | null = null;
  for (const item of items) {
    if (isOne(item)) {
      fromMs ??= startOf(item);
    } else if (fromMs !== null) {
      if (startOf(item) - fromMs >= minMs) found.push([fromMs, startOf(item)]);
      fromMs = null;
    }
  }
  const lastMs = items.length === 0 ? 0 : startOf(items.at(-1)!);
  if (fromMs !== null && lastMs - fromMs >= minMs) found.push([fromMs, lastMs]);
  return found;
}

/** Still runs of at least `minMs`: [anchor, last picture of the run]. */
export function stillRuns(pictures: readonly TimelinePicture[], minMs: number): [number, number][] {
  return pictures
    .filter(
      (picture, i) =>
        picture.anchorAgeMs >= minMs && !((pictures[i + 1]?.anchorAgeMs ?? 0) > picture.anchorAgeMs),
    )
    .map((picture) => [picture.ptsMs - picture.anchorAgeMs, picture.ptsMs]);
}

/** Looks every few milliseconds until the condition holds; fails after the limit, saying what was waited for. */
export async function until(what: string, condition: () => boolean, limitMs = 20_000): Promise<void> {
  const giveUpAtMs = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > giveUpAtMs) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await systemClock.sleep(10);
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
