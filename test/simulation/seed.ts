/**
 * One seed: the same plan twice, and what its sources give when nothing goes wrong. In every eighth seed readers soon go on
 * without a writer that is gone. They say so in the inputs that they share with nobody's sources, so each topology is held
 * against a run of its own over what was in its inputs then.
 */
import { decodeControl } from '../../runtime/control-records.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { derivedDifferences, differences } from './compare.ts';
import { brokenBalance, brokenExpectations, brokenInvariants } from './invariants.ts';
import { type Plan, planOf } from './plan.ts';
import { replay } from './quiet-run.ts';
import { type Simulated, type SimulationOptions, simulate } from './simulate.ts';
import { DERIVED_TOPICS, SIMULATED_TOPOLOGIES } from './topologies.ts';
import type { Contents } from './world.ts';

export type SeedResult = {
  readonly seed: number;
  /** What is wrong; empty when the seed is green. */
  readonly findings: readonly string[];
  /** Records from outside. */
  readonly events: number;
  /** Records that were derived from them and compared. */
  readonly derived: number;
  /** Ticks of readers that went on without a writer. */
  readonly ticks: number;
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
  const isLonely = seed % LONELY_EVERY === 0;
  const how = isLonely ? { sealWaitMs: LONELY_WAIT_MS } : {};
  const first = await simulate(plan, { ...options, ...how });
  const findings = [...first.violations];
  if (twice) {
    const second = await simulate(plan, how);
    if (second.logHash !== first.logHash)
      findings.push(`the second run differs: ${unequalRuns(first, second)}`);
  }
  const said = withoutTicks(first.contents);
  findings.push(...(isLonely ? await unequalAlone(plan, first, said) : await unequalToQuiet(plan, first)));
  findings.push(...brokenInvariants(isLonely ? said : first.contents, first.contents));
  findings.push(...brokenExpectations(first.contents, plan.deadLetters));
  return {
    seed,
    findings,
    events: plan.records,
    derived: countOf(said) - plan.records,
    ticks: countOf(first.contents) - countOf(said),
    fired: [...first.fired],
    notFired: [...first.notFired],
    recoveryMs: first.recoveryMs,
    virtualMs: first.virtualMs,
  };
}

const LONELY_EVERY = 8;
const LONELY_WAIT_MS = 600;

async function unequalToQuiet(
  { seed, partitions, startMs }: Plan,
  { contents }: Simulated,
): Promise<string[]> {
  const commitEveryMs = seed % 2 === 0 ? 20 : 2_000;
  const reference = await replay({ contents, partitions, startMs }, { commitEveryMs });
  return [
    ...differences(contents, reference.contents, ['with faults', 'without']),
    ...brokenBalance(reference.contents, reference.counts),
  ];
}

async function unequalAlone(
  { partitions, startMs }: Plan,
  { contents }: Simulated,
  said: Contents,
): Promise<string[]> {
  const findings: string[] = [];
  for (const topology of SIMULATED_TOPOLOGIES) {
    const inputs = topology.sources.map(({ topic }) => topic);
    const outputs: readonly string[] = topology.sinks.map(({ topic }) => topic);
    const recorded = { contents, partitions, startMs };
    const alone = await replay(recorded, { commitEveryMs: 50, topologies: [topology] }, inputs);
    const topics = DERIVED_TOPICS.filter((topic) => outputs.includes(topic));
    findings.push(
      ...derivedDifferences(said, alone.contents, ['with faults', `${topology.name} alone`], topics),
    );
  }
  return findings;
}

/** What was derived, without what readers said in their inputs. */
function withoutTicks(contents: Contents): Contents {
  const isDerived = (topic: string): boolean => (DERIVED_TOPICS as readonly string[]).includes(topic);
  return new Map(
    [...contents].map(([topic, partitions]) => [
      topic,
      isDerived(topic)
        ? partitions.map((records) => records.filter((record) => !isTick(record)))
        : partitions,
    ]),
  );
}

function isTick({ value, headers }: CommittedRecord): boolean {
  const control = value === null ? decodeControl(headers) : null;
  return control !== null && control !== 'unknown' && control.kind === 'tick';
}

function countOf(contents: Contents): number {
  return [...contents.values()].flat().reduce((sum, records) => sum + records.length, 0);
}

function unequalRuns(first: Simulated, second: Simulated): string {
  const [difference] = differences(first.contents, second.contents, ['first run', 'second run']);
  return difference ?? 'only in what no reader sees (aborted records, markers, changelogs)';
}
