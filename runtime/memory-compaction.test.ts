import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, committed, openWorld, readCommitted, send, take, type World } from './memory-fixture.ts';
import { batchesOf } from './record-batch.ts';

/** `base offset..last offset (records)` of each batch that a fetch from 0 gives; markers as `!`. */
async function layoutOf({ port }: World): Promise<string> {
  const [fetched] = await port.fetch([{ topic: 'table', partition: 0, offset: 0 }], 0, 1 << 20);
  return batchesOf(fetched!.batches)
    .map(({ baseOffset, lastOffset, recordCount, isControl }) =>
      isControl ? `${baseOffset}!` : `${baseOffset}..${lastOffset} (${recordCount})`,
    )
    .join(', ');
}

test('the last record of each key is kept, at its offset', async () => {
  const world = openWorld();
  const { broker, port } = world;
  await port.produce(null, [batchOf('table', 0, null, -1, ['a=1', 'b=1', 'a=2'])]);
  await port.produce(null, [batchOf('table', 0, null, -1, ['c=1', 'b=2'])]);
  broker.compact('table');
  assert.equal(await readCommitted(port, 'table', 0), '2:a=2 3:c=1 4:b=2');
  assert.equal(committed(broker, 'table', 0), '2:a=2 3:c=1 4:b=2');
  assert.equal(await layoutOf(world), '0..2 (1), 3..4 (2)');
  broker.append('table', 0, 'a', '3');
  broker.compact('table');
  assert.equal(await readCommitted(port, 'table', 0), '3:c=1 4:b=2 5:a=3');
});

test('a batch that lost all its records stays where it holds the producer’s last sequence, as an empty one', async () => {
  const world = openWorld();
  const { broker, port } = world;
  const txn = await take(port, 'task-0');
  await send(port, txn, 'table', 0, 0, ['a=1']);
  await send(port, txn, 'table', 0, 1, ['a=2']);
  await port.endTransaction(txn, 'commit');
  broker.append('table', 0, 'a', '3');
  broker.append('table', 0, 'a', '4');
  const before = await layoutOf(world);
  assert.equal(before, '0..0 (1), 1..1 (1), 2!, 3..3 (1), 4..4 (1)');
  broker.compact('table');
  assert.equal(await layoutOf(world), '1..1 (0), 2!, 4..4 (1)');
  assert.equal(await readCommitted(port, 'table', 0), '4:a=4');
});

test('with empty batches kept, they are everywhere, and readers go past them', async () => {
  const world = openWorld();
  const { broker, port } = world;
  for (const value of ['1', '2', '3']) broker.append('table', 0, 'a', value);
  broker.compact('table', { emptyBatches: 'keep' });
  assert.equal(await layoutOf(world), '0..0 (0), 1..1 (0), 2..2 (1)');
  assert.equal(await readCommitted(port, 'table', 0), '2:a=3');
});

test('a log that ends in an empty batch: the stable end is still reached', async () => {
  const world = openWorld();
  const { broker, port } = world;
  const txn = await take(port, 'task-0');
  broker.append('table', 0, 'a', '1');
  broker.append('table', 0, 'b', '');
  broker.append('table', 0, 'b', null);
  const open = await take(port, 'task-1');
  await send(port, txn, 'table', 1, 0, ['z=1']);
  broker.compact('table', { tombstones: 'drop' });
  assert.equal(await layoutOf(world), '0..0 (1), 2..2 (0)');
  assert.equal(await readCommitted(port, 'table', 0), '0:a=1');
  assert.deepEqual(broker.log({ topic: 'table', partition: 0 }).bounds, {
    start: 0,
    stableEnd: 3,
    highWatermark: 3,
  });
  assert.ok(open.identity.epoch >= 0);
});

test('tombstones stay until they are dropped', async () => {
  const { broker, port } = openWorld();
  broker.append('table', 0, 'a', '1');
  broker.append('table', 0, 'a', null);
  broker.append('table', 0, 'b', '1');
  broker.compact('table');
  assert.equal(await readCommitted(port, 'table', 0), '1:a= 2:b=1');
  broker.compact('table', { tombstones: 'drop' });
  assert.equal(await readCommitted(port, 'table', 0), '2:b=1');
});

test('aborted records go, and do not count as the last of their key; undecided ones are left alone', async () => {
  const world = openWorld();
  const { broker, port } = world;
  const aborting = await take(port, 'task-0');
  const open = await take(port, 'task-1');
  broker.append('table', 0, 'a', '1');
  await send(port, aborting, 'table', 0, 0, ['a=2']);
  await port.endTransaction(aborting, 'abort');
  await send(port, open, 'table', 0, 0, ['a=3']);
  broker.append('table', 0, 'a', '4');
  broker.compact('table');
  assert.equal(await readCommitted(port, 'table', 0), '0:a=1');
  await port.endTransaction(open, 'commit');
  assert.equal(await readCommitted(port, 'table', 0), '0:a=1 3:a=3 4:a=4');
  broker.compact('table');
  assert.equal(await readCommitted(port, 'table', 0), '4:a=4');
});

test('a producer goes on where it was, although its records and markers are gone', async () => {
  const { broker, port } = openWorld();
  const txn = await take(port, 'task-0');
  await send(port, txn, 'table', 0, 0, ['a=1', 'b=1']);
  await port.endTransaction(txn, 'abort');
  await send(port, txn, 'table', 0, 2, ['a=2']);
  await port.endTransaction(txn, 'commit');
  broker.append('table', 0, 'z', '1');
  broker.compact('table', { markers: 'drop' });
  // the aborted transaction has no marker any more: what its producer wrote later must not be taken for aborted
  assert.equal(await readCommitted(port, 'table', 0), '3:a=2 5:z=1');
  await send(port, txn, 'table', 0, 3, ['a=3']);
  await port.endTransaction(txn, 'commit');
  assert.equal(await readCommitted(port, 'table', 0), '3:a=2 5:z=1 6:a=3');
});

test('a topic that does not exist cannot be compacted', () => {
  assert.throws(() => openWorld().broker.compact('nowhere'), { code: 'unknown-topic' });
});
