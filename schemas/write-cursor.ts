/**
 * Avro primitives written into a buffer that grows and is used again. Values are checked as they are written: what
 * does not fit the schema throws a {@link SchemaError} (`encodeValue` then names the field).
 *
 * Encoding: Apache Avro 1.11 specification, "Binary Encoding"; arrays are written as one block.
 */
import { SchemaError } from './errors.ts';

export type WriteCursor = { bytes: Buffer; pos: number };

export function writeCursor(capacity = 4096): WriteCursor {
  return { bytes: Buffer.allocUnsafeSlow(capacity), pos: 0 };
}

export function writeBoolean(cursor: WriteCursor, value: boolean): void {
  if (typeof value !== 'boolean') throw invalid('a boolean', value);
  reserve(cursor, 1);
  cursor.bytes[cursor.pos++] = value ? 1 : 0;
}

export function writeInt(cursor: WriteCursor, value: number): void {
  if ((value | 0) !== value) throw notAnInt(value);
  reserve(cursor, 5);
  cursor.pos = putInt(cursor.bytes, cursor.pos, value);
}

export function writeLong(cursor: WriteCursor, value: number): void {
  if ((value | 0) === value) {
    reserve(cursor, 5);
    cursor.pos = putInt(cursor.bytes, cursor.pos, value);
    return;
  }
  if (!Number.isSafeInteger(value)) {
    if (typeof value !== 'number' || !Number.isInteger(value)) throw invalid('a whole number', value);
    throw new SchemaError('long-out-of-range', `long is about ${value}, beyond 2^53`);
  }
  reserve(cursor, 10);
  // Split at bit 28 of the zigzag value, as it may need 54 bits. Here it has more than 28.
  const magnitude = value < 0 ? -value - 1 : value;
  let low = ((magnitude % 2 ** 27) << 1) | (value < 0 ? 1 : 0);
  let high = Math.floor(magnitude / 2 ** 27);
  const { bytes } = cursor;
  let pos = cursor.pos;
  for (let i = 0; i < 4; i++) {
    bytes[pos++] = (low & 0x7f) | 0x80;
    low >>>= 7;
  }
  while (high > 0x7f) {
    bytes[pos++] = (high & 0x7f) | 0x80;
    high >>>= 7;
  }
  bytes[pos++] = high;
  cursor.pos = pos;
}

export function writeBytes(cursor: WriteCursor, value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) throw invalid('bytes', value);
  reserve(cursor, value.length + 5);
  cursor.pos = putInt(cursor.bytes, cursor.pos, value.length);
  cursor.bytes.set(value, cursor.pos);
  cursor.pos += value.length;
}

/** UTF-8; half of a surrogate pair, which UTF-8 does not have, is written as U+FFFD. */
export function writeString(cursor: WriteCursor, value: string): void {
  if (typeof value !== 'string') throw invalid('a string', value);
  const length = value.length;
  reserve(cursor, length * 3 + 5);
  const { bytes } = cursor;
  const pos = putInt(bytes, cursor.pos, length);
  if (putAscii(bytes, pos, value)) {
    cursor.pos = pos + length;
    return;
  }
  const size = Buffer.byteLength(value);
  cursor.pos = putInt(cursor.bytes, cursor.pos, size);
  cursor.bytes.write(value, cursor.pos, size, 'utf8');
  cursor.pos += size;
}

/** Branch of a union of null and one other type. */
export function writePresent(cursor: WriteCursor, present: boolean, nullIndex: 0 | 1): void {
  reserve(cursor, 1);
  cursor.bytes[cursor.pos++] = (nullIndex === 0) === present ? 2 : 0;
}

export function writeIntArray(cursor: WriteCursor, values: readonly number[]): void {
  if (!Array.isArray(values)) throw invalid('an array', values);
  const count = values.length;
  reserve(cursor, count * 5 + 6);
  const { bytes } = cursor;
  let pos = cursor.pos;
  if (count > 0) {
    pos = putInt(bytes, pos, count);
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      if ((value | 0) !== value) throw notAnInt(value);
      let zigzag = (value << 1) ^ (value >> 31);
      while (zigzag > 0x7f || zigzag < 0) {
        bytes[pos++] = (zigzag & 0x7f) | 0x80;
        zigzag >>>= 7;
      }
      bytes[pos++] = zigzag;
    }
  }
  bytes[pos++] = 0;
  cursor.pos = pos;
}

export function writeArray<T>(
  cursor: WriteCursor,
  values: readonly T[],
  writeItem: (cursor: WriteCursor, value: T) => void,
): void {
  if (!Array.isArray(values)) throw invalid('an array', values);
  if (values.length > 0) {
    writeInt(cursor, values.length);
    for (let i = 0; i < values.length; i++) writeItem(cursor, values[i]!);
  }
  writeInt(cursor, 0);
}

/** Up to here a loop beats the call. */
const LOOP_MAX = 12;

/** False where the text is not ASCII; some of it may then be written. There has to be room for three bytes for each unit. */
export function putAscii(bytes: Uint8Array, start: number, text: string): boolean {
  const { length } = text;
  if (length > LOOP_MAX) return utf8Write.call(bytes, text, start, length * 3) === length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return false;
    bytes[start + i] = unit;
  }
  return true;
}

/** Of a Buffer, but it writes into any bytes. */
const { utf8Write } = Buffer.prototype as unknown as {
  utf8Write(this: Uint8Array, text: string, start: number, bytesMax: number): number;
};

function putInt(bytes: Uint8Array, start: number, value: number): number {
  let pos = start;
  let zigzag = (value << 1) ^ (value >> 31);
  while (zigzag > 0x7f || zigzag < 0) {
    bytes[pos++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  bytes[pos++] = zigzag;
  return pos;
}

function reserve(cursor: WriteCursor, size: number): void {
  const needed = cursor.pos + size;
  if (needed <= cursor.bytes.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, cursor.bytes.length * 2));
  cursor.bytes.copy(grown, 0, 0, cursor.pos);
  cursor.bytes = grown;
}

function notAnInt(value: unknown): SchemaError {
  if (typeof value === 'number' && Number.isInteger(value)) {
    return new SchemaError('int-out-of-range', `int is ${value}`);
  }
  return invalid('a whole number', value);
}

function invalid(wanted: string, value: unknown): SchemaError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40);
  return new SchemaError('invalid-value', `not ${wanted}: ${shown}`);
}
