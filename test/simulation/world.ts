/** The simulated world: one broker, its topics, and what they hold in the end. */
import { createHash } from 'node:crypto';
import { POSITIONS_STORE, storesOf } from '../../runtime/define-topology.ts';
import { applicationIdOf, deployTopics, partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import type { CommittedRecord, MemoryBroker } from '../../runtime/memory-broker.ts';
import { RecordCursor } from '../../runtime/record-cursor.ts';
import type { TaskPosition } from '../../runtime/task-core.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import type { Topology } from '../../runtime/topology.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import { DERIVED_TOPICS, SIDELINE_TOPICS, SIMULATED_TOPOLOGIES, SOURCE_TOPICS } from './topologies.ts';

export type Deployment = {
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
};

export async function deploy(broker: MemoryBroker, partitions: number): Promise<Deployment> {
  const port = broker.openPort({ clientId: 'deploy' });
  await deployTopics(port, { topologies: SIMULATED_TOPOLOGIES, applicationIdOf, partitions });
  const counts = await partitionCounts(port);
  return { partitions: counts, writerTasks: writerTasksOf(SIMULATED_TOPOLOGIES, counts) };
}

/** Committed records by topic and partition. */
export type Contents = ReadonlyMap<string, readonly (readonly CommittedRecord[])[]>;

const KEPT_TOPICS = ['everyview-config', ...SOURCE_TOPICS, ...DERIVED_TOPICS, ...SIDELINE_TOPICS];

/** What the broker knows to be committed, as it is now. */
export function contentsOf(broker: MemoryBroker, deployment: Deployment): Contents {
  return new Map(
    KEPT_TOPICS.map((topic) => [
      topic,
      Array.from({ length: deployment.partitions.get(topic)! }, (_, partition) =>
        broker.dump(topic, partition),
      ),
    ]),
  );
}

export type TaskName = { readonly topology: Topology; readonly task: number; readonly applicationId: string };

export function tasksOf({ partitions }: Deployment): readonly TaskName[] {
  return SIMULATED_TOPOLOGIES.flatMap((topology) =>
    Array.from({ length: taskCountOf(topology, partitions) }, (_, task) => ({
      topology,
      task,
      applicationId: applicationIdOf(topology),
    })),
  );
}

export function changelogsOf(topology: Topology): readonly string[] {
  return [...storesOf(topology), POSITIONS_STORE].map((store) =>
    changelogTopic(applicationIdOf(topology), store),
  );
}

/** The position that a task committed last. */
export function committedPosition(
  broker: MemoryBroker,
  { applicationId, task }: TaskName,
): TaskPosition | null {
  const { batches } = broker.log({ topic: changelogTopic(applicationId, POSITIONS_STORE), partition: task });
  const cursor = new RecordCursor();
  for (let at = batches.length - 1; at >= 0; at--) {
    const { isControl, transaction, segment, start, end } = batches[at]!;
    if (isControl || transaction?.outcome !== 'commit') continue;
    cursor.reset(segment.subarray(start, end), 0);
    let value: Uint8Array | null = null;
    while (cursor.next()) value = cursor.value() ?? value;
    if (value !== null) return JSON.parse(Buffer.from(value).toString()) as TaskPosition;
  }
  return null;
}

/** Everything that any topic holds, byte for byte, offsets, markers and what was aborted included. */
export function hashOfLogs(broker: MemoryBroker, deployment: Deployment): string {
  const hash = createHash('sha1');
  const counts = new Map(deployment.partitions);
  for (const { topology, task } of tasksOf(deployment))
    for (const topic of changelogsOf(topology)) counts.set(topic, Math.max(counts.get(topic) ?? 0, task + 1));
  for (const [topic, partitions] of counts) {
    for (let partition = 0; partition < partitions; partition++) {
      const { batches } = broker.log({ topic, partition });
      for (const { segment, start, end } of batches) hash.update(segment.subarray(start, end));
    }
  }
  return hash.digest('hex');
}

/** Partitions whose end is not decided, and transactional ids that have not ended: none, when all is over. */
export function openTransactions(broker: MemoryBroker, deployment: Deployment): string[] {
  const open = [...broker.transactions.unfinished()];
  for (const [topic, partitions] of deployment.partitions) {
    for (let partition = 0; partition < partitions; partition++) {
      const { stableEnd, highWatermark } = broker.log({ topic, partition }).bounds;
      if (stableEnd < highWatermark) open.push(`${topic}/${partition} at ${stableEnd}`);
    }
  }
  return open;
}

/** Grows with every record or marker that is written anywhere. */
export function sizeOfLogs(broker: MemoryBroker, deployment: Deployment): number {
  let size = 0;
  for (const [topic, partitions] of deployment.partitions) {
    for (let partition = 0; partition < partitions; partition++)
      size += broker.log({ topic, partition }).bounds.highWatermark;
  }
  return size;
}
