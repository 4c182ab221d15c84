import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { acquireLock, isAlive, type LockHeldError, processRef, readLock, startToken } from './processes.mjs';

function lockIn(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-lock-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'lock.json');
}

function sleeper(t: TestContext) {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

const DEAD = { pid: 2 ** 30, startToken: 'long ago' };

test('a process is told from a later one with its pid, and from a dead one', async (t) => {
  assert.equal(isAlive(processRef(process.pid)), true);
  assert.equal(isAlive({ pid: process.pid, startToken: 'another' }), false);
  const child = sleeper(t);
  const ref = processRef(child.pid!);
  assert.equal(isAlive(ref), true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(isAlive(ref), false);
  assert.equal(startToken(ref.pid), null);
});

test('a held lock says who holds it, and is free after its release', async (t) => {
  const file = lockIn(t);
  const lock = await acquireLock(file, { what: 'the first' });
  await assert.rejects(acquireLock(file, { what: 'the second' }), (error: LockHeldError) => {
    assert.equal(error.name, 'LockHeldError');
    assert.match(error.message, new RegExp(`process ${process.pid} \\(the first, since 2`));
    return true;
  });
  lock.release();
  assert.equal(existsSync(file), false);
  const again = await acquireLock(file, { what: 'the second' });
  lock.release();
  assert.equal(readLock(file)?.what, 'the second', 'an old handle must not release a new lock');
  again.release();
});

test('a lock is waited for', async (t) => {
  const file = lockIn(t);
  const lock = await acquireLock(file, { what: 'the first' });
  const waitedFor: string[] = [];
  const second = acquireLock(file, {
    what: 'the second',
    waitMs: 20_000,
    onWait: (holder) => {
      waitedFor.push(holder);
      lock.release();
    },
  });
  (await second).release();
  assert.match(waitedFor[0]!, /the first/);
});

test('a stale lock is taken over, also when its pid lives on as another process or it is unreadable', async (t) => {
  const file = lockIn(t);
  const stale = (owner: object) => JSON.stringify({ what: 'old', startedAt: 'x', owner, processes: [DEAD] });
  for (const content of [
    stale(DEAD),
    stale({ pid: process.pid, startToken: 'before a reboot' }),
    '{"own',
    '',
  ]) {
    writeFileSync(file, content);
    const lock = await acquireLock(file, { what: 'the next' });
    assert.equal(readLock(file)?.what, 'the next');
    lock.release();
  }
});

test('of many that find a stale lock one gets it', async (t) => {
  const file = lockIn(t);
  writeFileSync(file, JSON.stringify({ what: 'old', startedAt: 'x', owner: DEAD, processes: [] }));
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) => acquireLock(file, { what: `starter ${index}` })),
  );
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
});

test('what a dead owner left running is ended before the lock is taken over', async (t) => {
  const file = lockIn(t);
  const child = sleeper(t);
  const left = processRef(child.pid!);
  writeFileSync(file, JSON.stringify({ what: 'old', startedAt: 'x', owner: DEAD, processes: [left] }));
  const lock = await acquireLock(file, { what: 'the next' });
  assert.equal(isAlive(left), false);
  lock.release();
});
