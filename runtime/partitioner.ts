/** Kafka's default partitioner: murmur2 of the key, sign bit off, modulo the partition count (`Utils.murmur2`). */

/** 32-bit murmur2 with Kafka's seed 0x9747b28c, as an unsigned integer whose sign bit is cleared. */
export function positiveMurmur2(key: Uint8Array): number {
  const length = key.length;
  let h = 0x9747b28c ^ length;
  const wordBytes = length & ~3;
  for (let i = 0; i < wordBytes; i += 4) {
    let k = key[i]! | (key[i + 1]! << 8) | (key[i + 2]! << 16) | (key[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length & 3;
  if (rest === 3) h ^= key[wordBytes + 2]! << 16;
  if (rest >= 2) h ^= key[wordBytes + 1]! << 8;
  if (rest >= 1) {
    h ^= key[wordBytes]!;
    h = Math.imul(h, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  h ^= h >>> 15;
  return h & 0x7fffffff;
}

export function partitionOf(key: Uint8Array, partitions: number): number {
  return positiveMurmur2(key) % partitions;
}

const M = 0x5bd1e995;
