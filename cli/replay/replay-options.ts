/** What an audit and a backtest both need: the log, what ran over it, and the range that is asked about. */
import { isoTime } from '../../consumers/tail/record-line.ts';
import { configStore } from '../../runtime/config-store.ts';
import { partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { ConfigStore, FetchingCodec } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';
import { registryCodec } from '../../runtime/value-codec.ts';
import type { Cluster } from '../cluster.ts';
import { TOPOLOGIES } from '../topologies.ts';
import type { ProgressLine } from './progress-line.ts';

export type ReplayOptions = {
  readonly port: AdminPort;
  readonly codec: FetchingCodec;
  readonly configs: ConfigStore;
  /** In the order in which data meets them. */
  readonly topologies: readonly Topology[];
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  /** Log time `[fromMs, toMs)`. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly onProgress: (progress: ReplayProgress) => void;
  readonly signal: AbortSignal;
};

export type ReplayProgress = { readonly topology: string; readonly task: number; readonly timeMs: number };

/** Everything but what is replayed, and over which range. */
export async function replayOver(
  { port, registry }: Cluster,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<Omit<ReplayOptions, 'topologies' | 'fromMs' | 'toMs'>> {
  const codec = await registryCodec(registry, systemClock);
  const partitions = await partitionCounts(port);
  return {
    port,
    codec,
    configs: configStore(port, codec),
    partitions,
    writerTasks: writerTasksOf(TOPOLOGIES, partitions),
    onProgress: ({ topology, task, timeMs }) =>
      progress.show(`${topology}, task ${task}: ${isoTime(timeMs)}`),
    signal,
  };
}
