import { type Command, Option } from 'commander';
import { applicationIdOf, partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import type { ActiveMember, Clock } from '../../runtime/port.ts';
import {
  activeMembers,
  planReset,
  type ResetOptions,
  type ResetTarget,
  reset,
  type TaskReset,
} from '../../runtime/reset.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { openCluster } from '../cluster.ts';
import type { Action, CliContext } from '../context.ts';
import { ExpectedError, UsageError } from '../failure.ts';
import { jsonLine, line, styled, table } from '../terminal.ts';
import { TOPOLOGIES, topologiesNamed } from '../topologies.ts';
import { parseDurationMs, pointInTime, wholeNumber } from '../values.ts';

export type ResetFlags = {
  readonly toEarliest?: true;
  readonly toLatest?: true;
  readonly toDatetime?: number;
  readonly byDuration?: number;
  readonly toOffset?: number;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly json: boolean;
};

export type ResetCommandOptions = ResetFlags & { readonly topology: string };

const TARGETS = ['toEarliest', 'toLatest', 'toDatetime', 'byDuration', 'toOffset'] as const;

export function addReset(command: Command, run: (options: ResetCommandOptions) => Promise<void>): void {
  command
    .description(
      'Deletes the state of a topology and sets the position of each of its tasks, both in one transaction, in the way ' +
        "of Kafka's kafka-streams-application-reset. Everything that runs the topology has to be stopped before. What " +
        'was written already stays: where records are read again, their results are written again.',
    )
    .argument('<topology>', "name as in 'everyview describe'")
    .addOption(
      new Option('--to-earliest', 'begin where the inputs begin now; the same when no place is chosen'),
    )
    .addOption(new Option('--to-latest', 'begin where the inputs end now'))
    .addOption(
      new Option(
        '--to-datetime <time>',
        'begin at the first record since, such as 2026-01-31T18:30:00Z',
      ).argParser(pointInTime),
    )
    .addOption(
      new Option('--by-duration <duration>', 'begin this long ago, such as 90m').argParser(parseDurationMs),
    )
    .addOption(
      new Option(
        '--to-offset <n>',
        'begin at this offset of each partition, or the nearest that is there',
      ).argParser(wholeNumber('offset', 0, 1e15)),
    )
    .option('--dry-run', 'print what would change, and change nothing', false)
    .option(
      '--force',
      'even while instances are active: they are cut off, and go on from the new position',
      false,
    )
    .option('--json', 'print what changes as one JSON object on stdout', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview reset stream-detection --dry-run                           what would change
  $ everyview reset stream-detection                                     everything that is there, once more
  $ everyview reset qos-alerting --to-datetime 2026-01-31T18:30:00Z
  $ everyview reset qos-alerting --to-latest --json

Use it when a task stopped because records were deleted before it read them, when this build cannot read the state that
another one wrote, or to compute results once more. The configuration in force stays.
Next: 'everyview run TOPOLOGY'. Topologies that read its results see repeated ones, unless they are reset as well.`,
    )
    .action((topology: string, flags: ResetFlags) => run({ topology, ...flags }));
}

export const runReset: Action<ResetCommandOptions> = async (context, flags) => {
  const [topology] = topologiesNamed([flags.topology]);
  const to = targetOf(flags, systemClock);
  const cluster = await openCluster(context, { clientId: 'everyview-reset', needsRegistry: false });
  try {
    const partitions = await partitionCounts(cluster.port);
    const options: ResetOptions = {
      port: cluster.port,
      clock: systemClock,
      topology: topology!,
      applicationId: applicationIdOf(topology!),
      partitions,
      writerTasks: writerTasksOf(TOPOLOGIES, partitions),
      target: to,
    };
    const members = await activeMembers(options);
    if (members.length > 0 && !flags.force && !flags.dryRun)
      throw stillActive(options.applicationId, members);
    const tasks = flags.dryRun
      ? await planReset(options)
      : await reset(options, (task) => line(context.err, `task ${task.task} is reset`));
    tell(context, flags, { application: options.applicationId, members, target: to, tasks });
    return 0;
  } finally {
    await cluster.close();
  }
};

type Report = {
  readonly application: string;
  readonly members: readonly ActiveMember[];
  readonly target: ResetTarget;
  readonly tasks: readonly TaskReset[];
};

function tell(
  { out, err }: CliContext,
  { json, dryRun, topology }: ResetCommandOptions,
  report: Report,
): void {
  if (json) {
    jsonLine(out, { topology, ...report, dryRun });
    return;
  }
  const rows = table([
    ['task', 'input', 'position', dryRun ? 'would be' : 'is now', 'the log holds', 'state that goes'],
    ...report.tasks.flatMap(rowsOf),
  ]);
  for (const [index, row] of rows.entries()) line(out, index === 0 ? styled(out, 'bold', row) : row);
  const keys = report.tasks.flatMap(({ stores }) => stores).reduce((sum, store) => sum + store.keys, 0);
  if (!dryRun) {
    line(err, `${topology} is reset: ${keys} keys deleted; next: everyview run ${topology}`);
    return;
  }
  line(err, `nothing was changed: without --dry-run, ${keys} keys are deleted and the positions set`);
  if (report.members.length > 0) line(err, `first stop what runs it: ${namesOf(report.members)}`);
}

/** One row for each input of a task; what is true of the task stands in the first. */
function rowsOf({ task, inputs, stores }: TaskReset): string[][] {
  const state = stores.map(({ store, keys }) => `${store}: ${keys} keys`).join(', ');
  return inputs.map(({ topic, partition, from, to, start, end }, index) => [
    index === 0 ? String(task) : '',
    `${topic}/${partition}`,
    from === null ? 'none' : String(from),
    String(to),
    `[${start}, ${end})`,
    index === 0 ? state : '',
  ]);
}

function stillActive(application: string, members: readonly ActiveMember[]): ExpectedError {
  const count = members.length === 1 ? 'an active member' : `${members.length} active members`;
  return new ExpectedError(
    `${application} has ${count}: ${namesOf(members)}`,
    'End each everyview run and everyview start with Ctrl-C (one that was killed is gone after 10 s), or add --force',
  );
}

function namesOf(members: readonly ActiveMember[]): string {
  return members.map(({ memberId, host }) => `${memberId} at ${host}`).join(', ');
}

function targetOf(flags: ResetFlags, clock: Clock): ResetTarget {
  const given = TARGETS.filter((name) => flags[name] !== undefined);
  if (given.length > 1) {
    throw new UsageError(
      'only one place to begin can be chosen',
      'Leave all but one of the --to options out',
    );
  }
  if (flags.toLatest) return { kind: 'latest' };
  if (flags.toDatetime !== undefined) return { kind: 'time', atMs: flags.toDatetime };
  if (flags.byDuration !== undefined) return { kind: 'time', atMs: clock.nowMs() - flags.byDuration };
  if (flags.toOffset !== undefined) return { kind: 'offset', offset: flags.toOffset };
  return { kind: 'earliest' };
}
