/**
 * `npm run chaos`: every scenario, or some, and their table.
 *
 *     npm run chaos                                all of them; writes docs/chaos.md
 *     npm run chaos -- --scenario zombie           those whose name begins so (may be given again)
 *     npm run chaos -- --seed 7 --trace            another seed; what happens, line by line
 *     npm run chaos -- --list
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../../local/folders.ts';
import { runScript } from '../support/script.ts';
import { exitInterrupted } from './kafka-nodes.ts';
import { perform } from './perform.ts';
import { chaosReport } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { faultTable, LIMITS_TEXT, markdownTable, topicTable } from './table.ts';
import type { Verdict } from './verdict.ts';

const HELP = `npm run chaos -- [--scenario NAME] [--seed 1] [--trace]

Does to a real Kafka and to the processes on it what operation does: kills at each step of a commit, suspended processes,
rebalances, brokers and networks that go away, records that nobody can read. After each scenario the same input, frozen,
runs once more without any fault, and has to give the same output.

  --scenario NAME   those whose name begins so; may be given again (default: all, which takes most of an hour)
  --seed N          other faults, at other times (default 1)
  --trace           what happens, line by line
  --list            the scenarios
  --help            this

A run of all of them writes docs/chaos.md. Exits with 1 when something does not hold.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string', default: '1' },
      trace: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.list) {
    for (const { name, what } of SCENARIOS) process.stdout.write(`${name}: ${what}\n`);
    return 0;
  }
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) return usage(`--seed ${values.seed} is not a whole number`);
  const chosen = SCENARIOS.filter(
    ({ name }) => values.scenario.length === 0 || values.scenario.some((prefix) => name.startsWith(prefix)),
  );
  if (chosen.length === 0) return usage(`no scenario begins with ${values.scenario.join(' or ')}`);
  const verdicts = await perform({
    scenarios: chosen,
    seed,
    onTrace: values.trace ? say : () => {},
    onVerdict: (verdict) => say(summaryOf(verdict)),
  });
  process.stdout.write(
    `\n${markdownTable(verdicts, SCENARIOS)}\n\n${topicTable(verdicts)}\n\n${faultTable(verdicts)}\n\n${LIMITS_TEXT}\n`,
  );
  if (chosen.length === SCENARIOS.length)
    writeFileSync(path.join(REPOSITORY, 'docs', 'chaos.md'), chaosReport(verdicts, SCENARIOS, seed));
  return verdicts.every(({ findings }) => findings.length === 0) ? 0 : 1;
}

function summaryOf({ name, seed, findings, faults, isEqual, durationMs }: Verdict): string {
  const head = `${name}: ${findings.length === 0 ? 'ok' : 'FAILED'}, ${faults.length} faults, output ${isEqual ? 'equal' : 'DIFFERENT'}, ${Math.round(durationMs / 1_000)} s`;
  if (findings.length === 0) return head;
  const again = `    again: npm run chaos -- --scenario ${name} --seed ${seed} --trace`;
  return [head, ...findings.map((finding) => `  - ${finding}`), again].join('\n');
}

function usage(problem: string): number {
  say(`npm run chaos: ${problem}; see --help`);
  return 2;
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 23)} ${line}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => void exitInterrupted());

await runScript({ name: 'npm run chaos', main });
