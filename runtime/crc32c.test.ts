import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';

const checksum = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length);

test('CRC-32C agrees with the vectors of RFC 3720 B.4', () => {
  assert.equal(checksum(Buffer.from('123456789')), 0xe3069283);
  assert.equal(checksum(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(checksum(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(checksum(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(checksum(new Uint8Array(0)), 0);
});

test('CRC-32C of any range equals the checksum bit by bit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), fc.nat(20), (bytes, skip, cut) => {
      const start = Math.min(skip, bytes.length);
      const end = Math.max(start, bytes.length - cut);
      assert.equal(crc32c(bytes, start, end), bitByBit(bytes.subarray(start, end)));
    }),
  );
});

test('so does that of a long range, which is summed in halves', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 2_000, maxLength: 7_000, size: 'max' }),
      fc.nat(20),
      (bytes, skip) => {
        assert.equal(crc32c(bytes, skip, bytes.length), bitByBit(bytes.subarray(skip)));
      },
    ),
    { numRuns: 30 },
  );
});

function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
