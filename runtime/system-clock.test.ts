import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './system-clock.ts';

test('a sleep ends when its signal aborts, and never rejects', async () => {
  const stop = new AbortController();
  const sleep = systemClock.sleep(3_600_000, stop.signal);
  stop.abort();
  await sleep;
  await systemClock.sleep(3_600_000, AbortSignal.abort());
});

test('a sleep lasts as long as asked, and an endless one does not fire at once', async () => {
  const startMs = performance.now();
  await systemClock.sleep(20);
  // timers count in whole milliseconds of their own
  assert.ok(performance.now() - startMs >= 19);
  const stop = new AbortController();
  let woke = false;
  const endless = systemClock.sleep(Number.MAX_SAFE_INTEGER, stop.signal).then(() => {
    woke = true;
  });
  await systemClock.sleep(5);
  assert.equal(woke, false);
  stop.abort();
  await endless;
});

test('a sleep without a length is refused', async () => {
  await assert.rejects(systemClock.sleep(Number.NaN), /must be a number/);
});
