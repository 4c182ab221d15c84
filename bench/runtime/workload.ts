/** What is measured: an input, as records in log order, and the topology that reads it. */
import { BatchBuilder, NO_HEADERS, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';

/** As many as in the measurements that this is held against. */
export const PARTITIONS = 8;

export type InputRecord = {
  readonly key: Uint8Array;
  readonly partition: number;
  readonly value: unknown;
  /** Log time: inputs are written with the times that they would have at live pace. */
  readonly timestampMs: number;
};

export type Workload = {
  readonly name: string;
  readonly title: string;
  /** What one record is called. */
  readonly unit: string;
  readonly topology: Topology;
  readonly codec: () => FetchingCodec;
  readonly inputTopic: string;
  readonly outputTopics: readonly string[];
  /** Records that a run takes where nothing else is asked for. */
  readonly records: number;
  /** Rate in one process that the evidence reached, records/s. */
  readonly evidencePerSecond: number;
  /** The first `count` records in log order, the same every time. */
  generate(count: number): Iterable<InputRecord>;
};

/** A sealed batch of input records for one partition; its first offset is not set. */
export type InputBatch = {
  readonly partition: number;
  readonly records: number;
  /** Valid until the next batch is asked for. */
  readonly bytes: Uint8Array;
};

/** The input as a producer with a full queue would write it. */
export function* batchesOf(workload: Workload, count: number): Generator<InputBatch> {
  const codec = workload.codec();
  const builders = Array.from({ length: PARTITIONS }, () => new BatchBuilder(BATCH_BYTES * 2));
  for (const { key, partition, value, timestampMs } of workload.generate(count)) {
    const builder = builders[partition]!;
    builder.append(key, codec.encode(workload.inputTopic, value), NO_HEADERS, timestampMs);
    if (builder.sizeBytes >= BATCH_BYTES) yield sealed(partition, builder);
  }
  for (const [partition, builder] of builders.entries()) {
    if (builder.recordCount > 0) yield sealed(partition, builder);
  }
}

const BATCH_BYTES = 256 * 1024;

function sealed(partition: number, builder: BatchBuilder): InputBatch {
  const records = builder.recordCount;
  const bytes = builder.finish(NO_PRODUCER);
  builder.reset();
  return { partition, records, bytes };
}
