/**
 * Record batches, magic 2 (Kafka protocol guide, "Record Batch"): sealed by `BatchBuilder`, which writes each record
 * once, straight into a reused buffer; opened by `batchesOf` and, record by record, by `record-cursor.ts`.
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import * as layout from './batch-layout.ts';
import { type BytesView, copyBytes, viewOf } from './copy-bytes.ts';
import { crc32c } from './crc32c.ts';
import { LogError, type TimestampType } from './port.ts';

/** A record's header. A null value, which the protocol allows, is read as an empty one. */
export type LogHeader = readonly [name: string, value: Uint8Array];

export const NO_HEADERS: readonly LogHeader[] = Object.freeze([]);

/** What `BatchBuilder.finish` puts into the batch's header. */
export type BatchSeal = {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Number of the batch's first record among all that this producer wrote to the partition; -1 for none. */
  readonly baseSequence: number;
  readonly isTransactional: boolean;
};

/** For a batch of a producer without an identity. */
export const NO_PRODUCER: BatchSeal = {
  producerId: -1n,
  producerEpoch: -1,
  baseSequence: -1,
  isTransactional: false,
};

/**
 * Collects records and seals them into one batch. Reuse it: `reset()` keeps the buffer.
 *
 *     const builder = new BatchBuilder();
 *     builder.append(Buffer.from('key'), Buffer.from('value'), NO_HEADERS, 1_700_000_000_000);
 *     const batch = builder.finish(NO_PRODUCER);
 */
export class BatchBuilder {
  #bytes: Uint8Array;
  #view: BytesView;
  #end = layout.BATCH_HEADER_BYTES;
  #recordCount = 0;
  #baseTimestampMs = -1;
  #maxTimestampMs = -1;

  constructor(sizeHintBytes = 1 << 14) {
    this.#bytes = new Uint8Array(Math.max(sizeHintBytes, layout.BATCH_HEADER_BYTES));
    this.#view = viewOf(this.#bytes);
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** Size of the batch that `finish` would return now. */
  get sizeBytes(): number {
    return this.#end;
  }

  /** `timestampMs` is a whole number, -1 for none; a topic with LogAppendTime replaces it. */
  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly LogHeader[],
    timestampMs: number,
  ): void {
    const keyLength = key === null ? -1 : key.length;
    const valueLength = value === null ? -1 : value.length;
    this.appendRange(key ?? NO_BYTES, 0, keyLength, value ?? NO_BYTES, 0, valueLength, headers, timestampMs);
  }

  /** `append` for ranges of larger buffers, without a view for each. A negative length means null. */
  appendRange(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueLength: number,
    headers: readonly LogHeader[],
    timestampMs: number,
  ): void {
    if (!(timestampMs >= -1 && timestampMs <= TIMESTAMP_MS_MAX && Math.floor(timestampMs) === timestampMs)) {
      throw new RangeError(
        `timestampMs ${timestampMs} is no time: pass whole milliseconds since 1970, or -1 for none`,
      );
    }
    if (this.#recordCount === 0) this.#baseTimestampMs = timestampMs;
    const timestampDelta = timestampMs - this.#baseTimestampMs;
    const offsetDelta = this.#recordCount;
    const bodyBytes =
      1 +
      layout.varlongSize(timestampDelta) +
      layout.varintSize(offsetDelta) +
      fieldSize(keyLength) +
      fieldSize(valueLength) +
      headersSize(headers);
    this.#reserve(bodyBytes + layout.varintSize(bodyBytes));
    const bytes = this.#bytes;
    let at = layout.writeVarint(bytes, this.#end, bodyBytes);
    bytes[at++] = 0;
    at = layout.writeVarlong(bytes, at, timestampDelta);
    at = layout.writeVarint(bytes, at, offsetDelta);
    at = layout.writeVarint(bytes, at, Math.max(keyLength, -1));
    if (keyLength > 0) {
      if (keyBytes !== keyView.bytes) keyView = viewOf(keyBytes);
      copyBytes(this.#view, at, keyView, keyStart, keyLength);
      at += keyLength;
    }
    at = layout.writeVarint(bytes, at, Math.max(valueLength, -1));
    if (valueLength > 0) {
      if (valueBytes !== valueView.bytes) valueView = viewOf(valueBytes);
      copyBytes(this.#view, at, valueView, valueStart, valueLength);
      at += valueLength;
    }
    this.#end = writeHeaders(bytes, at, headers);
    this.#recordCount++;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
  }

  /**
   * The sealed batch: a view of the builder's own buffer, valid until the next `append` or `reset`. May be called again,
   * to seal the same records for another producer.
   */
  finish(seal: BatchSeal): Uint8Array {
    const view = new DataView(this.#bytes.buffer);
    layout.writeInt64(view, layout.BASE_OFFSET, 0);
    view.setInt32(layout.BATCH_LENGTH, this.#end - layout.UNCOUNTED_BYTES);
    view.setInt32(layout.LEADER_EPOCH, -1);
    view.setInt8(layout.MAGIC, 2);
    view.setInt16(layout.ATTRIBUTES, seal.isTransactional ? layout.TRANSACTIONAL_BIT : 0);
    view.setInt32(layout.LAST_OFFSET_DELTA, this.#recordCount - 1);
    layout.writeInt64(view, layout.BASE_TIMESTAMP, this.#baseTimestampMs);
    layout.writeInt64(view, layout.MAX_TIMESTAMP, this.#maxTimestampMs);
    view.setBigInt64(layout.PRODUCER_ID, seal.producerId);
    view.setInt16(layout.PRODUCER_EPOCH, seal.producerEpoch);
    view.setInt32(layout.BASE_SEQUENCE, seal.baseSequence);
    view.setInt32(layout.RECORD_COUNT, this.#recordCount);
    view.setUint32(layout.CRC, crc32c(this.#bytes, layout.ATTRIBUTES, this.#end));
    return this.#bytes.subarray(0, this.#end);
  }

  reset(): void {
    this.#end = layout.BATCH_HEADER_BYTES;
    this.#recordCount = 0;
    this.#baseTimestampMs = -1;
    this.#maxTimestampMs = -1;
  }

  #reserve(moreBytes: number): void {
    const needed = this.#end + moreBytes;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
    this.#view = viewOf(grown);
  }
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** What a batch's header says, and where in the bytes the batch lies: `[start, end)`. */
export type BatchHeader = {
  readonly start: number;
  readonly end: number;
  readonly baseOffset: number;
  /** As the batch was written: compaction may since have taken that record, and even all of them. */
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
  /** A commit or abort marker. Only this says so, never the look of a key. */
  readonly isControl: boolean;
  /** With `log-append` every record has the batch's `maxTimestampMs`. */
  readonly timestampType: TimestampType;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly recordCount: number;
  readonly compression: Compression;
};

/**
 * Headers of the whole batches in `bytes`, in order, each with its checksum verified; a last batch that was cut short
 * is left out. Throws `corrupt-batch`.
 */
export function batchesOf(bytes: Uint8Array): BatchHeader[] {
  const headers: BatchHeader[] = [];
  for (let header = batchAt(bytes, 0); header !== null; header = batchAt(bytes, header.end))
    headers.push(header);
  return headers;
}

/** The batch that begins at `start`, checksum verified; null when it is cut short. Throws `corrupt-batch`. */
export function batchAt(bytes: Uint8Array, start: number): BatchHeader | null {
  if (start + layout.BATCH_HEADER_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, layout.BATCH_HEADER_BYTES);
  const baseOffset = layout.readInt64(view, layout.BASE_OFFSET);
  const magic = view.getInt8(layout.MAGIC);
  if (magic !== 2) {
    throw new LogError(
      'corrupt-batch',
      `The batch at offset ${baseOffset} has record format ${magic}, but only 2 can be read: it is damaged, or older than Kafka 0.11; then write the topic again with newer clients.`,
    );
  }
  const end = start + layout.UNCOUNTED_BYTES + view.getInt32(layout.BATCH_LENGTH);
  if (end < start + layout.BATCH_HEADER_BYTES)
    throw corruptBatch(baseOffset, 'is shorter than its own header');
  if (end > bytes.length) return null;
  if (view.getUint32(layout.CRC) !== crc32c(bytes, start + layout.ATTRIBUTES, end)) {
    throw corruptBatch(baseOffset, 'does not match its checksum');
  }
  const attributes = view.getInt16(layout.ATTRIBUTES);
  const compression = COMPRESSIONS[attributes & layout.COMPRESSION_BITS];
  if (compression === undefined) throw corruptBatch(baseOffset, 'has an unknown compression type');
  return {
    start,
    end,
    baseOffset,
    lastOffset: baseOffset + view.getInt32(layout.LAST_OFFSET_DELTA),
    producerId: view.getBigInt64(layout.PRODUCER_ID),
    producerEpoch: view.getInt16(layout.PRODUCER_EPOCH),
    baseSequence: view.getInt32(layout.BASE_SEQUENCE),
    isTransactional: (attributes & layout.TRANSACTIONAL_BIT) !== 0,
    isControl: (attributes & layout.CONTROL_BIT) !== 0,
    timestampType: (attributes & layout.LOG_APPEND_BIT) !== 0 ? 'log-append' : 'create',
    baseTimestampMs: layout.readInt64(view, layout.BASE_TIMESTAMP),
    maxTimestampMs: layout.readInt64(view, layout.MAX_TIMESTAMP),
    recordCount: view.getInt32(layout.RECORD_COUNT),
    compression,
  };
}

/**
 * Offset behind the last whole batch in `bytes`, by the headers alone; null when there is none. It ends before a damaged
 * header, without a word: whoever walks the batches is told.
 */
export function wholeBatchesEnd(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end: number | null = null;
  let at = 0;
  while (at + layout.BATCH_HEADER_BYTES <= bytes.length) {
    const baseOffset = layout.readInt64(view, at + layout.BASE_OFFSET);
    const next = at + layout.UNCOUNTED_BYTES + view.getInt32(at + layout.BATCH_LENGTH);
    if (view.getInt8(at + layout.MAGIC) !== 2 || next < at + layout.BATCH_HEADER_BYTES) break;
    if (next > bytes.length) break;
    end = baseOffset + view.getInt32(at + layout.LAST_OFFSET_DELTA) + 1;
    at = next;
  }
  return end;
}

/** Highest timestamp of the whole batches in what was fetched; -1 when it holds none. */
export function newestMsOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let newestMs = -1;
  for (let at = 0; at + layout.BATCH_HEADER_BYTES <= bytes.length; ) {
    const next = at + layout.UNCOUNTED_BYTES + view.getInt32(at + layout.BATCH_LENGTH);
    if (next < at + layout.BATCH_HEADER_BYTES || next > bytes.length) break;
    newestMs = Math.max(newestMs, layout.readInt64(view, at + layout.MAX_TIMESTAMP));
    at = next;
  }
  return newestMs;
}

/** Where the records of a batch lie, decompressed where needed: `bytes[start, end)`. Throws `corrupt-batch`. */
export function recordsOf(
  bytes: Uint8Array,
  header: BatchHeader,
): { readonly bytes: Uint8Array; readonly start: number; readonly end: number } {
  const { baseOffset, compression } = header;
  const start = header.start + layout.BATCH_HEADER_BYTES;
  if (compression === 'none') return { bytes, start, end: header.end };
  if (compression === 'snappy' || compression === 'lz4') {
    throw new LogError(
      'corrupt-batch',
      `The batch at offset ${baseOffset} is compressed with ${compression}, which cannot be read: let its producer use zstd, gzip or none (compression.type), and write the records again.`,
    );
  }
  const decompress = compression === 'gzip' ? gunzipSync : zstdDecompressSync;
  try {
    const plain = decompress(bytes.subarray(start, header.end), { maxOutputLength: DECOMPRESSED_BYTES_MAX });
    return {
      bytes: new Uint8Array(plain.buffer, plain.byteOffset, plain.length),
      start: 0,
      end: plain.length,
    };
  } catch (cause) {
    throw corruptBatch(baseOffset, `cannot be decompressed (${compression})`, cause);
  }
}

export function corruptBatch(baseOffset: number, what: string, cause?: unknown): LogError {
  return new LogError(
    'corrupt-batch',
    `The batch at offset ${baseOffset} ${what}: the disk or the network damaged it. Check the broker's disk; "everyview reset" moves the position past it.`,
    { cause },
  );
}

const NO_BYTES = new Uint8Array(0);
/** Where the latest keys and values came from: mostly the next ones come from there as well. */
let keyView = viewOf(NO_BYTES);
let valueView = viewOf(NO_BYTES);
const TIMESTAMP_MS_MAX = 2 ** 51;
/** Far above message.max.bytes times any honest ratio: keeps a forged batch from eating the memory. */
const DECOMPRESSED_BYTES_MAX = 256 << 20;
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** A handful of names is used over and over: their bytes are kept. */
const headerNames = new Map<string, Uint8Array>();
const HEADER_NAMES_MAX = 256;

function headerNameBytes(name: string): Uint8Array {
  let bytes = headerNames.get(name);
  if (bytes === undefined) {
    bytes = new TextEncoder().encode(name);
    if (headerNames.size < HEADER_NAMES_MAX) headerNames.set(name, bytes);
  }
  return bytes;
}

function fieldSize(length: number): number {
  return length < 0 ? 1 : layout.varintSize(length) + length;
}

function headersSize(headers: readonly LogHeader[]): number {
  if (headers.length === 0) return 1;
  let size = layout.varintSize(headers.length);
  for (const [name, value] of headers)
    size += fieldSize(headerNameBytes(name).length) + fieldSize(value.length);
  return size;
}

function writeHeaders(bytes: Uint8Array, start: number, headers: readonly LogHeader[]): number {
  let at = layout.writeVarint(bytes, start, headers.length);
  if (headers.length === 0) return at;
  for (const [name, value] of headers) {
    const nameBytes = headerNameBytes(name);
    at = writeField(bytes, at, nameBytes, 0, nameBytes.length);
    at = writeField(bytes, at, value, 0, value.length);
  }
  return at;
}

function writeField(bytes: Uint8Array, at: number, source: Uint8Array, from: number, length: number): number {
  if (length < 0) return layout.writeVarint(bytes, at, -1);
  const start = layout.writeVarint(bytes, at, length);
  // a loop beats the call for what short keys are
  if (length < 24) for (let i = 0; i < length; i++) bytes[start + i] = source[from + i]!;
  else bytes.set(source.length === length ? source : source.subarray(from, from + length), start);
  return start + length;
}
