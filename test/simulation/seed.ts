/** One seed: the same plan twice, and what its sources give when nothing goes wrong. */
import { differences } from './compare.ts';
import { brokenBalance, brokenExpectations, brokenInvariants } from './invariants.ts';
import { planOf } from './plan.ts';
import { replay } from './quiet-run.ts';
import { type Simulated, type SimulationOptions, simulate } from './simulate.ts';

export type SeedResult = {
  readonly seed: number;
  /** What is wrong; empty when the seed is green. */
  readonly findings: readonly string[];
  /** Records from outside. */
  readonly events: number;
  /** Records that were derived from them and compared. */
  readonly derived: number;
  readonly fired: readonly (readonly [string, number])[];
  readonly notFired: readonly (readonly [string, number])[];
  readonly recoveryMs: number;
  readonly virtualMs: number;
};

export type SeedOptions = SimulationOptions & {
  readonly seed: number;
  readonly events: number;
  /** Once is enough where only the outcome is of interest. Default: true. */
  readonly twice?: boolean;
};

export async function runSeed(options: SeedOptions): Promise<SeedResult> {
  const { seed, events, twice = true } = options;
  const plan = planOf({ seed, events });
  const first = await simulate(plan, options);
  const findings = [...first.violations];
  if (twice) {
    const second = await simulate(plan);
    if (second.logHash !== first.logHash)
      findings.push(`the second run differs: ${unequalRuns(first, second)}`);
  }
  const { partitions, startMs } = plan;
  const commitEveryMs = seed % 2 === 0 ? 20 : 2_000;
  const reference = await replay({ contents: first.contents, partitions, startMs }, { commitEveryMs });
  findings.push(
    ...differences(first.contents, reference.contents, ['with faults', 'without']),
    ...brokenInvariants(first.contents),
    ...brokenExpectations(first.contents, plan.deadLetters),
    ...brokenBalance(reference.contents, reference.counts),
  );
  let derived = 0;
  for (const partitionsOfTopic of first.contents.values())
    for (const records of partitionsOfTopic) derived += records.length;
  return {
    seed,
    findings,
    events: plan.records,
    derived: derived - plan.records,
    fired: [...first.fired],
    notFired: [...first.notFired],
    recoveryMs: first.recoveryMs,
    virtualMs: first.virtualMs,
  };
}

function unequalRuns(first: Simulated, second: Simulated): string {
  const [difference] = differences(first.contents, second.contents, ['first run', 'second run']);
  return difference ?? 'only in what no reader sees (aborted records, markers, changelogs)';
}
