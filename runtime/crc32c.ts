/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes at a time. Long stretches are summed in two halves side by side:
 * neither waits for the other's look-ups.
 */

/** Checksum of `bytes[start, end)`, as an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let crc = -1;
  let at = start;
  for (const last = end - 2 * HALF_BYTES; at <= last; at += 2 * HALF_BYTES) crc = sumOfBlock(view, at, crc);
  for (const last = end - 8; at <= last; at += 8)
    crc = sumOfEight(crc ^ view.getInt32(at, true), view.getInt32(at + 4, true));
  for (; at < end; at++) crc = TABLES[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

const HALF_BYTES = 1024;

/** Goes on from `crc` over two halves: the first one's sum is moved on by as many zero bytes as the second one has. */
function sumOfBlock(view: DataView, start: number, crc: number): number {
  let first = crc;
  let second = 0;
  for (let at = start; at < start + HALF_BYTES; at += 8) {
    first = sumOfEight(first ^ view.getInt32(at, true), view.getInt32(at + 4, true));
    const there = at + HALF_BYTES;
    second = sumOfEight(second ^ view.getInt32(there, true), view.getInt32(there + 4, true));
  }
  return (
    HALF_ON[first & 255]! ^
    HALF_ON[256 | ((first >>> 8) & 255)]! ^
    HALF_ON[512 | ((first >>> 16) & 255)]! ^
    HALF_ON[768 | (first >>> 24)]! ^
    second
  );
}

/** Of the sum so far, taken into the first four bytes, and four more. */
function sumOfEight(four: number, next: number): number {
  return (
    TABLES[1792 | (four & 255)]! ^
    TABLES[1536 | ((four >>> 8) & 255)]! ^
    TABLES[1280 | ((four >>> 16) & 255)]! ^
    TABLES[1024 | (four >>> 24)]! ^
    TABLES[768 | (next & 255)]! ^
    TABLES[512 | ((next >>> 8) & 255)]! ^
    TABLES[256 | ((next >>> 16) & 255)]! ^
    TABLES[next >>> 24]!
  );
}

/** Table k, at k * 256, is the checksum of one byte followed by k zero bytes. */
const TABLES = buildTables();
/** Table k: the sum of one byte at place k of a sum, after {@link HALF_BYTES} zero bytes. */
const HALF_ON = buildHalfOn();

function buildTables(): Int32Array {
  const reversedPolynomial = 0x82f63b78;
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ reversedPolynomial : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = tables[before & 255]! ^ (before >>> 8);
  }
  return tables;
}

/** Sums are linear: each is of its lowest bit and of the others. */
function buildHalfOn(): Int32Array {
  const tables = new Int32Array(4 * 256);
  for (let at = 0; at < tables.length; at++) {
    const byte = at & 255;
    const lowest = byte & -byte;
    const isAlone = byte === lowest;
    tables[at] = isAlone
      ? afterZeros(byte << (8 * (at >>> 8)))
      : tables[at ^ lowest]! ^ tables[(at - byte) | lowest]!;
  }
  return tables;
}

function afterZeros(sum: number): number {
  let crc = sum;
  for (let zeros = 0; zeros < HALF_BYTES; zeros += 8) crc = sumOfEight(crc, 0);
  return crc;
}
