import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpareBuffers } from './spare-buffers.ts';

test('memory that was given back is lent again, once', () => {
  const spares = new SpareBuffers(2);
  const first = spares.take(100_000);
  spares.give(first.subarray(10, 20));
  spares.give(first);
  const again = spares.take(90_000);
  assert.equal(again.buffer, first.buffer);
  assert.notEqual(spares.take(90_000).buffer, first.buffer);
});

test('what was not lent here, and what is small or huge, is left alone', () => {
  const spares = new SpareBuffers(2);
  spares.give(Buffer.alloc(1 << 20));
  for (const size of [100, 20 * 1024 * 1024]) {
    const lent = spares.take(size);
    assert.equal(lent.length, size);
    spares.give(lent);
    assert.notEqual(spares.take(size).buffer, lent.buffer);
  }
});

test('no more are kept than were asked for', () => {
  const spares = new SpareBuffers(1);
  const [one, two] = [spares.take(100_000), spares.take(100_000)];
  spares.give(one);
  spares.give(two);
  assert.equal(spares.take(100_000).buffer, two.buffer);
  assert.notEqual(spares.take(100_000).buffer, one.buffer);
});
