/**
 * `npm run soak`: the real topologies under load and seeded faults, for as long as it is told.
 *
 *     npm run soak -- --minutes 30        writes docs/soak.md
 *     npm run soak -- --minutes 4         everything but the heap is judged
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../../local/folders.ts';
import { exitInterrupted } from '../chaos/kafka-nodes.ts';
import { runScript } from '../support/script.ts';
import { JUDGED_MINUTES_MIN } from './heap-trend.ts';
import { faultsOf, soakReport, soakText } from './soak-report.ts';
import { soak } from './soak-run.ts';

const HELP = `npm run soak -- [--minutes 30] [--seed 1] [--json] [--trace]

Runs every topology on a Kafka of its own, under steady load, while processes are killed and suspended,
tasks are moved, the broker is restarted and networks go dead. At the end nothing may be lost, and the live heap of the
process that lived throughout may not have grown.

  --minutes N   how long the load lasts (default ${JUDGED_MINUTES_MIN}); starting and judging take some minutes more
  --seed N      other faults, at other times (default 1)
  --json        the result on stdout as JSON instead of tables
  --trace       each fault, as it happens
  --help        this

A run of ${JUDGED_MINUTES_MIN} minutes or more writes docs/soak.md. In a shorter one the heap is shown and not judged.
Exits with 1 when something does not hold.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: String(JUDGED_MINUTES_MIN) },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!Number.isSafeInteger(minutes) || minutes < 1)
    return usage(`--minutes ${values.minutes} is not a whole number from 1 on`);
  if (!Number.isSafeInteger(seed)) return usage(`--seed ${values.seed} is not a whole number`);
  if (minutes < JUDGED_MINUTES_MIN)
    say(`the heap will be shown, not judged: that takes --minutes ${JUDGED_MINUTES_MIN}`);
  const result = await soak({
    minutes,
    seed,
    onProgress: say,
    onTrace: values.trace ? say : () => {},
  });
  const faults = faultsOf(result);
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...result, holds: faults.length === 0 }, plain)}\n`
      : `\n${soakText(result)}\n`,
  );
  if (minutes >= JUDGED_MINUTES_MIN)
    writeFileSync(path.join(REPOSITORY, 'docs', 'soak.md'), soakReport(result));
  return faults.length === 0 ? 0 : 1;
}

/** Maps have no JSON of their own. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}

function usage(problem: string): number {
  say(`npm run soak: ${problem}; see --help`);
  return 2;
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => void exitInterrupted());

await runScript({ name: 'npm run soak', main });
