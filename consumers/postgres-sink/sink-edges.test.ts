/** What the sink does at the edges: what is lost, what PostgreSQL refuses, what is too old, and who may see what. */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { Client } from 'pg';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import type { MemoryPort } from '../../runtime/memory-port.ts';
import { putRecords } from '../../runtime/put-records.ts';
import { NO_HEADERS } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { newTopics, type TopicName } from '../../schemas/topics.ts';
import { connect, type Fields, labCodec, randomValues, testPostgres } from '../../test/support/sink-lab.ts';
import { columnsOf, copyText, FIELDS_LEFT_OUT, UnstorableValue } from './columns.ts';
import { SinkError } from './errors.ts';
import { DAY_MS } from './partitions.ts';
import { type Sink, type SinkEvent, type SinkOptions, startSink } from './sink.ts';
import { SINK_TOPICS, TABLES } from './tables.ts';

const postgres = await testPostgres();
after(() => postgres.stop());
const nowMs = Date.now();

type World = {
  readonly port: MemoryPort;
  readonly url: string;
  readonly client: Client;
  readonly events: SinkEvent[];
  sink(more?: Partial<SinkOptions>): Promise<Sink>;
  put(topic: TopicName, values: readonly Fields[], timestampMs?: number): Promise<void>;
};

/** A log of its own, and tables that begin anew unless they are wanted as they are. */
async function world(t: TestContext, tables: 'anew' | 'as-they-are' = 'anew'): Promise<World> {
  const { url } = postgres;
  const client = await connect(url);
  if (tables === 'anew') {
    const { rows } = await client.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'everyview%'");
    for (const { nspname } of rows) await client.query(`DROP SCHEMA ${nspname} CASCADE`);
  }
  const broker = new MemoryBroker({ clock: systemClock });
  broker.createTopics(newTopics(1));
  const port = broker.openPort({ clientId: 'test', keepsTimestamps: true });
  const sinks: Sink[] = [];
  t.after(async () => {
    for (const sink of sinks) await sink.close();
    broker.close();
    await client.end();
  });
  const events: SinkEvent[] = [];
  return {
    ...{ port, url, client, events },
    async sink(more = {}) {
      const sink = await startSink({
        ...{ port, clock: systemClock, codec: labCodec, postgresUrl: url, dashboardPassword: null },
        ...{ retentionDays: 30, onEvent: (event) => events.push(event), ...more },
      });
      sinks.push(sink);
      return sink;
    },
    put: (topic, values, timestampMs = nowMs) =>
      putRecords(
        port,
        systemClock,
        values.map((value) => ({
          ...{ topic, partition: 0, key: Buffer.from('k'), headers: NO_HEADERS, timestampMs },
          value: labCodec.encode(topic, value as never),
        })),
      ),
  };
}

function health(fields: Fields): Fields {
  const [value] = randomValues('stream-health', 1, 3, nowMs);
  return {
    ...value,
    programmeId: 'news',
    renditionId: '',
    vantage: 'origin',
    windowStartMs: nowMs,
    windowEndMs: nowMs,
    statusReason: '',
    probeId: '',
    depth: '',
    defectTypes: [],
    worstSeverity: '',
    configHash: '',
    ...fields,
  };
}

test('retention that overtook the position is a loud error with the range; told to, it goes on and writes it down', async (t) => {
  const { port, put, sink, client, events } = await world(t);
  await put('stream-health', [health({ programmeId: 'a' }), health({ programmeId: 'b' })]);
  const first = await sink();
  await first.catchUp();
  await first.close();
  await put('stream-health', [
    health({ programmeId: 'c' }),
    health({ programmeId: 'd' }),
    health({ programmeId: 'e' }),
  ]);
  await port.deleteRecords([{ topic: 'stream-health', partition: 0, offset: 4 }]);
  await assert.rejects(sink(), (error: SinkError) => {
    assert.match(error.message, /stream-health partition 0 offsets 2 to 3$/);
    assert.match(error.fix, /--skip-lost/);
    return error instanceof SinkError;
  });
  const second = await sink({ skipLost: true });
  await second.catchUp();
  assert.equal(second.metrics().lostRecords, 2);
  assert.ok(events.some(({ kind }) => kind === 'skipped'));
  const { rows } = await client.query('SELECT programme_id FROM everyview.stream_health ORDER BY 1');
  assert.deepEqual(
    rows.map((row) => row.programme_id),
    ['a', 'b', 'e'],
  );
  const gaps = await client.query('SELECT from_offset, to_offset FROM everyview.sink_gaps');
  assert.deepEqual(gaps.rows, [{ from_offset: 2, to_offset: 4 }]);

  await t.test('also while it runs', async () => {
    await second.close();
    const third = await sink();
    await third.catchUp();
    // Behind its back: the next fetch finds the log elsewhere.
    await put('stream-health', [health({ programmeId: 'f' })]);
    await third.catchUp();
    assert.equal((await client.query('SELECT 1 FROM everyview.stream_health')).rowCount, 4);
  });
});

test('a log that ends before the position is another log, and nothing is written', async (t) => {
  const { put, sink } = await world(t);
  await put('stream-health', [health({}), health({}), health({})]);
  const first = await sink();
  await first.catchUp();
  await first.close();
  const other = await world(t, 'as-they-are');
  await assert.rejects(other.sink(), /stream-health, partition 0, .*it is another log/);
});

test('tables of another Kafka are an error, or are set aside and found again', async (t) => {
  const one = await world(t);
  await one.put('stream-health', [health({ programmeId: 'one' })]);
  const two = await world(t, 'as-they-are');
  await two.put('stream-health', [health({ programmeId: 'two' }), health({ programmeId: 'two-b' })]);
  const programmes = async (where: World, clusterId: string, tablesPerLog: boolean) => {
    const sink = await where.sink({ clusterId, tablesPerLog });
    await sink.catchUp();
    await sink.close();
    const { rows } = await one.client.query('SELECT programme_id FROM everyview.stream_health ORDER BY 1');
    return rows.map((row) => row.programme_id);
  };
  assert.deepEqual(await programmes(one, 'cluster-1', false), ['one']);
  await assert.rejects(
    programmes(two, 'cluster-2', false),
    /from the Kafka cluster cluster-1, and this one is cluster-2/,
  );
  assert.deepEqual(await programmes(two, 'cluster-2', true), ['two', 'two-b']);
  await one.put('stream-health', [health({ programmeId: 'one-b' })]);
  assert.deepEqual(await programmes(one, 'cluster-1', true), ['one', 'one-b']);
  assert.deepEqual(await programmes(two, 'cluster-2', true), ['two', 'two-b']);
});

test('a row that PostgreSQL refuses becomes a reject, and all around it is written', async (t) => {
  const { put, sink, client } = await world(t);
  const first = await sink();
  await first.catchUp();
  await client.query("ALTER TABLE everyview.stream_health ADD CHECK (programme_id <> 'bad')");
  const values = Array.from({ length: 20 }, (_, index) =>
    health({ programmeId: index === 13 ? 'bad' : `p${index}` }),
  );
  await put('stream-health', values);
  await first.catchUp();
  const { rows } = await client.query('SELECT count(*) AS count FROM everyview.stream_health');
  assert.equal(rows[0].count, 19);
  const rejects = await client.query('SELECT topic, log_offset, code, reason FROM everyview.sink_rejects');
  assert.deepEqual(
    [rejects.rows[0].topic, rejects.rows[0].log_offset, rejects.rows[0].code],
    ['stream-health', 13, 'refused-by-postgres'],
  );
  assert.match(rejects.rows[0].reason, /violates check constraint/);
  const [counts] = first.metrics().topics;
  assert.deepEqual(
    [counts!.in, counts!.stored, [...counts!.rejected]],
    [20, 19, [['refused-by-postgres', 1]]],
  );
});

test('what is older than the retention is left out or dropped, what is days ahead is a reject', async (t) => {
  const { put, sink, client, events } = await world(t);
  const at = (days: number): Fields =>
    health({ windowStartMs: nowMs + days * DAY_MS, programmeId: `${days}` });
  await put('stream-health', [at(-40), at(-9), at(-5), at(0), at(1), at(4)]);
  const first = await sink();
  await first.catchUp();
  const programmes = async () =>
    (
      await client.query('SELECT programme_id FROM everyview.stream_health ORDER BY programme_id::int')
    ).rows.map((row) => row.programme_id);
  assert.deepEqual(await programmes(), ['-9', '-5', '0', '1']);
  const [counts] = first.metrics().topics;
  assert.deepEqual([[...counts!.leftOut], [...counts!.rejected]], [[['expired', 1]], [['future-time', 1]]]);
  await first.close();
  const second = await sink({ retentionDays: 6 });
  await second.catchUp();
  assert.deepEqual(await programmes(), ['-5', '0', '1']);
  assert.ok(events.some((event) => event.kind === 'retained' && event.partitions === 1));
});

test('every field of a topic is a column of its type, or is left out for a reason, and no column tells who a viewer is', async (t) => {
  const { sink, client } = await world(t);
  await sink();
  const { rows } = await client.query(
    `SELECT table_name, column_name, is_nullable = 'YES' AS nullable,
            CASE data_type WHEN 'timestamp with time zone' THEN 'timestamptz'
                           WHEN 'ARRAY' THEN CASE udt_name WHEN '_text' THEN 'text[]' WHEN '_int4' THEN 'integer[]' ELSE 'bigint[]' END
                           ELSE data_type END AS type
       FROM information_schema.columns WHERE table_schema = 'everyview' AND table_name !~ '_\\d{8}$'`,
  );
  for (const { name, columns } of TABLES) {
    const there = rows.filter((row) => row.table_name === name);
    assert.deepEqual(
      there.map((row) => `${row.column_name} ${row.type} ${row.nullable}`).sort(),
      columns.map((column) => `${column.name} ${column.type} ${column.isNullable}`).sort(),
      name,
    );
  }
  const private_ = /address|(^|_)ip($|_)|user_agent|query|token|(^|_)url($|_)|hash$|vantage_inputs/;
  const known = new Set(['config_hash', 'expectations_hash', 'runbook_url']);
  assert.deepEqual(
    rows
      .map((row) => row.column_name)
      .filter((name) => private_.test(name) && !known.has(name) && name !== 'hash'),
    [],
  );
  assert.deepEqual(Object.keys(FIELDS_LEFT_OUT), ['catalogue']);
});

test('a field that a schema gained is a column with the default of the schema, for old rows too', async (t) => {
  const { put, sink, client } = await world(t);
  await put('stream-health', [
    health({ ptsGaps: 7, bitrateBps: 5, statusReason: "it's", defectTypes: ['x'] }),
  ]);
  const first = await sink();
  await first.catchUp();
  await first.close();
  const gained = ['pts_gaps', 'bitrate_bps', 'status_reason', 'defect_types'];
  await client.query('DROP VIEW everyview.v_stream_health');
  for (const column of gained)
    await client.query(`ALTER TABLE everyview.stream_health DROP COLUMN ${column}`);
  const second = await sink();
  const rows = async () =>
    (await client.query(`SELECT ${gained.join(', ')} FROM everyview.stream_health ORDER BY 1`)).rows;
  assert.deepEqual(await rows(), [{ pts_gaps: 0, bitrate_bps: null, status_reason: '', defect_types: [] }]);
  await put('stream-health', [health({ ptsGaps: 8, bitrateBps: 6, programmeId: 'later' })]);
  await second.catchUp();
  assert.equal((await rows())[1].pts_gaps, 8);
});

test('a database that cannot be used is named, without its password', async (t) => {
  const { sink, url, client } = await world(t);
  await assert.rejects(
    sink({ postgresUrl: url.replace(/:[0-9a-f]+@/, ':wrong-password@') }),
    (error: SinkError) => {
      assert.match(error.message, /password authentication failed/);
      return error instanceof SinkError && !`${error.message} ${error.fix}`.includes('wrong-password');
    },
  );
  await (await sink()).close();
  await client.query("UPDATE everyview.migrations SET hash = 'other'");
  await assert.rejects(sink(), /0001-tables\.sql, which this build has with another text/);
  await client.query("INSERT INTO everyview.migrations (name, hash) VALUES ('9999-later.sql', 'x')");
  await client.query("DELETE FROM everyview.migrations WHERE name <> '9999-later.sql'");
  await assert.rejects(sink(), /9999-later\.sql, which this build does not have/);
});

test('values in COPY text format', () => {
  const column = (type: string) =>
    ({ name: 'c', type, isNullable: true, field: 'c' }) as Parameters<typeof copyText>[0];
  const check = (type: string, value: unknown, expected: string) =>
    assert.equal(copyText(column(type), value), expected);
  check('text', 'a\tb\nc\rd\\N', 'a\\tb\\nc\\rd\\\\N');
  check('text', '', '');
  check('text', null, '\\N');
  check('text[]', ['a"b', '\\', ',{}', '', 'NULL', 'x\ty'], '{"a\\\\"b","\\\\\\\\",",{}","","NULL","x\\ty"}');
  check('integer[]', [], '{}');
  check('timestamptz', 1_795_274_434_694, '2026-11-21T15:20:34.694Z');
  check('bytea', Uint8Array.of(0, 255), '\\\\x00ff');
  check('boolean', false, 'f');
  assert.throws(() => copyText(column('text'), 'a\0b'), UnstorableValue);
  for (const timeMs of [-1, 2 ** 53])
    assert.throws(() => copyText(column('timestamptz'), timeMs), UnstorableValue);
  for (const topic of SINK_TOPICS) assert.ok(topic === 'dead-letters' || columnsOf(topic).length > 5);
});
