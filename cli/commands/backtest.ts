import type { Command } from 'commander';
import { openCluster } from '../cluster.ts';
import { readConfiguration } from '../configuration-file.ts';
import type { Action } from '../context.ts';
import { ExpectedError } from '../failure.ts';
import { writePage } from '../html-page.ts';
import { backtest } from '../replay/backtest.ts';
import { isWithoutDifference } from '../replay/backtest-diff.ts';
import { backtestHtml } from '../replay/backtest-html.ts';
import { backtestLines } from '../replay/backtest-text.ts';
import { progressLine } from '../replay/progress-line.ts';
import { type RangeFlags, rangeOf } from '../replay/range.ts';
import { replayOver } from '../replay/replay-options.ts';
import { jsonLine, line } from '../terminal.ts';
import { TOPOLOGIES } from '../topologies.ts';
import { pointInTime } from '../values.ts';

export type BacktestFlags = RangeFlags & {
  readonly config?: string;
  readonly html?: string;
  readonly failOnDifference: boolean;
  readonly json: boolean;
};

export function addBacktest(command: Command, run: (options: BacktestFlags) => Promise<void>): void {
  command
    .description(
      'Runs all topologies once more over a range of the log, with the configuration that is tried in place of the one ' +
        'that held, and tells the difference in alerts, defects and scores. It writes nothing into the log. Without ' +
        '--config it tries what held live: then there should be no difference.',
    )
    .option('--config <file>', 'configuration to try, YAML or JSON, as for everyview config')
    .option('--from <time>', 'log time from which it holds (the beginning of the log otherwise)', pointInTime)
    .option('--to <time>', 'log time up to which to compare (what is committed now otherwise)', pointInTime)
    .option('--html <file>', 'write a report with pictures: one file that needs nothing else')
    .option('--fail-on-difference', 'end with 1 when there is one', false)
    .option('--json', 'print everything as one JSON object on stdout', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview backtest                                        does the past come out the same? It should
  $ everyview backtest --config candidate.yaml --html report.html
  $ everyview backtest --config candidate.yaml --from 2026-01-31T18:00:00Z --to 2026-01-31T22:00:00Z --json

A candidate, for example:
  detectors:
    video-freeze: { minMs: 4000 }

Next: 'everyview config apply candidate.yaml' puts it in force.`,
    )
    .action((flags: BacktestFlags) => run(flags));
}

export const runBacktest: Action<BacktestFlags> = async (context, options) => {
  const { out, err } = context;
  const range = rangeOf(options);
  const candidate = options.config === undefined ? null : readConfiguration(options.config);
  const cluster = await openCluster(context, { clientId: 'everyview-backtest', needsRegistry: true });
  const progress = progressLine(err);
  try {
    const { signal } = context.interruption;
    const result = await backtest({
      ...(await replayOver(cluster, progress, signal)),
      topologies: TOPOLOGIES,
      ...range,
      ...(candidate === null ? {} : { candidate }),
    });
    progress.end();
    if (result.recordsIn === 0 || result.comparedToMs <= result.fromMs) {
      throw new ExpectedError(
        'there is nothing in this range that every task has processed',
        'Choose another --from and --to; everyview topics shows what the log holds',
      );
    }
    const what = candidate === null ? 'The configuration that held' : `${options.config}`;
    if (options.html !== undefined) writePage(options.html, backtestHtml(result, { candidate: what }));
    if (options.json) {
      const { diff, fromMs, comparedToMs, recordsIn, keysLeftOut, starts } = result;
      jsonLine(out, { fromMs, comparedToMs, recordsIn, keysLeftOut, starts, ...diff });
    } else for (const text of backtestLines(result)) line(out, text);
    if (options.html !== undefined) line(err, `the report is ${options.html}`);
    return options.failOnDifference && !isWithoutDifference(result.diff) ? 1 : 0;
  } finally {
    progress.end();
    await cluster.close();
  }
};
