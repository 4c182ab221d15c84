import type { Command } from 'commander';
import { applicationIdOf, deployTopics } from '../../runtime/deploy.ts';
import { registerSchemas } from '../../schemas/registry.ts';
import { DEFAULT_PARTITIONS } from '../../schemas/topics.ts';
import { type Cluster, openCluster, openClusterIfAny } from '../cluster.ts';
import type { Action, CliContext } from '../context.ts';
import { EXIT_FAILED, UsageError } from '../failure.ts';
import { jsonLine, line, styled, table } from '../terminal.ts';
import { type TopicReport, topicReports } from '../topic-report.ts';
import { TOPOLOGIES } from '../topologies.ts';
import { wholeNumber } from '../values.ts';

export type TopicsOptions = {
  readonly json: boolean;
  readonly deploy: boolean;
  readonly partitions?: number;
  readonly replicas?: number;
};

export function addTopics(command: Command, run: (options: TopicsOptions) => Promise<void>): void {
  command
    .description(
      'Lists every topic with its partitions, clean-up, timestamps and schema, and what differs from what should be.',
    )
    .option('--json', 'NDJSON, one topic a line', false)
    .option(
      '--deploy',
      'create what is missing and register the schemas; changes nothing that is there',
      false,
    )
    .option(
      '--partitions <n>',
      `partitions of the partitioned topics, at the first deploy only (${DEFAULT_PARTITIONS} otherwise)`,
      wholeNumber('number of partitions', 1, 10_000),
    )
    .option(
      '--replicas <n>',
      'replicas of each new topic (1 otherwise)',
      wholeNumber('number of replicas', 1, 32),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ everyview topics                                        what is there, and what differs
  $ everyview topics --deploy --partitions 24 --replicas 3  into your own cluster, once
  $ everyview topics --json | jq -r 'select(.drift != []) | .topic'

Exits with 1 when something differs. Without any Kafka it lists what would be created.
Next: 'everyview run' once everything is there.`,
    )
    .action((flags: TopicsOptions) => run(flags));
}

export const runTopics: Action<TopicsOptions> = async (context, options) => {
  const { partitions, replicas } = options;
  if (!options.deploy && (partitions !== undefined || replicas !== undefined)) {
    throw new UsageError('--partitions and --replicas say how to create topics', 'Add --deploy');
  }
  const settings = { clientId: 'everyview-topics', needsRegistry: true };
  const cluster = options.deploy
    ? await openCluster(context, settings)
    : await openClusterIfAny(context, settings);
  try {
    if (cluster !== null && options.deploy) await deploy(cluster, context, options);
    const reports = await topicReports({
      topologies: TOPOLOGIES,
      port: cluster?.port ?? null,
      registry: cluster?.registry ?? null,
    });
    if (options.json) for (const report of reports) jsonLine(context.out, report);
    else printReports(context, reports, cluster);
    return reports.some(({ drift }) => drift.length > 0) ? EXIT_FAILED : 0;
  } finally {
    await cluster?.close();
  }
};

async function deploy(cluster: Cluster, { err }: CliContext, options: TopicsOptions): Promise<void> {
  const { partitions, replicas } = options;
  const created = await deployTopics(cluster.port, {
    topologies: TOPOLOGIES,
    applicationIdOf,
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicas === undefined ? {} : { replicas }),
  });
  line(err, created.length === 0 ? 'all topics were there' : `created ${created.join(', ')}`);
  const registered = await registerSchemas(cluster.registry);
  line(err, `${registered.length} schemas are registered at ${cluster.registry.url}`);
}

function printReports(
  { out, err }: CliContext,
  reports: readonly TopicReport[],
  cluster: Cluster | null,
): void {
  const rows = table([
    ['topic', 'kind', 'partitions', 'clean-up', 'stamped', 'schema', 'state'],
    ...reports.map(rowOf),
  ]);
  for (const [index, row] of rows.entries()) line(out, index === 0 ? styled(out, 'bold', row) : row);
  if (cluster === null) {
    line(
      err,
      "no Kafka runs here and KAFKA_BROKERS is not set: this is what 'everyview topics --deploy' creates",
    );
  } else if (reports.some(({ drift }) => drift.length > 0)) {
    line(
      err,
      'something differs: create what is missing with everyview topics --deploy; what exists is never changed',
    );
  }
}

function rowOf({ topic, kind, wanted, found, subject, schemaId, drift }: TopicReport): string[] {
  const { partitions, cleanup, timestampType } = found ?? wanted;
  const state = drift.length > 0 ? drift.join('; ') : found === null ? '-' : 'as it should be';
  return [
    topic,
    kind,
    String(partitions),
    cleanup,
    timestampType === 'log-append' ? 'by the broker' : 'by the writer',
    subject === null ? '-' : `${subject}${schemaId === null ? '' : ` (id ${schemaId})`}`,
    state,
  ];
}
