/** The partitions that a task reads. */
import { type MergeSource, newChannel } from './merge.ts';
import type { Topology } from './topology.ts';

/** A partition that the task reads, and where reading it goes on. */
export type Source = MergeSource & {
  /** Where walking what was fetched goes on: everything before it is queued, or taken. */
  fetchOffset: number;
  /** Whether the partition has to agree with murmur2 of the key: so on every topic that others write. */
  readonly keyed: boolean;
  /** Whether the task may tick it: only what is written from outside falls silent without a word. */
  readonly external: boolean;
  /** Every task reads it. */
  readonly isBroadcast: boolean;
};

export type SourcesOptions = {
  readonly topology: Topology;
  readonly task: number;
  /** Partition counts by topic. */
  readonly partitions: ReadonlyMap<string, number>;
  /** Number of tasks that write each source topic whose writers repartition. */
  readonly writerTasks: ReadonlyMap<string, number>;
};

/** Every partition that the task reads, in the order (input, partition) that breaks ties of log time. */
export function sourcesOf(options: SourcesOptions): readonly Source[] {
  const { topology, task, partitions, writerTasks } = options;
  const sources: Source[] = [];
  for (const node of topology.sources) {
    const count = partitions.get(node.topic);
    if (count === undefined) throw new Error(`the partition count of ${node.topic} is not known`);
    const numbers = node.span === 'same' ? [task] : Array.from({ length: count }, (_, p) => p);
    const writers = node.writers === 'repartition' ? writerTasks.get(node.topic) : 1;
    if (writers === undefined) throw new Error(`the number of tasks that write ${node.topic} is not known`);
    for (const partition of numbers) {
      sources.push({
        topic: node.topic,
        partition,
        order: sources.length,
        channels: Array.from({ length: writers }, () => newChannel(0, 0)),
        fetchOffset: 0,
        keyed: node.writers === 'external',
        external: node.writers === 'external',
        isBroadcast: node.span === 'broadcast',
      });
    }
  }
  return sources;
}

/** The highest seal that was taken of a partition: what all of its writers said at least. */
export function sealOf(source: MergeSource): number {
  let lowestMs = Number.POSITIVE_INFINITY;
  for (const { sealedUpToMs } of source.channels) lowestMs = Math.min(lowestMs, sealedUpToMs);
  return lowestMs;
}

/** What a task's position says of a partition. */
export type SavedSource = {
  readonly topic: string;
  readonly partition: number;
  /** First offset to read again. */
  readonly offset: number;
  readonly channels: readonly {
    readonly nextOffset: number;
    readonly boundMs: number;
    /** Absent in positions of version 1. */
    readonly sealedUpToMs?: number;
  }[];
};

export function savedSource(source: Source): SavedSource {
  const { topic, partition, channels } = source;
  return {
    topic,
    partition,
    offset: firstUnprocessed(source),
    channels: channels.map(({ nextOffset, boundMs, sealedUpToMs }) => ({
      nextOffset,
      boundMs,
      sealedUpToMs,
    })),
  };
}

/** Lets partitions go on where they stood; why they can't, when what was saved is of other partitions or writers. */
export function restoreSources(sources: readonly Source[], saved: readonly SavedSource[]): string | null {
  for (const source of sources) {
    const { topic, partition, channels } = source;
    const found = saved.find((one) => one.topic === topic && one.partition === partition);
    if (found === undefined) return `knows nothing of ${topic}/${partition}, which is read now`;
    if (found.channels.length !== channels.length) {
      return `was made when ${found.channels.length} tasks wrote ${topic}, and now ${channels.length} do`;
    }
    source.fetchOffset = found.offset;
    for (const [index, channel] of channels.entries()) {
      const { nextOffset, boundMs, sealedUpToMs = 0 } = found.channels[index]!;
      Object.assign(channel, { nextOffset, boundMs, sealedUpToMs, queuedUpToMs: boundMs });
    }
  }
  return null;
}

/** Where reading has to begin again after a restart: what is queued was read, but not taken. */
function firstUnprocessed(source: Source): number {
  let offset = source.fetchOffset;
  for (const channel of source.channels) {
    const waiting = channel.queue[channel.head];
    if (waiting !== undefined && waiting.offset < offset) offset = waiting.offset;
  }
  return offset;
}
