/** CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes at a time. */

/** Checksum of `bytes[start, end)`, as an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let crc = -1;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    crc ^= view.getInt32(at, true);
    const next = view.getInt32(at + 4, true);
    crc =
      TABLES[1792 | (crc & 255)]! ^
      TABLES[1536 | ((crc >>> 8) & 255)]! ^
      TABLES[1280 | ((crc >>> 16) & 255)]! ^
      TABLES[1024 | (crc >>> 24)]! ^
      TABLES[768 | (next & 255)]! ^
      TABLES[512 | ((next >>> 8) & 255)]! ^
      TABLES[256 | ((next >>> 16) & 255)]! ^
      TABLES[next >>> 24]!;
  }
  for (; at < end; at++) crc = TABLES[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

/** Table k, at k * 256, is the checksum of one byte followed by k zero bytes. */
const TABLES = buildTables();

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
