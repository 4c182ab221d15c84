/** A simulated broker with the tiny topologies deployed on it, and what tests of workers do to it. */
import { configStore } from '../../runtime/config-store.ts';
import { applicationIdOf, deployTopics, partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import type { MemoryPort } from '../../runtime/memory-port.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { TaskLimits } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { Worker, type WorkerOptions } from '../../runtime/worker.ts';
import type { RecordOf, TopicName } from '../../schemas/topics.ts';
import { chunk, tinyCounting, tinyGathering } from './tiny-topologies.ts';

export const TINY_PARTITIONS = 3;
export const TINY_START_MS = 1_700_000_000_000;

export type WorkOptions = Partial<Pick<WorkerOptions, 'openGroup' | 'onEvent' | 'onCommit' | 'codec'>> & {
  readonly limits?: Partial<TaskLimits>;
};

export type TinyCluster = {
  readonly clock: VirtualClock;
  readonly broker: MemoryBroker;
  /** For tools; workers have ports of their own. */
  readonly port: MemoryPort;
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  work(topology: Topology, options?: WorkOptions): Worker;
  /** A chunk of a programme, in the partition that its key names. */
  send(programmeId: string, seq: number): void;
  /** Values on a partition, in order, without control records. */
  values<T extends TopicName>(topic: T, partition: number): readonly RecordOf[T][];
};

export const tinyCodec = localCodec();

export async function tinyCluster(
  topologies: readonly Topology[] = [tinyCounting, tinyGathering],
): Promise<TinyCluster> {
  const clock = new VirtualClock({ startMs: TINY_START_MS });
  const broker = new MemoryBroker({ clock });
  const port = broker.openPort({ clientId: 'tool' });
  await clock.run(deployTopics(port, { topologies, applicationIdOf, partitions: TINY_PARTITIONS }));
  const partitions = await clock.run(partitionCounts(port));
  const writerTasks = writerTasksOf(topologies, partitions);
  return {
    clock,
    broker,
    port,
    partitions,
    writerTasks,
    work(topology, options = {}) {
      const own = broker.openPort({ clientId: 'worker' });
      return new Worker({
        topology,
        applicationId: applicationIdOf(topology),
        port: own,
        clock,
        codec: tinyCodec,
        configs: configStore(own, tinyCodec),
        partitions,
        writerTasks,
        openGroup: fixedGroup(),
        onEvent: () => {},
        ...options,
      });
    },
    send(programmeId, seq) {
      const key = Buffer.from(programmeId);
      const value = tinyCodec.encode('frame-features', chunk(programmeId, seq));
      broker.append('frame-features', partitionOf(key, TINY_PARTITIONS), key, value);
    },
    values: (topic, partition) =>
      broker
        .dump(topic, partition)
        .flatMap(({ value }) => (value === null ? [] : [tinyCodec.decode(topic, value) as never])),
  };
}
