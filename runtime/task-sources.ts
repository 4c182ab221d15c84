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
    const numbers = node.span === 'all' ? Array.from({ length: count }, (_, p) => p) : [task];
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
      });
    }
  }
  return sources;
}

/** Where reading has to begin again after a restart: what is queued was read, but not taken. */
export function firstUnprocessed(source: Source): number {
  let offset = source.fetchOffset;
  for (const channel of source.channels) {
    const waiting = channel.queue[channel.head];
    if (waiting !== undefined && waiting.offset < offset) offset = waiting.offset;
  }
  return offset;
}
