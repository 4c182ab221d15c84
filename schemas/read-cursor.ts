/**
 * Avro primitives read from untrusted bytes. Every function stays inside `[pos, end)`, allocates at most in proportion
 * to the bytes that are left, and throws a {@link SchemaError} for anything else. `records.ts` is made of these.
 *
 * Encoding: Apache Avro 1.11 specification, "Binary Encoding".
 */
import { SchemaError } from './errors.ts';

export type ReadCursor = {
  bytes: Uint8Array;
  pos: number;
  /** First position that must not be read. */
  end: number;
  /** The memory that `bytes` lies in, and where it lies there. */
  view: DataView;
  viewStart: number;
};

export function readCursor(bytes: Uint8Array, pos = 0, end = bytes.length): ReadCursor {
  return { bytes, pos, end, view: new DataView(bytes.buffer), viewStart: bytes.byteOffset };
}

/** Goes to other bytes: the cursor of {@link readCursor} used again, which is cheap for neighbours in the same memory. */
export function moveTo(cursor: ReadCursor, bytes: Uint8Array, pos: number, end = bytes.length): void {
  const { buffer } = bytes;
  if (cursor.view.buffer !== buffer) cursor.view = new DataView(buffer);
  cursor.viewStart = bytes.byteOffset;
  cursor.bytes = bytes;
  cursor.pos = pos;
  cursor.end = end;
}

export function readBoolean(cursor: ReadCursor): boolean {
  const byte = readByte(cursor);
  if (byte > 1) throw new SchemaError('malformed', `boolean is ${byte}, neither 0 nor 1`);
  return byte === 1;
}

/** Zigzag varint of 32 bits. */
export function readInt(cursor: ReadCursor): number {
  const pos = cursor.pos;
  if (pos < cursor.end) {
    const byte = cursor.bytes[pos]!;
    if (byte < 0x80) {
      cursor.pos = pos + 1;
      return (byte >>> 1) ^ -(byte & 1);
    }
  }
  const value = readLong(cursor);
  if ((value | 0) !== value) throw new SchemaError('int-out-of-range', `int is ${value}`);
  return value;
}

/** Zigzag varint of 64 bits, as a number; `long-out-of-range` where a number cannot hold it exactly. */
export function readLong(cursor: ReadCursor): number {
  const { bytes, end } = cursor;
  let pos = cursor.pos;
  // The zigzag value is split at bit 28: whole numbers up to 2^54 do not fit into one double.
  let low = 0;
  let byte = 0x80;
  for (let shift = 0; shift < 28 && byte >= 0x80; shift += 7) {
    if (pos >= end) throw truncated();
    byte = bytes[pos++]!;
    low |= (byte & 0x7f) << shift;
  }
  let high = 0;
  for (let factor = 1; byte >= 0x80; factor *= 128) {
    if (pos >= end) throw truncated();
    if (factor > 2 ** 35) throw new SchemaError('malformed', 'varint is longer than ten bytes');
    byte = bytes[pos++]!;
    high += (byte & 0x7f) * factor;
  }
  cursor.pos = pos;
  if (high === 0) return (low >>> 1) ^ -(low & 1);
  const magnitude = high * 2 ** 27 + (low >>> 1);
  const value = low & 1 ? -magnitude - 1 : magnitude;
  if (!Number.isSafeInteger(value)) {
    throw new SchemaError('long-out-of-range', `long is about ${value}, beyond 2^53`);
  }
  return value;
}

/** A copy: nothing that is read keeps the fetched batch alive. */
export function readBytes(cursor: ReadCursor): Uint8Array {
  const start = readLength(cursor);
  const copy = new Uint8Array(cursor.pos - start);
  copy.set(cursor.bytes.subarray(start, cursor.pos));
  return copy;
}

/** UTF-8. */
export function readString(cursor: ReadCursor): string {
  const start = readLength(cursor);
  const end = cursor.pos;
  return end === start ? '' : (asciiIn(cursor, start, end) ?? decodeUtf8(cursor.bytes, start, end));
}

/**
 * The text in `bytes[start, end)` of a cursor where all of it is ASCII; null where not. Short ones come from a small cache,
 * because ids and names repeat from record to record. Looks at four bytes at a time, the last four twice where need be.
 */
export function asciiIn(cursor: ReadCursor, start: number, end: number): string | null {
  const length = end - start;
  if (length < 4 || length > CACHED_LENGTH_MAX) return uncachedAscii(cursor.bytes, start, end);
  const { view, viewStart } = cursor;
  const from = viewStart + start;
  const last = viewStart + end - 4;
  const lastWord = view.getInt32(last, true);
  // a few bytes tell most strings of one length apart; ids differ towards their ends
  const sample = view.getInt32(from + ((length - 4) >>> 1), true) ^ Math.imul(lastWord, 0x85ebca6b) ^ length;
  const slot = Math.imul(sample, 0x9e3779b1) >>> CACHE_SHIFT;
  let known = slot * CACHED_WORDS;
  if (CACHE_WORDS[known + CACHED_WORDS - 1] === lastWord) {
    let at = from;
    while (at < last && CACHE_WORDS[known] === view.getInt32(at, true)) {
      at += 4;
      known++;
    }
    // only now, as a string lies anywhere in memory
    const cached = CACHE[slot]!;
    if (at >= last && cached.length === length) return cached;
    known = slot * CACHED_WORDS;
  }
  let bits = lastWord;
  for (let at = from, word = known; at < last; at += 4) {
    bits |= CACHE_WORDS[word++] = view.getInt32(at, true);
  }
  CACHE_WORDS[known + CACHED_WORDS - 1] = lastWord;
  if ((bits & 0x80808080) !== 0) {
    CACHE[slot] = '';
    return null;
  }
  const text = latin1Slice.call(cursor.bytes, start, end);
  CACHE[slot] = text;
  return text;
}

function uncachedAscii(bytes: Uint8Array, start: number, end: number): string | null {
  for (let at = start; at < end; at++) if (bytes[at]! > 0x7f) return null;
  return latin1Slice.call(bytes, start, end);
}

/** Branch of a union of null and one other type: true when the other one follows. */
export function readPresent(cursor: ReadCursor, nullIndex: 0 | 1): boolean {
  const byte = readByte(cursor);
  if (byte !== 0 && byte !== 2) throw new SchemaError('malformed', `union branch ${byte} of two`);
  return byte >>> 1 !== nullIndex;
}

/**
 * Columns of a record: the hot path of stream detection. Looks at four bytes at a time and takes as many ints as end there:
 * neighbours in a column are mostly of one length, so the same branch is taken again and again.
 */
export function readIntArray(cursor: ReadCursor): readonly number[] {
  let to = readBlock(cursor);
  if (to === 0) return NO_INTS;
  const out = new Array<number>(to);
  const { view, viewStart } = cursor;
  const wordEnd = cursor.end - 4;
  let at = 0;
  while (at < to) {
    let pos = cursor.pos;
    while (at < to) {
      const word = pos <= wordEnd ? view.getInt32(viewStart + pos, true) : LONG_OR_LAST;
      if ((word & 0x80) === 0) {
        if ((word & 0x80808080) === 0 && to - at >= 4) {
          out[at] = unzigzag(word & 0x7f);
          out[at + 1] = unzigzag((word >>> 8) & 0x7f);
          out[at + 2] = unzigzag((word >>> 16) & 0x7f);
          out[at + 3] = unzigzag(word >>> 24);
          at += 4;
          pos += 4;
          continue;
        }
        out[at++] = unzigzag(word & 0x7f);
        pos += 1;
      } else if ((word & 0x8000) === 0) {
        out[at++] = unzigzag((word & 0x7f) | ((word >>> 1) & 0x3f80));
        pos += 2;
        if ((word & 0x80800000) !== 0x800000 || at === to) continue;
        out[at++] = unzigzag(((word >>> 16) & 0x7f) | ((word >>> 17) & 0x3f80));
        pos += 2;
      } else if ((word & 0x800000) === 0) {
        out[at++] = unzigzag((word & 0x7f) | ((word >>> 1) & 0x3f80) | ((word >>> 2) & 0x1fc000));
        pos += 3;
      } else {
        cursor.pos = pos;
        out[at++] = readItem(cursor);
        pos = cursor.pos;
      }
    }
    cursor.pos = pos;
    to += readBlock(cursor);
  }
  return out;
}

/** Most columns of most records are empty; nobody writes into what was read. */
const NO_INTS: readonly number[] = [];

/** Four bytes none of which ends an int. */
const LONG_OR_LAST = -1;

/** One int of a column: of any length, and up to the very end of the bytes. */
function readItem(cursor: ReadCursor): number {
  const { bytes, end } = cursor;
  const start = cursor.pos;
  let pos = start;
  let zigzag = 0;
  let byte = 0x80;
  for (let shift = 0; byte >= 0x80; shift += 7) {
    if (pos >= end) throw truncated();
    byte = bytes[pos++]!;
    if (shift === 28 && byte > 0x0f) throw intTooLong(cursor, start);
    zigzag |= (byte & 0x7f) << shift;
  }
  cursor.pos = pos;
  return unzigzag(zigzag);
}

function unzigzag(zigzag: number): number {
  return (zigzag >>> 1) ^ -(zigzag & 1);
}

export function readArray<T>(cursor: ReadCursor, readItem: (cursor: ReadCursor) => T): readonly T[] {
  const out: T[] = [];
  for (let count = readBlock(cursor); count > 0; count = readBlock(cursor)) {
    for (let i = 0; i < count; i++) out.push(readItem(cursor));
  }
  return out;
}

/** Items in the next block of an array; 0 ends it. Every item type in use takes at least a byte, which bounds it. */
export function readBlock(cursor: ReadCursor): number {
  let count = readLong(cursor);
  if (count < 0) {
    // A negative count announces the block's size in bytes, for readers that skip.
    count = -count;
    const size = readLong(cursor);
    if (size < 0) throw new SchemaError('malformed', `array block of ${size} bytes`);
    if (size > cursor.end - cursor.pos) throw truncated();
  }
  if (count > cursor.end - cursor.pos) throw truncated();
  return count;
}

function readByte(cursor: ReadCursor): number {
  if (cursor.pos >= cursor.end) throw truncated();
  return cursor.bytes[cursor.pos++]!;
}

/** Reads a length, steps over that many bytes, and returns where they begin. */
export function readLength(cursor: ReadCursor): number {
  const length = readLong(cursor);
  if (length < 0) throw new SchemaError('malformed', `length is ${length}`);
  const start = cursor.pos;
  if (length > cursor.end - start) throw truncated();
  cursor.pos = start + length;
  return start;
}

/** The fifth byte of an int has four bits left: what is wrong with this one? */
function intTooLong(cursor: ReadCursor, start: number): SchemaError {
  const again = readCursor(cursor.bytes, start, cursor.end);
  try {
    return new SchemaError('int-out-of-range', `int is ${readLong(again)}`);
  } catch (error) {
    if (error instanceof SchemaError) return error;
    throw error;
  }
}

function truncated(): SchemaError {
  return new SchemaError('truncated', 'the bytes end before the value does');
}

const CACHED_LENGTH_MAX = 40;
const CACHE_BITS = 10;
const CACHE_SHIFT = 32 - CACHE_BITS;
const CACHE: string[] = new Array<string>(1 << CACHE_BITS).fill('');
/** What each cached string was made of: its words from slot * CACHED_WORDS on, its last four bytes at their end. */
const CACHED_WORDS = CACHED_LENGTH_MAX / 4;
const CACHE_WORDS = new Int32Array(CACHED_WORDS << CACHE_BITS);

/** Of a Buffer, but it reads any bytes; for ASCII, half the price of a TextDecoder. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch (cause) {
    throw new SchemaError('malformed-utf8', `string of ${end - start} bytes is not UTF-8`, { cause });
  }
}
