import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QosAlert, StreamDefect } from '../schemas/records.ts';
import { chunk, tinyCounting, tinyGathering } from '../test/support/tiny-topologies.ts';
import { configStore } from './config-store.ts';
import { decodeControl, encodeControl } from './control-records.ts';
import { applicationIdOf, deployTopics, partitionCounts, writerTasksOf } from './deploy.ts';
import { fixedGroup } from './group-session.ts';
import { type CommittedRecord, MemoryBroker } from './memory-broker.ts';
import { type FaultPlan, scriptedFaults } from './memory-faults.ts';
import { partitionOf } from './partitioner.ts';
import type { TaskLimits } from './task.ts';
import type { Topology } from './topology.ts';
import { localCodec } from './value-codec.ts';
import { VirtualClock } from './virtual-clock.ts';
import { Worker } from './worker.ts';

const PARTITIONS = 3;
const T0 = 1_700_000_000_000;
const codec = localCodec();

async function cluster() {
  const clock = new VirtualClock({ startMs: T0 });
  const broker = new MemoryBroker({ clock });
  const port = broker.openPort({ clientId: 'deploy' });
  await clock.run(
    deployTopics(port, {
      topologies: [tinyCounting, tinyGathering],
      applicationIdOf,
      partitions: PARTITIONS,
    }),
  );
  const partitions = await clock.run(partitionCounts(port));
  const work = (topology: Topology, limits: Partial<TaskLimits> = {}, faults?: FaultPlan) => {
    const name = topology.name;
    const port = broker.openPort(faults === undefined ? { clientId: name } : { clientId: name, faults });
    return new Worker({
      topology,
      applicationId: applicationIdOf(topology),
      port,
      clock,
      codec,
      configs: configStore(port, codec),
      limits,
      partitions,
      writerTasks: writerTasksOf([tinyCounting, tinyGathering], partitions),
      openGroup: fixedGroup(),
      onEvent: () => {},
    });
  };
  const send = (programmeId: string, seq: number) => {
    const key = Buffer.from(programmeId);
    broker.append(
      'frame-features',
      partitionOf(key, PARTITIONS),
      key,
      codec.encode('frame-features', chunk(programmeId, seq)),
    );
  };
  return { clock, broker, work, send };
}

const dataOf = <T>(topic: string, records: readonly CommittedRecord[]): T[] =>
  records.flatMap((record) => (record.value === null ? [] : [codec.decode(topic, record.value) as T]));

function defectsOf(broker: MemoryBroker): string[] {
  return Array.from({ length: PARTITIONS }, (_, p) =>
    dataOf<StreamDefect>('stream-defects', broker.dump('stream-defects', p)),
  )
    .flat()
    .map(({ programmeId, event, revision }) => `${programmeId} ${event} ${revision}`);
}

test('records go in, results come out once, and silence is an input', async () => {
  const { clock, broker, work, send } = await cluster();
  const worker = work(tinyCounting);
  for (let seq = 0; seq < 3; seq++) {
    send('alpha', seq);
    await clock.advance(500);
  }
  assert.deepEqual(defectsOf(broker), ['alpha open 1', 'alpha open 2', 'alpha open 3']);
  await clock.advance(4_000);
  assert.deepEqual(defectsOf(broker).slice(3), ['alpha close 3'], 'a tick moved log time past the deadline');
  await clock.run(worker.stop());
});

test('a worker that takes over goes on where the last one committed', async () => {
  const { clock, broker, work, send } = await cluster();
  for (let round = 0; round < 4; round++) {
    const worker = work(tinyCounting);
    for (const id of ['alpha', 'beta', 'gamma', 'delta']) send(id, round);
    await clock.advance(700);
    await clock.run(worker.stop());
  }
  const expected = ['alpha', 'beta', 'gamma', 'delta'].flatMap((id) =>
    [1, 2, 3, 4].map((n) => `${id} open ${n}`),
  );
  assert.deepEqual(
    defectsOf(broker)
      .filter((line) => line.includes('open'))
      .sort(),
    expected.sort(),
  );
});

test('a gather merges all partitions by log time, kept alive by seals', async () => {
  const { clock, broker, work, send } = await cluster();
  const [counting, gathering] = [work(tinyCounting), work(tinyGathering)];
  const ids = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
  for (let seq = 0; seq < 4; seq++) {
    for (const id of ids) {
      send(id, seq);
      await clock.advance(10);
    }
    await clock.advance(300);
  }
  await clock.advance(3_000);
  const lines = dataOf<QosAlert>('qos-alerts', broker.dump('qos-alerts', 0)).map((alert) => alert.summary);
  const expected = [1, 2, 3, 4].flatMap((n) => ids.map((id) => `${id} open ${n}`));
  assert.deepEqual(lines.slice(0, expected.length), expected);
  await clock.run(Promise.all([counting.stop(), gathering.stop()]));
});

test('what cannot be read becomes a dead letter with its bytes, and nothing else is lost', async () => {
  const { clock, broker, work, send } = await cluster();
  send('alpha', 0);
  const partition = partitionOf(Buffer.from('alpha'), PARTITIONS);
  broker.append('frame-features', partition, 'alpha', Buffer.from('no framing at all'));
  broker.append(
    'frame-features',
    partition,
    'alpha',
    codec.encode('frame-features', chunk('alpha', 1)).subarray(0, 40),
  );
  broker.append('frame-features', partition, null, codec.encode('frame-features', chunk('alpha', 1)));
  broker.append(
    'frame-features',
    (partition + 1) % PARTITIONS,
    'alpha',
    codec.encode('frame-features', chunk('alpha', 1)),
  );
  send('alpha', 1);
  const worker = work(tinyCounting);
  await clock.advance(500);
  assert.deepEqual(defectsOf(broker), ['alpha open 1', 'alpha open 2']);
  const letters = Array.from({ length: PARTITIONS }, (_, p) =>
    dataOf<{ code: string; recordValue: Uint8Array }>('dead-letters', broker.dump('dead-letters', p)),
  ).flat();
  assert.deepEqual(letters.map(({ code }) => code).sort(), [
    'bad-framing',
    'no-key',
    'truncated',
    'wrong-partition',
  ]);
  assert.equal(
    Buffer.from(letters.find(({ code }) => code === 'bad-framing')!.recordValue).toString(),
    'no framing at all',
  );
  const counts = worker.metrics().tasks.map((task) => task.counts);
  const total = (of: (c: (typeof counts)[number]) => number) => counts.reduce((sum, c) => sum + of(c), 0);
  const dead = total((c) => [...c.deadLettered.values()].reduce((a, b) => a + b, 0));
  assert.equal(
    total((c) => c.recordsIn),
    total((c) => c.processed) + dead,
  );
  await clock.run(worker.stop());
});

test('seals carry on while nothing happens, and say how far everything was said', async () => {
  const { clock, broker, work } = await cluster();
  const worker = work(tinyCounting);
  await clock.advance(6_000);
  const seals = broker.dump('stream-defects', 0).map((record) => decodeControl(record.headers));
  assert.ok(seals.length >= 4, `${seals.length} seals in 6 s`);
  for (const [index, seal] of seals.entries()) {
    assert.ok(seal !== null && seal !== 'unknown' && seal.kind === 'seal');
    assert.equal(
      seal.sealedUpToMs,
      broker.dump('stream-defects', 0)[index]!.timestampMs - tinyCounting.sealDelayMs,
    );
  }
  await clock.run(worker.stop());
});

test('a configuration that cannot be read just now is tried again', async () => {
  const { clock, broker, work, send } = await cluster();
  const hash = 'c'.repeat(64);
  const entry = { name: `set/${hash}`, kind: 'set', contentHash: hash, body: '{}', bodyVersion: 1 };
  broker.append(
    'everyview-config',
    0,
    entry.name,
    codec.encode('everyview-config', { ...entry, author: '', comment: '', createdAtMs: 0 }),
  );
  const headers = encodeControl({ kind: 'config-effective', configHash: hash });
  for (let p = 0; p < PARTITIONS; p++) broker.append('frame-features', p, null, null, clock.nowMs(), headers);
  send('alpha', 0);
  const faults = scriptedFaults([
    { method: 'bounds', nth: 1, topic: 'everyview-config', decision: { kind: 'refuse', code: 'not-leader' } },
    { method: 'fetch', nth: 1, topic: 'everyview-config', decision: { kind: 'unreachable', delayMs: 10 } },
  ]);
  const worker = work(tinyCounting, {}, faults);
  await clock.advance(1_000);
  assert.deepEqual(defectsOf(broker), ['alpha open 1']);
  await clock.run(worker.stop());
});

test('a full transaction is committed at once', async () => {
  const { clock, broker, work, send } = await cluster();
  for (let seq = 0; seq < 50; seq++) send('alpha', seq);
  const worker = work(tinyCounting, { uncommittedBytesMax: 500, commitEveryMs: 10_000, tickEveryMs: 60_000 });
  await clock.advance(3_000);
  assert.ok(defectsOf(broker).length > 40, `${defectsOf(broker).length} of 50 defects after 3 s`);
  await clock.run(worker.stop());
});

test('a writer that has nothing but seals to say is there: nobody goes on without it', async () => {
  const { clock, broker, work, send } = await cluster();
  const workers = [work(tinyCounting), work(tinyGathering, { sealWaitMs: 2_000 })];
  for (let seq = 0; seq < 200; seq++) {
    send('alpha', seq);
    await clock.advance(100);
  }
  for (let p = 0; p < PARTITIONS; p++) {
    const kinds = broker.dump('stream-defects', p).map((record) => {
      const control = decodeControl(record.headers);
      return control === null || control === 'unknown' ? 'data' : control.kind;
    });
    assert.ok(
      kinds.includes('seal') && !kinds.includes('tick'),
      `partition ${p}: ${new Set(kinds).size} kinds`,
    );
  }
  await clock.run(Promise.all(workers.map((worker) => worker.stop())));
});
