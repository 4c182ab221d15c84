import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { Client } from 'pg';
import { isAlive, type LockHolder, readLock } from '../bin/processes.mjs';
import { REPOSITORY } from './folders.ts';
import {
  checkPostgres,
  givenPostgres,
  resolvePostgres,
  runningPostgres,
  startLocalPostgres,
} from './postgres.ts';
import { formatSetupError, type SetupError } from './setup-error.ts';

type Held = { readonly process: ChildProcess; readonly url: string };

const HOLD = path.join(REPOSITORY, 'test', 'support', 'hold-postgres.ts');

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'everyview-postgres-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function hold(t: TestContext, dataDir: string): Promise<Held> {
  const child = spawn(process.execPath, [HOLD, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([code]) => assert.fail(`hold-postgres.ts ended with ${code}`)),
  ]);
  return { process: child, ...JSON.parse(line as string) };
}

async function query(url: string, ...statements: readonly string[]): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    let rows: readonly unknown[] = [];
    for (const statement of statements) ({ rows } = await client.query(statement));
    return rows;
  } finally {
    await client.end();
  }
}

function lockOf(dataDir: string): LockHolder | null {
  return readLock(path.join(dataDir, 'postgres', 'lock.json'));
}

test('a killed parent leaves no process and no lock; data, passwords and port outlive it', {
  timeout: 120_000,
}, async (t) => {
  const dataDir = folder(t);
  const first = await hold(t, dataDir);
  await query(first.url, 'CREATE TABLE kept (at int)', 'INSERT INTO kept VALUES (7)');
  assert.equal(runningPostgres(dataDir)?.url, first.url);
  const lock = lockOf(dataDir)!;
  assert.equal(lock.processes.length, 2, 'supervisor and server are on record');

  await t.test('a second start in the same folder says who holds it', async () => {
    await assert.rejects(startLocalPostgres({ dataDir, onProgress: () => {} }), (error: SetupError) => {
      assert.equal(error.code, 'already-running');
      assert.match(error.message, new RegExp(`process ${first.process.pid}`));
      return true;
    });
  });

  first.process.kill('SIGKILL');
  const second = await hold(t, dataDir);
  assert.ok(!lock.processes.some(isAlive), 'nothing of the first start runs on');
  assert.equal(second.url, first.url);
  assert.deepEqual(await query(second.url, 'SELECT at FROM kept'), [{ at: 7 }]);

  const { processes } = lockOf(dataDir)!;
  second.process.kill('SIGTERM');
  assert.deepEqual(await once(second.process, 'exit'), [0, null]);
  assert.ok(!processes.some(isAlive));
  assert.equal(lockOf(dataDir), null);
  assert.equal(runningPostgres(dataDir), null);

  await t.test('passwords are in one file, for this user only, and in no log', () => {
    const secrets = path.join(dataDir, 'postgres', 'secrets.json');
    assert.equal(statSync(secrets).mode & 0o777, 0o600);
    const passwords = Object.values(JSON.parse(readFileSync(secrets, 'utf8'))) as string[];
    assert.equal(new Set(passwords).size, 3);
    const log = readFileSync(path.join(dataDir, 'postgres', 'postgres.log'), 'utf8');
    assert.match(log, /ready to accept connections/);
    for (const password of passwords) assert.ok(!log.includes(password));
  });

  await t.test('a port that someone else took meanwhile is replaced', async () => {
    const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const postgres = await startLocalPostgres({ dataDir, onProgress: () => {} });
      assert.notEqual(new URL(postgres.url).port, new URL(first.url).port);
      assert.deepEqual(await query(postgres.url, 'SELECT at FROM kept'), [{ at: 7 }]);
      await postgres.stop();
    } finally {
      squatter.close();
    }
  });
});

test('a server that dies is reported, recovers at the next start, and an interrupted start starts again', {
  timeout: 120_000,
}, async (t) => {
  const dataDir = folder(t);
  const abort = new AbortController();
  await assert.rejects(
    startLocalPostgres({
      dataDir,
      signal: abort.signal,
      onProgress: ({ status }) => {
        if (status === 'started') abort.abort();
      },
    }),
    (error: SetupError) => error.code === 'interrupted',
  );
  assert.equal(lockOf(dataDir), null);

  const postgres = await startLocalPostgres({ dataDir, onProgress: () => {} });
  t.after(() => postgres.stop());
  await query(postgres.url, 'CREATE TABLE kept (at int)', 'INSERT INTO kept VALUES (7)');
  process.kill(lockOf(dataDir)!.processes.at(-1)!.pid, 'SIGKILL');
  const error = await postgres.broken;
  assert.equal(error.code, 'postgres-failed');
  assert.match(error.message, /SIGKILL/);
  await postgres.stop();

  const ephemeral = await startLocalPostgres({ dataDir, onProgress: () => {}, ephemeral: true });
  t.after(() => ephemeral.stop());
  assert.deepEqual(await query(ephemeral.url, 'SELECT at FROM kept'), [{ at: 7 }]);
  await t.test('a wrong password is told without telling it', async () => {
    const url = ephemeral.url.replace(/:[0-9a-f]+@/, ':not-the-password@');
    await assert.rejects(checkPostgres(url), (refusal: SetupError) => {
      assert.equal(refusal.code, 'postgres-unreachable');
      assert.match(refusal.message, /127\.0\.0\.1:\d+\/everyview \(password authentication failed/);
      assert.ok(!formatSetupError(refusal).includes('not-the-password'));
      return true;
    });
  });
  await t.test('POSTGRES_URL is used as it is', async () => {
    const env = { POSTGRES_URL: ephemeral.url };
    const given = await resolvePostgres({ env, dataDir, onProgress: () => {} });
    assert.deepEqual([given.isLocal, given.url], [false, ephemeral.url]);
    await given.stop();
  });
  await ephemeral.stop();
  assert.equal(existsSync(dataDir), false);
});

test('a POSTGRES_URL that cannot be one, or that nobody answers at, is refused with what to do', async () => {
  assert.equal(givenPostgres({}), null);
  assert.equal(givenPostgres({ POSTGRES_URL: ' ' }), null);
  for (const url of ['localhost', 'mysql://u:secret@h/d', 'postgres://u:secret@h', 'postgres://h:5432/']) {
    assert.throws(
      () => givenPostgres({ POSTGRES_URL: url }),
      (error: SetupError) => error.code === 'bad-address' && !formatSetupError(error).includes('secret'),
    );
  }
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as { port: number };
  closed.close();
  await once(closed, 'close');
  await assert.rejects(checkPostgres(`postgres://u:secret@127.0.0.1:${port}/d`), (error: SetupError) => {
    assert.match(formatSetupError(error), /ECONNREFUSED.*POSTGRES_URL/);
    return !formatSetupError(error).includes('secret');
  });
});

test('a folder that cannot be one is refused', async () => {
  await assert.rejects(
    startLocalPostgres({ dataDir: '/proc/everyview', onProgress: () => {} }),
    (error: SetupError) => error.code === 'data-folder',
  );
});
