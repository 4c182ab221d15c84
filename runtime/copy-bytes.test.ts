import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyBytes, viewOf } from './copy-bytes.ts';

test('every length and place is copied, and nothing beside it is touched', () => {
  const memory = new Uint8Array(2048).map((_, at) => (at * 131) ^ (at >> 3));
  const source = viewOf(memory.subarray(5));
  for (const length of [...Array(40).keys(), 511, 512, 513, 1024]) {
    for (const [at, start] of [
      [0, 0],
      [3, 1],
      [8, 7],
    ] as const) {
      const target = viewOf(new Uint8Array(1100).fill(0xaa).subarray(2));
      const expected = target.bytes.slice();
      expected.set(source.bytes.subarray(start, start + length), at);
      copyBytes(target, at, source, start, length);
      assert.deepEqual(target.bytes, expected, `${length} bytes from ${start} to ${at}`);
    }
  }
});

test('what does not fit is an error', () => {
  const source = viewOf(new Uint8Array(64));
  assert.throws(() => copyBytes(viewOf(new Uint8Array(16)), 8, source, 0, 16), RangeError);
  assert.throws(() => copyBytes(viewOf(new Uint8Array(64)), 0, source, 60, 16), RangeError);
});
