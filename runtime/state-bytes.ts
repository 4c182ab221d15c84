/**
 * Bytes of state: variable-length integers, strings, lengths. The same values always give the same bytes, and bytes
 * that were cut short or run on are an error, never a guess.
 */
import { putAscii } from '../schemas/write-cursor.ts';

const UTF8_ENCODER = new TextEncoder();
const UTF8_DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TWO_POW_28 = 0x1000_0000;
const STRING_BYTES_MAX = 1 << 20;
/** Up to here the length takes one byte, and there is room for other than ASCII. */
const SHORT_MAX = 64;

/** Grows as needed; `finish` returns what was written. Reuse it: `reset()` keeps the buffer. */
export class StateWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** Bytes written since the last reset. */
  get length(): number {
    return this.#length;
  }

  /** The writer's own buffer, of which the first `length` bytes are written: valid until the next write. */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  /** An unsigned integer up to 2^53 - 1, seven bits to a byte, lowest first. */
  unsigned(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${value} is no unsigned safe integer`);
    if (this.#length + 8 > this.#bytes.length) this.#grow(8);
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    if (value >= TWO_POW_28) {
      // in two halves that are 32-bit integers: four full bytes, then what is above them
      rest = Math.floor(value / TWO_POW_28);
      let low = value - rest * TWO_POW_28;
      for (let i = 0; i < 4; i++) {
        bytes[at++] = (low & 0x7f) | 0x80;
        low >>>= 7;
      }
    }
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /** A safe integer of either sign: its magnitude, with the sign in the first byte. */
  signed(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
    const magnitude = value < 0 ? -value : value;
    this.byte(value < 0 ? 1 : 0);
    if (magnitude < 0x80) this.byte(magnitude);
    else this.unsigned(magnitude);
  }

  string(value: string): void {
    const { length } = value;
    if (length > SHORT_MAX) {
      this.bytes(UTF8_ENCODER.encode(value));
      return;
    }
    if (this.#length + length * 3 + 1 > this.#bytes.length) this.#grow(length * 3 + 1);
    const start = this.#length;
    if (!putAscii(this.#bytes, start + 1, value)) {
      this.bytes(UTF8_ENCODER.encode(value));
      return;
    }
    this.#bytes[start] = length;
    this.#length = start + 1 + length;
  }

  /** A length, then the bytes: `bytes[0, length)`, all of them where no length is given. */
  bytes(value: Uint8Array, length = value.length): void {
    this.unsigned(length);
    this.raw(value, length);
  }

  /** The bytes without a length: for what was made by another writer. */
  raw(value: Uint8Array, length = value.length): void {
    if (this.#length + length > this.#bytes.length) this.#grow(length);
    const bytes = this.#bytes;
    const start = this.#length;
    // a loop beats the call for what is short
    if (length < 24) for (let i = 0; i < length; i++) bytes[start + i] = value[i]!;
    else bytes.set(value.length === length ? value : value.subarray(0, length), start);
    this.#length = start + length;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  #grow(count: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Reads what {@link StateWriter} wrote; a `RangeError` where the bytes are not that. */
export class StateReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position;
  }

  /** Goes on behind `expected` when that is what comes next; false, and stays, when it is not. */
  takes(expected: Uint8Array): boolean {
    const bytes = this.#bytes;
    const start = this.#position;
    for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
    this.#position = start + expected.length;
    return true;
  }

  byte(): number {
    const value = this.#bytes[this.#position];
    if (value === undefined) throw new RangeError(`state bytes end too early, after ${this.#bytes.length}`);
    this.#position += 1;
    return value;
  }

  unsigned(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 128;
    }
    throw new RangeError(`integer before byte ${this.#position} is longer than 53 bits`);
  }

  signed(): number {
    const sign = this.byte();
    if (sign > 1) throw new RangeError(`sign before byte ${this.#position} is ${sign}`);
    const magnitude = this.unsigned();
    return sign === 1 ? -magnitude : magnitude;
  }

  string(): string {
    const bytes = this.bytes();
    if (bytes.length > STRING_BYTES_MAX) throw new RangeError(`string of ${bytes.length} bytes in state`);
    return bytes.length === 0 ? '' : UTF8_DECODER.decode(bytes);
  }

  bytes(): Uint8Array {
    const length = this.unsigned();
    const end = this.#position + length;
    if (end > this.#bytes.length) {
      throw new RangeError(`state bytes end too early: ${end} needed, ${this.#bytes.length} there`);
    }
    const value = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return value;
  }

  /** Throws when something is left. */
  end(): void {
    const left = this.#bytes.length - this.#position;
    if (left > 0) throw new RangeError(`${left} bytes too many in state`);
  }
}
