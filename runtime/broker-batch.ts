/** What a broker does to record batches: markers, stamping on append, compaction. For the simulated broker and tests. */
import * as layout from './batch-layout.ts';
import { crc32c } from './crc32c.ts';
import {
  BatchBuilder,
  type BatchHeader,
  batchAt,
  corruptBatch,
  NO_HEADERS,
  recordsOf,
} from './record-batch.ts';

export type TransactionMarker = {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly type: 'commit' | 'abort';
  readonly timestampMs: number;
};

/** The control batch that ends a transaction in a partition ("Control Batches", `EndTransactionMarker`). */
export function controlBatch(marker: TransactionMarker): Uint8Array {
  const key = new Uint8Array([
    0,
    0,
    0,
    marker.type === 'commit' ? layout.MARKER_COMMIT : layout.MARKER_ABORT,
  ]);
  // version 0, coordinator epoch 0
  const value = new Uint8Array(6);
  const builder = new BatchBuilder(128);
  builder.append(key, value, NO_HEADERS, marker.timestampMs);
  const { producerId, producerEpoch } = marker;
  const bytes = builder.finish({ producerId, producerEpoch, baseSequence: -1, isTransactional: true });
  viewOf(bytes).setInt16(layout.ATTRIBUTES, layout.TRANSACTIONAL_BIT | layout.CONTROL_BIT);
  return sealed(bytes);
}

/**
 * Which marker a control batch is; `other` for control records that have nothing to do with transactions.
 * Throws `corrupt-batch` when the batch has no readable marker.
 */
export function markerOf(bytes: Uint8Array, header: BatchHeader): 'commit' | 'abort' | 'other' {
  const records = recordsOf(bytes, header);
  // before the key come length, attributes (one byte), timestamp delta, offset delta and the key's length
  let at = layout.skipVarint(records.bytes, records.start) + 1;
  for (let varint = 0; varint < 3; varint++) at = layout.skipVarint(records.bytes, at);
  if (!header.isControl || header.recordCount < 1 || at + 4 > records.end) {
    throw corruptBatch(header.baseOffset, 'is no readable transaction marker');
  }
  const type = (records.bytes[at + 2]! << 8) | records.bytes[at + 3]!;
  return type === layout.MARKER_ABORT ? 'abort' : type === layout.MARKER_COMMIT ? 'commit' : 'other';
}

/**
 * A copy of one batch as the broker stores it: at `baseOffset`, and stamped when the topic has LogAppendTime.
 * Record timestamps stay as they were; readers of a stamped batch take its maximum for all of them.
 */
export function restampBatch(
  batch: Uint8Array,
  baseOffset: number,
  logAppendTimeMs: number | null,
): Uint8Array {
  const copy = new Uint8Array(batch);
  const view = viewOf(copy);
  layout.writeInt64(view, layout.BASE_OFFSET, baseOffset);
  // neither the base offset nor the leader epoch is covered by the checksum
  view.setInt32(layout.LEADER_EPOCH, 0);
  if (logAppendTimeMs === null) return copy;
  view.setInt16(layout.ATTRIBUTES, view.getInt16(layout.ATTRIBUTES) | layout.LOG_APPEND_BIT);
  layout.writeInt64(view, layout.MAX_TIMESTAMP, logAppendTimeMs);
  return sealed(copy);
}

/**
 * A copy of one uncompressed batch with only the records whose offset `keeps`: what the log cleaner leaves. Offsets and
 * the batch's last offset stay; with none kept it is an empty batch, as the cleaner leaves behind for the last batch of
 * each producer.
 */
export function compactBatch(batch: Uint8Array, keeps: (offset: number) => boolean): Uint8Array {
  const header = batchAt(batch, 0);
  if (header === null || header.compression !== 'none')
    throw new Error('compactBatch takes one whole plain batch');
  const kept = new Uint8Array(batch.length);
  kept.set(batch.subarray(0, layout.BATCH_HEADER_BYTES));
  let end = layout.BATCH_HEADER_BYTES;
  let recordCount = 0;
  let at = layout.BATCH_HEADER_BYTES;
  while (at < header.end) {
    const length = layout.readVarint(batch, at);
    const body = layout.skipVarint(batch, at);
    const offsetDelta = layout.readVarint(batch, layout.skipVarint(batch, body + 1));
    if (keeps(header.baseOffset + offsetDelta)) {
      kept.set(batch.subarray(at, body + length), end);
      end += body + length - at;
      recordCount++;
    }
    at = body + length;
  }
  const compacted = kept.subarray(0, end);
  const view = viewOf(compacted);
  view.setInt32(layout.BATCH_LENGTH, end - layout.UNCOUNTED_BYTES);
  view.setInt32(layout.RECORD_COUNT, recordCount);
  return sealed(compacted);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function sealed(bytes: Uint8Array): Uint8Array {
  viewOf(bytes).setUint32(layout.CRC, crc32c(bytes, layout.ATTRIBUTES, bytes.length));
  return bytes;
}
