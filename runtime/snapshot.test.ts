import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stepContext } from '../test/support/step-context.ts';
import { TINY_PARTITIONS, TINY_START_MS, tinyCluster, tinyCodec } from '../test/support/tiny-cluster.ts';
import { countChunks, tinyCounting } from '../test/support/tiny-topologies.ts';
import { defineTopology } from './define-topology.ts';
import { applicationIdOf } from './deploy.ts';
import { findSnapshot, restoreSnapshot, type Snapshot } from './find-snapshot.ts';
import type { CommittedRecord, MemoryBroker } from './memory-broker.ts';
import type { OutputRecord } from './output-buffer.ts';
import { partitionOf } from './partitioner.ts';
import { ReducerGraph } from './reducer-graph.ts';
import { snapshotTopic } from './snapshot.ts';
import { structCodec } from './struct-codec.ts';
import type { TaskLimits } from './task.ts';
import { TaskCore } from './task-core.ts';
import type { Reducer } from './topology.ts';

const APPLICATION = applicationIdOf(tinyCounting);
const ALPHA = partitionOf(Buffer.from('alpha'), TINY_PARTITIONS);
const EVERY_MS = 10_000;
const PROGRAMMES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'];

/** A minute in which six programmes come and go, then a quiet one; tasks snapshot every 10 s. */
async function ranAMinute(limits: Partial<TaskLimits> = {}) {
  const tiny = await tinyCluster();
  const worker = tiny.work(tinyCounting, { limits: { snapshotEveryMs: EVERY_MS, ...limits } });
  for (let round = 0; round < 120; round++) {
    for (const [index, id] of PROGRAMMES.entries()) {
      // each falls silent for longer than its deadline now and then
      if ((round + index * 7) % 24 < 17) tiny.send(id, round);
    }
    await tiny.clock.advance(500);
  }
  await tiny.clock.advance(20_000);
  const { snapshots } = worker.metrics();
  await tiny.clock.run(worker.stop());
  return { ...tiny, snapshots };
}

type Said = readonly [key: string, value: string, headers: string, timestampMs: number];

function said(record: CommittedRecord | OutputRecord): Said {
  const headers = record.headers.map(([name, value]) => `${name}=${Buffer.from(value)}`).join();
  return [textOf(record.key), Buffer.from(record.value ?? []).toString('hex'), headers, record.timestampMs];
}

function textOf(bytes: Uint8Array | null): string {
  return Buffer.from(bytes ?? []).toString();
}

function coreOf(task: number, partitions: ReadonlyMap<string, number>) {
  const outputs: OutputRecord[] = [];
  const core = new TaskCore({
    topology: tinyCounting,
    task,
    partitions,
    writerTasks: new Map(),
    codec: tinyCodec,
    configOf: () => undefined,
    output: (draft) => outputs.push(draft.toRecord()),
  });
  return { core, outputs };
}

/** What a task says that goes on from the snapshot. */
function continued(
  snapshot: Snapshot,
  task: number,
  broker: MemoryBroker,
  partitions: ReadonlyMap<string, number>,
): readonly Said[] {
  const { core, outputs } = coreOf(task, partitions);
  restoreSnapshot(core, snapshot);
  const [source] = core.sources;
  for (const record of broker.dump('frame-features', task)) {
    if (record.offset >= source!.fetchOffset) core.offer(source!, record);
  }
  while (core.step().kind === 'processed');
  return outputs.map(said);
}

test('who goes on from a snapshot says what was said live', async () => {
  const { broker, clock, port, partitions } = await ranAMinute();
  let compared = 0;
  for (let task = 0; task < TINY_PARTITIONS; task++) {
    const live = broker.dump('stream-defects', task);
    for (let beforeMs = TINY_START_MS + 15_000; beforeMs < TINY_START_MS + 75_000; beforeMs += 7_000) {
      const snapshot = await clock.run(findSnapshot(port, APPLICATION, task, beforeMs));
      assert.equal(snapshot?.boundaryMs, beforeMs - (beforeMs % EVERY_MS));
      const expected = live.filter(({ timestampMs }) => timestampMs >= snapshot.boundaryMs).map(said);
      assert.deepEqual(continued(snapshot, task, broker, partitions), expected);
      compared += expected.length;
    }
  }
  assert.ok(compared > 1_000, `${compared} records compared`);
});

test('snapshots change nothing that is said, in however many pieces they are written', async () => {
  const outputsOf = async (limits: Partial<TaskLimits>) => {
    const { broker, snapshots } = await ranAMinute(limits);
    const outputs = Array.from({ length: TINY_PARTITIONS }, (_, p) =>
      broker.dump('stream-defects', p).map(said),
    );
    return { outputs, snapshots };
  };
  const none = await outputsOf({ snapshotEveryMs: 0 });
  assert.equal(none.snapshots, 0);
  for (const limits of [{}, { snapshotEveryMs: 700, snapshotBytesPerCommit: 1 }]) {
    const { outputs, snapshots } = await outputsOf(limits);
    assert.deepEqual(outputs, none.outputs);
    assert.ok(snapshots >= 21, `${snapshots} snapshots`);
  }
});

test('the header says what it is: position, configuration, state versions', async () => {
  const { clock, port, broker } = await ranAMinute();
  const snapshot = await clock.run(findSnapshot(port, APPLICATION, ALPHA, TINY_START_MS + 30_000));
  const { version, boundaryMs, reducers, position, entries } = snapshot!;
  assert.deepEqual(
    [version, boundaryMs, reducers, position.configHash],
    [1, TINY_START_MS + 30_000, [{ name: 'count-chunks', store: 'counts', stateVersion: 1 }], 'default'],
  );
  assert.equal([...snapshot!.entriesOf()].length, entries);
  const { offset } = position.sources[0]!;
  const records = broker.dump('frame-features', ALPHA);
  for (const record of records) {
    assert.equal(record.offset < offset, record.timestampMs < boundaryMs, `offset ${record.offset}`);
  }
});

test('one that is not whole is passed over, and where there is none there is none', async () => {
  const { broker, clock, port } = await ranAMinute();
  const find = (beforeMs: number) => clock.run(findSnapshot(port, APPLICATION, ALPHA, beforeMs));
  assert.equal(await find(TINY_START_MS + EVERY_MS - 1), null);
  const topic = snapshotTopic(APPLICATION);
  const atMs = TINY_START_MS + 200_000;
  const header = (await find(atMs))!;
  // parts of one whose writer died, and the end of one whose parts retention has taken
  broker.append(topic, ALPHA, `${atMs}/0`, Buffer.from([1, 2]), atMs);
  broker.append(topic, ALPHA, `${atMs + 1}/1`, Buffer.from([1, 2]), atMs + 1);
  const late = { ...header, boundaryMs: atMs + 1, parts: 2 };
  broker.append(topic, ALPHA, `${atMs + 1}/end`, JSON.stringify(late), atMs + 1);
  assert.equal((await find(atMs + 10))?.boundaryMs, header.boundaryMs);
  broker.append(topic, ALPHA, `${atMs + 2}/end`, JSON.stringify({ ...late, version: 2 }), atMs + 2);
  await assert.rejects(find(atMs + 10), /a snapshot of version 2 cannot be read/);
  broker.truncate(topic, ALPHA, broker.log({ topic, partition: ALPHA }).bounds.highWatermark);
  assert.equal(await find(atMs + 10), null);
});

test('looking far back for the last one of a task that was quiet for days', async () => {
  const { broker, clock, port } = await ranAMinute();
  const found = await clock.run(findSnapshot(port, APPLICATION, ALPHA, TINY_START_MS + 5 * 86_400_000));
  const newest = Math.max(
    ...broker.dump(snapshotTopic(APPLICATION), ALPHA).map(({ key }) => Number(textOf(key).split('/')[0])),
  );
  assert.equal(found?.boundaryMs, newest);
});

test('state of another version in a snapshot is refused', async () => {
  const { clock, port, partitions } = await ranAMinute();
  const snapshot = await clock.run(findSnapshot(port, APPLICATION, ALPHA, TINY_START_MS + 30_000));
  const state = structCodec({ version: 2, fields: { chunks: 'int', frames: 'long' } });
  const [node] = tinyCounting.reducers;
  const later = defineTopology({
    ...tinyCounting,
    reducers: [{ ...node!, reducer: { ...countChunks, state } }],
  });
  const core = new TaskCore({
    topology: later,
    task: ALPHA,
    partitions,
    writerTasks: new Map(),
    codec: tinyCodec,
    configOf: () => undefined,
    output: () => {},
  });
  assert.throws(() => restoreSnapshot(core, snapshot!), {
    name: 'StateError',
    message: /written as version 1 and this build reads version 2/,
  });
});

/** Counts values, hands every second one on under another key, and forgets when a deadline passes. */
const counter = (name: string): Reducer<{ count: number }, string, string> => ({
  name,
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step(state, input) {
    if (input.kind === 'timer') return [{ kind: 'forget' }];
    state.count += 1;
    const next = { kind: 'schedule', name: 'over', dueMs: input.timeMs + 40 } as const;
    return state.count % 2 === 0 ? [next, { kind: 'forward', value: input.value, key: 'k0' }] : [next];
  },
});

const twoStores = defineTopology({
  name: 'two-stores',
  sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
  reducers: [
    { kind: 'reducer', reducer: counter('one'), from: ['frame-features'], store: 'a' },
    { kind: 'reducer', reducer: counter('two'), from: ['one'], store: 'a' },
    { kind: 'reducer', reducer: counter('three'), from: ['two'], store: 'b' },
  ],
  sinks: [{ kind: 'sink', topic: 'stream-defects', from: ['three'], edge: 'same', sealed: false }],
  sealDelayMs: 0,
});

test('a capture is of its moment, whatever steps do while it is taken piece by piece', () => {
  const step = fc.record({ key: fc.nat(7), waitMs: fc.nat(30), pieces: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, beginAt) => {
      const nothing = () => {};
      const events = { onEmit: nothing, onDrop: nothing, onLate: nothing, onDeadLetter: nothing };
      const graph = new ReducerGraph(twoStores, events);
      const context = stepContext();
      const origin = { topic: 'frame-features', partition: 0, offset: 0 };
      const captured = new Map<string, string>();
      const whole = new Map<string, string>();
      let next: ReturnType<ReducerGraph['capture']> = () => null;
      const takeOne = () => {
        const piece = next();
        if (piece === null) return false;
        const name = `${piece.store} ${piece.key}`;
        assert.ok(!captured.has(name), `${name} comes once`);
        captured.set(name, Buffer.from(piece.bytes).toString('hex'));
        return true;
      };
      const begin = () => {
        for (const store of ['a', 'b'])
          for (const { key, bytes } of graph.walk(store))
            whole.set(`${store} ${key}`, Buffer.from(bytes).toString('hex'));
        next = graph.capture();
      };
      let timeMs = 1_000;
      for (const [index, { key, waitMs, pieces }] of steps.entries()) {
        if (index === beginAt) begin();
        timeMs += waitMs;
        graph.process('frame-features', `k${key}`, 'value', timeMs, origin, context);
        if (index % 5 === 0) graph.drainDirty();
        for (let i = 0; i < pieces; i++) takeOne();
      }
      if (beginAt >= steps.length) begin();
      while (takeOne());
      assert.deepEqual(new Map([...captured].sort()), new Map([...whole].sort()));
    }),
    { numRuns: 300 },
  );
});
