/** The workers of some topologies in this process, each with connections of its own. */
import type { Logger } from 'pino';
import { configStore } from '../runtime/config-store.ts';
import { consumerGroup } from '../runtime/consumer-group.ts';
import { applicationIdOf, partitionCounts, writerTasksOf } from '../runtime/deploy.ts';
import { openKafkajsPort } from '../runtime/kafkajs-port.ts';
import type { LogPort } from '../runtime/port.ts';
import { systemClock } from '../runtime/system-clock.ts';
import { textOf } from '../runtime/take-over.ts';
import type { FetchingCodec, TaskLimits } from '../runtime/task.ts';
import type { Topology } from '../runtime/topology.ts';
import { registryCodec } from '../runtime/value-codec.ts';
import { Worker, type WorkerEvent, type WorkerMetrics } from '../runtime/worker.ts';
import type { Registry } from '../schemas/registry.ts';
import { restoreView } from './restore-view.ts';
import { TOPOLOGIES } from './topologies.ts';

export type Workers = {
  /** Rejects when one of them cannot go on; never resolves. */
  readonly failed: Promise<never>;
  metrics(): readonly WorkerMetrics[];
  /** Commits, gives the tasks back and disconnects. Rejects with the first failure, after all have ended. */
  stop(): Promise<void>;
};

export type WorkersOptions = {
  readonly brokers: readonly string[];
  readonly registry: Registry;
  readonly topologies: readonly Topology[];
  readonly logger: Logger;
  readonly limits?: Partial<TaskLimits>;
  /** Shown to whoever waits for a task that takes long to restore. */
  readonly say: (text: string) => void;
  /** Told how long each commit took. */
  readonly onCommit: (topology: string, durationMs: number) => void;
};

/** Connects and starts; joining the groups and restoring go on in the background. */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const codec = await registryCodec(options.registry, systemClock);
  const ports: LogPort[] = [];
  try {
    const workers: Worker[] = [];
    for (const topology of options.topologies) {
      const port = await openKafkajsPort({
        brokers: options.brokers,
        clientId: `everyview-${topology.name}`,
      });
      ports.push(port);
      workers.push(await startWorker(topology, port, codec, options));
    }
    return handleOf(workers, ports);
  } catch (error) {
    for (const port of ports) await port.close();
    throw error;
  }
}

async function startWorker(
  topology: Topology,
  port: LogPort,
  codec: FetchingCodec,
  { logger, limits = {}, onCommit, say }: WorkersOptions,
): Promise<Worker> {
  const partitions = await partitionCounts(port);
  const applicationId = applicationIdOf(topology);
  const log = logger.child({ topology: topology.name });
  const restoring = restoreView(topology.name, systemClock, say);
  return new Worker({
    topology,
    applicationId,
    port,
    clock: systemClock,
    codec,
    configs: configStore(port, codec),
    partitions,
    writerTasks: writerTasksOf(TOPOLOGIES, partitions),
    limits,
    openGroup: consumerGroup({
      port,
      clock: systemClock,
      groupId: applicationId,
      topics: topology.sources.map(({ topic }) => topic),
      onLost: (reason) => log.info({ err: reason }, 'the group took all tasks away'),
    }),
    onEvent: (event) => {
      logEvent(log, event);
      restoring(event);
    },
    onCommit: (durationMs) => onCommit(topology.name, durationMs),
  });
}

function handleOf(workers: readonly Worker[], ports: readonly LogPort[]): Workers {
  const failed = new Promise<never>((_resolve, reject) => {
    for (const worker of workers) worker.done.catch(reject);
  });
  // Whoever watches it is told; stopping tells it once more.
  failed.catch(() => {});
  return {
    failed,
    metrics: () => workers.map((worker) => worker.metrics()),
    async stop() {
      const endings = await Promise.allSettled(workers.map((worker) => worker.stop()));
      for (const port of ports) await port.close();
      for (const ending of endings) if (ending.status === 'rejected') throw ending.reason;
    },
  };
}

function logEvent(log: Logger, event: WorkerEvent): void {
  switch (event.kind) {
    case 'task-opened':
      log.info({ task: event.task }, `task ${event.task} is open`);
      break;
    case 'task-closed':
      log.info({ task: event.task, why: event.why }, `task ${event.task} is closed`);
      break;
    case 'restoring':
      log.debug(event, `task ${event.task} restores ${event.store}: ${event.remaining} to go`);
      break;
    case 'hanging-transaction':
      log.warn(
        { task: event.task, outcome: event.outcome },
        `task ${event.task}: an earlier transaction was open for ever in ${event.open.map(textOf).join(', ')}; ${event.outcome === 'commit' ? 'committed' : 'aborted'}`,
      );
      break;
    case 'retrying':
      log.info({ what: event.what, err: event.error }, `${event.what} is tried again`);
      break;
  }
}
