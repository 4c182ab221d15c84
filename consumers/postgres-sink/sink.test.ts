import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, type TestContext, test } from 'node:test';
import { readLock } from '../../bin/processes.mjs';
import { REPOSITORY } from '../../local/folders.ts';
import { startLocalPostgres } from '../../local/postgres.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { testCluster, uniqueName } from '../../test/support/local-cluster.ts';
import {
  assertSame,
  connect,
  createTopics,
  type Fields,
  foldOf,
  LAB_TOPICS,
  labCodec,
  openLab,
  produce,
  RULES,
  randomValues,
  readAll,
  rowsOf,
} from '../../test/support/sink-lab.ts';
import { type Sink, type SinkOptions, startSink } from './sink.ts';

const cluster = await testCluster();
const prefix = uniqueName('sink').concat('-');
const port = await openLab(cluster.brokers, prefix);
const dataDir = mkdtempSync(path.join(tmpdir(), 'everyview-sink-'));
let postgres = await startLocalPostgres({ dataDir, onProgress: () => {}, durable: false });
after(async () => {
  await port.close();
  await postgres.stop();
  await cluster.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const nowMs = Date.now();
const DAY_MS = 86_400_000;

function sinkOptions(more: Partial<SinkOptions> = {}): SinkOptions {
  return {
    ...{ port, clock: systemClock, codec: labCodec, postgresUrl: postgres.url },
    ...{ dashboardPassword: null, retentionDays: 0, limits: { rowsMax: 50, standByMs: 20 }, ...more },
  };
}

/** What the tables cannot hold, said once more: NUL characters, and times that are none or days ahead. */
function isStorable(value: Fields): boolean {
  const texts = Object.values(value)
    .flat()
    .filter((one) => typeof one === 'string');
  if (texts.some((text) => text.includes('\0'))) return false;
  const times = Object.entries(value).filter(([name]) =>
    /^(windowStart|windowEnd|detectedAt|decodedAt|updatedAt|startsAt|firedAt|endsAt|programTimeStart|programTimeEnd)Ms$/.test(
      name,
    ),
  );
  for (const [, time] of times)
    if (time !== null && ((time as number) < 0 || (time as number) >= Date.UTC(10_000, 0, 1))) return false;
  return !times.some(
    ([name, time]) => PARTITION_TIMES.has(name) && (time as number) >= nowMs - (nowMs % DAY_MS) + 3 * DAY_MS,
  );
}

const PARTITION_TIMES = new Set(['windowStartMs', 'detectedAtMs', 'updatedAtMs']);

async function assertTablesFit(postgresUrl: string): Promise<void> {
  const read = await readAll(port);
  const client = await connect(postgresUrl);
  try {
    for (const rule of RULES) assertSame(rule, await rowsOf(client, rule), foldOf(rule, read, isStorable));
    const letters = read.filter(({ record, value }) => record.topic === 'dead-letters' && value !== null);
    const { rows } = await client.query(
      'SELECT coalesce(sum(records), 0) AS sum FROM everyview.dead_letter_counts',
    );
    assert.equal(Number(rows[0].sum), letters.length, 'each dead letter is counted once');
  } finally {
    await client.end();
  }
}

async function fill(seed: number, count: number, port_: AdminPort = port): Promise<void> {
  for (const topic of LAB_TOPICS) {
    const values = randomValues(topic, count, seed, nowMs);
    await produce(port_, topic, values, nowMs);
  }
}

async function holdSink(t: TestContext): Promise<ChildProcess> {
  const script = path.join(REPOSITORY, 'test', 'support', 'hold-sink.ts');
  const args = [script, cluster.brokers.join(','), prefix, postgres.url];
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([code]) => assert.fail(`hold-sink.ts ended with ${code}`)),
  ]);
  return child;
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, `${what} within 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function written(): Promise<number> {
  const client = await connect(postgres.url);
  try {
    const { rows } = await client.query('SELECT sum(next_offset) AS sum FROM everyview.sink_positions');
    return Number(rows[0].sum);
  } finally {
    await client.end();
  }
}

test('tables equal a fold of the topics', { timeout: 120_000 }, async (t) => {
  await createTopics(port);
  await fill(1, 60);
  for (const topic of LAB_TOPICS)
    await produce(port, topic, randomValues(topic, 10, 2, nowMs), nowMs, 'abort');

  await t.test('whatever the records hold, and each is accounted for', async () => {
    const sink = await startSink(sinkOptions());
    await sink.catchUp();
    // The same records again, in another order, and a deletion.
    for (const topic of LAB_TOPICS.filter((one) => one !== 'dead-letters'))
      await produce(port, topic, [...randomValues(topic, 60, 1, nowMs)].reverse(), nowMs);
    await produce(port, 'catalogue', [null, null, randomValues('catalogue', 1, 9, nowMs)[0]!], nowMs);
    await produce(port, 'stream-health', [Buffer.from('no value at all'), Buffer.alloc(40_000)], nowMs);
    await sink.catchUp();
    await assertTablesFit(postgres.url);
    const { topics } = sink.metrics();
    for (const { in: taken, stored, leftOut, rejected } of topics) {
      const others = [...leftOut.values(), ...rejected.values()].reduce((sum, one) => sum + one, 0);
      assert.equal(taken, stored + others);
    }
    const read = await readAll(port);
    assert.equal(
      topics.reduce((sum, one) => sum + one.in, 0),
      read.length,
    );
    await sink.close();
    const client = await connect(postgres.url);
    const rejects = await client.query(
      "SELECT code, value_bytes, length(record_value) AS kept FROM everyview.sink_rejects WHERE topic = 'stream-health' AND code = 'bad-framing' ORDER BY 2",
    );
    assert.deepEqual(rejects.rows, [{ code: 'bad-framing', value_bytes: 15, kept: 15 }]);
    await client.end();
  });

  await t.test(
    'also when the sink is killed, PostgreSQL is killed, and two sinks write at once',
    async (t) => {
      const first = await holdSink(t);
      const filling = (async () => {
        for (let seed = 10; seed < 16; seed++) await fill(seed, 40);
      })();
      const before = await written();
      await until('the first sink has written something', async () => (await written()) > before + 100);
      first.kill('SIGKILL');
      const events: string[] = [];
      const sinks: Sink[] = [];
      for (let count = 0; count < 2; count++)
        sinks.push(await startSink(sinkOptions({ onEvent: ({ kind }) => events.push(kind) })));
      await filling;
      await killPostgres();
      await fill(17, 60);
      await Promise.all(sinks.map((sink) => sink.catchUp()));
      assert.ok(events.includes('disconnected') && events.includes('connected'));
      assert.ok(
        sinks.some((sink) => sink.metrics().conflicts > 0),
        'the two met',
      );
      await assertTablesFit(postgres.url);
      for (const sink of sinks) await sink.close();
    },
  );
});

/** kill -9, and a new start on the same data and port. */
async function killPostgres(): Promise<void> {
  const lock = readLock(path.join(dataDir, 'postgres', 'lock.json'))!;
  process.kill(lock.processes.at(-1)!.pid, 'SIGKILL');
  await postgres.broken;
  await postgres.stop();
  const url = postgres.url;
  postgres = await startLocalPostgres({ dataDir, onProgress: () => {}, durable: false });
  assert.equal(postgres.url, url);
}
