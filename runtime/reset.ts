/**
 * Resets an application: its state is deleted and every task begins again at a new position, both in one transaction
 * for each task. It takes a task over as an instance would, so whoever still runs it is fenced, and goes on from the
 * new position once it has opened the task again.
 *
 * Snapshots go as well: they are in the order of log time, which begins anew. What is kept: outputs that were written (they may be written again), the number of the next record on repartition
 * edges, and the configuration in force. Log time begins anew with the first record that is read.
 */
import { POSITIONS_STORE, storesOf } from './define-topology.ts';
import { OutputBuffer } from './output-buffer.ts';
import {
  type ActiveMember,
  type AdminPort,
  type Clock,
  type LogBounds,
  LogError,
  type TopicPartition,
} from './port.ts';
import { restoreStore } from './restore.ts';
import { hasSnapshotTopic, snapshotTopic } from './snapshot.ts';
import { DEFAULT_CONFIG_HASH } from './surroundings.ts';
import { takeOver } from './take-over.ts';
import { DEFAULT_LIMITS } from './task.ts';
import { POSITION_KEY, type TaskPosition } from './task-core.ts';
import { changelogTopic, committedPosition } from './task-inputs.ts';
import { sourcesOf } from './task-sources.ts';
import type { Topology } from './topology.ts';
import { taskCountOf } from './worker.ts';

/** Where each task begins again. An offset outside the log becomes the nearest one in it, as with Kafka's tools. */
export type ResetTarget =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  /** The first record with at least this log time; the end where there is none. */
  | { readonly kind: 'time'; readonly atMs: number }
  | { readonly kind: 'offset'; readonly offset: number };

export type ResetOptions = {
  readonly port: AdminPort;
  readonly clock: Clock;
  readonly topology: Topology;
  readonly applicationId: string;
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  readonly target: ResetTarget;
};

export type TaskReset = {
  readonly task: number;
  readonly inputs: readonly (TopicPartition & {
    /** Position that the task has; null when it never committed one that can be read. */
    readonly from: number | null;
    readonly to: number;
    /** The log holds `[start, end)` of committed records. */
    readonly start: number;
    readonly end: number;
  })[];
  /** Keys that have state, by store. */
  readonly stores: readonly { readonly store: string; readonly keys: number }[];
  readonly configHash: string;
};

/** Instances that are in the application's group now; a reset is for when there are none. */
export function activeMembers({ port, applicationId }: ResetOptions): Promise<readonly ActiveMember[]> {
  return port.groupMembers(applicationId);
}

/** What {@link reset} would do now. Changes nothing. */
export async function planReset(options: ResetOptions): Promise<readonly TaskReset[]> {
  const tasks: TaskReset[] = [];
  for (let task = 0; task < taskCountOf(options.topology, options.partitions); task++) {
    tasks.push((await planTask(options, task)).plan);
  }
  return tasks;
}

/**
 * Does it, task by task. One that fails in the middle leaves each task either as it was or reset; run it again. Throws a
 * {@link LogError}; `producer-fenced` means that instances keep taking a task back.
 */
export async function reset(
  options: ResetOptions,
  onTask: (done: TaskReset) => void = () => {},
): Promise<readonly TaskReset[]> {
  const tasks: TaskReset[] = [];
  const hasSnapshots = await hasSnapshotTopic(options.port, options.applicationId);
  for (let task = 0; task < taskCountOf(options.topology, options.partitions); task++) {
    const done = await resetTaskWithRetries(options, task, hasSnapshots);
    tasks.push(done);
    onTask(done);
  }
  return tasks;
}

type Planned = {
  readonly plan: TaskReset;
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
  readonly position: TaskPosition;
};

const TRIES = 5;
const TRY_AGAIN_MS = 200;
/** Clearing a large store takes a while; the broker's own limit is 15 minutes. */
const TRANSACTION_TIMEOUT_MS = 5 * 60_000;
const SEND_AT_BYTES = 8 * 1024 * 1024;

async function resetTaskWithRetries(
  options: ResetOptions,
  task: number,
  hasSnapshots: boolean,
): Promise<TaskReset> {
  for (let tries = 1; ; tries++) {
    try {
      return await resetTask(options, task, hasSnapshots);
    } catch (error) {
      // an instance took the task over meanwhile, or nobody knows the outcome: doing it again does no harm
      if (!(error instanceof LogError) || error.kind === 'fatal' || tries === TRIES) throw error;
      await options.clock.sleep(TRY_AGAIN_MS * tries);
    }
  }
}

async function resetTask(options: ResetOptions, task: number, hasSnapshots: boolean): Promise<TaskReset> {
  const { clock, applicationId } = options;
  const producer = await takeOver({
    ...options,
    task,
    hasSnapshots,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  });
  // nobody else can commit from here on, so what is read now is what there is
  const { plan, keys, position } = await planTask(options, task);
  const outputs = new OutputBuffer(DEFAULT_LIMITS.batchBytesMax);
  const append = (store: string, key: Uint8Array, value: Uint8Array | null) =>
    outputs.append({
      topic: changelogTopic(applicationId, store),
      partition: task,
      key,
      value,
      headers: [],
      timestampMs: clock.nowMs(),
    });
  const sendAll = async () => {
    const batches = outputs.take();
    await producer.send(batches);
    outputs.recycle(batches);
  };
  // before the state goes, so that none is left of it whatever comes in between
  if (hasSnapshots) await deleteSnapshots(options, task);
  producer.begin();
  for (const [store, live] of keys) {
    for (const key of live) {
      append(store, Buffer.from(key, 'latin1'), null);
      if (outputs.sizeBytes >= SEND_AT_BYTES) await sendAll();
    }
  }
  append(POSITIONS_STORE, POSITION_KEY, Buffer.from(JSON.stringify(position)));
  await sendAll();
  await producer.sendGroupOffsets(
    applicationId,
    position.sources.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
  );
  await producer.commit();
  return plan;
}

async function deleteSnapshots({ port, applicationId }: ResetOptions, task: number): Promise<void> {
  const at = { topic: snapshotTopic(applicationId), partition: task };
  const [bounds] = await port.bounds([at]);
  if (bounds!.stableEnd > bounds!.start) await port.deleteRecords([{ ...at, offset: bounds!.stableEnd }]);
}

async function planTask(options: ResetOptions, task: number): Promise<Planned> {
  const { port, applicationId, topology } = options;
  const keys = new Map<string, Set<string>>();
  for (const store of storesOf(topology)) {
    const live = new Set<string>();
    await restoreStore(
      port,
      { topic: changelogTopic(applicationId, store), partition: task },
      {
        onEntry: (key, value) => {
          // latin1 gives every byte back as it was
          const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
          if (value === null) live.delete(name);
          else live.add(name);
        },
      },
    );
    keys.set(store, live);
  }
  const committed = await readablePosition(options, task);
  const sources = sourcesOf({ ...options, task });
  const targets = await targetsOf(options, sources);
  const configHash = committed?.configHash ?? DEFAULT_CONFIG_HASH;
  const inputs = targets.map(({ topic, partition, to, start, stableEnd }) => {
    const saved = committed?.sources.find((one) => one.topic === topic && one.partition === partition);
    return { topic, partition, from: saved?.offset ?? null, to, start, end: stableEnd };
  });
  return {
    plan: {
      task,
      inputs,
      stores: [...keys].map(([store, live]) => ({ store, keys: live.size })),
      configHash,
    },
    keys,
    position: {
      version: 2,
      timeMs: 0,
      sealedUpToMs: 0,
      configHash,
      configSinceMs: 0,
      // a number that was used once names that record for ever
      outSeq: committed?.outSeq ?? 0,
      sources: sources.map(({ topic, partition, channels }, index) => {
        const offset = targets[index]!.to;
        return {
          topic,
          partition,
          offset,
          channels: channels.map(() => ({ nextOffset: offset, boundMs: 0, sealedUpToMs: 0 })),
        };
      }),
    },
  };
}

/** What was committed last; null when nothing was, or nothing that this build can read: a reset is the way out of that. */
async function readablePosition(
  { port, applicationId }: ResetOptions,
  task: number,
): Promise<TaskPosition | null> {
  try {
    const position: Partial<TaskPosition> | null = await committedPosition(port, applicationId, task);
    const isWhole =
      typeof position?.configHash === 'string' &&
      Number.isSafeInteger(position.outSeq) &&
      Array.isArray(position.sources);
    return isWhole ? (position as TaskPosition) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function targetsOf(
  { port, target }: ResetOptions,
  partitions: readonly TopicPartition[],
): Promise<readonly (TopicPartition & LogBounds & { readonly to: number })[]> {
  const bounds = await port.bounds(partitions);
  const byTime = target.kind === 'time' ? await port.offsetsForTime(partitions, target.atMs) : [];
  return bounds.map((one, index) => ({ ...one, to: targetIn(one, target, byTime[index]?.offset ?? null) }));
}

function targetIn({ start, stableEnd }: LogBounds, target: ResetTarget, byTime: number | null): number {
  switch (target.kind) {
    case 'earliest':
      return start;
    case 'latest':
      return stableEnd;
    case 'time':
      return byTime ?? stableEnd;
    case 'offset':
      return Math.min(Math.max(target.offset, start), stableEnd);
  }
}
