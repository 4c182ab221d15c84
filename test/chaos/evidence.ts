/** What can be seen of a run from outside, when it is over. */
import { Kafka, logLevel } from 'kafkajs';
import { markerOf } from '../../runtime/broker-batch.ts';
import { POSITIONS_STORE, storesOf } from '../../runtime/define-topology.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { batchesOf } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import type { ChaosRun } from './chaos-run.ts';
import { applicationIdIn } from './instance.ts';
import type { Instance } from './instances.ts';
import type { JavaTools } from './java-tools.ts';
import { LogReader, partitionsOf } from './log-reader.ts';
import type { Contents } from './reference.ts';
import { comparedTopics } from './subject.ts';

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

/** Until no transaction is open on these topics, which nobody writes to any more. */
export async function untilDecided(run: ChaosRun, topics: readonly string[]): Promise<void> {
  const deadlineMs = systemClock.nowMs() + DECIDED_MS_MAX;
  for (;;) {
    const open = await undecided(
      run,
      topics.map((topic) => [topic, run.partitions.get(topic)!]),
    );
    if (open.length === 0) return;
    if (systemClock.nowMs() > deadlineMs) {
      for (const one of open) run.find(`a source stays undecided: ${one}`);
      return;
    }
    await systemClock.sleep(100);
  }
}

/** Partitions whose stable end is below their end: a transaction is open there. */
export async function undecided(
  run: Pick<ChaosRun, 'port'>,
  topics: readonly (readonly [string, number])[],
): Promise<readonly string[]> {
  const bounds = await run.port.bounds(partitionsOf(topics));
  return bounds
    .filter(({ stableEnd, highWatermark }) => stableEnd < highWatermark)
    .map((one) => `${one.topic}/${one.partition} from ${one.stableEnd} on (end ${one.highWatermark})`);
}

/** By Kafka's own admin client; a state is over when it is complete or was never begun. */
export async function openTransactions(
  run: Pick<ChaosRun, 'prefix' | 'find'>,
  java: JavaTools,
): Promise<readonly string[]> {
  const states = await java.transactions(run.prefix);
  if (states.size === 0) run.find("Kafka's tool knows no transactional id of this run");
  return [...states]
    .filter(([, state]) => !['Empty', 'CompleteCommit', 'CompleteAbort'].includes(state))
    .map(([id, state]) => `transaction of ${id} (${state})`);
}

export function everyTopic(run: ChaosRun): readonly (readonly [string, number])[] {
  const changelogs = run.subject.topologies.flatMap((topology) =>
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

/** A partition as the log holds it, batch by batch, aborted ones and markers included: for a person who looks for a fault. */
export async function batchesText(run: ChaosRun, topic: string, partition: number): Promise<string[]> {
  const lines: string[] = [];
  const [bounds] = await run.port.bounds([{ topic, partition }]);
  for (let offset = bounds!.start; offset < bounds!.stableEnd; ) {
    const [fetched] = await run.port.fetch([{ topic, partition, offset }], 100, 1 << 20);
    const batches = batchesOf(fetched?.batches ?? new Uint8Array(0));
    for (const batch of batches) {
      const { baseOffset, lastOffset, producerId, producerEpoch, maxTimestampMs, isControl } = batch;
      const marker = isControl ? ` ${markerOf(fetched!.batches, batch)}` : '';
      const producer = batch.isTransactional ? ` producer ${producerId}/${producerEpoch}` : '';
      lines.push(
        `${topic}/${partition} [${baseOffset}, ${lastOffset}] at ${maxTimestampMs}${producer}${marker}`,
      );
      offset = lastOffset + 1;
    }
    if (batches.length === 0) break;
  }
  return lines;
}

/** Until every derived topic has what the reference has, or nothing has come for long. */
export async function untilWritten(
  run: ChaosRun,
  instances: readonly Instance[],
  reference: Contents,
): Promise<void> {
  const missing = new Map<string, number>();
  const topics = comparedTopics(run.subject);
  for (const topic of topics) missing.set(topic, countOf(reference, [topic]));
  const reader = new LogReader(
    run.port,
    partitionsOf(topics.map((topic) => [topic, run.partitions.get(topic)!])),
    ({ topic }) => missing.set(topic, missing.get(topic)! - 1),
  );
  let grewAtMs = systemClock.nowMs();
  while ([...missing.values()].some((count) => count > 0)) {
    if (await reader.poll(200)) grewAtMs = systemClock.nowMs();
    else if (systemClock.nowMs() - grewAtMs > STILL_MS) break;
    if (instances.some(({ isAlive }) => !isAlive)) return;
  }
  for (const instance of instances) {
    const { tasks } = await instance.report();
    for (const { topology, task, behind } of tasks)
      if (behind > 0) run.find(`${topology} task ${task} is ${behind} records behind at the end`);
  }
}

/** By the Java consumer, and no fewer than our own reader sees. */
export async function readByJava(
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

/** The same by our own reader, which takes no other process: for runs over sources that are known to be read alike. */
export async function readByUs(run: ChaosRun, topics: readonly string[]): Promise<Contents> {
  const contents = new Map(
    topics.map((topic) => [
      topic,
      Array.from({ length: run.partitions.get(topic)! }, (): CommittedRecord[] => []),
    ]),
  );
  const partitions = partitionsOf(topics.map((topic) => [topic, run.partitions.get(topic)!]));
  const reader = new LogReader(run.port, partitions, ({ topic, partition }, record) => {
    contents.get(topic)![partition]!.push(record);
  });
  await readToEnd(reader);
  return contents;
}

/** A commit is acknowledged before its markers are in the log; what stays open for long is for others to find. */
export async function readToEnd(reader: LogReader): Promise<void> {
  let grewAtMs = systemClock.nowMs();
  while (!reader.isAtEnd) {
    if (await reader.poll(100)) grewAtMs = systemClock.nowMs();
    else if (systemClock.nowMs() - grewAtMs > STILL_MS) return;
  }
}

async function countCommitted(run: ChaosRun, topic: string, partitions: number): Promise<number> {
  let count = 0;
  const reader = new LogReader(run.port, partitionsOf([[topic, partitions]]), () => {
    count += 1;
  });
  await readToEnd(reader);
  return count;
}

export function countOf(contents: Contents, topics: readonly string[]): number {
  return topics.reduce(
    (sum, topic) => sum + (contents.get(topic) ?? []).reduce((all, records) => all + records.length, 0),
    0,
  );
}

const DECIDED_MS_MAX = 30_000;
/** So long without any growth means that nothing more will come. */
const STILL_MS = 10_000;
const READERS = 5;
