import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as layout from './batch-layout.ts';
import { crc32c } from './crc32c.ts';
import { batchOf, committed, openWorld, readCommitted, send, take } from './memory-fixture.ts';

const OUT = { topic: 'out', partition: 0 };

test('a committed transaction is seen in all its partitions, an aborted one in none', async () => {
  const { broker, port } = openWorld();
  const txn = await take(port, 'task-0');
  await send(port, txn, 'out', 0, 0, ['a=1', 'b=2']);
  await send(port, txn, 'table', 1, 0, ['c=3']);
  assert.equal(committed(broker, 'out', 0), '');
  assert.deepEqual(broker.transactions.unfinished(), ['task-0']);
  await port.endTransaction(txn, 'commit');
  await send(port, txn, 'out', 0, 2, ['d=4']);
  await port.endTransaction(txn, 'abort');
  await send(port, txn, 'out', 0, 3, ['e=5']);
  await port.endTransaction(txn, 'commit');
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1 1:b=2 5:e=5');
  assert.equal(await readCommitted(port, 'table', 1), '0:c=3');
  assert.deepEqual(broker.transactions.unfinished(), []);
});

test('taking an id over aborts what was open and fences the one before, in every request', async () => {
  const { broker, port } = openWorld();
  const before = await take(port, 'task-0');
  await send(port, before, 'out', 0, 0, ['a=1']);
  const after = await take(port, 'task-0');
  assert.equal(after.identity.producerId, before.identity.producerId);
  assert.ok(after.identity.epoch > before.identity.epoch);
  assert.deepEqual(broker.log(OUT).bounds, { start: 0, stableEnd: 2, highWatermark: 2 });

  const fenced = { code: 'producer-fenced', kind: 'fenced' };
  await assert.rejects(port.addPartitions(before, [OUT]), fenced);
  await assert.rejects(port.produce(before, [batchOf('out', 0, before.identity, 1, ['b=2'])]), fenced);
  await assert.rejects(port.sendGroupOffsets(before, 'group', [{ ...OUT, offset: 1 }]), fenced);
  await assert.rejects(port.endTransaction(before, 'commit'), fenced);
  await assert.rejects(port.endTransaction(before, 'abort'), fenced);

  await send(port, after, 'out', 0, 0, ['c=3']);
  await port.endTransaction(after, 'commit');
  assert.equal(await readCommitted(port, 'out', 0), '2:c=3');
});

test('another transactional id is another producer: nobody is fenced', async () => {
  const { port } = openWorld();
  const one = await take(port, 'task-0');
  const two = await take(port, 'task-1');
  assert.notEqual(one.identity.producerId, two.identity.producerId);
  await send(port, one, 'out', 0, 0, ['a=1']);
  await send(port, two, 'out', 0, 0, ['b=2']);
  await port.endTransaction(two, 'commit');
  await port.endTransaction(one, 'commit');
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1 1:b=2');
});

test('a batch that comes again is acknowledged as it was, and written once', async () => {
  const { broker, port } = openWorld();
  const txn = await take(port, 'task-0');
  const sent = [];
  for (let i = 0; i < 6; i += 1) sent.push(await send(port, txn, 'out', 0, i, [`k=${i}`]));
  for (let i = 1; i < 6; i += 1) assert.deepEqual(await send(port, txn, 'out', 0, i, [`k=${i}`]), sent[i]);
  // the broker remembers five
  await assert.rejects(send(port, txn, 'out', 0, 0, ['k=0']), { code: 'out-of-order-sequence' });
  assert.equal(broker.log(OUT).bounds.highWatermark, 6);
});

test('a gap in the sequence is refused: records before it were lost', async () => {
  const { port } = openWorld();
  const txn = await take(port, 'task-0');
  await assert.rejects(send(port, txn, 'out', 0, 1, ['a=1']), { code: 'out-of-order-sequence' });
  await send(port, txn, 'out', 0, 0, ['a=1', 'b=2']);
  await assert.rejects(send(port, txn, 'out', 0, 3, ['c=3']), { code: 'out-of-order-sequence' });
  await assert.rejects(send(port, txn, 'out', 0, 1, ['c=3']), { code: 'out-of-order-sequence' });
  // each partition counts for itself, and a new epoch begins anew
  await send(port, txn, 'out', 1, 0, ['c=3']);
  const after = await take(port, 'task-0');
  await assert.rejects(send(port, after, 'out', 0, 2, ['c=3']), { code: 'out-of-order-sequence' });
  await send(port, after, 'out', 0, 0, ['c=3']);
});

test('sequences wrap from 2^31 - 1 to 0', async () => {
  const { port } = openWorld();
  const txn = await take(port, 'task-0');
  // stands for the two billion records before: a broker believes what the header counts
  const { bytes, ...rest } = batchOf('out', 0, txn.identity, 0, ['a=1']);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(layout.RECORD_COUNT, 2 ** 31 - 1);
  view.setInt32(layout.LAST_OFFSET_DELTA, 2 ** 31 - 2);
  view.setUint32(layout.CRC, crc32c(bytes, layout.ATTRIBUTES, bytes.length));
  await port.addPartitions(txn, [OUT]);
  await port.produce(txn, [{ ...rest, bytes }]);
  await assert.rejects(send(port, txn, 'out', 0, 0, ['b=2']), { code: 'out-of-order-sequence' });
  await send(port, txn, 'out', 0, 2 ** 31 - 1, ['b=2', 'c=3']);
  await assert.rejects(send(port, txn, 'out', 0, 0, ['d=4']), { code: 'out-of-order-sequence' });
  const { baseOffset } = await send(port, txn, 'out', 0, 1, ['d=4']);
  assert.equal(baseOffset, 2 ** 31 + 1);
});

test('a transaction that nothing was added to has no end', async () => {
  const { port } = openWorld();
  const txn = await take(port, 'task-0');
  const invalid = { code: 'invalid-transaction-state' };
  await assert.rejects(port.endTransaction(txn, 'commit'), invalid);
  await send(port, txn, 'out', 0, 0, ['a=1']);
  await port.endTransaction(txn, 'commit');
  // a repeated request for the same is acknowledged, another one is not
  await port.endTransaction(txn, 'commit');
  await assert.rejects(port.endTransaction(txn, 'abort'), invalid);
});

test('records for a partition that was not added are refused, and so are batches of somebody else', async () => {
  const { port } = openWorld();
  const txn = await take(port, 'task-0');
  const other = await take(port, 'task-1');
  const batch = batchOf('out', 0, txn.identity, 0, ['a=1']);
  await assert.rejects(port.produce(txn, [batch]), { code: 'invalid-transaction-state' });
  await port.addPartitions(txn, [OUT]);
  await assert.rejects(port.produce(txn, [batchOf('out', 0, other.identity, 0, ['a=1'])]), {
    code: 'protocol',
  });
  await assert.rejects(port.produce(null, [batch]), { code: 'protocol' });
  await assert.rejects(port.addPartitions({ ...txn, transactionalId: 'nobody' }, [OUT]), {
    code: 'invalid-transaction-state',
  });
  await assert.rejects(port.addPartitions(txn, [{ topic: 'nowhere', partition: 0 }]), {
    code: 'unknown-topic',
  });
  await assert.rejects(port.initProducer('', 10_000), { code: 'protocol' });
});

test('a transaction past its timeout is aborted, and its producer fenced', async () => {
  const { broker, clock, port } = openWorld();
  const txn = await take(port, 'task-0');
  await clock.advance(60_000);
  await send(port, txn, 'out', 0, 0, ['a=1']);
  await clock.advance(9_999);
  assert.deepEqual(broker.transactions.unfinished(), ['task-0']);
  await clock.advance(1);
  assert.deepEqual(broker.transactions.unfinished(), []);
  assert.equal(broker.log(OUT).bounds.stableEnd, 2);
  await assert.rejects(port.endTransaction(txn, 'commit'), { code: 'producer-fenced' });
  const after = await take(port, 'task-0');
  await send(port, after, 'out', 0, 0, ['b=2']);
  await port.endTransaction(after, 'commit');
  assert.equal(await readCommitted(port, 'out', 0), '2:b=2');
});

test('a commit in time stops the timeout', async () => {
  const { clock, port } = openWorld();
  const txn = await take(port, 'task-0');
  await send(port, txn, 'out', 0, 0, ['a=1']);
  await clock.advance(9_000);
  await port.endTransaction(txn, 'commit');
  await send(port, txn, 'out', 0, 1, ['b=2']);
  await clock.advance(9_000);
  await port.endTransaction(txn, 'commit');
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1 2:b=2');
});

test('markers may take their time: partitions show the outcome one after the other, and the id is busy until then', async () => {
  const delaysMs = [5, 20];
  const { broker, clock, port } = openWorld({ markerDelayMs: () => delaysMs.shift() ?? 0 });
  const txn = await take(port, 'task-0');
  await send(port, txn, 'out', 0, 0, ['a=1']);
  await send(port, txn, 'out', 1, 0, ['b=2']);
  await port.endTransaction(txn, 'commit');
  assert.equal(broker.log(OUT).bounds.stableEnd, 0);
  const busy = { code: 'concurrent-transactions', kind: 'retry' };
  await assert.rejects(port.addPartitions(txn, [OUT]), busy);
  await assert.rejects(port.initProducer('task-0', 10_000), busy);
  await clock.advance(5);
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1');
  assert.equal(await readCommitted(port, 'out', 1), '');
  await assert.rejects(port.endTransaction(txn, 'commit'), busy);
  await clock.advance(15);
  assert.equal(await readCommitted(port, 'out', 1), '0:b=2');
  await port.endTransaction(txn, 'commit');
  assert.deepEqual(broker.transactions.unfinished(), []);
});

test('a takeover of an open transaction fences at once, even while its markers are still to come', async () => {
  const { clock, port } = openWorld({ markerDelayMs: () => 5 });
  const before = await take(port, 'task-0');
  await send(port, before, 'out', 0, 0, ['a=1']);
  await assert.rejects(take(port, 'task-0'), { code: 'concurrent-transactions' });
  await assert.rejects(port.endTransaction(before, 'commit'), { code: 'producer-fenced' });
  await clock.advance(5);
  const after = await take(port, 'task-0');
  await send(port, after, 'out', 0, 0, ['b=2']);
  await port.endTransaction(after, 'commit');
  await clock.advance(5);
  assert.equal(await readCommitted(port, 'out', 0), '2:b=2');
});

test('a producer whose epochs are used up gets a new id, and the old one is fenced', async () => {
  const { port } = openWorld();
  const first = await take(port, 'task-0');
  let last = first;
  while (last.identity.producerId === first.identity.producerId) {
    assert.ok(last.identity.epoch < 32_767);
    last = await take(port, 'task-0');
  }
  assert.equal(last.identity.epoch, 0);
  await assert.rejects(port.addPartitions(first, [OUT]), { code: 'producer-fenced' });
  await send(port, last, 'out', 0, 0, ['a=1']);
  await port.endTransaction(last, 'commit');
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1');
});

test('group offsets count once their transaction is committed', async () => {
  const { broker, port } = openWorld();
  const txn = await take(port, 'task-0');
  await port.sendGroupOffsets(txn, 'group', [{ ...OUT, offset: 5 }]);
  assert.deepEqual(broker.groupOffsets('group'), []);
  await port.endTransaction(txn, 'commit');
  await port.sendGroupOffsets(txn, 'group', [{ ...OUT, offset: 9 }]);
  await port.endTransaction(txn, 'abort');
  assert.deepEqual(broker.groupOffsets('group'), [{ ...OUT, offset: 5 }]);
});
