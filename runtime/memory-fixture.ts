/** What the tests of the memory port share: a world with a broker in it, and records written and read as `key=value`. */
import { CommittedReader } from './committed-reader.ts';
import { MemoryBroker, type MemoryBrokerOptions } from './memory-broker.ts';
import type { MemoryPort } from './memory-port.ts';
import type { LogPort, ProduceBatch, ProduceResult, ProducerIdentity, TransactionHandle } from './port.ts';
import { BatchBuilder } from './record-batch.ts';
import { VirtualClock } from './virtual-clock.ts';

export type World = {
  readonly clock: VirtualClock;
  readonly broker: MemoryBroker;
  readonly port: MemoryPort;
};

/** A broker at 1,000,000 ms with the topics `in` (stamped by the broker), `out` (by the writer) and `table` (compacted). */
export function openWorld(options: Omit<MemoryBrokerOptions, 'clock'> = {}): World {
  const clock = new VirtualClock({ startMs: 1_000_000, wakesMax: 100_000 });
  const broker = new MemoryBroker({ ...options, clock });
  broker.createTopics([
    { topic: 'in', partitions: 2, replicas: 1, configs: { 'message.timestamp.type': 'LogAppendTime' } },
    { topic: 'out', partitions: 2, replicas: 1, configs: {} },
    { topic: 'table', partitions: 2, replicas: 1, configs: { 'cleanup.policy': 'compact' } },
  ]);
  return { clock, broker, port: broker.openPort({ clientId: 'one' }) };
}

/** `key=value` as a record; `key=` a tombstone, `=value` a record without a key. */
export function batchOf(
  topic: string,
  partition: number,
  identity: ProducerIdentity | null,
  baseSequence: number,
  records: readonly string[],
  timestampMs = 500,
): ProduceBatch {
  const builder = new BatchBuilder();
  for (const record of records) {
    const [key = '', value = ''] = record.split('=');
    const keyBytes = key === '' ? null : Buffer.from(key);
    builder.append(keyBytes, value === '' ? null : Buffer.from(value), [], timestampMs);
  }
  const { producerId, epoch } = identity ?? { producerId: -1n, epoch: -1 };
  const seal = { producerId, producerEpoch: epoch, baseSequence, isTransactional: identity !== null };
  return { topic, partition, bytes: builder.finish(seal), baseSequence };
}

/** Adds the partition to the transaction and produces into it. */
export async function send(
  port: LogPort,
  txn: TransactionHandle,
  topic: string,
  partition: number,
  baseSequence: number,
  records: readonly string[],
): Promise<ProduceResult> {
  await port.addPartitions(txn, [{ topic, partition }]);
  const [result] = await port.produce(txn, [batchOf(topic, partition, txn.identity, baseSequence, records)]);
  if (result === undefined) throw new Error('produce answered for no partition');
  return result;
}

/** Takes a transactional id over. */
export async function take(port: LogPort, transactionalId: string): Promise<TransactionHandle> {
  return { transactionalId, identity: await port.initProducer(transactionalId, 10_000) };
}

/** What a reader above the port sees from `offset` to the stable end: `offset:key=value`, joined by spaces. */
export async function readCommitted(
  port: LogPort,
  topic: string,
  partition: number,
  offset = 0,
  bytesMax = 1 << 20,
): Promise<string> {
  const reader = new CommittedReader();
  const seen: string[] = [];
  let position = offset;
  for (;;) {
    const [fetched] = await port.fetch([{ topic, partition, offset: position }], 0, bytesMax);
    if (fetched === undefined) throw new Error('fetch answered for no partition');
    reader.reset(fetched, position);
    while (reader.next()) {
      seen.push(`${reader.cursor.offset}:${textOf(reader.cursor.key())}=${textOf(reader.cursor.value())}`);
    }
    if (reader.position === position) return seen.join(' ');
    position = reader.position;
  }
}

/** What the broker knows to be committed, in the same form. */
export function committed(broker: MemoryBroker, topic: string, partition: number): string {
  const records = broker.dump(topic, partition);
  return records.map(({ offset, key, value }) => `${offset}:${textOf(key)}=${textOf(value)}`).join(' ');
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : Buffer.from(bytes).toString();
}
