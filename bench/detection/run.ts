/** Makes each file, and looks at it in the way of `everyview analyze`. */
import { copyFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { judge } from '../../cli/analyze/analysis.ts';
import { AUDIO_BLOCK_MS } from '../../producers/ingest/audio-analysis.ts';
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';
import { measured, STREAM_ID } from './features.ts';
import type { MediaFile, MediaOrder, Span } from './media-file.ts';
import { askPeers } from './peers.ts';
import type { FileResult } from './score.ts';
import type { Workshop } from './workshop.ts';

export type RunOptions = {
  readonly jobs: number;
  /** Asks ffmpeg's filters about the files with faults. */
  readonly withPeers: boolean;
  readonly onFile: (result: FileResult, done: number, total: number) => void;
};

/** All files, `jobs` at a time; results in the order of `orders`. A file that fails ends it when all others are done. */
export async function runAll(
  workshop: Workshop,
  orders: readonly MediaOrder[],
  { jobs, withPeers, onFile }: RunOptions,
): Promise<readonly FileResult[]> {
  const results: FileResult[] = [];
  const failures: Error[] = [];
  let [next, done] = [0, 0];
  const look = async (order: MediaOrder): Promise<FileResult> => {
    const file = await order.make(workshop);
    const besides = file.besides ?? [];
    const all = await defectsIn(workshop, file, order.config);
    const found = all.filter(({ type }) => !besides.includes(type));
    const peers = withPeers && order.kind === 'faults' ? await askPeers(workshop, file) : null;
    const { id, kind, what } = order;
    return { id, kind, what, durationMs: file.durationMs, truths: file.truths, found, peers };
  };
  const work = async (): Promise<void> => {
    for (;;) {
      workshop.signal.throwIfAborted();
      const at = next++;
      const order = orders[at];
      if (order === undefined) return;
      try {
        const result = await look(order);
        results[at] = result;
        done += 1;
        onFile(result, done, orders.length);
      } catch (cause) {
        workshop.signal.throwIfAborted();
        failures.push(new Error(order.id, { cause }));
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} files could not be judged`);
  return results;
}

/** What `everyview analyze` would tell, with the same code. */
export async function defectsIn(
  workshop: Workshop,
  file: Pick<MediaFile, 'path' | 'reference'>,
  config: DetectionConfig | null,
): Promise<readonly Span[]> {
  const { chunks, reference } = await measured(workshop, file);
  const what = { streamId: STREAM_ID, input: file.path, ...(config === null ? {} : { config }) };
  return judge(what, chunks, reference).defects.map(({ type, startMs, endMs }) => ({ type, startMs, endMs }));
}

export type CopyResult = {
  readonly renamed: number;
  readonly remuxed: number;
  readonly different: readonly string[];
};

/** Rounding of a container's timestamps, and how much of an encoder's delay it can say. */
const REMUX_SLACK_MS = 60;
/** By that, sound may come to lie in other blocks. */
const REMUX_SOUND_SLACK_MS = REMUX_SLACK_MS + AUDIO_BLOCK_MS;

/** Files under another name tell the same to the byte; in another container the same, but for its rounding of time. */
export async function compareCopies(workshop: Workshop, orders: readonly MediaOrder[]): Promise<CopyResult> {
  const different: string[] = [];
  let [renamed, remuxed] = [0, 0];
  for (const order of orders) {
    workshop.signal.throwIfAborted();
    const file = await order.make(workshop);
    const found = await defectsIn(workshop, file, order.config);
    const copy = path.join(workshop.folder, `another name of ${path.basename(file.path)}`);
    copyFileSync(file.path, copy);
    const again = await defectsIn(workshop, { ...file, path: copy }, order.config);
    rmSync(copy);
    renamed += 1;
    if (JSON.stringify(again) !== JSON.stringify(found)) different.push(`${order.id}, renamed`);
    const other = await remux(workshop, file);
    remuxed += 1;
    const there = await defectsIn(workshop, { ...file, path: other }, order.config);
    // What shows in a transport stream shows in no other container.
    const besides = file.besides ?? [];
    const media = (spans: readonly Span[]) => spans.filter(({ type }) => !besides.includes(type));
    if (!areNear(media(found), media(there)))
      different.push(`${order.id}, remuxed: ${JSON.stringify(found)} / ${JSON.stringify(there)}`);
  }
  return { renamed, remuxed, different };
}

async function remux(workshop: Workshop, { path: from }: MediaFile): Promise<string> {
  const ending = from.endsWith('.ts') ? 'mkv' : 'ts';
  return workshop.made(['remuxed', from], ending, async (file) => {
    await workshop.ffmpeg(['-i', from, '-map', '0', '-c', 'copy', '-fflags', '+bitexact', file]);
  });
}

function areNear(found: readonly Span[], there: readonly Span[]): boolean {
  const inOrder = (spans: readonly Span[]): Span[] =>
    spans.toSorted((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : a.startMs - b.startMs));
  const [one, other] = [inOrder(found), inOrder(there)];
  return (
    one.length === other.length &&
    one.every(({ type, startMs, endMs }, at) => {
      const same = other[at]!;
      const slackMs = type.startsWith('audio-') ? REMUX_SOUND_SLACK_MS : REMUX_SLACK_MS;
      const near = (a: number, b: number): boolean => Math.abs(a - b) <= slackMs;
      return type === same.type && near(startMs, same.startMs) && near(endMs, same.endMs);
    })
  );
}
