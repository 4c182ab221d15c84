/**
 * Bytes of state: variable-length integers, strings, lengths. The same values always give the same bytes, and bytes
 * that were cut short or run on are an error, never a guess.
 */

const UTF8_ENCODER = new TextEncoder();
const UTF8_DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TWO_POW_28 = 0x1000_0000;
const STRING_BYTES_MAX = 1 << 20;

/** Grows as needed; `finish` returns what was written. */
export class StateWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** An unsigned integer up to 2^53 - 1, seven bits to a byte, lowest first. */
  unsigned(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${value} is no unsigned safe integer`);
    this.#reserve(8);
    let rest = value;
    while (rest >= TWO_POW_28) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A safe integer of either sign: its magnitude, with the sign in the first byte. */
  signed(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
    this.byte(value < 0 ? 1 : 0);
    this.unsigned(value < 0 ? -value : value);
  }

  string(value: string): void {
    this.bytes(UTF8_ENCODER.encode(value));
  }

  /** A length, then the bytes. */
  bytes(value: Uint8Array): void {
    this.unsigned(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
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
    return UTF8_DECODER.decode(bytes);
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
