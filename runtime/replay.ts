/**
 * Runs one task over a stretch of the log once more, with the code that ran it live ({@link TaskCore}): for audits and
 * backtests. It writes nothing. Transactions are no part of it, because their boundaries never influence an output.
 */
import { findSnapshot, restoreSnapshot, type Snapshot } from './find-snapshot.ts';
import { type LogFeed, RecordedFeed } from './log-feed.ts';
import { isStarved } from './merge.ts';
import type { OutputDraft } from './output-draft.ts';
import type { AdminPort, LogBounds, TopicPartition } from './port.ts';
import { hasSnapshotTopic } from './snapshot.ts';
import { DEFAULT_CONFIG_HASH } from './surroundings.ts';
import { systemClock } from './system-clock.ts';
import type { ConfigStore, FetchingCodec } from './task.ts';
import { TaskCore, type TaskCoreOptions } from './task-core.ts';
import type { Counts } from './task-counts.ts';
import type { Source } from './task-sources.ts';
import type { Topology } from './topology.ts';

export type ReplayOptions = {
  readonly port: AdminPort;
  readonly codec: FetchingCodec;
  readonly configs: ConfigStore;
  readonly topology: Topology;
  readonly applicationId: string;
  readonly task: number;
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  /** Log time from which outputs are wanted; the run begins earlier, to have the state. */
  readonly fromMs: number;
  /** Log time, exclusive, up to which outputs are wanted. */
  readonly toMs: number;
  readonly trial?: TaskCoreOptions['trial'];
  /** Every output of the run, those before `fromMs` included. The draft is good during the call only. */
  readonly onOutput: (draft: OutputDraft) => void;
  /** What is read of a partition, where that is not the recorded log. */
  readonly feedOf?: (at: TopicPartition, recorded: RecordedFeed) => LogFeed;
  /** Told every few thousand records, and at the end; may wait, and may throw to end the run. */
  readonly onTurn?: (turn: ReplayTurn) => Promise<void> | void;
};

export type ReplayTurn = {
  /** How far log time is. */
  readonly timeMs: number;
  readonly records: number;
  /** `reducer key` of every key that this run cannot vouch for. */
  readonly partialKeys: ReadonlySet<string>;
};

/** Where a run began. `warm-up`: with no state in the middle of the log, so that some keys cannot be vouched for. */
export type ReplayStart =
  | { readonly kind: 'snapshot'; readonly boundaryMs: number }
  | { readonly kind: 'log-start' }
  | { readonly kind: 'warm-up'; readonly startMs: number };

export type ReplayedTask = {
  readonly start: ReplayStart;
  /** Every output with a log time below this is there. */
  readonly completeToMs: number;
  readonly records: number;
  readonly counts: Counts;
};

/** Throws what the port throws, {@link ./state.ts StateError} for a snapshot that this build cannot read. */
export async function replayTask(options: ReplayOptions): Promise<ReplayedTask> {
  const { port, toMs, codec, configs, onTurn } = options;
  const { core, start, bounds } = await begin(options);
  const feeds = core.sources.map((source) => feedFor(options, source, boundsOf(bounds, source), port));
  let records = 0;
  const tell = async () => onTurn?.({ timeMs: core.timeMs, records, partialKeys: core.graph.partialKeys });
  while (core.timeMs < toMs) {
    const result = core.step();
    if (result.kind === 'processed') {
      records += 1;
      if (records % RECORDS_PER_TURN === 0) await tell();
    } else if (result.kind === 'needs-schema') {
      if (await codec.fetchSchema(result.schemaId)) continue;
      await systemClock.sleep(REGISTRY_AWAY_MS);
      await tell();
    } else if (result.kind === 'needs-config') await configs.fetch(result.hash);
    else if (!(await refill(core, feeds))) break;
  }
  await tell();
  return { start, completeToMs: Math.min(core.timeMs, toMs), records, counts: core.counts };
}

const RECORDS_PER_TURN = 2_000;
/** Asking goes on until the registry answers, or whoever waits gives up. */
const REGISTRY_AWAY_MS = 500;

function feedFor(options: ReplayOptions, source: Source, { start, stableEnd }: LogBounds, port: AdminPort) {
  const { topic, partition, fetchOffset } = source;
  const recorded = new RecordedFeed(port, source, Math.max(start, fetchOffset), stableEnd);
  return options.feedOf?.({ topic, partition }, recorded) ?? recorded;
}

/** Brings more to every writer that has nothing waiting; false when there is no more. */
async function refill(core: TaskCore, feeds: readonly LogFeed[]): Promise<boolean> {
  let isRefilled = false;
  for (const [index, source] of core.sources.entries()) {
    if (!isStarved(source)) continue;
    const records = await feeds[index]!.more();
    if (records === null) continue;
    for (const record of records) core.offer(source, record);
    isRefilled = true;
  }
  return isRefilled;
}

type Beginning = {
  readonly core: TaskCore;
  readonly start: ReplayStart;
  readonly bounds: readonly (TopicPartition & LogBounds)[];
};

async function begin(options: ReplayOptions): Promise<Beginning> {
  const { port, topology, fromMs } = options;
  const plain = coreOf(options);
  const partitions = plain.sources.map(({ topic, partition }) => ({ topic, partition }));
  const bounds = await port.bounds(partitions);
  const snapshot = await snapshotBefore(options);
  if (snapshot !== null && isWithin(snapshot, bounds)) {
    const { configHash } = snapshot.position;
    if (configHash !== DEFAULT_CONFIG_HASH && options.configs.get(configHash) === undefined)
      await options.configs.fetch(configHash);
    restoreSnapshot(plain, snapshot);
    return { core: plain, start: { kind: 'snapshot', boundaryMs: snapshot.boundaryMs }, bounds };
  }
  if (bounds.every(({ start }) => start === 0)) return { core: plain, start: { kind: 'log-start' }, bounds };
  const horizonMs = topology.stateHorizonMs;
  const startMs = horizonMs === undefined ? fromMs : Math.max(0, fromMs - 2 * horizonMs);
  const core = coreOf({ ...options, warmUp: { startMs } });
  const offsets = await port.offsetsForTime(partitions, startMs);
  for (const source of core.sources) {
    const found = offsets.find((one) => isSame(one, source));
    source.fetchOffset = found?.offset ?? boundsOf(bounds, source).stableEnd;
  }
  return { core, start: { kind: 'warm-up', startMs }, bounds };
}

function coreOf(options: ReplayOptions & Pick<TaskCoreOptions, 'warmUp'>): TaskCore {
  const { topology, task, partitions, writerTasks, codec, configs, trial, warmUp, onOutput } = options;
  return new TaskCore({
    topology,
    task,
    partitions,
    writerTasks,
    codec,
    configOf: (hash) => configs.get(hash),
    output: onOutput,
    ...(trial === undefined ? {} : { trial }),
    ...(warmUp === undefined ? {} : { warmUp }),
  });
}

async function snapshotBefore({
  port,
  applicationId,
  task,
  fromMs,
}: ReplayOptions): Promise<Snapshot | null> {
  if (!(await hasSnapshotTopic(port, applicationId))) return null;
  return findSnapshot(port, applicationId, task, fromMs);
}

/** Retention may have taken what comes after an old snapshot. */
function isWithin(snapshot: Snapshot, bounds: readonly (TopicPartition & LogBounds)[]): boolean {
  return snapshot.position.sources.every((source) => source.offset >= boundsOf(bounds, source).start);
}

function boundsOf(bounds: readonly (TopicPartition & LogBounds)[], at: TopicPartition): LogBounds {
  const found = bounds.find((one) => isSame(one, at));
  if (found === undefined) throw new Error(`the bounds of ${at.topic}/${at.partition} were not asked for`);
  return found;
}

function isSame(a: TopicPartition, b: TopicPartition): boolean {
  return a.topic === b.topic && a.partition === b.partition;
}
