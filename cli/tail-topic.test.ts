import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeControl } from '../runtime/control-records.ts';
import { MemoryBroker } from '../runtime/memory-broker.ts';
import { BatchBuilder, type LogHeader } from '../runtime/record-batch.ts';
import { localCodec } from '../runtime/value-codec.ts';
import { VirtualClock } from '../runtime/virtual-clock.ts';
import type { QosAlert } from '../schemas/records.ts';
import { type TailOptions, tailTopic } from './tail-topic.ts';
import type { Terminal } from './terminal.ts';

const T0 = 1_700_000_000_000;
const codec = localCodec();

test('committed records are printed one line each; control records only when asked for', async () => {
  const world = await openWorld();
  await world.write('commit', [alert('a1', 1, 'firing'), null, alert('a1', 2, 'resolved')]);
  assert.deepEqual(await world.tail({}), [
    '2023-11-14T22:13:20.000Z 0@0 firing critical StreamVideoFreeze one: frozen (persisted) [a1 v1]',
    '2023-11-14T22:13:20.000Z 0@2 resolved critical StreamVideoFreeze one: frozen (persisted) [a1 v2]',
  ]);
  const withControl = await world.tail({ withControl: true });
  assert.equal(withControl[1], '2023-11-14T22:13:20.000Z 0@1 seal up to 2023-11-14T22:13:20.000Z');
});

test('records of aborted transactions are never printed', async () => {
  const world = await openWorld();
  await world.write('abort', [alert('gone', 1, 'firing')]);
  await world.write('commit', [alert('kept', 1, 'firing')]);
  await world.write('abort', [alert('gone', 2, 'firing')]);
  assert.deepEqual(
    (await world.tail({ asJson: true })).map((text) => JSON.parse(text).value.alertId),
    ['kept'],
  );
});

test('NDJSON has place, time, key and the whole value', async () => {
  const world = await openWorld();
  await world.write('commit', [alert('a1', 1, 'firing')]);
  const [text = ''] = await world.tail({ asJson: true });
  const { value, ...rest } = JSON.parse(text);
  assert.deepEqual(rest, { topic: 'qos-alerts', partition: 0, offset: 0, timestampMs: T0, key: 'a1' });
  assert.deepEqual(value, alert('a1', 1, 'firing'));
});

test('what cannot be decoded is told of, and reading goes on', async () => {
  const world = await openWorld();
  await world.write('commit', [Buffer.from('plain text'), alert('a1', 1, 'firing')]);
  const lines = await world.tail({});
  assert.match(lines[0] ?? '', /0@0 not decodable \(bad-framing\)/);
  assert.match(lines[1] ?? '', /a1 v1/);
  const [json = ''] = await world.tail({ asJson: true });
  assert.equal(JSON.parse(json).error.code, 'bad-framing');
  assert.equal(Buffer.from(JSON.parse(json).bytes, 'base64').toString(), 'plain text');
});

test('raw records are bytes, for which no registry is needed', async () => {
  const world = await openWorld();
  await world.write('commit', [Buffer.from([1, 2, 255]), null]);
  const raw = { codec: null, withControl: true } as const;
  assert.deepEqual(await world.tail(raw), [
    `2023-11-14T22:13:20.000Z 0@0 ${Buffer.from('key').toString('hex')} 0102ff`,
    `2023-11-14T22:13:20.000Z 0@1 null null ev.control=seal ev.sealed-up-to-ms=${T0}`,
  ]);
  const [json = ''] = await world.tail({ ...raw, asJson: true });
  assert.equal(JSON.parse(json).value, Buffer.from([1, 2, 255]).toString('base64'));
});

test('a tombstone is a deletion', async () => {
  const world = await openWorld('qos-alerts-current');
  await world.write('commit', [alert('a1', 1, 'firing'), 'tombstone']);
  const lines = await world.tail({ topic: 'qos-alerts-current' });
  assert.match(lines[1] ?? '', /0@1 key deleted$/);
});

test('it begins where it is told, and ends after as many as it is told', async () => {
  const world = await openWorld();
  for (const version of [1, 2, 3]) {
    await world.write('commit', [alert('a1', version, 'firing')]);
    await world.clock.advance(1000);
  }
  const versions = (lines: string[]) => lines.map((text) => text.match(/v(\d)\]$/)?.[1]).join(' ');
  assert.equal(versions(await world.tail({ recordsMax: 2 })), '1 2');
  assert.equal(versions(await world.tail({ from: { kind: 'time', atMs: T0 + 500 } })), '2 3');
  assert.equal(versions(await world.tail({ from: { kind: 'latest' } })), '');
});

test('a topic that does not exist is an error that names it', async () => {
  const world = await openWorld();
  await assert.rejects(world.tail({ topic: 'catalogue' }), /catalogue/);
});

async function openWorld(topic = 'qos-alerts') {
  const clock = new VirtualClock({ startMs: T0, wakesMax: 10_000 });
  const broker = new MemoryBroker({ clock });
  broker.createTopics([{ topic, partitions: 1, replicas: 1, configs: {} }]);
  const port = broker.openPort({ clientId: 'test' });
  let writers = 0;
  return {
    clock,
    /** One transaction; null stands for a seal. */
    write: (outcome: 'commit' | 'abort', records: readonly (QosAlert | Buffer | 'tombstone' | null)[]) =>
      clock.run(
        (async () => {
          const transactionalId = `writer-${writers++}`;
          const txn = { transactionalId, identity: await port.initProducer(transactionalId, 10_000) };
          const builder = new BatchBuilder();
          for (const record of records) append(builder, record, clock.nowMs());
          await port.addPartitions(txn, [{ topic, partition: 0 }]);
          const { producerId, epoch: producerEpoch } = txn.identity;
          const bytes = builder.finish({ producerId, producerEpoch, baseSequence: 0, isTransactional: true });
          await port.produce(txn, [{ topic, partition: 0, bytes, baseSequence: 0 }]);
          await port.endTransaction(txn, outcome);
        })(),
      ),
    tail: async (options: Partial<TailOptions>): Promise<string[]> => {
      let text = '';
      const out: Terminal = {
        isTty: false,
        hasColour: false,
        columns: 80,
        write: (piece) => {
          text += piece;
        },
      };
      await clock.run(
        tailTopic({
          port,
          clock,
          codec,
          topic: 'qos-alerts',
          from: { kind: 'beginning' },
          recordsMax: Number.POSITIVE_INFINITY,
          untilEnd: true,
          withControl: false,
          asJson: false,
          out,
          signal: new AbortController().signal,
          ...options,
        }),
      );
      return text.split('\n').slice(0, -1);
    },
  };
}

function append(builder: BatchBuilder, record: QosAlert | Buffer | 'tombstone' | null, timeMs: number): void {
  const none: readonly LogHeader[] = [];
  if (record === null)
    builder.append(null, null, encodeControl({ kind: 'seal', sealedUpToMs: timeMs }), timeMs);
  else if (record === 'tombstone') builder.append(Buffer.from('key'), null, none, timeMs);
  else if (Buffer.isBuffer(record)) builder.append(Buffer.from('key'), record, none, timeMs);
  else builder.append(Buffer.from(record.alertId), codec.encode('qos-alerts', record), none, timeMs);
}

function alert(alertId: string, version: number, status: string): QosAlert {
  return {
    alertId,
    version,
    fingerprint: 'f',
    status,
    previousStatus: '',
    alertName: 'StreamVideoFreeze',
    severity: 'critical',
    scope: 'stream',
    programmeId: 'one',
    renditionId: 'main',
    vantage: 'origin',
    defectType: 'video-freeze',
    cdn: '',
    asn: '',
    country: '',
    device: '',
    playerVersion: '',
    summary: 'frozen',
    description: '',
    reason: 'persisted',
    runbookUrl: '',
    startsAtMs: T0,
    firedAtMs: T0,
    endsAtMs: null,
    updatedAtMs: T0,
    mediaStartMs: 1000,
    mediaEndMs: null,
    decodedAtMs: T0,
    occurrences: 1,
    defectIds: ['d1'],
    affectedSessions: null,
    affectedSharePermille: null,
    verdict: 'source',
    configHash: 'default',
  };
}
