import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCaptions } from './caption-units.ts';

/** User data with these triplets, among other bytes. */
function userData(...triplets: readonly (readonly [number, number, number])[]): Uint8Array {
  const head = [0, 0, 1, 6, 4, 60, 0xb5, 0, 0x31, 0x47, 0x41, 0x39, 0x34, 3, 0x40 | triplets.length, 0xff];
  return Uint8Array.from([...head, ...triplets.flat(), 0xff, 0x80]);
}

test('characters and commands of CEA-608, packets of CEA-708', () => {
  assert.ok(hasCaptions(userData([0xfc, 0x94, 0x20])));
  assert.ok(hasCaptions(userData([0xfc, 0x80, 0x80], [0xfd, 0xc8, 0xe9])));
  assert.ok(hasCaptions(userData([0xff, 0x02, 0x21], [0xfe, 0x41, 0])));
});

test('padding, what is marked as not valid, other user data, and half of it are no captions', () => {
  assert.ok(!hasCaptions(userData([0xfc, 0x80, 0x80], [0xfd, 0x80, 0x80])));
  assert.ok(!hasCaptions(userData([0xf8, 0x94, 0x20], [0xfa, 0x41, 0x42])));
  assert.ok(!hasCaptions(userData([0xff, 0x02, 0], [0xfe, 0, 0])));
  assert.ok(!hasCaptions(userData()));
  assert.ok(!hasCaptions(Uint8Array.from([0x47, 0x41, 0x39, 0x34, 6, 0x41, 0xff, 0xfc, 0x94, 0x20])));
  const whole = userData([0xfc, 0x94, 0x20]);
  for (let length = 0; length < 17; length++) assert.ok(!hasCaptions(whole.subarray(0, length)));
});
