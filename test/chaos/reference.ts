/**
 * What the same sources give when nothing goes wrong: one process that has every task, over the in-memory port.
 *
 * In memory, because broker-stamped topics of a real broker stamp copies anew, and the log's time is what everything is
 * judged by; this port takes the timestamps as they are. Ticks are in the sources already, so the run writes none.
 */
import { configStore } from '../../runtime/config-store.ts';
import { applicationIdOf, deployTopics, partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { type CommittedRecord, MemoryBroker } from '../../runtime/memory-broker.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { Worker } from '../../runtime/worker.ts';
import {
  DERIVED_TOPICS,
  SIDELINE_TOPICS,
  SIMULATED_TOPOLOGIES,
  SOURCE_TOPICS,
} from '../simulation/topologies.ts';

/** Committed records by topic and partition. */
export type Contents = ReadonlyMap<string, readonly (readonly CommittedRecord[])[]>;

/** What is read from the outside and not derived. */
export const FROZEN_TOPICS = [...SOURCE_TOPICS, 'everyview-config'] as const;
export const COMPARED_TOPICS = [...DERIVED_TOPICS, ...SIDELINE_TOPICS] as const;

/** Limits under which a task adds nothing to its inputs and reads what there is to its end. */
export const QUIET_LIMITS = { tickEveryMs: 1e12, sealWaitMs: 1e12 } as const;

/** @param codec needs to know every schema beforehand: there is no registry in virtual time */
export async function referenceOf(
  sources: Contents,
  partitions: number,
  codec: FetchingCodec,
): Promise<Contents> {
  const clock = new VirtualClock({ startMs: START_MS });
  const broker = new MemoryBroker({ clock });
  const deploying = broker.openPort({ clientId: 'deploy' });
  await deployTopics(deploying, { topologies: SIMULATED_TOPOLOGIES, applicationIdOf, partitions });
  const counts = await partitionCounts(deploying);
  await clock.run(copy(broker, sources));
  await clock.run(runToEnd(broker, counts, codec));
  const all = [...FROZEN_TOPICS, ...COMPARED_TOPICS].map((topic) => {
    const numbers = Array.from({ length: counts.get(topic)! }, (_, partition) => partition);
    return [topic, numbers.map((partition) => broker.dump(topic, partition))] as const;
  });
  return new Map(all);
}

const START_MS = 1_000_000;
const PATIENCE_MS = 500;
const BATCH_RECORDS = 500;

async function copy(broker: MemoryBroker, sources: Contents): Promise<void> {
  const port = broker.openPort({ clientId: 'copy', keepsTimestamps: true });
  for (const topic of FROZEN_TOPICS) {
    for (const [partition, records] of sources.get(topic)!.entries()) {
      for (let first = 0; first < records.length; first += BATCH_RECORDS) {
        const builder = new BatchBuilder();
        for (const { key, value, headers, timestampMs } of records.slice(first, first + BATCH_RECORDS))
          builder.append(key, value, headers, timestampMs);
        const bytes = builder.finish(NO_PRODUCER);
        await port.produce(null, [{ topic, partition, bytes, baseSequence: -1 }]);
      }
    }
  }
}

async function runToEnd(
  broker: MemoryBroker,
  partitions: ReadonlyMap<string, number>,
  codec: FetchingCodec,
): Promise<void> {
  const { clock } = broker;
  const failures: unknown[] = [];
  const workers = SIMULATED_TOPOLOGIES.map((topology) => {
    const port = broker.openPort({ clientId: topology.name });
    const worker = new Worker({
      topology,
      applicationId: applicationIdOf(topology),
      port,
      clock,
      codec,
      configs: configStore(port, codec),
      partitions,
      writerTasks: writerTasksOf(SIMULATED_TOPOLOGIES, partitions),
      openGroup: fixedGroup(),
      limits: QUIET_LIMITS,
      onEvent: () => undefined,
    });
    worker.done.catch((error: unknown) => failures.push(error));
    return worker;
  });
  for (let before = -1, now = sizeOf(broker, partitions); now !== before; ) {
    before = now;
    await clock.sleep(PATIENCE_MS);
    if (failures.length > 0) throw failures[0];
    now = sizeOf(broker, partitions);
  }
  await Promise.all(workers.map((worker) => worker.stop()));
}

/** Grows with everything that is written to a topic. */
function sizeOf(broker: MemoryBroker, partitions: ReadonlyMap<string, number>): number {
  let size = 0;
  for (const [topic, count] of partitions) {
    for (let partition = 0; partition < count; partition++)
      size += broker.log({ topic, partition }).bounds.highWatermark;
  }
  return size;
}
