/** The end of a run: freezes the sources, lets the work be finished, and holds the output against a run without faults. */
import { Kafka, logLevel } from 'kafkajs';
import { POSITIONS_STORE, storesOf } from '../../runtime/define-topology.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import { SIMULATED_TOPOLOGIES } from '../simulation/topologies.ts';
import type { ChaosRun, Fault } from './chaos-run.ts';
import { compare } from './comparison.ts';
import { applicationIdIn } from './instance.ts';
import type { Instance } from './instances.ts';
import type { JavaTools } from './java-tools.ts';
import { LogReader, partitionsOf } from './log-reader.ts';
import { COMPARED_TOPICS, type Contents, FROZEN_TOPICS, QUIET_LIMITS, referenceOf } from './reference.ts';
import { knownSchemas } from './schemas.ts';

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
  readonly hash: string;
  readonly openTransactions: number;
  /** Everything that speaks against the run; it passed when there is nothing. */
  readonly findings: readonly string[];
  readonly durationMs: number;
};

export async function verdictOf(run: ChaosRun, java: JavaTools, startedAtMs: number): Promise<Verdict> {
  await run.speakers.stop();
  await run.stopAll();
  run.trace('everybody stopped; the sources are frozen');
  const finisher = await run.add([], QUIET_LIMITS);
  const taskCount = SIMULATED_TOPOLOGIES.reduce((sum, one) => sum + taskCountOf(one, run.partitions), 0);
  if (!(await finisher.until(() => finisher.openTasks.size === taskCount, OPEN_MS_MAX)))
    throw new Error(`the last process did not get all tasks\n${finisher.describe()}`);
  await untilDecided(
    run,
    FROZEN_TOPICS.map((topic) => [topic, run.partitions.get(topic)!]),
  );
  const sources = await readByJava(run, java, FROZEN_TOPICS);
  const { codec, fingerprintOf } = await knownSchemas(run.schemas.registry, sources);
  const reference = await referenceOf(sources, run.partitions.get('frame-features')!, codec);
  await untilFinished(run, finisher, reference);
  await run.stop(finisher);
  const open = [...(await undecided(run, everyTopic(run))), ...(await openTransactions(run, java))];
  for (const one of open) run.find(`left open: ${one}`);
  const contents = new Map([...sources, ...(await readByJava(run, java, COMPARED_TOPICS))]);
  const { differences, hash, records } = compare(
    { name: 'with faults', contents, codec, fingerprintOf },
    { name: 'without    ', contents: reference, codec, fingerprintOf },
  );
  for (const difference of differences) run.find(difference);
  for (const topic of COMPARED_TOPICS)
    if (countOf(contents, [topic]) === 0) run.find(`nothing came out on ${topic}: the run proves nothing`);
  return {
    name: run.options.name,
    seed: run.options.seed,
    faults: run.faults,
    recordsIn: countOf(contents, FROZEN_TOPICS),
    recordsOut: records,
    late: countOf(contents, ['late-records']),
    deadLetters: countOf(contents, ['dead-letters']),
    isEqual: differences.length === 0,
    hash,
    openTransactions: open.length,
    findings: run.findings,
    durationMs: systemClock.nowMs() - startedAtMs,
  };
}

/** Removes the run's topics, so that a hundred runs fit into one small broker. */
export async function removeTopics(run: ChaosRun): Promise<void> {
  const { brokers } = run.options;
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(run.prefix));
    await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}

const OPEN_MS_MAX = 60_000;
const DECIDED_MS_MAX = 30_000;
/** So long without any growth means that nothing more will come. */
const STILL_MS = 10_000;
const READERS = 3;

async function untilDecided(run: ChaosRun, topics: readonly (readonly [string, number])[]): Promise<void> {
  const deadlineMs = systemClock.nowMs() + DECIDED_MS_MAX;
  for (;;) {
    const open = await undecided(run, topics);
    if (open.length === 0) return;
    if (systemClock.nowMs() > deadlineMs) {
      for (const one of open) run.find(`a source stays undecided: ${one}`);
      return;
    }
    await systemClock.sleep(100);
  }
}

/** Partitions whose stable end is below their end: a transaction is open there. */
async function undecided(
  run: ChaosRun,
  topics: readonly (readonly [string, number])[],
): Promise<readonly string[]> {
  const bounds = await run.port.bounds(partitionsOf(topics));
  return bounds
    .filter(({ stableEnd, highWatermark }) => stableEnd < highWatermark)
    .map((one) => `${one.topic}/${one.partition} from ${one.stableEnd} on (end ${one.highWatermark})`);
}

/** By Kafka's own admin client; a state is over when it is complete or was never begun. */
async function openTransactions(run: ChaosRun, java: JavaTools): Promise<readonly string[]> {
  const states = await java.transactions(run.prefix);
  if (states.size === 0) run.find("Kafka's tool knows no transactional id of this run");
  return [...states]
    .filter(([, state]) => !['Empty', 'CompleteCommit', 'CompleteAbort'].includes(state))
    .map(([id, state]) => `transaction of ${id} (${state})`);
}

function everyTopic(run: ChaosRun): readonly (readonly [string, number])[] {
  const changelogs = SIMULATED_TOPOLOGIES.flatMap((topology) =>
    [...storesOf(topology), POSITIONS_STORE].map(
      (store) =>
        [
          changelogTopic(applicationIdIn(run.prefix)(topology), store),
          taskCountOf(topology, run.partitions),
        ] as const,
    ),
  );
  return [...run.partitions, ...changelogs];
}

/** Until every derived topic has what the reference has, or nothing has come for long. */
async function untilFinished(run: ChaosRun, finisher: Instance, reference: Contents): Promise<void> {
  const missing = new Map<string, number>();
  for (const topic of COMPARED_TOPICS) missing.set(topic, countOf(reference, [topic]));
  const reader = new LogReader(
    run.port,
    partitionsOf(COMPARED_TOPICS.map((topic) => [topic, run.partitions.get(topic)!])),
    ({ topic }) => missing.set(topic, missing.get(topic)! - 1),
  );
  let grewAtMs = systemClock.nowMs();
  while ([...missing.values()].some((count) => count > 0)) {
    if (await reader.poll(200)) grewAtMs = systemClock.nowMs();
    else if (systemClock.nowMs() - grewAtMs > STILL_MS) break;
    if (!finisher.isAlive) return;
  }
  const { tasks } = await finisher.report();
  for (const { topology, task, behind } of tasks)
    if (behind > 0) run.find(`${topology} task ${task} is ${behind} records behind at the end`);
}

/** By the Java consumer, and no fewer than our own reader sees. */
async function readByJava(
  run: ChaosRun,
  java: JavaTools,
  topics: readonly string[],
): Promise<Map<string, readonly (readonly CommittedRecord[])[]>> {
  const contents = new Map<string, readonly (readonly CommittedRecord[])[]>();
  const waiting = [...topics];
  const readSome = async (): Promise<void> => {
    for (let topic = waiting.shift(); topic !== undefined; topic = waiting.shift()) {
      const partitions = run.partitions.get(topic)!;
      const ours = await countCommitted(run, topic, partitions);
      const records = await java.read(`${run.prefix}${topic}`, partitions, ours);
      contents.set(topic, records);
      const theirs = countOf(contents, [topic]);
      if (theirs !== ours) run.find(`${topic}: the Java consumer reads ${theirs} records, ours ${ours}`);
    }
  };
  await Promise.all(Array.from({ length: READERS }, readSome));
  return contents;
}

async function countCommitted(run: ChaosRun, topic: string, partitions: number): Promise<number> {
  let count = 0;
  const reader = new LogReader(run.port, partitionsOf([[topic, partitions]]), () => {
    count += 1;
  });
  while (await reader.poll(100));
  return count;
}

function countOf(contents: Contents, topics: readonly string[]): number {
  return topics.reduce(
    (sum, topic) => sum + (contents.get(topic) ?? []).reduce((all, records) => all + records.length, 0),
    0,
  );
}
