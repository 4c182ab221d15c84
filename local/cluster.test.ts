import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { isAlive, type LockHolder, readLock } from '../bin/processes.mjs';
import { startLocal } from './cluster.ts';
import { REPOSITORY } from './folders.ts';
import { isPortFree, type LocalPorts } from './ports.ts';
import type { SetupError } from './setup-error.ts';

type Held = { readonly process: ChildProcess; readonly brokers: string; readonly registryUrl: string };

function folder(t: TestContext): string {
  // A path that Java, Kafka and the registry's database could stumble over.
  const made = mkdtempSync(path.join(tmpdir(), 'everyview é;x '));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Another process that holds a cluster in `dataDir`. */
async function hold(t: TestContext, dataDir: string): Promise<Held> {
  const script = path.join(REPOSITORY, 'test', 'support', 'hold-cluster.ts');
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([code]) => assert.fail(`hold-cluster.ts ended with ${code}`)),
  ]);
  return { process: child, ...JSON.parse(line as string) };
}

async function withAdmin<T>(
  brokers: string,
  use: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
): Promise<T> {
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

function savedPorts(dataDir: string): LocalPorts {
  return JSON.parse(readFileSync(path.join(dataDir, 'ports.json'), 'utf8'));
}

async function registerSchema(registryUrl: string): Promise<unknown> {
  const response = await fetch(`${registryUrl}/subjects/probe-value/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: '{"type":"string"}' }),
  });
  return await response.json();
}

test('a killed parent leaves no process, port or lock; data and ports outlive it', {
  timeout: 120_000,
}, async (t) => {
  const dataDir = folder(t);
  const lockPath = path.join(dataDir, 'lock.json');
  const first = await hold(t, dataDir);
  await withAdmin(first.brokers, (admin) => admin.createTopics({ topics: [{ topic: 'kept' }] }));
  const schema = await registerSchema(first.registryUrl);
  const lock = readLock(lockPath) as LockHolder;
  assert.equal(lock.processes.length, 3, 'supervisor, Kafka and registry are on record');

  await t.test('a second start in the same folder says who holds it', async () => {
    await assert.rejects(startLocal({ dataDir, onProgress: () => {} }), (error: SetupError) => {
      assert.equal(error.code, 'already-running');
      assert.match(error.message, new RegExp(`process ${first.process.pid}`));
      return true;
    });
  });

  first.process.kill('SIGKILL');
  const second = await hold(t, dataDir);
  assert.ok(!lock.processes.some(isAlive), 'nothing of the first start runs on');
  assert.equal(second.brokers, first.brokers);
  assert.equal(second.registryUrl, first.registryUrl);
  assert.deepEqual(await withAdmin(second.brokers, (admin) => admin.listTopics()), ['kept']);
  assert.deepEqual(await registerSchema(second.registryUrl), schema, 'the id of a schema stays');

  const { processes } = readLock(lockPath) as LockHolder;
  second.process.kill('SIGTERM');
  assert.deepEqual(await once(second.process, 'exit'), [0, null]);
  assert.ok(!processes.some(isAlive));
  assert.equal(existsSync(lockPath), false);
  for (const port of Object.values(savedPorts(dataDir))) assert.equal(await isPortFree(port), true);

  await t.test('a port that someone else took meanwhile is replaced', async () => {
    const before = savedPorts(dataDir);
    const squatters = [before.kafka, before.controller, before.registry].map((port) =>
      createServer().listen(port, '127.0.0.1'),
    );
    await Promise.all(squatters.map((server) => once(server, 'listening')));
    try {
      const cluster = await startLocal({ dataDir, onProgress: () => {} });
      assert.notEqual(cluster.brokers, first.brokers);
      assert.deepEqual(await withAdmin(cluster.brokers, (admin) => admin.listTopics()), ['kept']);
      await cluster.stop();
    } finally {
      for (const server of squatters) server.close();
    }
  });
});

test('a server that dies is reported, and an interrupted start leaves a folder that starts', {
  timeout: 120_000,
}, async (t) => {
  const dataDir = folder(t);
  const abort = new AbortController();
  const interruptedStart = startLocal({
    dataDir,
    signal: abort.signal,
    onProgress: ({ step }) => {
      if (step === 'start Kafka') abort.abort();
    },
  });
  await assert.rejects(
    interruptedStart,
    (error: SetupError) => error.code === 'interrupted' && error.exitCode === 130,
  );
  assert.equal(existsSync(path.join(dataDir, 'lock.json')), false);

  const cluster = await startLocal({ dataDir, parts: ['registry'], onProgress: () => {} });
  const registry = readLock(path.join(dataDir, 'lock.json'))!.processes.at(-1)!;
  process.kill(registry.pid, 'SIGKILL');
  const error = await cluster.broken;
  assert.equal(error.code, 'registry-failed');
  assert.match(error.message, /SIGKILL/);
  assert.ok(error.detail.length > 0, 'the last lines of its log');
  await cluster.stop();
});

test('a folder that cannot be one is refused', async (t) => {
  const file = path.join(folder(t), 'file');
  writeFileSync(file, '');
  const refused = (dataDir: string) =>
    assert.rejects(startLocal({ dataDir, onProgress: () => {} }), (error: SetupError) => {
      assert.equal(error.code, 'data-folder');
      assert.match(error.fix, /EVERYVIEW_DATA_DIR/);
      return true;
    });
  await refused(path.join(file, 'below-a-file'));
  await refused(file);
  await refused('/proc/everyview');
  await refused(path.join(path.dirname(file), 'a,b'));
});
