/** A run without faults: one process that takes every task, ticks nothing, and reads what there is to its end. */
import { configStore } from '../../runtime/config-store.ts';
import { applicationIdOf } from '../../runtime/deploy.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import type { LogPort } from '../../runtime/port.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { Counts } from '../../runtime/task-counts.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { taskCountOf, Worker } from '../../runtime/worker.ts';
import { simulatedCodec } from './simulated-codec.ts';
import { SIMULATED_TOPOLOGIES, SOURCE_TOPICS } from './topologies.ts';
import { type Contents, contentsOf, type Deployment, deploy, sizeOfLogs } from './world.ts';

/** So late that it never comes. */
const NEVER_MS = 1e12;

export type QuietOptions = {
  readonly commitEveryMs: number;
  /** Instances that share the tasks. */
  readonly instances?: number;
  /** Sees the port of each worker, to make it odd. */
  readonly wrap?: (port: LogPort, topology: string) => LogPort;
};

export type QuietResult = {
  readonly contents: Contents;
  readonly counts: ReadonlyMap<string, readonly Counts[]>;
};

/** What the same sources give when nothing ever goes wrong. */
export async function referenceOf(
  sources: Contents,
  configs: Contents | null,
  partitions: number,
  startMs: number,
  options: QuietOptions,
): Promise<QuietResult> {
  const clock = new VirtualClock({ startMs, wakesMax: WAKES_MAX });
  const broker = new MemoryBroker({ clock });
  const deployment = await deploy(broker, partitions);
  const port = broker.openPort({ clientId: 'copy', keepsTimestamps: true });
  for (const contents of [configs, sources]) {
    for (const topic of contents === null
      ? []
      : contents === configs
        ? ['everyview-config']
        : SOURCE_TOPICS) {
      for (const [partition, records] of (contents!.get(topic) ?? []).entries()) {
        const builder = new BatchBuilder();
        for (const { key, value, headers, timestampMs } of records)
          builder.append(key, value, headers, timestampMs);
        if (builder.recordCount === 0) continue;
        await port.produce(null, [
          { topic, partition, bytes: builder.finish(NO_PRODUCER), baseSequence: -1 },
        ]);
      }
    }
  }
  const counts = await clock.run(runToEnd(broker, deployment, options));
  return { contents: contentsOf(broker, deployment), counts };
}

/** Processes everything that is in the log, whoever had the tasks before. */
export async function runToEnd(
  broker: MemoryBroker,
  deployment: Deployment,
  options: QuietOptions,
): Promise<ReadonlyMap<string, readonly Counts[]>> {
  const { clock } = broker;
  const { commitEveryMs, instances = 1, wrap = (port) => port } = options;
  const failures: unknown[] = [];
  const workers = SIMULATED_TOPOLOGIES.flatMap((topology) => {
    const count = taskCountOf(topology, deployment.partitions);
    return Array.from({ length: instances }, (_, instance) => {
      const mine = Array.from({ length: count }, (_, task) => task).filter(
        (task) => task % instances === instance,
      );
      const port = wrap(broker.openPort({ clientId: `quiet-${instance}` }), topology.name);
      const codec = simulatedCodec({ isAway: () => false });
      const worker = new Worker({
        topology,
        applicationId: applicationIdOf(topology),
        port,
        clock,
        codec,
        configs: configStore(port, codec),
        ...deployment,
        openGroup: fixedGroup(mine),
        limits: { commitEveryMs, tickEveryMs: NEVER_MS, sealWaitMs: NEVER_MS },
        onEvent: (event) => event.kind === 'retrying' && failures.push(event.error),
      });
      worker.done.catch((error: unknown) => failures.push(error));
      return { worker, topology: topology.name };
    });
  });
  const patienceMs = 2 * commitEveryMs + 250;
  for (let before = -1, now = sizeOfLogs(broker, deployment); now !== before; ) {
    before = now;
    await clock.sleep(patienceMs);
    if (failures.length > 0) throw failures[0];
    now = sizeOfLogs(broker, deployment);
  }
  const counts = new Map<string, Counts[]>();
  for (const { worker, topology } of workers) {
    const known = counts.get(topology) ?? [];
    known.push(...worker.metrics().tasks.map((task) => task.counts));
    counts.set(topology, known);
  }
  await Promise.all(workers.map(({ worker }) => worker.stop()));
  return counts;
}

const WAKES_MAX = 3_000_000;
