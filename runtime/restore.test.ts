import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TinyCluster, tinyCluster } from '../test/support/tiny-cluster.ts';
import { countChunks, tinyCounting } from '../test/support/tiny-topologies.ts';
import { defineTopology } from './define-topology.ts';
import { applicationIdOf } from './deploy.ts';
import { partitionOf } from './partitioner.ts';
import { ReducerGraph } from './reducer-graph.ts';
import { type StateCodec, StateError } from './state.ts';
import { StateReader } from './state-bytes.ts';
import { type Fields, structCodec } from './struct-codec.ts';
import type { Reducer, Topology } from './topology.ts';

type Counted = ReturnType<typeof countChunks.init>;

const ALPHA = partitionOf(Buffer.from('alpha'), 3);
const CHANGELOG = `${applicationIdOf(tinyCounting)}-counts-changelog`;

/** The same topology with another idea of what its state looks like. */
function countingWith(changes: Partial<Reducer<Counted, never, never>>): Topology {
  const [node] = tinyCounting.reducers;
  return defineTopology({
    ...tinyCounting,
    reducers: [{ ...node!, from: ['frame-features'], reducer: { ...countChunks, ...changes } }],
    sinks: tinyCounting.sinks.map((sink) => ({ ...sink, from: [changes.name ?? countChunks.name] })),
  });
}

const codecOf = (version: number, fields: Fields, migrate = {}) =>
  structCodec({ version, fields, migrate }) as unknown as StateCodec<Counted>;

/** Two chunks of alpha are counted and committed, by the build as it is. */
async function ranBefore(): Promise<TinyCluster> {
  const tiny = await tinyCluster();
  const worker = tiny.work(tinyCounting);
  tiny.send('alpha', 0);
  tiny.send('alpha', 1);
  await tiny.clock.advance(300);
  await tiny.clock.run(worker.stop());
  return tiny;
}

/** Revisions that are said when another build goes on. */
async function goOnWith(tiny: TinyCluster, topology: Topology): Promise<readonly number[]> {
  const worker = tiny.work(topology);
  tiny.send('alpha', 2);
  await tiny.clock.advance(300);
  await tiny.clock.run(worker.stop());
  return tiny
    .values('stream-defects', ALPHA)
    .filter(({ event }) => event === 'open')
    .map(({ revision }) => revision);
}

/** The other build stops before it takes a record, with one error that says all there is to know. */
async function checkRefused(tiny: TinyCluster, topology: Topology, message: RegExp): Promise<void> {
  const worker = tiny.work(topology);
  const before = tiny.broker.log({ topic: 'stream-defects', partition: ALPHA }).bounds;
  tiny.send('alpha', 2);
  await tiny.clock.advance(2_000);
  await assert.rejects(worker.done, (error) => {
    assert.ok(error instanceof StateError, String(error));
    assert.match(error.message, message);
    assert.match(error.message, /everyview reset tiny-counting$/);
    return true;
  });
  assert.deepEqual(tiny.broker.log({ topic: 'stream-defects', partition: ALPHA }).bounds, before);
}

test('the same build goes on counting', async () => {
  assert.deepEqual(await goOnWith(await ranBefore(), tinyCounting), [1, 2, 3]);
});

test('another version without a migration is refused, by store, key and both versions', async () => {
  const later = codecOf(2, { chunks: 'int', frames: 'long', rate: 'int' });
  await checkRefused(
    await ranBefore(),
    countingWith({ state: later }),
    /^store counts, key alpha: state of reducer count-chunks was written as version 1 and this build reads version 2: no migration from version 1 to 2\./,
  );
});

test('a version that is older than what was written is refused as well', async () => {
  const tiny = await tinyCluster();
  const worker = tiny.work(countingWith({ state: codecOf(3, { chunks: 'int', frames: 'long' }) }));
  tiny.send('alpha', 0);
  await tiny.clock.advance(300);
  await tiny.clock.run(worker.stop());
  await checkRefused(tiny, tinyCounting, /written as version 3 and this build reads version 1/);
});

test('another version with a migration is migrated, and committed as what it is now', async () => {
  const counted = { chunks: 'int', frames: 'long', rate: 'int' } as const;
  const state = codecOf(2, counted, {
    1: (bytes: Uint8Array) => {
      const reader = new StateReader(bytes);
      return { chunks: reader.signed() + 100, frames: reader.signed(), rate: 0 };
    },
  });
  const tiny = await ranBefore();
  assert.deepEqual(await goOnWith(tiny, countingWith({ state })), [1, 2, 103]);
  const withoutMigration = countingWith({ state: codecOf(2, counted) });
  assert.deepEqual(await goOnWith(tiny, withoutMigration), [1, 2, 103, 104]);
});

test('other fields under the same version are refused, although their bytes could be read', async () => {
  // a `long` and an `int` have the same bytes, and so have two fields that changed places
  for (const fields of [
    { frames: 'int', chunks: 'long' } as const,
    { chunks: 'int', frames: 'int' } as const,
  ]) {
    await checkRefused(
      await ranBefore(),
      countingWith({ state: codecOf(1, fields) }),
      /^store counts, key alpha: state of reducer count-chunks was written as version 1, and this build has other fields under the same version 1: raise the version/,
    );
  }
});

test('an entry that is none is refused with its key', async () => {
  const tiny = await ranBefore();
  tiny.broker.append(CHANGELOG, ALPHA, 'alpha', Buffer.from([9, 9, 9]));
  await checkRefused(
    tiny,
    tinyCounting,
    /^store counts, key alpha: the changelog entry cannot be read: entry format 9/,
  );
});

test('state of a reducer that is gone is left behind, and its key counts anew', async () => {
  const tiny = await ranBefore();
  assert.deepEqual(await goOnWith(tiny, countingWith({ name: 'count-again' })), [1, 2, 1]);
});

test('a position of another version, and one that knows less than is read now, are refused', async () => {
  const positions = `${applicationIdOf(tinyCounting)}-positions-changelog`;
  const positionOf = (tiny: TinyCluster) =>
    JSON.parse(Buffer.from(tiny.broker.dump(positions, ALPHA).at(-1)!.value!).toString());
  const tiny = await ranBefore();
  const saved = positionOf(tiny);
  for (const [position, message] of [
    [{ ...saved, version: 7 }, /has version 7 and this build reads versions 1 and 2/],
    [{ ...saved, sources: [] }, /knows nothing of frame-features/],
  ] as const) {
    tiny.broker.append(positions, ALPHA, 'position', JSON.stringify(position));
    await checkRefused(tiny, tinyCounting, message);
  }
});

test('what was restored and never asked for is written back byte for byte', async () => {
  const tiny = await ranBefore();
  const bytes = Buffer.from(tiny.broker.dump(CHANGELOG, ALPHA).at(-1)!.value!);
  const nothing = () => {};
  const events = { onEmit: nothing, onDrop: nothing, onLate: nothing, onDeadLetter: nothing };
  const graph = new ReducerGraph(tinyCounting, events);
  graph.restore('counts', 'alpha', bytes);
  assert.equal(graph.timerCount, 1);
  assert.deepEqual(
    [...graph.walk('counts')].map((one) => [one.key, Buffer.from(one.bytes)]),
    [['alpha', bytes]],
  );
});

test('an entry that a later one replaced is not asked whether it can be read', async () => {
  const tiny = await ranBefore();
  for (const value of [Buffer.from([9, 9, 9]), null]) tiny.broker.append(CHANGELOG, ALPHA, 'alpha', value);
  assert.deepEqual(await goOnWith(tiny, tinyCounting), [1, 2, 1]);
});
