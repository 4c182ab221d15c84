/** Walks the records of a sequence of batches with no object for each record. */
import {
  type BatchHeader,
  batchAt,
  corruptBatch,
  type LogHeader,
  NO_HEADERS,
  recordsOf,
} from './record-batch.ts';

/**
 * A position on one record after the other. Its fields describe the record that the last `next()` reached; byte ranges
 * lie in `bytes`, half-open, and a null key or value has a negative start. Reuse it: `reset()`.
 *
 *     const cursor = new RecordCursor();
 *     cursor.reset(batches, 0);
 *     while (cursor.next()) console.log(cursor.offset, cursor.value());
 */
export class RecordCursor {
  /** The bytes that the ranges point into: those of `reset`, or those of a batch that was decompressed. */
  bytes: Uint8Array = NO_BYTES;
  offset = -1;
  /** Log time where the broker stamps (LogAppendTime), else the writer's; -1 when there is none. */
  timestampMs = -1;
  keyStart = -1;
  keyEnd = -1;
  valueStart = -1;
  valueEnd = -1;
  headerCount = 0;

  #source: Uint8Array = NO_BYTES;
  #fromOffset = 0;
  #accept: (batch: BatchHeader) => boolean = isData;
  #nextBatchAt = 0;
  #batch: BatchHeader | null = null;
  #isLogAppend = false;
  #baseOffset = 0;
  #baseTimestampMs = 0;
  #appendTimestampMs = 0;
  #recordsLeft = 0;
  #at = 0;
  #recordsEnd = 0;
  #headersStart = 0;

  get hasHeaders(): boolean {
    return this.headerCount > 0;
  }

  /**
   * Stands before the first record at or after `fromOffset`. `accept` is asked once for each batch, in order, whether
   * its records are wanted; batches that end before `fromOffset` are not asked for. Without it, all that hold data are.
   */
  reset(bytes: Uint8Array, fromOffset: number, accept: (batch: BatchHeader) => boolean = isData): void {
    // one kind of array throughout keeps the loops below fast
    this.#source =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fromOffset = fromOffset;
    this.#accept = accept;
    this.#nextBatchAt = 0;
    this.#batch = null;
    this.#recordsLeft = 0;
  }

  /** Goes to the next record; false at the end of the last whole batch. Throws `corrupt-batch`. */
  next(): boolean {
    for (;;) {
      while (this.#recordsLeft === 0) if (!this.#openBatch()) return false;
      this.#recordsLeft--;
      this.#readRecord();
      if (this.offset >= this.#fromOffset) return true;
    }
  }

  /** The batch of the current record. */
  get batch(): BatchHeader {
    if (this.#batch === null) throw new Error('the cursor stands on no record: call next() first');
    return this.#batch;
  }

  /** A view of the key, valid as long as the fetched bytes are. */
  key(): Uint8Array | null {
    return this.keyStart < 0 ? null : this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  value(): Uint8Array | null {
    return this.valueStart < 0 ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  /** Throws `corrupt-batch` when they do not fit into the record. */
  headers(): readonly LogHeader[] {
    if (this.headerCount === 0) return NO_HEADERS;
    const headers: LogHeader[] = [];
    const recordEnd = this.#at;
    this.#at = this.#headersStart;
    for (let i = 0; i < this.headerCount && this.#at < recordEnd; i++) {
      const name = UTF8.decode(this.#field());
      headers.push([name, this.#field()]);
    }
    const isWhole = this.#at === recordEnd && headers.length === this.headerCount;
    this.#at = recordEnd;
    if (!isWhole) throw corruptBatch(this.#baseOffset, 'has headers that do not fill their record');
    return headers;
  }

  #openBatch(): boolean {
    const batch = batchAt(this.#source, this.#nextBatchAt);
    if (batch === null) return false;
    this.#nextBatchAt = batch.end;
    if (batch.lastOffset < this.#fromOffset || !this.#accept(batch)) return true;
    this.#batch = batch;
    this.#isLogAppend = batch.timestampType === 'log-append';
    this.#baseOffset = batch.baseOffset;
    this.#baseTimestampMs = batch.baseTimestampMs;
    this.#appendTimestampMs = batch.maxTimestampMs;
    this.#recordsLeft = batch.recordCount;
    if (batch.recordCount === 0) return true;
    const records = recordsOf(this.#source, batch);
    this.bytes = records.bytes;
    this.#at = records.start;
    this.#recordsEnd = records.end;
    return true;
  }

  #readRecord(): void {
    const bytes = this.bytes;
    const length = this.#varint(bytes);
    const end = this.#at + length;
    this.#at++;
    const timestampDelta = this.#varlong(bytes);
    this.offset = this.#baseOffset + this.#varint(bytes);
    this.timestampMs = this.#isLogAppend ? this.#appendTimestampMs : this.#baseTimestampMs + timestampDelta;
    const keyLength = this.#varint(bytes);
    this.keyStart = keyLength < 0 ? -1 : this.#at;
    this.keyEnd = keyLength < 0 ? -1 : this.#at + keyLength;
    if (keyLength > 0) this.#at += keyLength;
    const valueLength = this.#varint(bytes);
    this.valueStart = valueLength < 0 ? -1 : this.#at;
    this.valueEnd = valueLength < 0 ? -1 : this.#at + valueLength;
    if (valueLength > 0) this.#at += valueLength;
    this.headerCount = this.#varint(bytes);
    this.#headersStart = this.#at;
    if (!(length > 0 && end <= this.#recordsEnd && this.#at <= end)) {
      throw corruptBatch(this.#baseOffset, 'has a record that reaches beyond its end');
    }
    this.#at = end;
  }

  #varint(bytes: Uint8Array): number {
    let at = this.#at;
    let byte = bytes[at++]!;
    let zigzag = byte & 127;
    for (let shift = 7; byte > 127 && shift < 35; shift += 7) {
      byte = bytes[at++]!;
      zigzag |= (byte & 127) << shift;
    }
    this.#at = at;
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  #varlong(bytes: Uint8Array): number {
    const start = this.#at;
    if (
      !(bytes[start + 3]! > 127 && bytes[start + 2]! > 127 && bytes[start + 1]! > 127 && bytes[start]! > 127)
    ) {
      return this.#varint(bytes);
    }
    let at = start;
    let zigzag = 0;
    let byte = 128;
    for (let scale = 1; byte > 127 && at < start + 10; scale *= 128) {
      byte = bytes[at++]!;
      zigzag += (byte & 127) * scale;
    }
    this.#at = at;
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  /** The length-prefixed field at the position, which moves behind it; a null one (negative length) as empty. */
  #field(): Uint8Array {
    const length = Math.max(this.#varint(this.bytes), 0);
    const start = this.#at;
    this.#at += length;
    return this.bytes.subarray(start, this.#at);
  }
}

const NO_BYTES = new Uint8Array(0);
const UTF8 = new TextDecoder();

function isData(batch: BatchHeader): boolean {
  return !batch.isControl;
}
