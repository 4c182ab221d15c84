/**
 * What the topologies would have said over a range of the log under another configuration. Each topology runs once more,
 * on what the one before it says now; what the log says of before the range stays as it is. It writes nothing.
 */
import { PARTIAL_HEADER } from '../../runtime/control-records.ts';
import { applicationIdOf } from '../../runtime/deploy.ts';
import { decodeFollowed } from '../../runtime/follow-log.ts';
import { ComputedFeed, type ComputedRecord, RecordedFeed } from '../../runtime/log-feed.ts';
import type { OutputRecord } from '../../runtime/output-buffer.ts';
import type { OutputDraft } from '../../runtime/output-draft.ts';
import { type ReplayStart, replayTask } from '../../runtime/replay.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import type { TaskCoreOptions } from '../../runtime/task-core.ts';
import { readUtf8 } from '../../runtime/utf8.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { QosAlert, QosScore, StreamDefect } from '../../schemas/records.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { ExpectedError } from '../failure.ts';
import { type BacktestDiff, diffOf, RunFold } from './backtest-diff.ts';
import { committedToMs } from './live-run.ts';
import type { ReplayOptions } from './replay-options.ts';

export type BacktestOptions = ReplayOptions & {
  /** The configuration to try; absent: what held live. */
  readonly candidate?: { readonly configHash: string; readonly config: unknown };
};

export type BacktestResult = {
  readonly diff: BacktestDiff;
  readonly live: RunFold;
  readonly candidate: RunFold;
  readonly fromMs: number;
  /** Log time up to which was compared, exclusive. */
  readonly comparedToMs: number;
  readonly recordsIn: number;
  readonly starts: readonly {
    readonly topology: string;
    readonly task: number;
    readonly start: ReplayStart;
  }[];
  /** Keys that began before the warm-up: in no figure. */
  readonly keysLeftOut: number;
};

export async function backtest(options: BacktestOptions): Promise<BacktestResult> {
  let toMs = Math.min(options.toMs, await liveToMs(options));
  for (;;) {
    const run = await runChain(options, toMs);
    // The log ends before the range does: once more, up to where every task got, so that ends are compared alike.
    if (run.completeToMs < toMs && run.completeToMs > options.fromMs) {
      toMs = run.completeToMs;
      continue;
    }
    const live = new RunFold();
    for (const topic of FOLDED) await foldRecorded(options, topic, toMs, live);
    const { fold, partial, records, starts } = run;
    live.forget(partial);
    fold.forget(partial);
    return {
      diff: diffOf(live, fold),
      live,
      candidate: fold,
      fromMs: options.fromMs,
      comparedToMs: toMs,
      recordsIn: records,
      starts,
      keysLeftOut: partial.size,
    };
  }
}

const FOLDED = ['stream-defects', 'qos-scores', 'qos-alerts'] as const satisfies readonly TopicName[];
type Folded = (typeof FOLDED)[number];

/** Log time up to which every live task has committed; throws when one never did. */
async function liveToMs({ port, topologies, partitions }: BacktestOptions): Promise<number> {
  let toMs = Number.MAX_SAFE_INTEGER;
  for (const topology of topologies) {
    for (let task = 0; task < taskCountOf(topology, partitions); task++) {
      const committed = await committedToMs(port, applicationIdOf(topology), task);
      if (committed === null) {
        throw new ExpectedError(
          `${topology.name}, task ${task}, never processed anything: there is nothing live to compare with`,
          'Run all topologies first with everyview run or everyview start',
        );
      }
      toMs = Math.min(toMs, committed);
    }
  }
  return toMs;
}

type ChainRun = {
  readonly fold: RunFold;
  readonly partial: ReadonlySet<string>;
  readonly completeToMs: number;
  readonly records: number;
  readonly starts: BacktestResult['starts'];
};

async function runChain(options: BacktestOptions, toMs: number): Promise<ChainRun> {
  const { topologies, fromMs, partitions, codec, onProgress, signal, candidate } = options;
  const computed = new Map<string, ComputedRecord[]>();
  const inputs = new Set(topologies.flatMap(({ sources }) => sources.map(({ topic }) => topic as string)));
  const fold = new RunFold();
  const partial = new Set<string>();
  const said: OutputRecord[] = [];
  const starts: { topology: string; task: number; start: ReplayStart }[] = [];
  let [records, completeToMs] = [0, toMs];
  const trial: TaskCoreOptions['trial'] = candidate === undefined ? undefined : { fromMs, ...candidate };
  const onOutput = (draft: OutputDraft): void => {
    if (draft.timestampMs < fromMs) return;
    if (inputs.has(draft.topic)) {
      const place = `${draft.topic}/${draft.partition}`;
      const kept = computed.get(place);
      if (kept === undefined) computed.set(place, [draft.toRecord()]);
      else kept.push(draft.toRecord());
    }
    if (draft.timestampMs >= toMs || draft.valueLength < 0 || !isFolded(draft.topic)) return;
    said.push(draft.toRecord());
  };
  const foldSaid = async (): Promise<void> => {
    for (const { topic, key, value, headers } of said.splice(0)) {
      if (headers.some(([name]) => name === PARTIAL_HEADER)) partial.add(readUtf8(key!, 0, key!.length));
      add(fold, topic as Folded, await decoded(codec, topic as Folded, value!));
    }
  };
  for (const topology of topologies) {
    const written = new Set(
      topologies
        .slice(0, topologies.indexOf(topology))
        .flatMap(({ sinks }) => sinks.map(({ topic }) => topic as string)),
    );
    for (let task = 0; task < taskCountOf(topology, partitions); task++) {
      const replayed = await replayTask({
        ...options,
        topology,
        applicationId: applicationIdOf(topology),
        task,
        toMs,
        onOutput,
        ...(trial === undefined ? {} : { trial }),
        feedOf: ({ topic, partition }, recorded) =>
          written.has(topic)
            ? new ComputedFeed(recorded, fromMs, computed.get(`${topic}/${partition}`) ?? [])
            : recorded,
        onTurn: async ({ timeMs, partialKeys }) => {
          signal.throwIfAborted();
          await foldSaid();
          for (const name of partialKeys) partial.add(name.slice(name.indexOf(' ') + 1));
          onProgress({ topology: topology.name, task, timeMs });
        },
      });
      records += replayed.records;
      completeToMs = Math.min(completeToMs, replayed.completeToMs);
      starts.push({ topology: topology.name, task, start: replayed.start });
    }
  }
  return { fold, partial, completeToMs, records, starts };
}

async function foldRecorded(
  { port, codec, partitions, fromMs }: BacktestOptions,
  topic: Folded,
  toMs: number,
  fold: RunFold,
): Promise<void> {
  const places = Array.from({ length: partitions.get(topic)! }, (_, partition) => ({ topic, partition }));
  const bounds = await port.bounds(places);
  const begins = await port.offsetsForTime(places, fromMs);
  for (const [index, place] of places.entries()) {
    const { stableEnd } = bounds[index]!;
    const feed = new RecordedFeed(port, place, begins[index]!.offset ?? stableEnd, stableEnd);
    for (let records = await feed.more(); records !== null; records = await feed.more()) {
      for (const { value, timestampMs } of records) {
        if (value === null || timestampMs < fromMs || timestampMs >= toMs) continue;
        add(fold, topic, await decoded(codec, topic, value));
      }
    }
  }
}

async function decoded(codec: FetchingCodec, topic: Folded, bytes: Uint8Array): Promise<unknown> {
  const value = await decodeFollowed(codec, systemClock, topic, bytes);
  if (value instanceof SchemaError) throw value;
  return value;
}

function add(fold: RunFold, topic: Folded, value: unknown): void {
  if (topic === 'qos-alerts') fold.alert(value as QosAlert);
  else if (topic === 'stream-defects') fold.defect(value as StreamDefect);
  else fold.score(value as QosScore);
}

function isFolded(topic: string): topic is Folded {
  return (FOLDED as readonly string[]).includes(topic);
}
