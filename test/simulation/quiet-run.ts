/** A run without faults: every task is taken, nothing is ticked, and what there is is read to its end. */
import { configStore } from '../../runtime/config-store.ts';
import { applicationIdOf } from '../../runtime/deploy.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import type { LogPort } from '../../runtime/port.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { Counts } from '../../runtime/task-counts.ts';
import type { Topology } from '../../runtime/topology.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { taskCountOf, Worker } from '../../runtime/worker.ts';
import { simulatedCodec } from './simulated-codec.ts';
import { SIMULATED_TOPOLOGIES, SOURCE_TOPICS } from './topologies.ts';
import { type Contents, contentsOf, type Deployment, deploy, sizeOfLogs } from './world.ts';

export type QuietOptions = {
  readonly commitEveryMs: number;
  /** Default: all of them. */
  readonly topologies?: readonly Topology[];
  /** Instances that share the tasks. Default 1. */
  readonly instances?: number;
  /** Puts something between a worker and its port. */
  readonly wrap?: (port: LogPort, topology: string) => LogPort;
};

export type Recorded = {
  readonly contents: Contents;
  readonly partitions: number;
  readonly startMs: number;
};

export type QuietResult = {
  readonly contents: Contents;
  readonly counts: ReadonlyMap<string, readonly Counts[]>;
};

/** What recorded topics give when they are copied, times and all, and nothing ever goes wrong. */
export async function replay(
  { contents, partitions, startMs }: Recorded,
  options: QuietOptions,
  topics: readonly string[] = SOURCE_TOPICS,
): Promise<QuietResult> {
  const clock = new VirtualClock({ startMs, wakesMax: WAKES_MAX });
  const broker = new MemoryBroker({ clock });
  const deployment = await deploy(broker, partitions);
  const port = broker.openPort({ clientId: 'copy', keepsTimestamps: true });
  for (const topic of ['everyview-config', ...topics]) {
    for (const [partition, records] of contents.get(topic)!.entries()) {
      const builder = new BatchBuilder();
      for (const { key, value, headers, timestampMs } of records)
        builder.append(key, value, headers, timestampMs);
      if (builder.recordCount === 0) continue;
      await port.produce(null, [{ topic, partition, bytes: builder.finish(NO_PRODUCER), baseSequence: -1 }]);
    }
  }
  const counts = await clock.run(runToEnd(broker, deployment, options));
  return { contents: contentsOf(broker, deployment), counts };
}

/** Processes everything that is in the log, whoever had the tasks before. Rejects with the first failure of any kind. */
export async function runToEnd(
  broker: MemoryBroker,
  deployment: Deployment,
  options: QuietOptions,
): Promise<ReadonlyMap<string, readonly Counts[]>> {
  const { clock } = broker;
  const { commitEveryMs, topologies = SIMULATED_TOPOLOGIES } = options;
  const failures: unknown[] = [];
  const workers = topologies.flatMap((topology) =>
    startWorkers(broker, deployment, topology, options, failures),
  );
  const patienceMs = 2 * commitEveryMs + 250;
  for (let before = -1, now = sizeOfLogs(broker, deployment); now !== before; ) {
    before = now;
    await clock.sleep(patienceMs);
    if (failures.length > 0) throw failures[0];
    now = sizeOfLogs(broker, deployment);
  }
  const counts = new Map<string, Counts[]>();
  for (const worker of workers) {
    const { topology, tasks } = worker.metrics();
    counts.set(topology, [...(counts.get(topology) ?? []), ...tasks.map((task) => task.counts)]);
  }
  await Promise.all(workers.map((worker) => worker.stop()));
  return counts;
}

function startWorkers(
  broker: MemoryBroker,
  deployment: Deployment,
  topology: Topology,
  { commitEveryMs, instances = 1, wrap = (port) => port }: QuietOptions,
  failures: unknown[],
): readonly Worker[] {
  const tasks = Array.from({ length: taskCountOf(topology, deployment.partitions) }, (_, task) => task);
  return Array.from({ length: instances }, (_, instance) => {
    const port = wrap(broker.openPort({ clientId: `quiet-${instance}` }), topology.name);
    const codec = simulatedCodec({ isAway: () => false });
    const worker = new Worker({
      topology,
      applicationId: applicationIdOf(topology),
      port,
      clock: broker.clock,
      codec,
      configs: configStore(port, codec),
      ...deployment,
      openGroup: fixedGroup(tasks.filter((task) => task % instances === instance)),
      limits: { commitEveryMs, tickEveryMs: NEVER_MS, sealWaitMs: NEVER_MS },
      onEvent: (event) => event.kind === 'retrying' && failures.push(event.error),
    });
    worker.done.catch((error: unknown) => failures.push(error));
    return worker;
  });
}

/** So late that it never comes. */
const NEVER_MS = 1e12;
const WAKES_MAX = 3_000_000;
