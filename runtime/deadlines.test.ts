import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from './deadlines.ts';
import { systemClock } from './system-clock.ts';
import { VirtualClock } from './virtual-clock.ts';

test('deadlines come in order of time, then of being set, also when set out of order or from within one', async () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const log: string[] = [];
  const note = (name: string) => (): void => {
    log.push(`${name}@${clock.nowMs()}`);
  };
  deadlines.at(30, note('c'));
  deadlines.at(10, () => {
    note('a')();
    deadlines.at(20, note('b'));
  });
  deadlines.at(30, note('d'));
  await clock.runUntilIdle();
  assert.deepEqual(log, ['a@10', 'b@20', 'c@30', 'd@30']);
});

test('a cancelled deadline never comes, and one of the past comes at once', async () => {
  const clock = new VirtualClock({ startMs: 100 });
  const deadlines = new Deadlines(clock);
  const log: string[] = [];
  const cancelled = deadlines.at(110, () => log.push('cancelled'));
  cancelled.cancelled = true;
  deadlines.at(50, () => log.push(`past@${clock.nowMs()}`));
  await clock.runUntilIdle();
  assert.deepEqual(log, ['past@100']);
});

test('many deadlines share few sleepers: those that came to nothing cost no wakes', async () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  for (let i = 0; i < 1000; i += 1) {
    const deadline = deadlines.at(clock.nowMs() + 500, () => assert.fail('was cancelled'));
    deadline.cancelled = true;
    await clock.advance(1);
  }
  assert.ok(clock.wakes <= 4, `${clock.wakes} wakes`);
});

test('after close() nothing comes, and no real sleep is left', async () => {
  const deadlines = new Deadlines(systemClock);
  // this file would hang here for an hour
  deadlines.at(Date.now() + 3_600_000, () => assert.fail('was closed'));
  deadlines.close();
  deadlines.at(Date.now(), () => assert.fail('was closed'));
});
