/**
 * Reproducible randomness for schedules and test data: sfc32 (Chris Doty-Humphrey's Small Fast Counting generator, from
 * PractRand), in 32-bit integer arithmetic only, so that a seed means the same on every machine.
 * Topologies never see it.
 *
 * ```ts
 * const random = new SeededRandom(42);
 * random.below(6); // 0 to 5, the same on every run
 * ```
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed` is an integer below 2^53, or any text. */
  constructor(seed: number | string) {
    const text = String(seed);
    this.#a = hash32(text, 0x9e3779b9);
    this.#b = hash32(text, 0x243f6a88);
    this.#c = hash32(text, 0xb7e15162);
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** A uniform integer in [0, 2^32). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A uniform integer in [0, `bound`), 1 <= `bound` <= 2^32. */
  below(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new RangeError(`below(${bound}): the bound must be an integer from 1 to 2^32`);
    }
    // What lies above the last whole multiple of `bound` is drawn again: a bare remainder would favour small numbers.
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let drawn = this.next();
    while (drawn >= limit) drawn = this.next();
    return drawn % bound;
  }

  /** A uniform integer in [`from`, `to`). */
  between(from: number, to: number): number {
    return from + this.below(to - from);
  }

  /** True `permille` times in a thousand. */
  chance(permille: number): boolean {
    return this.below(1000) < permille;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A generator of its own, so that drawing more in one place does not move what is drawn in another. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.next()}/${this.next()}/${name}`);
  }
}

/** FNV-1a with murmur3's finaliser: spreads close seeds (1, 2, 3) over the whole range. */
function hash32(text: string, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) | 0;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
