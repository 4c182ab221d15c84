/** `npm run sim`: many seeds on all cores, a table of what was put through, and the command that repeats a failure. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { faultTable, thinCells } from './fault-table.ts';
import { reportOf } from './report.ts';
import { runSeed } from './seed.ts';
import { SeedThread } from './thread.ts';
import { addSeed, keepTotals, keptTotals, newTotals, type RunName, type Totals } from './totals.ts';

const HELP = `npm run sim -- [options]     deterministic simulation of the stream runtime

Each seed makes a plan: records from outside, and faults at every step of a task's life. The plan is run twice, which
has to give the same log byte for byte, and held against a run of the same sources without any fault.

  --seeds N     how many seeds (10000)
  --first N     the first of them (1)
  --events N    records from outside for each seed, at least (2000)
  --jobs N      threads (2)
  --seed N      only this seed, with what happened in it: repeats a failure
  --keep FILE   keeps what is done in a file; a run that was cut off goes on from there
  --report FILE writes the figures as a page, when there is no difference
  --help`;

type Options = {
  readonly seeds: number;
  readonly first: number;
  readonly events: number;
  readonly jobs: number;
  readonly seed: number | null;
  readonly keep: string | null;
  readonly report: string | null;
};

const FAILURES_MAX = 5;
/** Seeds. */
const KEPT_EVERY = 20;

async function main(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  if (typeof options === 'string') {
    (options === HELP ? process.stdout : process.stderr).write(`${options}\n`);
    return options === HELP ? 0 : 2;
  }
  return options.seed === null ? runMany(options) : runOne(options.seed, options.events);
}

function optionsOf(args: readonly string[]): Options | string {
  const text = { type: 'string' } as const;
  const flags = { seeds: text, first: text, events: text, jobs: text, seed: text, keep: text, report: text };
  try {
    const { values } = parseArgs({ args: [...args], options: { ...flags, help: { type: 'boolean' } } });
    if (values.help === true) return HELP;
    return {
      seeds: wholeNumber('seeds', values.seeds ?? '10000'),
      first: wholeNumber('first', values.first ?? '1'),
      events: wholeNumber('events', values.events ?? '2000'),
      jobs: wholeNumber('jobs', values.jobs ?? '2'),
      seed: values.seed === undefined ? null : wholeNumber('seed', values.seed),
      keep: values.keep ?? null,
      report: values.report ?? null,
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

async function runMany(options: Options): Promise<number> {
  const { seeds, first, events, jobs, keep } = options;
  const isNamed = keep !== null || options.report !== null;
  const of: RunName = { commit: isNamed ? commitName() : '', events };
  const totals = keep === null ? newTotals() : keptTotals(keep, of);
  if (totals.done.size > 0) say(`going on from ${keep}: ${totals.done.size} seeds are done`);
  say(`seeds ${first} to ${first + seeds - 1}, at least ${options.events} events each, ${jobs} threads`);
  const startedMs = performance.now();
  const progress = progressOf(options, totals, startedMs);
  let next = first;
  const takeSeed = (): number | null => {
    if (totals.failed.length >= FAILURES_MAX) return null;
    while (totals.done.has(next)) next += 1;
    if (next >= first + seeds) return null;
    next += 1;
    return next - 1;
  };
  const onSeed = (): void => {
    if (keep !== null && totals.done.size % KEPT_EVERY === 0) keepTotals(keep, of, totals);
  };
  const job = (): Promise<void> => runJob(options, takeSeed, totals, onSeed);
  await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, job));
  progress.stop();
  if (keep !== null) keepTotals(keep, of, totals);
  return report(options, of, totals);
}

/** One thread, from seed to seed. */
async function runJob(
  { events }: Options,
  takeSeed: () => number | null,
  totals: Totals,
  onSeed: () => void,
): Promise<void> {
  const thread = new SeedThread();
  for (let seed = takeSeed(); seed !== null; seed = takeSeed()) {
    let findings: readonly string[];
    try {
      const answer = await thread.run({ seed, events });
      addSeed(totals, answer);
      findings = answer.findings;
    } catch (error) {
      totals.failed.push(seed);
      findings = [`it ended with: ${error instanceof Error ? error.message : String(error)}`];
    }
    if (findings.length > 0) {
      say(`\nseed ${seed} FAILED: ${findings[0]}`);
      if (findings.length > 1) say(`and ${findings.length - 1} more`);
      say(`repeat it with: npm run sim -- --seed ${seed} --events ${events}`);
    }
    onSeed();
  }
  await thread.close();
}

function report(options: Options, of: RunName, totals: Totals): number {
  const { first, seeds, events } = options;
  const { done, failed, fired, notFired } = totals;
  say(`\n${faultTable(fired, notFired)}`);
  const hits = [...fired.values()].reduce((sum, count) => sum + count, 0);
  const missed = [...notFired.values()].reduce((sum, count) => sum + count, 0);
  say(
    `\n${done.size} seeds, ${totals.events} events (at least ${events} each), ${totals.derived} derived records compared, ` +
      `${totals.ticks} ticks of readers that went on alone, ` +
      `${hits} faults (and ${missed} that did not fire), back within ${totals.recoveryMsMax} ms`,
  );
  const thin = thinCells(fired, seeds);
  if (thin.length > 0) say(`FAILED: hit too rarely: ${thin.join(', ')}`);
  if (failed.length > 0)
    say(`FAILED: seeds ${failed.join(', ')}${done.size < seeds ? '; stopped there' : ''}`);
  if (thin.length > 0 || failed.length > 0) return 1;
  say('no difference');
  if (options.report !== null) writeFileSync(options.report, reportOf(of, { first, seeds }, totals));
  return 0;
}

/** With a mark when files differ from it: such a run is of no commit. */
function commitName(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'runtime', 'schemas', 'test/simulation', 'test/support');
  return git('rev-parse', '--short=10', 'HEAD') + (changed === '' ? '' : ' with changes');
}

/** One line that is written over on a terminal, one every ten seconds elsewhere. */
function progressOf({ seeds }: Options, totals: Totals, startedMs: number) {
  const before = totals.done.size;
  const isTerminal = process.stderr.isTTY === true;
  const show = (): void => {
    const seconds = (performance.now() - startedMs) / 1_000;
    const done = totals.done.size;
    const perSecond = (done - before) / seconds;
    const leftMinutes = perSecond === 0 ? '?' : ((seeds - done) / perSecond / 60).toFixed(1);
    const rate = `${perSecond.toFixed(1)} seeds/s, ${leftMinutes} min left`;
    const line = `${done} of ${seeds} seeds, ${totals.failed.length} failed, ${rate}`;
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

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`npm run sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
