/**
 * Large buffers that are used again. Requests and answers of a MiB come many times a second: new memory for each has to be
 * mapped and cleared, and makes V8 collect the whole heap ever so often, because it lies outside of it.
 */
export class SpareBuffers {
  readonly #spares: Buffer[] = [];
  readonly #countMax: number;
  /** Memory that was lent here: no other is taken back, and none twice. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** A buffer of `size` bytes or more, with whatever is in it. Who does not give it back leaves it to be collected. */
  take(size: number): Buffer {
    if (size < BYTES_MIN || size > BYTES_MAX) return Buffer.allocUnsafeSlow(size);
    const at = this.#spares.findIndex(({ length }) => length >= size);
    const spare =
      at < 0 ? Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(size))) : this.#spares.splice(at, 1)[0]!;
    this.#lent.add(spare.buffer);
    return spare;
  }

  /** Takes back the memory that `bytes` lies in, if it was lent here: nobody may look at it any more. */
  give({ buffer }: Uint8Array): void {
    if (!this.#lent.delete(buffer)) return;
    if (this.#spares.length === this.#countMax) this.#spares.shift();
    this.#spares.push(Buffer.from(buffer as ArrayBuffer));
  }
}

const BYTES_MIN = 64 * 1024;
const BYTES_MAX = 16 * 1024 * 1024;
