/** What a task wrote since its last commit: encoded once, straight into record batches, one or more per partition. */
import { OutputDraft } from './output-draft.ts';
import { BatchBuilder, type LogHeader } from './record-batch.ts';

export type OutputBatch = {
  readonly topic: string;
  readonly partition: number;
  readonly builder: BatchBuilder;
};

export type OutputRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
  /** Log time of the input that caused it. */
  readonly timestampMs: number;
};

export class OutputBuffer {
  readonly #draft = new OutputDraft();
  /** By topic, then by partition. */
  readonly #open = new Map<string, (OutputBatch | undefined)[]>();
  /** Every batch, in the order in which they were begun. */
  #batches: OutputBatch[] = [];
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

  append({ key, value, ...others }: OutputRecord): void {
    const draft = this.#draft;
    Object.assign(draft, others);
    draft.setKey(key);
    draft.setValue(value);
    this.appendDraft(draft);
  }

  /** The same for what is on the hot path: nothing is made for the record. */
  appendDraft(draft: OutputDraft): void {
    const { topic, partition } = draft;
    let batches = this.#open.get(topic);
    if (batches === undefined) {
      batches = [];
      this.#open.set(topic, batches);
    }
    let batch = batches[partition];
    if (batch === undefined || batch.builder.sizeBytes >= this.#batchBytesMax) {
      batch = { topic, partition, builder: this.#spare.pop() ?? new BatchBuilder() };
      batches[partition] = batch;
      this.#batches.push(batch);
    }
    const { builder } = batch;
    const before = builder.sizeBytes;
    const { keyBytes, keyLength, valueBytes, valueLength, headers, timestampMs } = draft;
    builder.appendRange(keyBytes, 0, keyLength, valueBytes, 0, valueLength, headers, timestampMs);
    this.#bytes += builder.sizeBytes - before;
    this.#records += 1;
  }

  /** Takes everything, in the order in which each partition has to get it. */
  take(): readonly OutputBatch[] {
    const batches = this.#batches;
    this.#batches = [];
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
