import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { aborted, interruptionOf } from './interruption.ts';

test('the first signal asks for an end, the second one ends', async () => {
  const source = new EventEmitter();
  let ends = 0;
  const { signal } = interruptionOf(source, () => {
    ends += 1;
  });
  const waiting = aborted(signal);
  assert.equal(signal.aborted, false);
  source.emit('SIGINT');
  await waiting;
  await aborted(signal);
  assert.deepEqual([signal.aborted, ends], [true, 0]);
  source.emit('SIGTERM');
  assert.equal(ends, 1);
});
