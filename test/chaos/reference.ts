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
import type { Counts } from '../../runtime/task-counts.ts';
import type { Topology } from '../../runtime/topology.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { Worker } from '../../runtime/worker.ts';
import type { Subject } from './subject.ts';

/** Committed records by topic and partition. */
export type Contents = ReadonlyMap<string, readonly (readonly CommittedRecord[])[]>;

/** Limits under which a task adds nothing to its inputs and reads what there is to its end. */
export const QUIET_LIMITS = { tickEveryMs: 1e12, sealWaitMs: 1e12 } as const;

export type ReferenceOptions = {
  /** Those that run. */
  readonly topologies: readonly Topology[];
  /** Those that write what these read, too: who writes on which edge. */
  readonly subject: Subject;
  /** What is given: copied with timestamps and offsets, then read by whoever reads it. */
  readonly inputs: Contents;
  readonly partitions: number;
  /** Needs to know every schema beforehand: there is no registry in virtual time. */
  readonly codec: FetchingCodec;
};

export type Reference = {
  /** Every topic, what was given included. */
  readonly contents: Contents;
  /** By topology. */
  readonly counts: ReadonlyMap<string, Counts>;
};

export async function referenceOf(options: ReferenceOptions): Promise<Reference> {
  const { subject, inputs, partitions } = options;
  const clock = new VirtualClock({ startMs: START_MS });
  const broker = new MemoryBroker({ clock });
  const deploying = broker.openPort({ clientId: 'deploy' });
  await deployTopics(deploying, { topologies: subject.topologies, applicationIdOf, partitions });
  const topics = await partitionCounts(deploying);
  await clock.run(copy(broker, inputs));
  const counts = await clock.run(runToEnd(broker, topics, options));
  const all = [...topics].map(([topic, count]) => {
    const numbers = Array.from({ length: count }, (_, partition) => partition);
    return [topic, numbers.map((partition) => broker.dump(topic, partition))] as const;
  });
  return { contents: new Map(all), counts };
}

const START_MS = 1_000_000;
const PATIENCE_MS = 500;
const BATCH_RECORDS = 500;

async function copy(broker: MemoryBroker, inputs: Contents): Promise<void> {
  const port = broker.openPort({ clientId: 'copy', keepsTimestamps: true });
  for (const [topic, partitions] of inputs) {
    for (const [partition, records] of partitions.entries()) {
      for (const run of withoutGaps(records)) {
        const builder = new BatchBuilder();
        for (const { key, value, headers, timestampMs } of run)
          builder.append(key, value, headers, timestampMs);
        const log = broker.log({ topic, partition });
        // markers and aborted records took offsets, which evidence cites: markers stand in for all of them
        while (log.bounds.highWatermark < run[0]!.offset)
          log.appendMarker(STAND_IN, 'abort', run[0]!.timestampMs);
        const bytes = builder.finish(NO_PRODUCER);
        await port.produce(null, [{ topic, partition, bytes, baseSequence: -1 }]);
      }
    }
  }
}

const STAND_IN = { producerId: 1n << 40n, epoch: 0 };

/** Rows of records with consecutive offsets, none too long for a batch. */
function* withoutGaps(records: readonly CommittedRecord[]): Iterable<readonly CommittedRecord[]> {
  let first = 0;
  for (const [at, { offset }] of records.entries()) {
    const isNext = at > first && records[at - 1]!.offset + 1 === offset;
    if (at > first && (!isNext || at - first === BATCH_RECORDS)) {
      yield records.slice(first, at);
      first = at;
    }
  }
  if (first < records.length) yield records.slice(first);
}

async function runToEnd(
  broker: MemoryBroker,
  partitions: ReadonlyMap<string, number>,
  { topologies, subject, codec }: ReferenceOptions,
): Promise<ReadonlyMap<string, Counts>> {
  const { clock } = broker;
  const failures: unknown[] = [];
  const workers = topologies.map((topology) => {
    const port = broker.openPort({ clientId: topology.name });
    const worker = new Worker({
      topology,
      applicationId: applicationIdOf(topology),
      port,
      clock,
      codec,
      configs: configStore(port, codec),
      partitions,
      writerTasks: writerTasksOf(subject.topologies, partitions),
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
  return new Map(workers.map((worker) => [worker.metrics().topology, worker.metrics().counts]));
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
