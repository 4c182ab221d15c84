/**
 * One partition of the simulated broker: record batches as bytes in segments, the state of each producer, and the
 * transactions that are open or were aborted. It follows Kafka's `UnifiedLog` and `ProducerStateManager`.
 */
import { controlBatch, restampBatch } from './broker-batch.ts';
import {
  type AbortedTransaction,
  type LogBounds,
  LogError,
  type OpenTransaction,
  type ProducerIdentity,
  type TopicDescription,
} from './port.ts';
import { type BatchHeader, batchAt } from './record-batch.ts';
import { RecordCursor } from './record-cursor.ts';

export type MemoryTopic = TopicDescription & { readonly batchBytesMax: number };

/** A transaction as one partition knows it: offsets from `firstOffset` on, until its marker at `lastOffset`. */
export type PartitionTransaction = {
  readonly producerId: bigint;
  readonly firstOffset: number;
  lastOffset: number;
  outcome: 'open' | 'commit' | 'abort';
};

export type StoredBatch = {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly isControl: boolean;
  /** Of data written in one; its outcome is what read_committed readers must find out from the bytes. */
  readonly transaction: PartitionTransaction | null;
  /** The bytes are `segment[start, end)`. */
  readonly segment: Uint8Array;
  readonly start: number;
  readonly end: number;
};

/**
 * How an answer to a fetch may differ from the plainest one, as the protocol allows: it may begin `earlierBatches`
 * before the one that was asked for, and be cut short at `bytesMax`, in the middle of any batch but the one asked for.
 */
export type FetchShape = { readonly earlierBatches: number; readonly bytesMax: number };

/** As in Kafka's produce response: -1 where the broker does not stamp. */
export type Acknowledged = { readonly baseOffset: number; readonly logAppendTimeMs: number };

export type LogRead = { readonly batches: Uint8Array; readonly aborted: readonly AbortedTransaction[] };

export class PartitionLog {
  readonly topic: MemoryTopic;
  readonly partition: number;
  /** Called whenever more can be read, or less; each removes itself. */
  readonly watchers = new Set<() => void>();
  #batches: StoredBatch[] = [];
  #segment = new Uint8Array(SEGMENT_BYTES_MIN);
  #segmentEnd = 0;
  #startOffset = 0;
  #endOffset = 0;
  readonly #producers = new Map<bigint, ProducerState>();
  /** In the order of their first offsets, so the first one bounds the stable end. */
  readonly #open = new Map<bigint, PartitionTransaction>();
  /** In the order of their markers, as Kafka's transaction index keeps and sends them. */
  #aborted: PartitionTransaction[] = [];

  constructor(topic: MemoryTopic, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get stableEnd(): number {
    for (const transaction of this.#open.values())
      return Math.max(transaction.firstOffset, this.#startOffset);
    return this.#endOffset;
  }

  get bounds(): LogBounds {
    return { start: this.#startOffset, stableEnd: this.stableEnd, highWatermark: this.#endOffset };
  }

  get openTransactions(): readonly OpenTransaction[] {
    const { topic } = this.topic;
    return Array.from(this.#open.values(), ({ producerId, firstOffset }) => {
      const epoch = this.#producers.get(producerId)!.epoch;
      return { topic, partition: this.partition, producerId, epoch, firstOffset };
    });
  }

  get batches(): readonly StoredBatch[] {
    return this.#batches;
  }

  /**
   * Appends one batch as a producer sent it: checked, given its offset, and stamped when `logAppendTimeMs` is given.
   * A batch that the producer sent before is acknowledged as it was then.
   */
  append(bytes: Uint8Array, sender: ProducerIdentity | null, logAppendTimeMs: number | null): Acknowledged {
    const header = this.#checkedHeader(bytes, sender);
    const state = header.producerId < 0n ? null : this.#producerState(header);
    const known = state?.sent.find(
      (sent) => sent.sequence === header.baseSequence && sent.count === header.recordCount,
    );
    if (known !== undefined) return known;
    if (state !== null) this.#checkSequence(state, header);

    const baseOffset = this.#endOffset;
    const stableEndBefore = this.stableEnd;
    const transaction = header.isTransactional ? this.#openTransaction(header.producerId) : null;
    this.#store(restampBatch(bytes, baseOffset, logAppendTimeMs), header, transaction);
    const sent: SentBatch = {
      baseOffset,
      logAppendTimeMs: logAppendTimeMs ?? -1,
      sequence: header.baseSequence,
      count: header.recordCount,
    };
    state?.sent.push(sent);
    if (state !== null && state.sent.length > BATCHES_REMEMBERED) state.sent.shift();
    if (this.stableEnd > stableEndBefore) this.#notify();
    return sent;
  }

  /** Ends the producer's transaction in this partition, and fences its smaller epochs here. */
  appendMarker(identity: ProducerIdentity, outcome: 'commit' | 'abort', timestampMs: number): void {
    const { producerId, epoch } = identity;
    const marker = controlBatch({ producerId, producerEpoch: epoch, type: outcome, timestampMs });
    const logAppendTimeMs = this.topic.timestampType === 'log-append' ? timestampMs : null;
    const stored = restampBatch(marker, this.#endOffset, logAppendTimeMs);
    const offset = this.#endOffset;
    this.#store(stored, batchAt(stored, 0) as BatchHeader, null);
    const state = this.#producers.get(producerId);
    if (state === undefined || epoch > state.epoch) this.#producers.set(producerId, { epoch, sent: [] });
    const transaction = this.#open.get(producerId);
    if (transaction !== undefined) {
      transaction.outcome = outcome;
      transaction.lastOffset = offset;
      this.#open.delete(producerId);
      if (outcome === 'abort') this.#aborted.push(transaction);
    }
    this.#notify();
  }

  /** Throws `offset-out-of-range`. */
  checkOffset(offset: number): void {
    if (offset >= this.#startOffset && offset <= this.#endOffset) return;
    throw new LogError(
      'offset-out-of-range',
      `${this.#name} holds offsets ${this.#startOffset} to ${this.#endOffset}, not ${offset}: ` +
        'retention overtook the reader, or the topic was made anew. Choose a position with "everyview reset".',
    );
  }

  /** Whether a read from `offset` gives anything. */
  hasDataAt(offset: number): boolean {
    return offset < this.stableEnd;
  }

  /** What a read_committed fetch from `offset` gives; at least one whole batch when there is one. */
  read(offset: number, shape: FetchShape): LogRead {
    const stableEnd = this.stableEnd;
    const wanted = this.#indexOf(offset);
    const wantedBatch = this.#batches[wanted];
    if (wantedBatch === undefined || wantedBatch.baseOffset >= stableEnd) return NOTHING_TO_READ;
    const { segment } = wantedBatch;
    let first = wanted;
    while (
      first > 0 &&
      wanted - first < shape.earlierBatches &&
      this.#batches[first - 1]?.segment === segment
    )
      first -= 1;
    const start = (this.#batches[first] as StoredBatch).start;
    const bytesMax = Math.max(shape.bytesMax, wantedBatch.end - start);
    let last = wantedBatch;
    for (let at = wanted + 1; last.end - start < bytesMax; at += 1) {
      const next = this.#batches[at];
      if (next === undefined || next.segment !== segment || next.baseOffset >= stableEnd) break;
      last = next;
    }
    const batches = segment.subarray(start, Math.min(last.end, start + bytesMax));
    return { batches, aborted: this.#abortedWithin(offset, last.lastOffset) };
  }

  /** First stable offset with a timestamp of at least `timeMs`, of data or of a marker as Kafka's ListOffsets has it. */
  offsetForTime(timeMs: number): number | null {
    const { start, stableEnd } = this.bounds;
    const cursor = new RecordCursor();
    for (const batch of this.#batches) {
      if (batch.baseOffset >= stableEnd) break;
      cursor.reset(batch.segment.subarray(batch.start, batch.end), start, () => true);
      while (cursor.next()) if (cursor.timestampMs >= timeMs) return cursor.offset;
    }
    return null;
  }

  /** What retention, or Kafka's DeleteRecords, does: the log begins at `startOffset` from now on. */
  truncate(startOffset: number): void {
    this.checkOffset(startOffset);
    this.#startOffset = startOffset;
    const kept = this.#indexOf(startOffset);
    this.#batches = this.#batches.slice(kept);
    this.#notify();
  }

  /**
   * Puts what the cleaner made in place of the batch with the same offsets; `null` takes it away. An aborted transaction
   * whose marker went is forgotten: readers would wait for its end in vain.
   */
  rewrite(replace: (batch: StoredBatch) => Uint8Array | null): void {
    const before = this.#batches;
    this.#batches = [];
    for (const batch of before) {
      const bytes = replace(batch);
      if (bytes === null) continue;
      const { start, end } = this.#reserve(bytes);
      this.#batches.push({ ...batch, segment: this.#segment, start, end });
    }
    const offsetsLeft = new Set(this.#batches.map((batch) => batch.baseOffset));
    this.#aborted = this.#aborted.filter((transaction) => offsetsLeft.has(transaction.lastOffset));
  }

  get #name(): string {
    return `${this.topic.topic}-${this.partition}`;
  }

  #checkedHeader(bytes: Uint8Array, sender: ProducerIdentity | null): BatchHeader {
    if (bytes.length > this.topic.batchBytesMax) {
      throw new LogError(
        'record-too-large',
        `A batch of ${bytes.length} bytes for ${this.#name} is over the topic's max.message.bytes, ` +
          `${this.topic.batchBytesMax}: write smaller batches, or raise that setting.`,
      );
    }
    const header = batchAt(bytes, 0);
    if (header === null || header.end !== bytes.length) {
      throw new LogError(
        'corrupt-batch',
        `What was produced to ${this.#name} is not one whole record batch.`,
      );
    }
    if (
      header.isControl ||
      header.recordCount < 1 ||
      header.lastOffset !== header.baseOffset + header.recordCount - 1
    ) {
      throw new LogError(
        'corrupt-batch',
        `A batch for ${this.#name} is a control batch, or its record count and offsets disagree: seal it with BatchBuilder.`,
      );
    }
    if (this.topic.cleanup === 'compact' && hasRecordWithoutKey(bytes)) {
      throw new LogError(
        'corrupt-batch',
        `A batch for ${this.#name} holds a record without a key, but the topic is compacted by key: give it one.`,
      );
    }
    const isSender =
      sender === null
        ? !header.isTransactional
        : header.isTransactional &&
          header.producerId === sender.producerId &&
          header.producerEpoch === sender.epoch;
    if (!isSender) {
      throw new LogError(
        'protocol',
        `A batch for ${this.#name} names producer ${header.producerId} epoch ${header.producerEpoch}` +
          `${header.isTransactional ? ', transactional' : ''}, but it was produced ` +
          `${sender === null ? 'without a transaction' : `by producer ${sender.producerId} epoch ${sender.epoch}`}: ` +
          'seal each batch for the transaction that it is produced in.',
      );
    }
    return header;
  }

  #producerState(header: BatchHeader): ProducerState {
    const { producerId, producerEpoch } = header;
    const state = this.#producers.get(producerId);
    if (state !== undefined && state.epoch === producerEpoch) return state;
    if (state !== undefined && state.epoch > producerEpoch) {
      throw new LogError(
        'producer-fenced',
        `${this.#name} knows epoch ${state.epoch} of producer ${producerId}, so epoch ${producerEpoch} is fenced: ` +
          'somebody took the transactional id over. Give the task up and rejoin.',
      );
    }
    const fresh: ProducerState = { epoch: producerEpoch, sent: [] };
    // only remembered once something of this epoch was appended
    if (header.baseSequence === 0) this.#producers.set(producerId, fresh);
    return fresh;
  }

  #checkSequence(state: ProducerState, header: BatchHeader): void {
    const last = state.sent.at(-1);
    const expected = last === undefined ? 0 : (last.sequence + last.count) % 2 ** 31;
    if (header.baseSequence === expected) return;
    throw new LogError(
      'out-of-order-sequence',
      `${this.#name} expects sequence ${expected} of producer ${header.producerId} epoch ${header.producerEpoch} next, ` +
        `not ${header.baseSequence}: records before it never arrived. Discard the producer and open a new one.`,
    );
  }

  #openTransaction(producerId: bigint): PartitionTransaction {
    const known = this.#open.get(producerId);
    if (known !== undefined) return known;
    const opened: PartitionTransaction = {
      producerId,
      firstOffset: this.#endOffset,
      lastOffset: -1,
      outcome: 'open',
    };
    this.#open.set(producerId, opened);
    return opened;
  }

  #store(bytes: Uint8Array, header: BatchHeader, transaction: PartitionTransaction | null): void {
    const { start, end } = this.#reserve(bytes);
    const baseOffset = this.#endOffset;
    const lastOffset = baseOffset + header.lastOffset - header.baseOffset;
    const { producerId, isControl } = header;
    this.#batches.push({
      baseOffset,
      lastOffset,
      producerId,
      isControl,
      transaction,
      segment: this.#segment,
      start,
      end,
    });
    this.#endOffset = lastOffset + 1;
  }

  /** Copies a batch behind the one before it, so that a read is one view of a segment. */
  #reserve(bytes: Uint8Array): { readonly start: number; readonly end: number } {
    if (this.#segmentEnd + bytes.length > this.#segment.length) {
      const grown = Math.min(this.#segment.length * 2, SEGMENT_BYTES_MAX);
      this.#segment = new Uint8Array(Math.max(grown, bytes.length));
      this.#segmentEnd = 0;
    }
    const start = this.#segmentEnd;
    this.#segment.set(bytes, start);
    this.#segmentEnd = start + bytes.length;
    return { start, end: this.#segmentEnd };
  }

  /** Index of the first batch that ends at or after `offset`. */
  #indexOf(offset: number): number {
    return lowerBound(this.#batches, (batch) => batch.lastOffset >= offset);
  }

  #abortedWithin(offset: number, lastOffset: number): AbortedTransaction[] {
    const within: AbortedTransaction[] = [];
    const aborted = this.#aborted;
    for (let at = lowerBound(aborted, (entry) => entry.lastOffset >= offset); at < aborted.length; at += 1) {
      const { producerId, firstOffset } = aborted[at] as PartitionTransaction;
      if (firstOffset <= lastOffset) within.push({ producerId, firstOffset });
    }
    return within;
  }

  #notify(): void {
    for (const watcher of this.watchers) watcher();
  }
}

/** What Kafka remembers of each producer in a partition, to know a batch that comes again. */
const BATCHES_REMEMBERED = 5;
const SEGMENT_BYTES_MIN = 4 << 10;
const SEGMENT_BYTES_MAX = 1 << 20;
const NOTHING_TO_READ: LogRead = Object.freeze({ batches: new Uint8Array(0), aborted: [] });

type SentBatch = Acknowledged & { readonly sequence: number; readonly count: number };

type ProducerState = { readonly epoch: number; readonly sent: SentBatch[] };

function hasRecordWithoutKey(batch: Uint8Array): boolean {
  const cursor = new RecordCursor();
  cursor.reset(batch, 0);
  while (cursor.next()) if (cursor.keyStart < 0) return true;
  return false;
}

/** Index of the first item for which `isAtOrAfter` holds; the items for which it does not come before all others. */
function lowerBound<T>(items: readonly T[], isAtOrAfter: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isAtOrAfter(items[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
