/**
 * 64-bit FNV-1a over UTF-8, as 16 hex digits: ids that a replay on any machine gives again. Not for secrets.
 *
 * Each part ends with a zero byte, so that ('ab', 'c') and ('a', 'bc') differ.
 * Source: Fowler, Noll, Vo; IETF draft-eastlake-fnv, section 5 (64-bit offset basis and prime).
 */
export function hash64(...parts: readonly (string | number)[]): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  const mix = (byte: number): void => {
    low = (low ^ byte) >>> 0;
    // The prime is 2^40 + 0x1b3: the product's upper half gets the low word moved up by 8, plus the carry.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (low << 8)) >>> 0;
    low = product >>> 0;
  };
  for (const part of parts) {
    for (const byte of UTF8.encode(String(part))) mix(byte);
    mix(0);
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

const UTF8 = new TextEncoder();
