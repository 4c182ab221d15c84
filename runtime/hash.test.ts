import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hash64 } from './hash.ts';

/** The definition, in big integers. */
function fnv1a64(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

test('no parts give the offset basis', () => {
  assert.equal(hash64(), 'cbf29ce484222325');
});

test('it is FNV-1a of the parts, each with a zero byte behind it', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer())), (parts) => {
      const bytes = Buffer.from(parts.map((part) => `${part}\0`).join(''));
      assert.equal(hash64(...parts), fnv1a64(bytes));
    }),
  );
});

test('where one part ends and the next begins matters', () => {
  assert.notEqual(hash64('ab', 'c'), hash64('a', 'bc'));
});
