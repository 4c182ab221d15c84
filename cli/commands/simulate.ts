import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { dataFolder } from '../../local/folders.ts';
import { DEMO_DURATION_MS_MIN, planDemo } from '../../producers/demo/plan.ts';
import { CollectorError } from '../../producers/simulator/http-sender.ts';
import type { LabelsFile } from '../../producers/simulator/labels.ts';
import type { Programme } from '../../producers/simulator/population.ts';
import {
  NO_INCIDENTS,
  parseScenarioText,
  type Scenario,
  ScenarioError,
} from '../../producers/simulator/scenario.ts';
import {
  type AudienceRun,
  type RunningAudience,
  startAudience,
} from '../../producers/simulator/start-audience.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { tenantsOfFile } from '../collector-service.ts';
import type { Action, CliContext } from '../context.ts';
import { ExpectedError, UsageError } from '../failure.ts';
import { jsonLine, line, type Terminal } from '../terminal.ts';
import { parseDurationMs, wholeNumber } from '../values.ts';

export type SimulateOptions = {
  readonly collector: string;
  readonly tokenFile?: string;
  readonly viewers: number;
  readonly seed: number;
  readonly scenario?: string;
  readonly programme?: readonly Programme[];
  readonly for?: number;
  readonly speed: number;
  readonly labels?: string;
  readonly json: boolean;
};

const VIEWERS_MAX = 1_000_000;
const PROGRESS_EVERY_MS = 1_000;
/** Without a terminal progress is a log. */
const PROGRESS_LOG_EVERY_MS = 10_000;

export function addSimulate(command: Command, run: (options: SimulateOptions) => Promise<void>): void {
  command
    .description(
      'Simulated viewers watch, stall, pause, seek, mute and leave, and their players report it as real ones do (JSON events, CMCD version 2 and 1). The same seed gives the same audience.',
    )
    .option('--collector <url>', 'the collector that they report to', 'http://127.0.0.1:4580')
    .option('--token-file <file>', "the token, or the collector's tenants file (this machine's otherwise)")
    .option(
      '--viewers <n>',
      'who watch at the same time',
      wholeNumber('number of viewers', 1, VIEWERS_MAX),
      50,
    )
    .option('--seed <n>', 'which audience', wholeNumber('seed', 0, 1e15), 1)
    .option('--scenario <file.json>', 'what goes wrong, for whom and when (nothing otherwise)')
    .option(
      '--programme <id[=contentId]>',
      "what they watch; several share the audience (the demonstration's otherwise)",
      addProgramme,
    )
    .option('--for <duration>', 'end after this long, such as 90s (Ctrl-C otherwise)', parseDurationMs)
    .option(
      '--speed <n>',
      'they live this many times faster; for load only, since the log keeps its own time',
      wholeNumber('speed', 1, 1_000),
      1,
    )
    .option('--labels <file.json>', 'write down what went wrong, and for how many, at the end')
    .option('--json', 'print the summary as one JSON object on stdout', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview simulate --viewers 200 --for 5m
  $ everyview simulate --scenario producers/simulator/scenarios/cdn-outage.json --labels labels.json --for 3m
  $ everyview simulate --collector https://collector.example --token-file token.txt --programme news=news-live

docs/scenarios.md describes scenario and labels files. Nothing but the reports themselves reaches the collector.

First: 'everyview collect', 'everyview run'.
Next: 'everyview tail qos-scores'.`,
    )
    .action((flags: SimulateOptions) => run(flags));
}

export const runSimulate: Action<SimulateOptions> = async (context, options) => {
  const { out, err, interruption } = context;
  const scenario = scenarioOfFile(options.scenario);
  const programmes = options.programme ?? demoProgrammes();
  const running = started(() =>
    startAudience({
      collectorUrl: options.collector,
      token: tokenOf(context, options.tokenFile),
      seed: options.seed,
      viewers: options.viewers,
      programmes,
      scenario,
      clock: systemClock,
      speed: options.speed,
      signal: interruption.signal,
      ...(options.for === undefined ? {} : { forMs: options.for }),
    }),
  );
  line(
    err,
    `${options.viewers} viewers (seed ${options.seed}, scenario ${scenario.name}) watch ${programmes.map(({ programmeId }) => programmeId).join(', ')}; Ctrl-C ends it`,
  );
  const drawing = new AbortController();
  const drawn = showProgress(err, running, drawing.signal);
  let result: AudienceRun;
  try {
    result = await running.done;
  } catch (error) {
    throw error instanceof CollectorError ? new ExpectedError(error.message, '', { cause: error }) : error;
  } finally {
    drawing.abort();
    await drawn;
  }
  const labels = running.labels();
  if (options.labels !== undefined) writeLabels(options.labels, labels);
  if (options.json) jsonLine(out, { ...result, labels });
  else for (const text of summaryLines(result, labels)) line(out, text);
  const { acknowledged, taken } = result.sender;
  if (taken > 0 && acknowledged === 0) {
    const why = result.lastFailure === '' ? 'all were refused' : result.lastFailure;
    throw new ExpectedError(
      `no report was acknowledged by ${options.collector}: ${why}`,
      "Start one with 'everyview collect', or give its address with --collector",
    );
  }
  return 0;
};

function started(start: () => RunningAudience): RunningAudience {
  try {
    return start();
  } catch (error) {
    if (error instanceof CollectorError) throw new UsageError(error.message, 'Give it with --collector URL');
    throw error;
  }
}

export function scenarioOfFile(file: string | undefined): Scenario {
  if (file === undefined) return NO_INCIDENTS;
  try {
    return parseScenarioText(textOf(file, 'scenario'));
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    throw new UsageError(
      `${file}: ${error.message}`,
      'See docs/scenarios.md for every field, and producers/simulator/scenarios for examples',
    );
  }
}

/** A file with a token alone, or a tenants file, of which the first tenant's first one counts. */
function tokenOf({ env }: CliContext, file: string | undefined): string {
  const usual = path.join(dataFolder(env), 'collector', 'tenants.json');
  if (file === undefined && !existsSync(usual)) {
    throw new UsageError(
      'no token is given, and this machine has no collector yet',
      'Give --token-file FILE, or start one with: everyview collect',
    );
  }
  const chosen = file ?? usual;
  const text = textOf(chosen, 'token').trim();
  if (/^[A-Za-z0-9._~-]{16,128}$/.test(text)) return text;
  return tenantsOfFile(chosen)[0]!.tokens[0]!;
}

function textOf(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UsageError(`the ${what} file ${file} cannot be read (${code})`, 'Give one that is there');
  }
}

export function writeLabels(file: string, labels: LabelsFile): void {
  try {
    writeFileSync(file, `${JSON.stringify(labels, null, 2)}\n`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ExpectedError(`the labels cannot be written to ${file} (${code})`, 'Give another file', {
      cause: error,
    });
  }
}

/** The demonstration's programmes are known to players by their own names. */
function demoProgrammes(): readonly Programme[] {
  return planDemo(DEMO_DURATION_MS_MIN, 1).map(({ streamId }) => ({
    programmeId: streamId,
    contentId: streamId,
    weight: 1,
  }));
}

function addProgramme(text: string, before: readonly Programme[] = []): readonly Programme[] {
  const match = /^([^=\p{Cc}]{1,200})(?:=([^\p{Cc}]{1,200}))?$/u.exec(text);
  if (match === null) throw new InvalidArgumentError('Write for example news, or news=news-live.');
  const programmeId = match[1]!;
  return [...before, { programmeId, contentId: match[2] ?? programmeId, weight: 1 }];
}

async function showProgress(err: Terminal, running: RunningAudience, signal: AbortSignal): Promise<void> {
  for (;;) {
    await systemClock.sleep(err.isTty ? PROGRESS_EVERY_MS : PROGRESS_LOG_EVERY_MS, signal);
    if (signal.aborted) break;
    const { audience, sender, lastFailure } = running.counts();
    const trouble = lastFailure === '' ? '' : `, ${sender.retried} sent again (${lastFailure})`;
    const text = `${audience.viewers} viewers came, ${audience.sessions} sessions, ${sender.acknowledged} reports acknowledged, ${sender.waiting} waiting${trouble}`;
    err.write(err.isTty ? `\r\x1b[2K${text.slice(0, Math.max(20, err.columns - 1))}` : `${text}\n`);
  }
  if (err.isTty) err.write('\r\x1b[2K');
}

function summaryLines({ audience, sender }: AudienceRun, labels: LabelsFile): string[] {
  const lines = [
    `${audience.viewers} viewers, ${audience.sessions} sessions, ${audience.reports} reports made: ${audience.lost} lost on the way, ${audience.duplicated} sent twice, ${audience.late} late`,
    `${sender.taken} reports to send: ${sender.acknowledged} acknowledged, ${sender.refused} refused, ${sender.stopped} stopped, ${sender.givenUp} given up, ${sender.leftOut} left out; ${sender.requests} requests, ${sender.retried} reports sent again`,
  ];
  for (const one of labels.incidents) {
    const fromS = Math.round((one.startMs - labels.audienceStartMs) / 1000);
    const toS = Math.round((one.endMs - labels.audienceStartMs) / 1000);
    lines.push(
      `${one.incidentId} (${one.kind}, ${fromS} to ${toS} s): ${one.sessionsAffected} of ${one.sessionsInCohort} sessions affected`,
    );
  }
  return lines;
}
