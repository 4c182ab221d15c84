import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { FIX_OF_REASON } from '../../producers/collector/normalise.ts';
import { messageOf } from '../../schemas/errors.ts';
import { MODELS } from '../../topologies/scoring/settings.ts';
import { foldRecorded } from '../../topologies/sessions/recorded-sessions.ts';
import { lineOf, type SessionLine } from '../../topologies/sessions/score-file.ts';
import type { Action, CliContext } from '../context.ts';
import { ExpectedError } from '../failure.ts';
import { ReportLines } from '../report-lines.ts';
import { counted, jsonLine, line, styled, table } from '../terminal.ts';

export type ScoreOptions = { readonly files: readonly string[]; readonly json: boolean };

export function addScore(command: Command, run: (options: ScoreOptions) => Promise<void>): void {
  command
    .description(
      'Reads what players reported, one report per line, and scores each session as the pipeline would if it watched no ' +
        'stream beside it. Order and repetitions of lines do not matter. Needs no Kafka.',
    )
    .argument('<file...>', "files of reports; '-' for stdin")
    .option('--json', 'NDJSON: one object for each session, by session id', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview score reports.txt
  $ everyview score monday.ndjson tuesday.ndjson --json
  $ zcat access.log.gz | grep -o 'https[^ ]*CMCD=[^ ]*' | everyview score -

A line is a CMCD v2 event (e=ps,sta=p,sid="a",sn=0,ts=1795259051201,v=2), an URL or value with CMCD of version 1, or a
JSON event ({"event":"play-state","sessionId":"a","playerState":"playing","clientTimeMs":1795259051201}).
Lines that cannot be read are counted on stderr. What was not told is null, and lowers coverage and confidence.

Next: 'everyview collect' takes such reports from players.`,
    )
    .action((files: string[], flags: Omit<ScoreOptions, 'files'>) => run({ files, ...flags }));
}

export const runScore: Action<ScoreOptions> = async (context, { files, json }) => {
  const reports = new ReportLines();
  for (const file of files) await readLines(file, reports);
  tellDropped(context, reports);
  if (reports.events.length === 0) {
    throw new ExpectedError(
      `there is no report of a player in ${files.join(', ')}`,
      'Give it files with one CMCD event, CMCD URL or JSON event per line',
    );
  }
  const sessions = foldRecorded(reports.events);
  const lines = sessions.map((session) => lineOf(session, MODELS[0]!)).filter((one) => one !== null);
  tell(context, lines, json);
  const idle = sessions.length - lines.length;
  if (idle > 0) line(context.err, `${counted(idle, 'session')} never asked for playback: not scored`);
  return 0;
};

async function readLines(file: string, reports: ReportLines): Promise<void> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
      reports.take(text);
  } catch (error) {
    throw new ExpectedError(
      `${file} cannot be read: ${messageOf(error)}`,
      "Name files that exist and may be read, or '-' for stdin",
      { cause: error },
    );
  }
}

function tellDropped({ err }: CliContext, { dropped }: ReportLines): void {
  for (const [reason, count] of [...dropped].sort(([a], [b]) => (a < b ? -1 : 1)))
    line(err, `${counted(count, 'line')} left out: ${FIX_OF_REASON[reason]}`);
}

function tell({ out }: CliContext, lines: readonly SessionLine[], asJson: boolean): void {
  if (asJson) {
    for (const one of lines) jsonLine(out, one);
    return;
  }
  const rows = table([
    [
      'session',
      'outcome',
      'startup',
      'stalls',
      'stalled',
      'score',
      'MOS',
      'coverage',
      'confidence',
      'causes',
    ],
    ...lines.map((one) => [
      one.sessionId,
      one.final ? one.outcome : `${one.outcome} (not ended)`,
      msOf(one.startupMs),
      one.stallCount === null ? '-' : String(one.stallCount),
      msOf(one.stallMs),
      one.score === null ? '-' : String(one.score),
      one.mosCenti === null ? '-' : (one.mosCenti / 100).toFixed(2),
      percentOf(one.coverage),
      percentOf(one.confidence),
      one.causes.map(({ cause, points }) => `${cause} ${points}`).join(', '),
    ]),
  ]);
  for (const [index, row] of rows.entries()) line(out, index === 0 ? styled(out, 'bold', row) : row);
}

function msOf(durationMs: number | null): string {
  return durationMs === null ? '-' : `${durationMs} ms`;
}

function percentOf(share: number): string {
  return `${Math.round(share * 100)} %`;
}
