/** Where the fields of a record batch (magic 2) lie, and the numbers in it: big-endian, and zigzag varints. */

export const BASE_OFFSET = 0;
export const BATCH_LENGTH = 8;
export const LEADER_EPOCH = 12;
export const MAGIC = 16;
export const CRC = 17;
/** The checksum covers everything from here to the end. */
export const ATTRIBUTES = 21;
export const LAST_OFFSET_DELTA = 23;
export const BASE_TIMESTAMP = 27;
export const MAX_TIMESTAMP = 35;
export const PRODUCER_ID = 43;
export const PRODUCER_EPOCH = 51;
export const BASE_SEQUENCE = 53;
export const RECORD_COUNT = 57;
export const BATCH_HEADER_BYTES = 61;

/** Base offset and length field: what the batch's length does not count. */
export const UNCOUNTED_BYTES = 12;

export const COMPRESSION_BITS = 0x07;
export const LOG_APPEND_BIT = 0x08;
export const TRANSACTIONAL_BIT = 0x10;
export const CONTROL_BIT = 0x20;

/** Type field in the key of a control record. */
export const MARKER_ABORT = 0;
export const MARKER_COMMIT = 1;

/** A signed 64-bit integer as a number; exact up to 2^53. */
export function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}

export function writeInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** Size of a 32-bit integer as a zigzag varint. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  return zigzag < 1 << 7 ? 1 : zigzag < 1 << 14 ? 2 : zigzag < 1 << 21 ? 3 : zigzag < 1 << 28 ? 4 : 5;
}

/** Writes a 32-bit integer as a zigzag varint; the position behind it. */
export function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = start;
  while (zigzag > 127) {
    bytes[at++] = (zigzag & 127) | 128;
    zigzag >>>= 7;
  }
  bytes[at++] = zigzag;
  return at;
}

/** Size of an integer below 2^52 as a zigzag varint. */
export function varlongSize(value: number): number {
  if (value > -INT31 && value < INT31) return varintSize(value);
  let size = 1;
  for (let rest = zigzagOf(value); rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes an integer below 2^52 as a zigzag varint; the position behind it. */
export function writeVarlong(bytes: Uint8Array, start: number, value: number): number {
  if (value > -INT31 && value < INT31) return writeVarint(bytes, start, value);
  let rest = zigzagOf(value);
  let at = start;
  while (rest > 127) {
    bytes[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}

/** The 32-bit zigzag varint that begins at `start`. */
export function readVarint(bytes: Uint8Array, start: number): number {
  let zigzag = 0;
  let shift = 0;
  for (let at = start; ; at++, shift += 7) {
    const byte = bytes[at]!;
    zigzag |= (byte & 127) << shift;
    if (!(byte > 127 && shift < 28)) return (zigzag >>> 1) ^ -(zigzag & 1);
  }
}

/** The position behind the varint that begins at `start`. */
export function skipVarint(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at++]! > 127);
  return at;
}

const INT31 = 2 ** 30;

function zigzagOf(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}
