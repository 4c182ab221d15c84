import type { Command } from 'commander';
import { dataFolder } from '../../local/folders.ts';
import { checkPostgres, givenPostgres, runningPostgres, shownAddress } from '../../local/postgres.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { openCluster, readingCodec } from '../cluster.ts';
import type { Action, CliContext } from '../context.ts';
import { ExpectedError } from '../failure.ts';
import { aborted } from '../interruption.ts';
import { openLog } from '../logging.ts';
import { addMetricsOptions, type MetricsFlags, ProcessMetrics } from '../metrics.ts';
import { RETENTION_DAYS, startSinkService } from '../sink-service.ts';
import { line } from '../terminal.ts';
import { wholeNumber } from '../values.ts';
import { versionOf } from '../version.ts';

export type SinkCommandOptions = MetricsFlags & {
  readonly postgresUrl?: string;
  readonly retentionDays: number;
  readonly skipLost: boolean;
  readonly untilEnd: boolean;
};

export function addSink(command: Command, run: (options: SinkCommandOptions) => Promise<void>): void {
  command
    .description(
      'Writes defects, stream health, scores, sessions, cohorts, alerts and the catalogue into PostgreSQL until Ctrl-C, ' +
        'each record exactly once: positions are kept beside the rows. Makes its tables in the schema everyview.',
    )
    .option('--postgres-url <url>', 'the database; POSTGRES_URL keeps its password out of the process list')
    .option(
      '--retention-days <n>',
      'days that the tables keep, 0 for ever',
      wholeNumber('number of days', 0, 36_500),
      RETENTION_DAYS,
    )
    .option('--skip-lost', 'go on where retention deleted records before they were written', false)
    .option('--until-end', 'end when all that is in the log now was written', false);
  addMetricsOptions(command, 'off unless given')
    .addHelpText(
      'after',
      `
Examples:
  $ POSTGRES_URL=postgres://everyview:…@db:5432/everyview everyview sink
  $ everyview sink --until-end                 fill the tables, then end
  $ everyview sink --metrics-port 9464         with http://127.0.0.1:9464/metrics for Prometheus

Without a URL: the database that 'everyview start' runs here. EVERYVIEW_DASHBOARD_PASSWORD, where it is set, becomes the
password of the role everyview_dashboard, which may read the views v_* and nothing else.
Next: consumers/grafana/ has the dashboards.`,
    )
    .action((flags: SinkCommandOptions) => run(flags));
}

export const runSink: Action<SinkCommandOptions> = async (context, options) => {
  const { err, env, interruption } = context;
  const database = await findDatabase(context, options);
  await using closing = new AsyncDisposableStack();
  const log = openLog(dataFolder(env), (text) => line(err, text));
  closing.defer(() => log.close());
  const metrics = new ProcessMetrics(versionOf(), systemClock);
  const server = await metrics.serveIfAsked(options);
  closing.defer(() => server?.close());
  const cluster = await openCluster(context, { clientId: 'everyview-sink', needsRegistry: true });
  closing.defer(() => cluster.close());
  const sink = await startSinkService({
    port: cluster.port,
    brokers: cluster.brokers,
    tablesPerLog: database.isLocal,
    codec: readingCodec(cluster.registry),
    postgresUrl: database.url,
    dashboardPassword: database.dashboardPassword,
    retentionDays: options.retentionDays,
    skipLost: options.skipLost,
    logger: log.logger,
  });
  closing.defer(() => sink.close());
  metrics.watchSink(sink);
  line(err, `writing into ${shownAddress(database.url)}; Ctrl-C ends it, the log is ${log.file}`);
  if (server !== null) line(err, `metrics at ${server.url}/metrics`);
  const ends = [sink.failed, aborted(interruption.signal)];
  await Promise.race(options.untilEnd ? [...ends, sink.catchUp()] : ends);
  return 0;
};

async function findDatabase(
  { env }: CliContext,
  { postgresUrl }: SinkCommandOptions,
): Promise<{ readonly url: string; readonly dashboardPassword: string | null; readonly isLocal: boolean }> {
  const url = givenPostgres(postgresUrl === undefined ? env : { POSTGRES_URL: postgresUrl });
  if (url !== null) {
    await checkPostgres(url);
    const password = env.EVERYVIEW_DASHBOARD_PASSWORD;
    return {
      url,
      dashboardPassword: password === undefined || password === '' ? null : password,
      isLocal: false,
    };
  }
  const local = runningPostgres(dataFolder(env));
  if (local !== null) return { ...local, isLocal: true };
  throw new ExpectedError(
    'no PostgreSQL runs here and POSTGRES_URL is not set',
    'Start one with everyview start, or set POSTGRES_URL=postgres://USER:PASSWORD@HOST:5432/DATABASE',
  );
}
