import path from 'node:path';
import type { Command } from 'commander';
import { type RunSummary, summarise } from '../../consumers/summary/summary.ts';
import { dataFolder } from '../../local/folders.ts';
import { interrupted } from '../../local/setup-error.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { alertLine } from '../alert-line.ts';
import type { Action, CliContext } from '../context.ts';
import { demoScenario } from '../demo-audience.ts';
import { EXIT_FAILED, EXIT_INTERRUPTED, ExpectedError, UsageError } from '../failure.ts';
import { openLog } from '../logging.ts';
import { addMetricsOptions, type MetricsFlags, ProcessMetrics, USUAL_METRICS_PORT } from '../metrics.ts';
import { progressView } from '../progress-view.ts';
import { type EndReason, type RunResult, runPipeline } from '../run-pipeline.ts';
import type { AudiencePlan } from '../services.ts';
import { type Prepared, prepare } from '../start-setup.ts';
import { firstRecordLine, summaryLines } from '../summary-text.ts';
import { jsonLine, line, styled } from '../terminal.ts';
import { faultsWithin } from '../truth-list.ts';
import { parseDurationMs, wholeNumber } from '../values.ts';
import { versionOf } from '../version.ts';
import { failIfAnyFailed } from './ingest.ts';
import { scenarioOfFile, writeLabels } from './simulate.ts';

export type StartOptions = MetricsFlags & {
  /** Null: until Ctrl-C. */
  readonly for?: number;
  readonly streams?: string;
  readonly seed?: number;
  /** Of the simulated audience; 0 for none. Absent: as many as usual for the demonstration, none for streams of one's own. */
  readonly viewers?: number;
  readonly scenario?: string;
  readonly labels?: string;
  readonly database: boolean;
  readonly strict: boolean;
  readonly json: boolean;
  readonly dataDir?: string;
};

/** Demonstration streams repeat after this long where the run has no end, or a later one. */
const DEMO_DURATION_MS = 60_000;
const DEMO_DURATION_MS_LEAST = 20_000;
const SEED = 1;
const VIEWERS = 120;
const VIEWERS_MAX = 100_000;

export function addStart(command: Command, run: (options: StartOptions) => Promise<void>): void {
  command
    .description(
      'Sets everything up and runs it on this machine: Kafka, a schema registry, ffmpeg on real clips into which ' +
        'faults were put, detection, alerts. Prints alerts as they come, and at the end what was found of the faults; ' +
        'the pipeline itself never sees their list.',
    )
    .option(
      '--for <duration>',
      'end after this long, counted from the first record (otherwise at Ctrl-C)',
      parseDurationMs,
    )
    .option(
      '--streams <file.json>',
      "watch these instead of the demonstration's (see 'everyview ingest --help')",
    )
    .option(
      '--seed <n>',
      `other places for the faults (${SEED} otherwise)`,
      wholeNumber('seed', 0, 2 ** 31 - 1),
    )
    .option(
      '--viewers <n>',
      `simulated viewers that report to the collector (${VIEWERS} otherwise, none with --streams)`,
      wholeNumber('number of viewers', 0, VIEWERS_MAX),
    )
    .option(
      '--scenario <file.json>',
      'what goes wrong for them, see docs/scenarios.md (an outage of a CDN, then others)',
    )
    .option('--labels <file.json>', 'write down what went wrong for them, at the end')
    .option('--no-database', 'without PostgreSQL: nothing goes into tables, all else works')
    .option('--strict', 'exit with 1 when a fault was missed or a defect found that is none', false)
    .option('--json', 'print the summary as JSON on stdout, and nothing else there', false)
    .option(
      '--data-dir <folder>',
      'where all data is kept (EVERYVIEW_DATA_DIR, or .everyview in the repository)',
    );
  addMetricsOptions(command, `${USUAL_METRICS_PORT} otherwise, or one that is free`)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview start                         until Ctrl-C; a second Ctrl-C ends at once
  $ everyview start --for 60s               one minute, then the summary
  $ everyview start --for 5m --seed 7 --strict --json > summary.json
  $ KAFKA_BROKERS=kafka-1:9092 SCHEMA_REGISTRY_URL=http://registry:8081 everyview start --streams streams.json

While it runs, in another terminal: 'everyview tail stream-defects', 'everyview tail qos-alerts --json'.
Next: README.md shows how your own program subscribes to qos-alerts.`,
    )
    .action((flags: StartOptions) => run(flags));
}

export const runStart: Action<StartOptions> = async (context, options) => {
  if (options.streams !== undefined && options.seed !== undefined) {
    throw new UsageError('--seed is for the demonstration streams', 'Leave it out, or leave --streams out');
  }
  const { err, out, interruption } = context;
  const env = {
    ...context.env,
    ...(options.dataDir === undefined ? {} : { EVERYVIEW_DATA_DIR: path.resolve(options.dataDir) }),
  };
  const dataDir = dataFolder(env);
  const view = progressView(err);
  await using closing = new AsyncDisposableStack();
  closing.defer(() => view.end());
  const log = openLog(dataDir, view.print);
  closing.defer(() => log.close());
  const metrics = new ProcessMetrics(versionOf(), systemClock);
  const server = await metrics.serve(options);
  closing.defer(() => server.close());
  const prepared = await prepare({
    env,
    dataDir,
    streamsFile: options.streams ?? null,
    seed: options.seed ?? SEED,
    demoDurationMs: Math.min(
      Math.max(options.for ?? DEMO_DURATION_MS, DEMO_DURATION_MS_LEAST),
      DEMO_DURATION_MS,
    ),
    withTables: options.database,
    onProgress: view.onProgress,
    logger: log.logger,
    signal: interruption.signal,
    closing,
  });
  if (interruption.signal.aborted) throw interrupted();
  const names = prepared.streams.map(({ programmeId }) => programmeId).join(', ');
  const alerts = options.json ? err : out;
  const audience = audienceOf(options, prepared.streams);
  const result = await runPipeline({
    prepared,
    env,
    dataDir,
    audience,
    forMs: options.for ?? null,
    clock: systemClock,
    logger: log.logger,
    metrics,
    signal: interruption.signal,
    say: (text) => line(err, text),
    processStartedAtMs: Math.round(performance.timeOrigin),
    onWatching: ({ console: served, collector, tokenFile }) => {
      line(err, styled(err, 'bold', `console at ${served.url}`));
      line(err, `collector at ${collector.url}/t/TOKEN/v2/events, the token is in ${tokenFile}`);
      if (prepared.postgres !== null) line(err, `tables in PostgreSQL at ${prepared.postgres.address}`);
      line(
        err,
        `Kafka at ${prepared.cluster.brokers.join(',')}, schemas at ${prepared.registry.url}, log in ${log.file}`,
      );
      line(err, `metrics at ${server.url}/metrics`);
      line(
        err,
        `watching ${names}; alerts appear here${options.for === undefined ? ', Ctrl-C ends it' : ''}`,
      );
    },
    onFirstRecord: (timing) => line(err, firstRecordLine({ timing })),
    onAlert: (alert, isOfEarlierRun) => line(alerts, alertLine(alert, isOfEarlierRun, alerts)),
    onEnding: (why) => line(err, ENDING[why]),
  });
  // What was under way when something failed is lost: to call that missed would be wrong.
  const truth =
    prepared.truth === null || result.failure !== null
      ? null
      : faultsWithin(prepared.truth, result.run.watchedUpToMs());
  const { labels } = result;
  if (options.labels !== undefined && labels !== null) writeLabels(options.labels, labels);
  const summary = summarise(result.run, truth, result.timing, {
    record: result.audience,
    incidents: labels?.incidents ?? null,
    endMs: result.endMs,
  });
  if (options.json) jsonLine(out, summary);
  else for (const text of ['', ...summaryLines(summary, out)]) line(out, text);
  return exitCodeOf(result, summary, options, context);
};

/** One's own streams have viewers of one's own. */
function audienceOf(options: StartOptions, streams: Prepared['streams']): AudiencePlan {
  const viewers = options.viewers ?? (options.streams === undefined ? VIEWERS : 0);
  if (viewers === 0) return null;
  const scenario =
    options.scenario === undefined ? demoScenario(options.for ?? null) : scenarioOfFile(options.scenario);
  const programmeIds = [...new Set(streams.map(({ programmeId }) => programmeId))];
  return { viewers, seed: options.seed ?? SEED, scenario, programmeIds };
}

const ENDING: Readonly<Record<EndReason, string>> = {
  'time-is-up': 'time is up: ending in order',
  interrupted: 'ending in order; Ctrl-C again ends at once',
  'streams-ended': 'all streams have ended',
  failed: 'something failed: ending in order',
};

/** Throws what failed; otherwise the exit code. */
function exitCodeOf(
  result: RunResult,
  summary: RunSummary,
  options: StartOptions,
  { err }: CliContext,
): number {
  if (result.failure !== null) throw result.failure;
  failIfAnyFailed(result.streams);
  if (summary.totals.mediaMs === 0) {
    if (result.endedBy === 'interrupted') throw interrupted();
    throw new ExpectedError('nothing was decoded', 'Check the inputs with everyview ingest, and see the log');
  }
  if (result.endedBy === 'interrupted' && options.for !== undefined) {
    line(err, 'everyview: interrupted before the time was up.');
    return EXIT_INTERRUPTED;
  }
  const { comparison } = summary;
  if (comparison === null) return 0;
  const { missed, falseAlarms } = comparison;
  if (missed + falseAlarms.length === 0) return 0;
  line(
    err,
    `everyview: ${missed} faults were missed, ${falseAlarms.length} defects are none${options.strict ? '.' : ' (with --strict this would be a failure).'}`,
  );
  return options.strict ? EXIT_FAILED : 0;
}
