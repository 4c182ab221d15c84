/** The protocol's primitive types (Kafka protocol guide, "Protocol Primitive Types"): big-endian, lengths in front. */
import { SpareBuffers } from './spare-buffers.ts';

export function stringSize(text: string | null): number {
  return 2 + (text === null ? 0 : Buffer.byteLength(text));
}

/** Writes into one buffer of a size that is known before. */
export class WireWriter {
  readonly #bytes: Buffer;
  #at = 0;

  /**
   * `sizeMax` is what will be written at most. Not from the shared pool, because the socket may hold it for long; from those
   * that {@link recycle} was given where one is large enough.
   */
  constructor(sizeMax: number) {
    this.#bytes = SPARES.take(sizeMax);
  }

  int8(value: number): this {
    this.#at = this.#bytes.writeInt8(value, this.#at);
    return this;
  }

  int16(value: number): this {
    this.#at = this.#bytes.writeInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
    return this;
  }

  int64(value: number): this {
    this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#at);
    return this;
  }

  string(text: string | null): this {
    if (text === null) return this.int16(-1);
    this.int16(Buffer.byteLength(text));
    this.#at += this.#bytes.write(text, this.#at);
    return this;
  }

  /** An unsigned varint: what flexible versions (KIP-482) have for lengths, one more than the length, and for counts of tags. */
  uvarint(value: number): this {
    let left = value;
    for (; left > 0x7f; left >>>= 7) this.#at = this.#bytes.writeUInt8((left & 0x7f) | 0x80, this.#at);
    this.#at = this.#bytes.writeUInt8(left, this.#at);
    return this;
  }

  compactString(text: string): this {
    this.uvarint(Buffer.byteLength(text) + 1);
    this.#at += this.#bytes.write(text, this.#at);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.int32(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }
}

/** Gives what was `written` back, once it was answered: nobody may hold it any more. */
export function recycle(written: Uint8Array): void {
  SPARES.give(written);
}

const SPARES = new SpareBuffers(8);

/** Reads what fits; throws a RangeError where the bytes end too early. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  int16(): number {
    this.#at += 2;
    return this.#view.getInt16(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#view.getInt32(this.#at - 4);
  }

  int64(): number {
    return Number(this.bigInt64());
  }

  bigInt64(): bigint {
    this.#at += 8;
    return this.#view.getBigInt64(this.#at - 8);
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      this.#at += 1;
      const byte = this.#view.getUint8(this.#at - 1);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  string(): string | null {
    return this.#text(this.int16());
  }

  compactString(): string | null {
    return this.#text(this.uvarint() - 1);
  }

  /** A null field as an empty one. */
  bytes(): Uint8Array {
    const length = Math.max(this.int32(), 0);
    this.#advance(length);
    // a plain array, whatever the payload is: one kind of array keeps the record loops fast
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#at - length, length);
  }

  array(readItem: () => void): void {
    const length = this.int32();
    for (let i = 0; i < length; i++) readItem();
  }

  compactArray(readItem: () => void): void {
    const length = this.uvarint() - 1;
    for (let i = 0; i < length; i++) readItem();
  }

  /** Passes over the tagged fields at the end of a structure. */
  tags(): void {
    const count = this.uvarint();
    for (let i = 0; i < count; i++) {
      this.uvarint();
      this.#advance(this.uvarint());
    }
  }

  #text(length: number): string | null {
    if (length < 0) return null;
    this.#advance(length);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.#at - length, length).toString(
      'utf8',
    );
  }

  #advance(length: number): void {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('the bytes end before the field does');
  }
}
