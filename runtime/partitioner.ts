/** Kafka's default partitioner: murmur2 of the key, sign bit off, modulo the partition count (`Utils.murmur2`). */

/** 32-bit murmur2 of `bytes[start, end)` with Kafka's seed 0x9747b28c, as an unsigned integer whose sign bit is cleared. */
export function positiveMurmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const length = end - start;
  let h = 0x9747b28c ^ length;
  const wordsEnd = start + (length & ~3);
  for (let i = start; i < wordsEnd; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length & 3;
  if (rest === 3) h ^= bytes[wordsEnd + 2]! << 16;
  if (rest >= 2) h ^= bytes[wordsEnd + 1]! << 8;
  if (rest >= 1) {
    h ^= bytes[wordsEnd]!;
    h = Math.imul(h, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  h ^= h >>> 15;
  return h & 0x7fffffff;
}

/** Of the key in `bytes[start, end)`. */
export function partitionOf(bytes: Uint8Array, partitions: number, start = 0, end = bytes.length): number {
  return positiveMurmur2(bytes, start, end) % partitions;
}

const M = 0x5bd1e995;
