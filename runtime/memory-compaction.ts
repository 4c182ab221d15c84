/** What Kafka's log cleaner does to a partition of the simulated broker, on demand instead of now and then. */
import { BATCH_HEADER_BYTES } from './batch-layout.ts';
import { compactBatch } from './broker-batch.ts';
import type { PartitionLog, StoredBatch } from './memory-log.ts';
import { RecordCursor } from './record-cursor.ts';

export type CompactionOptions = {
  /** `drop`: as after delete.retention.ms, when a tombstone has been there for long enough. */
  readonly tombstones: 'keep' | 'drop';
  /** `drop`: as after delete.retention.ms; the offsets of commit and abort markers become gaps. */
  readonly markers: 'keep' | 'drop';
  /**
   * What becomes of a batch of which no record is left. `last-of-producer`: it stays, empty, where it is the producer's
   * last one with data, since it holds the last sequence number, as Kafka has it; `keep`: wherever it is. The last batch
   * below the stable end always stays.
   */
  readonly emptyBatches: 'last-of-producer' | 'keep';
};

/** Keeps the last committed record of each key below the stable end; aborted records and those without a key go. */
export function compactLog(log: PartitionLog, options: CompactionOptions): void {
  const { stableEnd } = log.bounds;
  const cleanable = log.batches.filter((batch) => batch.baseOffset < stableEnd);
  const latest = latestOffsets(cleanable, options.tombstones);
  const lastBatch = cleanable.at(-1);
  const ofProducers = log.batches.filter((batch) => !batch.isControl && batch.producerId >= 0n);
  const lastOfProducer = new Set(new Map(ofProducers.map((batch) => [batch.producerId, batch])).values());

  const staysEmpty = (batch: StoredBatch): boolean =>
    batch === lastBatch || options.emptyBatches === 'keep' || lastOfProducer.has(batch);
  const clean = (batch: StoredBatch): Uint8Array | null => {
    const bytes = batch.segment.subarray(batch.start, batch.end);
    if (batch.baseOffset >= stableEnd) return bytes;
    if (batch.isControl) return options.markers === 'keep' || batch === lastBatch ? bytes : null;
    const compacted = compactBatch(bytes, (offset) => latest.has(offset));
    return holdsRecords(compacted) || staysEmpty(batch) ? compacted : null;
  };
  log.rewrite(clean);
}

function latestOffsets(batches: readonly StoredBatch[], tombstones: 'keep' | 'drop'): Set<number> {
  const offsetOfKey = new Map<string, { readonly offset: number; readonly isTombstone: boolean }>();
  const cursor = new RecordCursor();
  for (const { segment, start, end, isControl, transaction } of batches) {
    if (isControl || transaction?.outcome === 'abort') continue;
    cursor.reset(segment.subarray(start, end), 0);
    while (cursor.next()) {
      const key = cursor.key();
      if (key === null) continue;
      offsetOfKey.set(Buffer.from(key).toString('latin1'), {
        offset: cursor.offset,
        isTombstone: cursor.valueStart < 0,
      });
    }
  }
  const offsets = new Set<number>();
  for (const { offset, isTombstone } of offsetOfKey.values()) {
    if (tombstones === 'keep' || !isTombstone) offsets.add(offset);
  }
  return offsets;
}

function holdsRecords(batch: Uint8Array): boolean {
  return batch.length > BATCH_HEADER_BYTES;
}
