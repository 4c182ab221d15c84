/** What a task wrote since its last commit: encoded once, straight into record batches, one or more per partition. */
import { BatchBuilder } from './record-batch.ts';
import type { OutputRecord } from './task-core.ts';

export type OutputBatch = {
  readonly topic: string;
  readonly partition: number;
  readonly builder: BatchBuilder;
};

export class OutputBuffer {
  readonly #open = new Map<string, OutputBatch>();
  #full: OutputBatch[] = [];
  readonly #spare: BatchBuilder[] = [];
  readonly #batchBytesMax: number;
  #records = 0;
  #bytes = 0;

  /** A batch that has reached `batchBytesMax` is full; one record may overshoot it. */
  constructor(batchBytesMax: number) {
    this.#batchBytesMax = batchBytesMax;
  }

  get recordCount(): number {
    return this.#records;
  }

  /** Bytes that wait to be committed; the task stops stepping when there are too many. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  append(record: OutputRecord): void {
    const name = `${record.topic}/${record.partition}`;
    let batch = this.#open.get(name);
    if (batch !== undefined && batch.builder.sizeBytes >= this.#batchBytesMax) {
      this.#full.push(batch);
      batch = undefined;
    }
    if (batch === undefined) {
      const { topic, partition } = record;
      batch = { topic, partition, builder: this.#spare.pop() ?? new BatchBuilder() };
      this.#open.set(name, batch);
    }
    const before = batch.builder.sizeBytes;
    batch.builder.append(record.key, record.value, record.headers, record.timestampMs);
    this.#bytes += batch.builder.sizeBytes - before;
    this.#records += 1;
  }

  /** Takes everything, in the order in which each partition has to get it. */
  take(): readonly OutputBatch[] {
    const batches = [...this.#full, ...this.#open.values()];
    this.#full = [];
    this.#open.clear();
    this.#records = 0;
    this.#bytes = 0;
    return batches;
  }

  /** Gives builders back, once the log has acknowledged them. */
  recycle(batches: readonly OutputBatch[]): void {
    for (const { builder } of batches) {
      if (this.#spare.length >= SPARE_MAX) return;
      builder.reset();
      this.#spare.push(builder);
    }
  }
}

const SPARE_MAX = 32;
