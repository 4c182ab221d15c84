import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Awaits `count` already settled promises: a promise chain of that many microtasks. */
async function chain(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await null;
}

test('sleepers wake in order of time, and time jumps', async () => {
  const clock = new VirtualClock({ startMs: 1000 });
  const log: string[] = [];
  const sleepAndSay = async (name: string, durationMs: number): Promise<void> => {
    await clock.sleep(durationMs);
    log.push(`${name}@${clock.nowMs()}`);
  };
  await clock.run(Promise.all([sleepAndSay('late', 86_400_000), sleepAndSay('a', 5), sleepAndSay('b', 5)]));
  assert.deepEqual(log, ['a@1005', 'b@1005', 'late@86401000']);
  assert.equal(clock.wakes, 3);
});

test('every promise chain ends before the next sleeper wakes, however long it is', async () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  const walk = async (name: string, turns: number): Promise<void> => {
    await clock.sleep(1);
    await chain(turns);
    log.push(name);
  };
  // all due in the same millisecond: the first woken finishes first though its chain is the longest
  await clock.run(Promise.all([walk('long', 20_000), walk('middle', 300), walk('short', 0)]));
  assert.deepEqual(log, ['long', 'middle', 'short']);
});

test('ties are broken by the seed: the same seed the same way, another seed another way', async () => {
  const order = async (seed: number): Promise<string> => {
    const clock = new VirtualClock({ tieBreaker: new SeededRandom(seed) });
    const woken: number[] = [];
    const sleepers = Array.from({ length: 8 }, (_, i) => clock.sleep(1).then(() => woken.push(i)));
    await clock.run(Promise.all(sleepers));
    return woken.join('');
  };
  assert.equal(await order(1), await order(1));
  const orders = new Set(await Promise.all(Array.from({ length: 20 }, (_, seed) => order(seed))));
  assert.ok(orders.size > 15, `${orders.size} orders from 20 seeds`);
});

test('advance() does all that is due, and no more', async () => {
  const clock = new VirtualClock();
  const log: number[] = [];
  const beat = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(10);
      log.push(clock.nowMs());
    }
  };
  void beat();
  await clock.advance(25);
  assert.deepEqual(log, [10, 20]);
  assert.equal(clock.nowMs(), 25);
  await clock.advance(5);
  assert.deepEqual(log, [10, 20, 30]);
});

test('an aborted sleep ends at once and is never woken again', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let endedAtMs = -1;
  const sleep = clock.sleep(1000, stop.signal).then(() => {
    endedAtMs = clock.nowMs();
  });
  await clock.advance(10);
  stop.abort();
  await clock.settle();
  assert.equal(endedAtMs, 10);
  await sleep;
  await clock.runUntilIdle();
  assert.equal(clock.nowMs(), 10);
  await clock.sleep(5, AbortSignal.abort());
});

test('run() gives what it waited for: the value, or the failure', async () => {
  const clock = new VirtualClock();
  assert.equal(await clock.run(clock.sleep(3).then(() => 'value')), 'value');
  const failing = clock.sleep(3).then(() => {
    throw new Error('broken in the world');
  });
  await assert.rejects(clock.run(failing), /broken in the world/);
});

test('a world that waits for something else than the clock is found, and so is one that never ends', async () => {
  const clock = new VirtualClock({ wakesMax: 100 });
  await assert.rejects(clock.run(new Promise(() => {})), /nothing is left to wake at 0 ms/);
  const spin = async (): Promise<void> => {
    for (;;) await clock.sleep(0);
  };
  await assert.rejects(clock.run(spin()), /still running after 100 wakes/);
});

test('two drivers at once are refused: they would wake each other’s sleepers', async () => {
  const clock = new VirtualClock();
  const first = clock.run(clock.sleep(1));
  await assert.rejects(clock.run(clock.sleep(1)), /already being driven/);
  await first;
});

test('a sleep without a length is refused', async () => {
  await assert.rejects(new VirtualClock().sleep(Number.NaN), /must be a number/);
});
