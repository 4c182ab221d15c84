import type { Command } from 'commander';
import { isoTime } from '../../consumers/tail/record-line.ts';
import { openCluster } from '../cluster.ts';
import type { Action, CliContext } from '../context.ts';
import { type AuditedTask, audit } from '../replay/audit.ts';
import type { Difference } from '../replay/output-check.ts';
import { progressLine } from '../replay/progress-line.ts';
import { type RangeFlags, rangeOf } from '../replay/range.ts';
import { replayOver } from '../replay/replay-options.ts';
import { jsonLine, line, styled, table, toJson } from '../terminal.ts';
import { topologiesNamed } from '../topologies.ts';
import { pointInTime } from '../values.ts';

export type AuditOptions = RangeFlags & {
  readonly topologies: readonly string[];
  readonly json: boolean;
};

export function addAudit(command: Command, run: (options: AuditOptions) => Promise<void>): void {
  command
    .description(
      'Runs every task once more over its recorded inputs, with the code that ran it live, and compares what it says ' +
        'with what it said live: key, value, schema, headers and time of every record, in order. Ends with 0 when all ' +
        'is equal, with 1 and the first difference of each task when it is not. It writes nothing.',
    )
    .argument('[topology...]', "names as in 'everyview describe'; all of them otherwise")
    .option(
      '--from <time>',
      'log time from which to compare (the beginning of the log otherwise)',
      pointInTime,
    )
    .option('--to <time>', 'log time up to which to compare (what is committed now otherwise)', pointInTime)
    .option('--json', 'print the result as one JSON object on stdout', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview audit                                                   everything that the log holds
  $ everyview audit qos-alerting --from 2026-01-31T18:00:00Z --to 2026-01-31T19:00:00Z
  $ everyview audit --json | jq '.tasks[] | select(.difference)'

It begins at the latest snapshot before --from, or at the log's start. Where retention has taken that start and there is
no snapshot, keys that may be older than the log are left out, and counted.
Next: 'everyview backtest' shows what another configuration would have said.`,
    )
    .action((topologies: string[], flags: Omit<AuditOptions, 'topologies'>) => run({ topologies, ...flags }));
}

export const runAudit: Action<AuditOptions> = async (context, options) => {
  const topologies = topologiesNamed(options.topologies);
  const range = rangeOf(options);
  const cluster = await openCluster(context, { clientId: 'everyview-audit', needsRegistry: true });
  const progress = progressLine(context.err);
  try {
    const { signal } = context.interruption;
    const tasks = await audit({ ...(await replayOver(cluster, progress, signal)), topologies, ...range });
    progress.end();
    return tell(context, options, tasks);
  } finally {
    progress.end();
    await cluster.close();
  }
};

function tell({ out, err }: CliContext, { json }: AuditOptions, tasks: readonly AuditedTask[]): number {
  const differences = tasks.flatMap(({ difference }) => (difference === null ? [] : [difference]));
  const compared = tasks.reduce((sum, task) => sum + task.compared, 0);
  const leftOut = tasks.reduce((sum, task) => sum + task.leftOut, 0);
  if (json) {
    jsonLine(out, { equal: differences.length === 0 && compared > 0, compared, leftOut, tasks });
  } else {
    const rows = table([
      ['topology', 'task', 'began at', 'compared to', 'records in', 'equal', 'left out', ''],
      ...tasks.map((task) => [
        task.topology,
        String(task.task),
        startText(task),
        isoTime(task.comparedToMs),
        String(task.recordsIn),
        String(task.compared),
        String(task.leftOut),
        resultText(task),
      ]),
    ]);
    for (const [index, row] of rows.entries()) line(out, index === 0 ? styled(out, 'bold', row) : row);
    for (const difference of differences) for (const text of differenceLines(difference)) line(out, text);
  }
  if (differences.length > 0) {
    const damaged = differences.filter(({ kind }) => kind === 'unreadable').length;
    const different = differences.length - damaged;
    const what = [
      ...(different > 0 ? [`${different} tasks said something else live than their inputs lead to`] : []),
      ...(damaged > 0
        ? [`the log of ${damaged} tasks cannot be read: look at the disks of its brokers`]
        : []),
    ];
    line(err, `everyview: ${what.join('; ')}.`);
    return 1;
  }
  if (compared === 0) {
    line(err, 'everyview: there was nothing to compare in this range: choose another --from and --to.');
    return 1;
  }
  line(
    err,
    `${compared} records are equal${leftOut > 0 ? `; ${leftOut} of keys older than the log left out` : ''}`,
  );
  return 0;
}

function resultText({ difference, compared }: AuditedTask): string {
  if (difference !== null) return difference.kind === 'unreadable' ? 'UNREADABLE' : 'DIFFERENT';
  return compared === 0 ? 'nothing to compare' : 'equal';
}

function startText({ start }: AuditedTask): string {
  if (start === null) return '-';
  if (start.kind === 'snapshot') return `snapshot ${isoTime(start.boundaryMs)}`;
  return start.kind === 'log-start' ? 'start of the log' : `warm-up ${isoTime(start.startMs)}`;
}

function differenceLines(one: Difference): string[] {
  if (one.kind === 'unreadable') {
    return [
      '',
      `${one.topology}, task ${one.task}: ${one.topic}/${one.partition} is damaged where it is kept`,
      `  ${one.detail}`,
    ];
  }
  const place = one.offset === null ? '' : ` at offset ${one.offset}`;
  return [
    '',
    `${one.topology}, task ${one.task}: ${one.topic}/${one.partition}${place}, ${isoTime(one.timestampMs)}, key ${one.key ?? 'none'}`,
    `  ${one.kind}: ${one.detail}`,
    `  live:   ${toJson(one.recorded)}`,
    `  replay: ${toJson(one.computed)}`,
  ];
}
