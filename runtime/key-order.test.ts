import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys } from './key-order.ts';

test('keys sort as their UTF-8 bytes do', () => {
  const anyKey = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      assert.equal(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

test('a character beyond U+FFFF comes after U+FFFD, which < gets wrong', () => {
  assert.ok(compareKeys('\ufffd', '\u{1f600}') < 0);
  assert.ok('\ufffd' > '\u{1f600}');
});
