import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import { putRecords } from '../../runtime/put-records.ts';
import { NO_HEADERS } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { newTopics, partitionsOf } from '../../schemas/topics.ts';
import { derivedRecords } from '../../test/support/derived-records.ts';
import { type DashboardJson, expandSql, panelsOf, runDashboard } from '../../test/support/grafana-panels.ts';
import { connect, testPostgres } from '../../test/support/sink-lab.ts';
import { DASHBOARD_ROLE } from '../postgres-sink/dashboard-role.ts';
import { startSink } from '../postgres-sink/sink.ts';
import { DASHBOARDS_FOLDER, dashboards, jsonOf } from './generate.ts';
import { DATASOURCE } from './panels.ts';

const PARTITIONS = 2;
const codec = localCodec();

function committed(name: string): string {
  return readFileSync(path.join(DASHBOARDS_FOLDER, name), 'utf8');
}

test('the committed dashboards are what the code makes', () => {
  const made = dashboards();
  assert.deepEqual(readdirSync(DASHBOARDS_FOLDER).sort(), [...made.keys()].sort());
  for (const [name, dashboard] of made)
    assert.equal(jsonOf(dashboard), committed(name), `${name}: run node consumers/grafana/generate.ts`);
});

test('each panel has a title and a description, the provisioned data source, and a place of its own', () => {
  const uids = new Set<string>();
  for (const name of dashboards().keys()) {
    const dashboard = JSON.parse(committed(name)) as DashboardJson & { uid: string };
    uids.add(dashboard.uid);
    const panels = panelsOf(dashboard) as readonly (ReturnType<typeof panelsOf>[number] & {
      readonly description?: string;
      readonly id?: number;
      readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
      readonly targets: readonly {
        readonly datasource: unknown;
        readonly rawQuery: boolean;
        readonly format: string;
      }[];
    })[];
    const cells = new Set<string>();
    for (const { title, description, gridPos, targets } of panels) {
      assert.ok(title && description, `${name}: ${title}`);
      assert.equal(targets.length, 1);
      assert.deepEqual(targets[0]!.datasource, DATASOURCE);
      assert.equal(targets[0]!.rawQuery, true);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !cells.has(`${x} ${y}`), `${name}: ${title} lies over another panel`);
          cells.add(`${x} ${y}`);
        }
    }
  }
  assert.equal(uids.size, dashboards().size);
});

test('macros are expanded as Grafana does, and none is overlooked', () => {
  const range = { fromMs: 0, toMs: 60_000, intervalMs: 10_000 };
  const variables = new Map([['programme', ["it's", 'b']]]);
  assert.equal(
    expandSql(
      `SELECT $__timeGroupAlias(time, $__interval) WHERE $__timeFilter(time) AND p IN (\${programme:sqlstring})`,
      range,
      variables,
    ),
    `SELECT floor(extract(epoch from time)/10)*10 AS "time" WHERE time BETWEEN '1970-01-01T00:00:00.000Z' AND '1970-01-01T00:01:00.000Z' AND p IN ('it''s','b')`,
  );
  for (const sql of ['$__unixEpochFrom()', 'x = $programme', `\${session:sqlstring}`])
    assert.throws(() => expandSql(sql, range, variables));
});

test('every panel returns rows from tables with real records, read with the rights of a dashboard', {
  timeout: 120_000,
}, async (t) => {
  const postgres = await testPostgres();
  after(() => postgres.stop());
  const broker = new MemoryBroker({ clock: systemClock });
  after(() => broker.close());
  broker.createTopics(newTopics(PARTITIONS));
  const port = broker.openPort({ clientId: 'test', keepsTimestamps: true });
  const nowMs = Date.now();
  await putRecords(
    port,
    systemClock,
    derivedRecords(nowMs)
      .filter(({ topic }) => topic !== 'cohort-partials')
      .map(({ topic, key, value, timeMs }) => ({
        topic,
        partition: partitionsOf(topic, PARTITIONS) === 1 ? 0 : partitionOf(Buffer.from(key), PARTITIONS),
        key: Buffer.from(key),
        value: codec.encode(topic, value as never),
        headers: NO_HEADERS,
        timestampMs: timeMs,
      })),
  );
  const password = 'dashboard-password-of-this-test';
  const sink = await startSink({
    ...{ port, clock: systemClock, codec, postgresUrl: postgres.url, dashboardPassword: password },
    retentionDays: 30,
  });
  await sink.catchUp();
  await sink.close();
  const url = new URL(postgres.url);
  url.username = DASHBOARD_ROLE;
  url.password = password;
  const client = await connect(url.href);
  try {
    const range = { fromMs: nowMs - 1_800_000, toMs: nowMs, intervalMs: 10_000 };
    for (const name of dashboards().keys()) {
      const runs = await runDashboard(client, JSON.parse(committed(name)), range);
      for (const { panel, rows, sql } of runs) {
        assert.ok(rows.length > 0, `${name}: ${panel} has no rows\n${sql}`);
        const values = rows.flatMap((row) => Object.values(row));
        assert.ok(
          values.some((value) => value !== null),
          `${name}: ${panel} has nothing but nulls`,
        );
      }
      t.diagnostic(
        `${name}: ${runs.length} queries, ${runs.reduce((sum, { rows }) => sum + rows.length, 0)} rows`,
      );
    }
    await t.test('which may read views, and nothing else', async () => {
      for (const sql of [
        'SELECT 1 FROM qos_scores',
        'SELECT record_value FROM sink_rejects',
        'SELECT * FROM sink_positions',
        "INSERT INTO sink_positions VALUES ('x', 0, 0)",
        'CREATE TABLE own (x int)',
      ])
        await assert.rejects(client.query(sql), /permission denied|read-only/, sql);
      const { rows } = await client.query('SHOW statement_timeout');
      assert.equal(rows[0].statement_timeout, '15s');
    });
  } finally {
    await client.end();
  }
});
