/**
 * A Kafka with topics of its own, a database of its own, records for both, and what the tables should hold: folded from
 * the topics by rules that are written down here once more, without the sink's code.
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { Client, types } from 'pg';
import { startLocalPostgres } from '../../local/postgres.ts';
import { decodeControl, encodeControl } from '../../runtime/control-records.ts';
import { type FollowedRecord, followLog, startPositions } from '../../runtime/follow-log.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { BatchBuilder, NO_HEADERS } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { TransactionalProducer } from '../../runtime/transactional-producer.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { valuesOf } from '../../schemas/arbitrary-values.ts';
import { kafkaConfigs, partitionsOf, type TopicName, topicDefinition } from '../../schemas/topics.ts';
import { prefixedPort } from '../chaos/prefixed-port.ts';
import { uniqueName } from './local-cluster.ts';

export type Fields = Record<string, unknown>;
export type Read = { readonly record: FollowedRecord; readonly value: Fields | null };

export const labCodec = localCodec();
export const LAB_TOPICS = [
  ...['stream-defects', 'stream-health', 'qos-scores', 'qos-alerts'],
  ...['cohort-windows', 'dead-letters', 'catalogue'],
] as const as readonly TopicName[];

const PARTITIONS = 3;

/** Topics with this prefix on the cluster, and a port that leaves it out. */
export async function openLab(brokers: readonly string[], prefix: string): Promise<AdminPort> {
  return prefixedPort(await openKafkajsPort({ brokers, clientId: 'sink-lab' }), prefix);
}

export async function createTopics(port: AdminPort): Promise<void> {
  await port.createTopics(
    LAB_TOPICS.map((topic) => ({
      topic,
      partitions: partitionsOf(topic, PARTITIONS),
      replicas: 1,
      configs: kafkaConfigs(topic),
    })),
  );
}

/** PostgreSQL in a folder that is removed at the end. */
export async function testPostgres() {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'everyview-sink-'));
  return await startLocalPostgres({ dataDir, onProgress: () => {}, ephemeral: true });
}

/** Random values of a topic, with few keys, so that they meet; times are around `nowMs`, but for a few. */
export function randomValues(
  topic: TopicName,
  count: number,
  seed: number,
  nowMs: number,
): readonly Fields[] {
  const base = fc.sample(valuesOf(topicDefinition(topic).schema), { numRuns: count, seed });
  const dice = fc.sample(fc.array(fc.nat(2 ** 30), { minLength: 12, maxLength: 12 }), {
    numRuns: count,
    seed,
  });
  return base.map((value, index) => {
    const die = dice[index]!;
    const pick = <T>(slot: number, ...choices: readonly T[]): T => choices[die[slot]! % choices.length]!;
    const sane: Fields = { ...value };
    for (const name of Object.keys(value)) {
      if (!INSTANTS.has(name) || die[0]! % 50 === 0) continue;
      sane[name] = nowMs - (die[1]! % 12) * 10_000;
      if (name === 'decodedAtMs' && die[2]! % 3 === 0) sane[name] = 0;
    }
    return { ...sane, ...identityOf(topic, pick) };
  });
}

/** Writes values in this order, each by its key; `how` abort leaves them in the log as aborted ones. */
export async function produce(
  port: AdminPort,
  topic: TopicName,
  values: readonly (Fields | null | Uint8Array)[],
  timestampMs: number,
  how: 'commit' | 'abort' = 'commit',
): Promise<void> {
  const producer = await TransactionalProducer.open({
    port,
    clock: systemClock,
    transactionalId: uniqueName('sink-lab'),
    transactionTimeoutMs: 30_000,
  });
  const builders = new Map<number, BatchBuilder>();
  const count = partitionsOf(topic, PARTITIONS);
  for (const [index, value] of values.entries()) {
    const isFields = value !== null && !(value instanceof Uint8Array);
    const key = Buffer.from(isFields ? keyOf(topic, value) : `k${index % 5}`);
    const partition = count === 1 ? 0 : partitionOf(key, count);
    const builder = builders.get(partition) ?? new BatchBuilder();
    builders.set(partition, builder);
    // A seal now and then: control records are part of every derived topic.
    if (topic !== 'catalogue' && index % 40 === 7)
      builder.append(null, null, encodeControl({ kind: 'seal', sealedUpToMs: 1 }), timestampMs);
    const bytes = isFields ? labCodec.encode(topic, value as never) : value;
    builder.append(key, bytes, NO_HEADERS, timestampMs + index);
  }
  producer.begin();
  await producer.send(Array.from(builders, ([partition, builder]) => ({ topic, partition, builder })));
  await producer[how]();
}

/** Everything that is committed, in the order of each partition. */
export async function readAll(port: AdminPort): Promise<readonly Read[]> {
  const ending = new AbortController();
  const read: Read[] = [];
  await followLog({
    port,
    clock: systemClock,
    positions: await startPositions(port, LAB_TOPICS, { kind: 'beginning' }),
    signal: ending.signal,
    onRecord: (record) => {
      read.push({ record, value: decodedOrNull(record) });
      return false;
    },
    onCaughtUp: (isCaughtUp) => {
      if (isCaughtUp) ending.abort();
    },
  });
  return read;
}

export type Rule = {
  readonly table: string;
  readonly topic: TopicName;
  readonly key: readonly string[];
  readonly rank?: string;
  readonly where?: (value: Fields) => boolean;
};

/** What each table is, in the words of the schemas' docs. */
export const RULES: readonly Rule[] = [
  {
    table: 'stream_defect_steps',
    topic: 'stream-defects',
    key: ['programmeId', 'defectId', 'revision', 'detectedAtMs'],
    where: (value) => value.event !== 'anchor',
  },
  {
    table: 'stream_defects',
    topic: 'stream-defects',
    key: ['programmeId', 'defectId'],
    rank: 'revision',
    where: (value) => value.event !== 'anchor',
  },
  {
    table: 'stream_health',
    topic: 'stream-health',
    key: ['programmeId', 'renditionId', 'vantage', 'windowStartMs'],
  },
  ...(['window', 'final'] as const).map((kind) => ({
    table: kind === 'window' ? 'qos_scores' : 'qos_sessions',
    topic: 'qos-scores' as const,
    key: ['sessionKey', 'windowStartMs'],
    rank: 'revision',
    where: (value: Fields) => value.kind === kind,
  })),
  { table: 'qos_alerts', topic: 'qos-alerts', key: ['alertId', 'version', 'updatedAtMs'] },
  { table: 'qos_alerts_current', topic: 'qos-alerts', key: ['alertId'], rank: 'version' },
  {
    table: 'cohort_windows',
    topic: 'cohort-windows',
    key: [
      ...['windowStartMs', 'windowEndMs', 'tenant', 'programmeId', 'cdn', 'asn', 'country'],
      ...['deviceClass', 'playerVersion', 'other'],
    ],
  },
  { table: 'catalogue', topic: 'catalogue', key: ['name'], where: (value) => value.name !== '' },
];

/** The rows that a table should hold, by key. `isStorable` says what PostgreSQL could not hold. */
export function foldOf(
  rule: Rule,
  read: readonly Read[],
  isStorable: (value: Fields) => boolean,
): ReadonlyMap<string, Fields> {
  const rows = new Map<string, Fields>();
  for (const { record, value } of read) {
    if (record.topic !== rule.topic || decodeControl(record.headers) !== null) continue;
    if (record.value === null) {
      if (rule.topic === 'catalogue')
        rows.delete(JSON.stringify([Buffer.from(record.key!).toString('utf8')]));
      continue;
    }
    if (value === null || !isStorable(value) || rule.where?.(value) === false) continue;
    const name = JSON.stringify(rule.key.map((field) => value[field]));
    const held = rows.get(name);
    if (held !== undefined && rule.rank !== undefined && Number(held[rule.rank]) > Number(value[rule.rank]))
      continue;
    rows.set(name, value);
  }
  return rows;
}

/** A table's rows in the terms of the schema, by key. */
export async function rowsOf(client: Client, rule: Rule): Promise<ReadonlyMap<string, Fields>> {
  const { rows } = await client.query(`SELECT * FROM everyview.${rule.table}`);
  return new Map(
    rows.map((row) => {
      const value = fromRow(row);
      return [JSON.stringify(rule.key.map((field) => value[field])), value];
    }),
  );
}

/** Fails with the first difference between a table and the fold. */
export function assertSame(
  rule: Rule,
  actual: ReadonlyMap<string, Fields>,
  expected: ReadonlyMap<string, Fields>,
): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort(), `keys of ${rule.table}`);
  for (const [key, value] of expected) {
    const row = actual.get(key)!;
    const shown = Object.fromEntries(
      Object.keys(value)
        .filter((field) => field !== 'vantageInputs')
        .map((field) => [field, field === 'decodedAtMs' && value[field] === 0 ? null : value[field]]),
    );
    assert.deepEqual(
      Object.fromEntries(Object.keys(shown).map((field) => [field, row[field]])),
      shown,
      `${rule.table} ${key}`,
    );
  }
}

export async function connect(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    types: { getTypeParser: typeParser as typeof types.getTypeParser },
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

const INSTANTS: ReadonlySet<string> = new Set([
  ...[
    'windowStartMs',
    'windowEndMs',
    'detectedAtMs',
    'decodedAtMs',
    'programTimeStartMs',
    'programTimeEndMs',
  ],
  ...['startsAtMs', 'firedAtMs', 'endsAtMs', 'updatedAtMs'],
]);

type Pick = <T>(slot: number, ...choices: readonly T[]) => T;

function identityOf(topic: TopicName, pick: Pick): Fields {
  const programmeId = pick(3, 'news', 'sport', 'film', "o'clock\t\\N", 'über');
  const asn = pick(4, null, 64_500, 64_501);
  switch (topic) {
    case 'stream-defects':
      return {
        programmeId,
        defectId: pick(5, 'd1', 'd2', 'd3'),
        revision: pick(6, 1, 2, 3, 4),
        event: pick(7, 'open', 'update', 'close', 'anchor'),
      };
    case 'stream-health':
      return {
        programmeId,
        renditionId: pick(5, '', '720p'),
        vantage: 'origin',
        status: pick(6, 'good', 'defective', 'no-data'),
      };
    case 'qos-scores':
      return {
        sessionKey: pick(5, 's1', 's2', 's3', 's4'),
        kind: pick(6, 'window', 'window', 'final'),
        revision: pick(7, 1, 2, 3),
      };
    case 'qos-alerts':
      return { alertId: pick(5, 'a1', 'a2', 'a3', 'a4', 'a5'), version: pick(6, 1, 2, 3, 4, 5) };
    case 'cohort-windows':
      return {
        ...{ programmeId, asn, cdn: pick(5, 'c1', 'c2'), country: 'DE', deviceClass: 'tv' },
        ...{ playerVersion: 'p 1', tenant: '', other: false },
      };
    case 'catalogue':
      return { name: pick(5, 'k0', 'k1', 'k2', 't/x', '') };
    case 'dead-letters':
      return {
        topology: pick(5, 'stream-detection', 'session-scoring'),
        node: '',
        code: pick(6, 'truncated', 'bad-framing'),
        sourceTopic: 'frame-features',
      };
    default:
      throw new Error(`the sink reads no ${topic}`);
  }
}

function keyOf(topic: TopicName, value: Fields): string {
  for (const field of ['sessionKey', 'alertId', 'name'])
    if (typeof value[field] === 'string' && topic !== 'stream-defects') return value[field] as string;
  return String(value.programmeId ?? value.topology);
}

function decodedOrNull(record: FollowedRecord): Fields | null {
  if (record.value === null) return null;
  try {
    return labCodec.decode(record.topic as TopicName, record.value) as Fields;
  } catch {
    return null;
  }
}

/** `window_start timestamptz` back to `windowStartMs`, `programme_id` to `programmeId`, bigints to numbers. */
function fromRow(row: Fields): Fields {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const field = column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return INSTANTS.has(`${field}Ms`)
        ? [`${field}Ms`, value === null ? null : (value as Date).getTime()]
        : [field, value];
    }),
  );
}

/** Bigints as numbers: those of the schemas are exact. */
function typeParser(oid: number, format: 'text' | 'binary'): unknown {
  const parse = types.getTypeParser(oid, format as 'text');
  if (oid === BIGINT) return Number;
  return oid === BIGINT_ARRAY ? (text: string) => (parse(text) as string[]).map(Number) : parse;
}

const BIGINT = 20;
const BIGINT_ARRAY = 1016;
