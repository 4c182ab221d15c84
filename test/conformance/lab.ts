/** What the cases share: topics of their own, producers, reading everything that is committed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { CommittedReader } from '../../runtime/committed-reader.ts';
import type { AdminPort, LogPort, TopicPartition } from '../../runtime/port.ts';
import { BatchBuilder, type LogHeader, NO_HEADERS } from '../../runtime/record-batch.ts';
import { type OutgoingBatch, TransactionalProducer } from '../../runtime/transactional-producer.ts';
import type { LossyPort, Subject } from './conformance.ts';

export type ReadRecord = {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string])[];
};

const TIMEOUT_MS = 60_000;

export class Lab {
  readonly subject: Subject;
  readonly #ports: LogPort[] = [];
  #main: AdminPort | null = null;

  constructor(subject: Subject) {
    this.subject = subject;
  }

  /** The port that a case uses when it needs no other. */
  async port(): Promise<AdminPort> {
    this.#main ??= await this.openPort();
    return this.#main;
  }

  async openPort(): Promise<AdminPort> {
    const port = await this.subject.openPort(`conformance-${this.#ports.length}`);
    this.#ports.push(port);
    return port;
  }

  async openLossyPort(): Promise<LossyPort> {
    const lossy = await this.subject.openLossyPort('conformance-lossy');
    this.#ports.push(lossy.port);
    return lossy;
  }

  /** A name that nothing else in the log has. */
  name(prefix: string): string {
    return `${prefix}-${randomBytes(6).toString('hex')}`;
  }

  async topic(configs: Readonly<Record<string, string>> = {}, partitions = 1): Promise<string> {
    const topic = this.name('conformance');
    // The times of the cases are long ago: a broker that looks for what is old would take it away.
    const kept = { 'retention.ms': '-1', ...configs };
    const made = await (await this.port()).createTopics([{ topic, partitions, replicas: 1, configs: kept }]);
    assert.deepEqual(made, [topic]);
    return topic;
  }

  async producer(
    transactionalId: string = this.name('txn'),
    options: { readonly port?: LogPort; readonly transactionTimeoutMs?: number } = {},
  ): Promise<TransactionalProducer> {
    const { port = await this.port(), transactionTimeoutMs = 10_000 } = options;
    return TransactionalProducer.open({
      port,
      clock: this.subject.clock,
      transactionalId,
      transactionTimeoutMs,
    });
  }

  /** One whole transaction. */
  async transact(
    producer: TransactionalProducer,
    outcome: 'commit' | 'abort',
    ...batches: readonly OutgoingBatch[]
  ): Promise<void> {
    producer.begin();
    await producer.send(batches);
    await producer[outcome]();
  }

  /** Values of the committed records from offset `from` on, once every transaction in the partition is decided. */
  async values(topic: string, partition = 0, from = 0): Promise<readonly (string | null)[]> {
    return (await this.records(topic, partition, from)).map(({ value }) => value);
  }

  /** Values of the records that are committed by now. */
  async valuesNow(topic: string, partition = 0): Promise<readonly (string | null)[]> {
    return (await this.recordsNow(topic, partition, 0)).map(({ value }) => value);
  }

  async records(topic: string, partition = 0, from = 0): Promise<readonly ReadRecord[]> {
    const port = await this.port();
    // a commit returns before its markers are written
    await this.until(`every transaction in ${topic}/${partition} is decided`, async () => {
      const [bounds] = await port.bounds([{ topic, partition }]);
      return bounds!.stableEnd === bounds!.highWatermark;
    });
    return this.recordsNow(topic, partition, from);
  }

  async recordsNow(topic: string, partition: number, from: number): Promise<readonly ReadRecord[]> {
    const port = await this.port();
    const [bounds] = await port.bounds([{ topic, partition }]);
    const reader = new CommittedReader();
    const records: ReadRecord[] = [];
    let position = from;
    for (let fetches = 0; position < bounds!.stableEnd; fetches++) {
      assert.ok(fetches < 1000, `reading ${topic}/${partition} makes progress at offset ${position}`);
      const [fetched] = await port.fetch([{ topic, partition, offset: position }], 1_000, 1 << 20);
      if (fetched === undefined) continue;
      reader.reset(fetched, position);
      while (reader.next()) {
        const { cursor } = reader;
        records.push({
          offset: cursor.offset,
          timestampMs: cursor.timestampMs,
          key: textOf(cursor.key()),
          value: textOf(cursor.value()),
          headers: cursor.headers().map(([name, value]) => [name, textOf(value)!] as const),
        });
      }
      position = reader.position;
    }
    return records;
  }

  /** Waits until the condition holds, trying again and again. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const { clock } = this.subject;
    const startedAtMs = clock.nowMs();
    while (!(await condition())) {
      assert.ok(clock.nowMs() - startedAtMs < TIMEOUT_MS, `${what} within ${TIMEOUT_MS} ms`);
      await clock.sleep(20);
    }
  }

  async close(): Promise<void> {
    for (const port of this.#ports) await port.close();
  }
}

export type TestRecord = {
  readonly key?: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers?: readonly LogHeader[];
  readonly timestampMs?: number;
};

/** A batch of records, or of values without keys. */
export function batch(
  topic: string,
  partition: number,
  ...records: readonly (string | TestRecord)[]
): OutgoingBatch {
  const builder = new BatchBuilder();
  for (const record of records) {
    const one = typeof record === 'string' ? { value: record } : record;
    builder.append(
      bytesOf(one.key ?? null),
      bytesOf(one.value),
      one.headers ?? NO_HEADERS,
      one.timestampMs ?? 0,
    );
  }
  return { topic, partition, builder };
}

export function partitionsOf(topic: string, count = 1): readonly TopicPartition[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
}

function bytesOf(value: Uint8Array | string | null): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}
