/** The end of a run: freezes the sources, lets the work be finished, and holds the output against a run without faults. */
import { systemClock } from '../../runtime/system-clock.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import type { ChaosRun, Evidence, Fault } from './chaos-run.ts';
import { compare, renumbered, type TopicComparison } from './comparison.ts';
import {
  batchesText,
  countOf,
  everyTopic,
  openTransactions,
  readByJava,
  removeTopics,
  undecided,
  untilDecided,
  untilWritten,
} from './evidence.ts';
import type { JavaTools } from './java-tools.ts';
import { QUIET_LIMITS, referenceOf } from './reference.ts';
import { knownSchemas } from './schemas.ts';
import { comparedTopics } from './subject.ts';

export type Verdict = {
  readonly name: string;
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Committed records on the source topics: ticks, poison and all. */
  readonly recordsIn: number;
  /** Committed records on the derived topics, late records and dead letters, by the Java consumer. */
  readonly recordsOut: number;
  readonly late: number;
  readonly deadLetters: number;
  readonly isEqual: boolean;
  readonly topics: readonly TopicComparison[];
  readonly hash: string;
  readonly openTransactions: number;
  /** Everything that speaks against the run; it passed when there is nothing. */
  readonly findings: readonly string[];
  readonly durationMs: number;
};

/** What a run leaves behind, for further runs over the same sources. */
export type Remains = Evidence & { readonly fingerprintOf: (schemaId: number) => string };

export async function verdictOf(
  run: ChaosRun,
  java: JavaTools,
  startedAtMs: number,
  replay: (run: ChaosRun, java: JavaTools, remains: Remains) => Promise<void> = async () => {},
): Promise<Verdict> {
  await run.speakers.stop();
  await run.stopAll();
  run.trace('everybody stopped; the sources are frozen');
  const finisher = await run.add([], QUIET_LIMITS);
  const { subject } = run;
  const { topologies, frozenTopics } = subject;
  const compared = comparedTopics(subject);
  const taskCount = topologies.reduce((sum, one) => sum + taskCountOf(one, run.partitions), 0);
  if (!(await finisher.until(() => finisher.openTasks.size === taskCount, OPEN_MS_MAX)))
    throw new Error(`the last process did not get all tasks\n${finisher.describe()}`);
  await untilDecided(run, frozenTopics);
  const sources = await readByJava(run, java, frozenTopics);
  const { codec, fingerprintOf } = await knownSchemas(run.schemas.registry, sources);
  const partitions = run.partitions.get('frame-features')!;
  const { contents: reference } = await referenceOf({
    topologies,
    subject,
    inputs: sources,
    partitions,
    codec,
  });
  await untilWritten(run, [finisher], reference);
  await run.stop(finisher);
  const open = [...(await undecided(run, everyTopic(run))), ...(await openTransactions(run, java))];
  for (const one of open) run.find(`left open: ${one}`);
  const contents = new Map([...sources, ...(await readByJava(run, java, compared))]);
  const remains = { contents, codec, fingerprintOf };
  const prepared = run.isAnew ? renumbered : (all: typeof contents) => all;
  const { differences, topics, hash, records } = compare(
    { ...remains, name: 'with faults', contents: prepared(contents) },
    { ...remains, name: 'without', contents: prepared(new Map(reference)) },
    compared,
  );
  for (const difference of differences) run.find(difference);
  if (differences.length > 0) await traceLogs(run);
  for (const topic of compared)
    if (countOf(contents, [topic]) === 0) run.find(`nothing came out on ${topic}: the run proves nothing`);
  for (const check of run.checks) for (const finding of check(remains)) run.find(finding);
  await replay(run, java, remains);
  if (run.findings.length === 0) await removeTopics(run);
  return {
    name: run.options.name,
    seed: run.options.seed,
    faults: run.faults,
    recordsIn: countOf(contents, frozenTopics),
    recordsOut: records,
    late: countOf(contents, ['late-records']),
    deadLetters: countOf(contents, ['dead-letters']),
    isEqual: differences.length === 0,
    topics,
    hash,
    openTransactions: open.length,
    findings: run.findings,
    durationMs: systemClock.nowMs() - startedAtMs,
  };
}

/** What a person needs who looks for the reason of a difference. */
async function traceLogs(run: ChaosRun): Promise<void> {
  for (const [topic, partitions] of everyTopic(run)) {
    for (let partition = 0; partition < partitions; partition++)
      for (const line of await batchesText(run, topic, partition)) run.trace(line);
  }
}

const OPEN_MS_MAX = 60_000;
