/** Topics of a run: filled before it, held against an independent fold after it, emptied for the next one. */
import { createHash, type Hash } from 'node:crypto';
import { CommittedReader } from '../../runtime/committed-reader.ts';
import { POSITIONS_STORE, storesOf } from '../../runtime/define-topology.ts';
import type { AdminPort, NewTopic } from '../../runtime/port.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import type { Expected } from './fold.ts';
import { batchesOf, PARTITIONS, type Workload } from './workload.ts';

/** Times in the records are those of the input at live pace, so neither broker nor retention may take offence at them. */
const CONFIGS = { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' };

/**
 * Creates the workload's input and outputs, and writes `count` records; the mean size of one in the log. An input that an
 * earlier workload shares is there already.
 */
export async function fill(
  port: AdminPort,
  workload: Workload,
  count: number,
): Promise<{ readonly recordBytes: number }> {
  const { inputTopic, outputTopics } = workload;
  const created = await port.createTopics([inputTopic, ...outputTopics, ...SIDELINES].map(topicOf));
  const isNew = created.includes(inputTopic);
  let bytes = 0;
  for (const batch of batchesOf(workload, count)) {
    bytes += batch.bytes.length;
    const { partition } = batch;
    if (isNew)
      await port.produce(null, [{ topic: inputTopic, partition, bytes: batch.bytes, baseSequence: -1 }]);
  }
  return { recordBytes: bytes / count };
}

/** A task that is taken over is looked for in every topic that it may write. */
const SIDELINES = ['late-records', 'dead-letters'];

export function changelogsOf({ topology }: Workload, applicationId: string): readonly string[] {
  return [...storesOf(topology), POSITIONS_STORE].map((store) => changelogTopic(applicationId, store));
}

/** Changelogs are not compacted while a run goes on, and are emptied after it. */
export async function createChangelogs(
  port: AdminPort,
  workload: Workload,
  applicationId: string,
): Promise<void> {
  await port.createTopics(changelogsOf(workload, applicationId).map(topicOf));
}

/** Lets the broker delete what a run wrote. */
export async function empty(port: AdminPort, topics: readonly string[]): Promise<void> {
  const ends = await port.bounds(topics.flatMap(partitionsOf));
  await port.deleteRecords(
    ends.map(({ topic, partition, stableEnd }) => ({ topic, partition, offset: stableEnd })),
  );
}

/** Reads back what a run wrote; throws unless it is what the fold expects, record by record. */
export async function check(port: AdminPort, workload: Workload, expected: Expected): Promise<void> {
  for (const topic of workload.outputTopics) {
    for (const { partition } of partitionsOf(topic)) {
      const found = await digestOf(port, topic, partition);
      const wanted = expected.get(`${topic}/${partition}`) ?? new Digest().result();
      if (found.records === wanted.records && found.hash === wanted.hash) continue;
      throw new Error(
        `${topic}/${partition} holds ${found.records} records with hash ${found.hash.slice(0, 12)}, and an independent ` +
          `fold gives ${wanted.records} with ${wanted.hash.slice(0, 12)}: the run is wrong, and its figures mean nothing`,
      );
    }
  }
}

/** Of records in their order. */
export class Digest {
  readonly #hash: Hash = createHash('sha256');
  #records = 0;

  add(key: Uint8Array, value: Uint8Array, timestampMs: number): void {
    this.#records += 1;
    this.#hash.update(`${timestampMs} ${key.length} ${value.length} `);
    this.#hash.update(key);
    this.#hash.update(value);
  }

  result(): { readonly records: number; readonly hash: string } {
    return { records: this.#records, hash: this.#hash.copy().digest('hex') };
  }
}

async function digestOf(port: AdminPort, topic: string, partition: number) {
  const digest = new Digest();
  const reader = new CommittedReader();
  const [bounds] = await port.bounds([{ topic, partition }]);
  let position = bounds!.start;
  while (position < bounds!.stableEnd) {
    const [fetched] = await port.fetch([{ topic, partition, offset: position }], 100, FETCH_BYTES);
    if (fetched === undefined) continue;
    reader.reset(fetched, position);
    while (reader.next()) {
      const { cursor } = reader;
      // without a value: a seal
      const value = cursor.value();
      if (value !== null) digest.add(cursor.key()!, value, cursor.timestampMs);
    }
    position = reader.position;
  }
  return digest.result();
}

const FETCH_BYTES = 8 * 1024 * 1024;

function topicOf(topic: string): NewTopic {
  return { topic, partitions: PARTITIONS, replicas: 1, configs: CONFIGS };
}

function partitionsOf(topic: string) {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
}
