/**
 * Produce and Fetch requests (Kafka protocol guide) that leave record batches as the bytes they are: each is copied once
 * on its way out, and not at all on its way in. And DescribeProducers, which kafkajs does not know.
 */
import type { AbortedTransaction, OpenTransaction, ProduceBatch, TopicPartition } from './port.ts';
import { stringSize, WireReader, WireWriter } from './wire-codec.ts';

/** One request, ready to be framed. */
export type WireRequest = {
  readonly apiName: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly body: Uint8Array;
};

export type ProducedPartition = TopicPartition & {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly baseOffset: number;
  /** -1 when the topic keeps its writers' timestamps. */
  readonly logAppendTimeMs: number;
};

/** Produce, version 8 (Kafka 2.4), acks=all. */
export function produceRequest(
  transactionalId: string | null,
  batches: readonly ProduceBatch[],
  timeoutMs: number,
): WireRequest {
  const topics = byTopic(batches);
  const writer = new WireWriter(
    32 +
      stringSize(transactionalId) +
      topics.reduce((sum, [topic, ours]) => {
        return sum + stringSize(topic) + 4 + ours.reduce((bytes, one) => bytes + 8 + one.bytes.length, 0);
      }, 0),
  );
  writer.string(transactionalId).int16(-1).int32(timeoutMs).int32(topics.length);
  for (const [topic, ours] of topics) {
    writer.string(topic).int32(ours.length);
    for (const { partition, bytes } of ours) writer.int32(partition).bytes(bytes);
  }
  return { apiName: 'Produce', apiKey: 0, apiVersion: 8, body: writer.written() };
}

export function readProduceResponse(payload: Uint8Array): ProducedPartition[] {
  const reader = new WireReader(payload);
  const produced: ProducedPartition[] = [];
  reader.array(() => {
    const topic = reader.string() ?? '';
    reader.array(() => {
      const partition = reader.int32();
      const errorCode = reader.int16();
      const baseOffset = reader.int64();
      const logAppendTimeMs = reader.int64();
      reader.int64(); // log start offset
      const recordErrors: string[] = [];
      reader.array(() =>
        recordErrors.push(`record ${reader.int32()}: ${reader.string() ?? 'no reason given'}`),
      );
      const message = reader.string();
      const errorMessage = [message, ...recordErrors].filter((text) => text !== null).join('; ');
      produced.push({ topic, partition, errorCode, errorMessage, baseOffset, logAppendTimeMs });
    });
  });
  return produced;
}

export type PartitionFetch = TopicPartition & { readonly offset: number; readonly maxBytes: number };

export type PartitionFetched = TopicPartition & {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly stableEnd: number;
  readonly start: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly batches: Uint8Array;
};

/** Fetch, version 11 (Kafka 2.3), read_committed, without a fetch session. */
export function fetchRequest(
  fetches: readonly PartitionFetch[],
  maxWaitMs: number,
  maxBytes: number,
): WireRequest {
  const topics = byTopic(fetches);
  const writer = new WireWriter(
    64 + topics.reduce((sum, [topic, ours]) => sum + stringSize(topic) + 4 + ours.length * 28, 0),
  );
  // no replica, at least one byte, read_committed, no session
  writer.int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(1).int32(0).int32(-1).int32(topics.length);
  for (const [topic, ours] of topics) {
    writer.string(topic).int32(ours.length);
    for (const one of ours) {
      // neither a leader epoch nor, as only followers have, a log start offset
      writer.int32(one.partition).int32(-1).int64(one.offset).int64(-1).int32(one.maxBytes);
    }
  }
  writer.int32(0).string('');
  return { apiName: 'Fetch', apiKey: 1, apiVersion: 11, body: writer.written() };
}

/** The batches are views of `payload`. */
export function readFetchResponse(payload: Uint8Array): {
  readonly errorCode: number;
  readonly partitions: readonly PartitionFetched[];
} {
  const reader = new WireReader(payload);
  reader.int32(); // throttle time
  const errorCode = reader.int16();
  reader.int32(); // session
  const partitions: PartitionFetched[] = [];
  reader.array(() => {
    const topic = reader.string() ?? '';
    reader.array(() => {
      const partition = reader.int32();
      const partitionErrorCode = reader.int16();
      const highWatermark = reader.int64();
      const stableEnd = reader.int64();
      const start = reader.int64();
      const aborted: AbortedTransaction[] = [];
      reader.array(() => aborted.push({ producerId: reader.bigInt64(), firstOffset: reader.int64() }));
      reader.int32(); // preferred read replica
      const batches = reader.bytes();
      partitions.push({
        topic,
        partition,
        errorCode: partitionErrorCode,
        highWatermark,
        stableEnd,
        start,
        aborted,
        batches,
      });
    });
  });
  return { errorCode, partitions };
}

/** DescribeProducers, version 0 (Kafka 2.8). */
export function describeProducersRequest(partitions: readonly TopicPartition[]): WireRequest {
  const topics = byTopic(partitions);
  const writer = new WireWriter(
    16 + topics.reduce((sum, [topic, ours]) => sum + stringSize(topic) + 16 + ours.length * 4, 0),
  );
  // a flexible version: the request's header ends with its tags, of which there are none, as there are nowhere here
  writer.uvarint(0).uvarint(topics.length + 1);
  for (const [topic, ours] of topics) {
    writer.compactString(topic).uvarint(ours.length + 1);
    for (const { partition } of ours) writer.int32(partition);
    writer.uvarint(0);
  }
  writer.uvarint(0);
  return { apiName: 'DescribeProducers', apiKey: 61, apiVersion: 0, body: writer.written() };
}

export type PartitionProducers = TopicPartition & {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly open: readonly OpenTransaction[];
};

export function readDescribeProducersResponse(payload: Uint8Array): PartitionProducers[] {
  const reader = new WireReader(payload);
  const partitions: PartitionProducers[] = [];
  reader.tags(); // of the header
  reader.int32(); // throttle time
  reader.compactArray(() => {
    const topic = reader.compactString() ?? '';
    reader.compactArray(() => {
      const partition = reader.int32();
      const errorCode = reader.int16();
      const errorMessage = reader.compactString();
      const open: OpenTransaction[] = [];
      reader.compactArray(() => {
        const producerId = reader.bigInt64();
        const epoch = reader.int32();
        reader.int32(); // last sequence
        reader.int64(); // last timestamp
        reader.int32(); // coordinator epoch
        const firstOffset = reader.int64();
        reader.tags();
        if (firstOffset >= 0) open.push({ topic, partition, producerId, epoch, firstOffset });
      });
      reader.tags();
      partitions.push({ topic, partition, errorCode, errorMessage, open });
    });
    reader.tags();
  });
  return partitions;
}

/** Keeps the order; a topic whose partitions do not stand together comes more than once, which the protocol allows. */
function byTopic<T extends TopicPartition>(
  items: readonly T[],
): (readonly [topic: string, items: readonly T[]])[] {
  const topics: [string, T[]][] = [];
  for (const item of items) {
    const last = topics.at(-1);
    if (last !== undefined && last[0] === item.topic) last[1].push(item);
    else topics.push([item.topic, [item]]);
  }
  return topics;
}
