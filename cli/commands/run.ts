import type { Command } from 'commander';
import { dataFolder } from '../../local/folders.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { openCluster } from '../cluster.ts';
import type { Action } from '../context.ts';
import { aborted } from '../interruption.ts';
import { openLog } from '../logging.ts';
import { addMetricsOptions, type MetricsFlags, ProcessMetrics } from '../metrics.ts';
import { line } from '../terminal.ts';
import { topologiesNamed } from '../topologies.ts';
import { parseDurationMs } from '../values.ts';
import { versionOf } from '../version.ts';
import { startWorkers } from '../workers.ts';

export type RunOptions = MetricsFlags & {
  readonly topologies: readonly string[];
  readonly snapshotEvery?: number;
};

export function addRun(command: Command, run: (options: RunOptions) => Promise<void>): void {
  command
    .description(
      'Runs topologies until Ctrl-C: all of them, or those named. Start it as often as you like, on as many machines ' +
        'as you like: the processes share the tasks, and take over from one that dies.',
    )
    .argument('[topology...]', "names as in 'everyview describe'")
    .option(
      '--snapshot-every <duration>',
      'write a snapshot of each task, where audits may begin, this often in log time (10m otherwise)',
      parseDurationMs,
    );
  addMetricsOptions(command, 'off unless given')
    .addHelpText(
      'after',
      `
Examples:
  $ everyview run                       everything in this process
  $ everyview run stream-detection      one topology; more of it in other processes
  $ everyview run --metrics-port 9464   with http://127.0.0.1:9464/metrics for Prometheus
  $ KAFKA_BROKERS=kafka-1:9092 SCHEMA_REGISTRY_URL=http://registry:8081 everyview run

Uses KAFKA_BROKERS and SCHEMA_REGISTRY_URL, or the cluster that 'everyview start' runs here.
First: 'everyview topics --deploy', once.
Next: 'everyview ingest' brings streams, 'everyview tail' shows results.`,
    )
    .action((topologies: string[], flags: Omit<RunOptions, 'topologies'>) => run({ topologies, ...flags }));
}

export const runRun: Action<RunOptions> = async (context, options) => {
  const { err, env, interruption } = context;
  const topologies = topologiesNamed(options.topologies);
  await using closing = new AsyncDisposableStack();
  const log = openLog(dataFolder(env), (text) => line(err, text));
  closing.defer(() => log.close());
  const metrics = new ProcessMetrics(versionOf(), systemClock);
  const server = await metrics.serveIfAsked(options);
  closing.defer(() => server?.close());
  const cluster = await openCluster(context, { clientId: 'everyview-run', needsRegistry: true });
  closing.defer(() => cluster.close());
  const workers = await startWorkers({
    brokers: cluster.brokers,
    registry: cluster.registry,
    topologies,
    logger: log.logger,
    limits: options.snapshotEvery === undefined ? {} : { snapshotEveryMs: options.snapshotEvery },
    say: (text) => line(err, text),
    onCommit: metrics.onCommit,
  });
  metrics.watchWorkers(workers);
  line(
    err,
    `running ${topologies.map(({ name }) => name).join(' and ')} on ${cluster.brokers.join(',')}; Ctrl-C ends it, the log is ${log.file}`,
  );
  if (server !== null) line(err, `metrics at ${server.url}/metrics`);
  try {
    await Promise.race([workers.failed, aborted(interruption.signal)]);
  } finally {
    line(err, 'ending: committing and giving the tasks back');
    await workers.stop();
  }
  return 0;
};
