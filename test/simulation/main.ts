/** `npm run sim`: many seeds on all cores, a table of what was put through, and the command that repeats a failure. */
import { parseArgs } from 'node:util';
import { faultTable, thinCells } from './fault-table.ts';
import { type CellCounts, countOne } from './faults.ts';
import type { JobAnswer } from './job.ts';
import { runSeed } from './seed.ts';
import { SeedThread } from './thread.ts';

const HELP = `npm run sim -- [options]     deterministic simulation of the stream runtime

Each seed makes a plan: records from outside, and faults at every step of a task's life. The plan is run twice, which
has to give the same log byte for byte, and held against a run of the same sources without any fault.

  --seeds N     how many seeds (10000)
  --first N     the first of them (1)
  --events N    records from outside for each seed, at least (2000)
  --jobs N      threads (2)
  --seed N      only this seed, with what happened in it: repeats a failure
  --help`;

type Options = {
  readonly seeds: number;
  readonly first: number;
  readonly events: number;
  readonly jobs: number;
  readonly seed: number | null;
};

const FAILURES_MAX = 5;

async function main(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  if (typeof options === 'string') {
    (options === HELP ? process.stdout : process.stderr).write(`${options}\n`);
    return options === HELP ? 0 : 2;
  }
  return options.seed === null ? runMany(options) : runOne(options.seed, options.events);
}

function optionsOf(args: readonly string[]): Options | string {
  const number = { type: 'string' } as const;
  const flags = { seeds: number, first: number, events: number, jobs: number, seed: number };
  try {
    const { values } = parseArgs({ args: [...args], options: { ...flags, help: { type: 'boolean' } } });
    if (values.help === true) return HELP;
    return {
      seeds: wholeNumber('seeds', values.seeds ?? '10000'),
      first: wholeNumber('first', values.first ?? '1'),
      events: wholeNumber('events', values.events ?? '2000'),
      jobs: wholeNumber('jobs', values.jobs ?? '2'),
      seed: values.seed === undefined ? null : wholeNumber('seed', values.seed),
    };
  } catch (error) {
    return `npm run sim: ${(error as Error).message}\n\n${HELP}`;
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} ${text} is no whole number above 0`);
  return value;
}

async function runOne(seed: number, events: number): Promise<number> {
  const result = await runSeed({ seed, events, onTrace: (line) => process.stdout.write(`${line}\n`) });
  const { derived, recoveryMs, virtualMs, findings } = result;
  say(`seed ${seed}: ${result.events} events, ${derived} records derived, ${virtualMs} ms of log time, `);
  say(`back ${recoveryMs} ms after the last fault`);
  for (const finding of findings) say(`\n${finding}`);
  say(findings.length === 0 ? 'no difference' : `\n${findings.length} findings`);
  return findings.length === 0 ? 0 : 1;
}

type Totals = {
  done: number;
  events: number;
  derived: number;
  ticks: number;
  failed: number[];
  recoveryMsMax: number;
  readonly fired: CellCounts;
  readonly notFired: CellCounts;
};

async function runMany(options: Options): Promise<number> {
  const { seeds, first, jobs } = options;
  const totals: Totals = {
    done: 0,
    events: 0,
    derived: 0,
    ticks: 0,
    failed: [],
    recoveryMsMax: 0,
    fired: new Map(),
    notFired: new Map(),
  };
  say(`seeds ${first} to ${first + seeds - 1}, at least ${options.events} events each, ${jobs} threads`);
  const startedMs = performance.now();
  const progress = progressOf(options, totals, startedMs);
  let next = first;
  const takeSeed = (): number | null => {
    if (next >= first + seeds || totals.failed.length >= FAILURES_MAX) return null;
    next += 1;
    return next - 1;
  };
  await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, () => runJob(options, takeSeed, totals)));
  progress.stop();
  return report(options, totals, (performance.now() - startedMs) / 1_000);
}

/** One thread, from seed to seed. */
async function runJob(options: Options, takeSeed: () => number | null, totals: Totals): Promise<void> {
  const thread = new SeedThread();
  for (let seed = takeSeed(); seed !== null; seed = takeSeed()) {
    try {
      take(totals, options, await thread.run({ seed, events: options.events }));
    } catch (error) {
      fail(totals, options, seed, [
        `it ended with: ${error instanceof Error ? error.message : String(error)}`,
      ]);
    }
  }
  await thread.close();
}

function take(totals: Totals, options: Options, answer: JobAnswer): void {
  totals.done += 1;
  totals.events += answer.events;
  totals.derived += answer.derived;
  totals.ticks += answer.ticks;
  totals.recoveryMsMax = Math.max(totals.recoveryMsMax, answer.recoveryMs);
  for (const [name, count] of answer.fired) countOne(totals.fired, name, count);
  for (const [name, count] of answer.notFired) countOne(totals.notFired, name, count);
  if (answer.findings.length > 0) fail(totals, options, answer.seed, answer.findings);
}

function fail(totals: Totals, { events }: Options, seed: number, findings: readonly string[]): void {
  totals.failed.push(seed);
  say(`\nseed ${seed} FAILED: ${findings[0]}`);
  if (findings.length > 1) say(`and ${findings.length - 1} more`);
  say(`repeat it with: npm run sim -- --seed ${seed} --events ${events}`);
}

function report({ seeds, events }: Options, totals: Totals, seconds: number): number {
  const { done, failed, fired, notFired } = totals;
  say(`\n${faultTable(fired, notFired)}`);
  const hits = [...fired.values()].reduce((sum, count) => sum + count, 0);
  const missed = [...notFired.values()].reduce((sum, count) => sum + count, 0);
  say(
    `\n${done} seeds, ${totals.events} events (at least ${events} each), ${totals.derived} derived records compared, ` +
      `${totals.ticks} ticks of readers that went on alone, ` +
      `${hits} faults (and ${missed} that did not fire), back within ${totals.recoveryMsMax} ms, ` +
      `${Math.round(seconds)} s, ${Math.round((3 * totals.events) / seconds)} events/s over two runs and a reference`,
  );
  const thin = thinCells(fired, seeds);
  if (thin.length > 0) say(`FAILED: hit too rarely: ${thin.join(', ')}`);
  if (failed.length > 0) say(`FAILED: seeds ${failed.join(', ')}${done < seeds ? '; stopped there' : ''}`);
  if (thin.length === 0 && failed.length === 0) say('no difference');
  return thin.length === 0 && failed.length === 0 ? 0 : 1;
}

/** One line that is written over on a terminal, one every ten seconds elsewhere. */
function progressOf({ seeds }: Options, totals: Totals, startedMs: number) {
  const isTerminal = process.stderr.isTTY === true;
  const show = (): void => {
    const seconds = (performance.now() - startedMs) / 1_000;
    const leftMinutes =
      totals.done === 0 ? '?' : (((seconds / totals.done) * (seeds - totals.done)) / 60).toFixed(1);
    const rate = `${(totals.done / seconds).toFixed(1)} seeds/s`;
    const line = `${totals.done} of ${seeds} seeds, ${totals.failed.length} failed, ${rate}, ${leftMinutes} min left`;
    process.stderr.write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
  };
  const timer = setInterval(show, isTerminal ? 500 : 10_000);
  return {
    stop: () => {
      clearInterval(timer);
      if (isTerminal) process.stderr.write('\r\x1b[K');
    },
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

process.exitCode = await main(process.argv.slice(2));
