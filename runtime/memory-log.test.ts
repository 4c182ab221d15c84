import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchOf, committed, openWorld, readCommitted, send, take } from './memory-fixture.ts';
import type { FetchedPartition, LogPort } from './port.ts';
import { batchesOf } from './record-batch.ts';
import { RecordCursor } from './record-cursor.ts';

async function fetchOne(port: LogPort, offset: number, maxWaitMs = 0): Promise<FetchedPartition> {
  const [fetched] = await port.fetch([{ topic: 'out', partition: 0, offset }], maxWaitMs, 1 << 20);
  return fetched!;
}

test('records keep their offsets, keys, values, headers and times', async () => {
  const { broker, port } = openWorld();
  const headers = [['h', Buffer.from('v')]] as const;
  assert.equal(broker.append('out', 0, 'a', '1', 7, headers), 0);
  assert.equal(broker.append('out', 0, null, null, 9), 1);
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1 1:=');
  const [first, second] = broker.dump('out', 0);
  assert.deepEqual(first, {
    offset: 0,
    timestampMs: 7,
    key: utf8('a'),
    value: utf8('1'),
    headers: [['h', utf8('v')]],
  });
  assert.deepEqual(second, { offset: 1, timestampMs: 9, key: null, value: null, headers: [] });
});

test('a log-append topic is stamped by the broker’s clock, unless the port copies a recorded log', async () => {
  const { broker, clock, port } = openWorld();
  await clock.advance(250);
  const [stamped] = await port.produce(null, [batchOf('in', 0, null, -1, ['a=1'], 77)]);
  assert.equal(stamped?.logAppendTimeMs, 1_000_250);
  const replay = broker.openPort({ clientId: 'replay', keepsTimestamps: true });
  const [kept] = await replay.produce(null, [batchOf('in', 0, null, -1, ['b=2'], 77)]);
  assert.equal(kept?.logAppendTimeMs, -1);
  const [written] = await port.produce(null, [batchOf('out', 0, null, -1, ['c=3'], 77)]);
  assert.equal(written?.logAppendTimeMs, -1);
  assert.deepEqual(
    broker.dump('in', 0).map((record) => record.timestampMs),
    [1_000_250, 77],
  );
  assert.deepEqual(
    broker.dump('out', 0).map((record) => record.timestampMs),
    [77],
  );
  broker.append('in', 1, 'd', '4', 1234);
  assert.equal(broker.dump('in', 1)[0]?.timestampMs, 1234);
});

test('a fetch waits for data, and answers with bounds when none comes', async () => {
  const { broker, clock, port } = openWorld();
  const waiting = fetchOne(port, 0, 500);
  const empty = await clock.run(waiting);
  assert.equal(clock.nowMs(), 1_000_500);
  assert.deepEqual(empty.bounds, { start: 0, stableEnd: 0, highWatermark: 0 });
  assert.equal(empty.batches.length, 0);

  const served = fetchOne(port, 0, 500);
  await clock.advance(100);
  broker.append('out', 0, 'a', '1');
  assert.ok((await clock.run(served)).batches.length > 0);
  assert.equal(clock.nowMs(), 1_000_600);
});

test('a fetch over several partitions wakes for any of them and answers for all', async () => {
  const { broker, clock, port } = openWorld();
  const requests = [0, 1].map((partition) => ({ topic: 'out', partition, offset: 0 }));
  const waiting = port.fetch(requests, 500, 1 << 20);
  await clock.advance(10);
  broker.append('out', 1, 'a', '1');
  const answer = await clock.run(waiting);
  assert.equal(clock.nowMs(), 1_000_010);
  assert.deepEqual(
    answer.map(({ partition, batches }) => [partition, batches.length > 0]),
    [
      [0, false],
      [1, true],
    ],
  );
});

test('an open transaction ends what can be read, for records behind it as well', async () => {
  const { broker, clock, port } = openWorld();
  const txn = await take(port, 'task-0');
  broker.append('out', 0, 'a', '1');
  await send(port, txn, 'out', 0, 0, ['b=2']);
  broker.append('out', 0, 'c', '3');
  assert.deepEqual(broker.log({ topic: 'out', partition: 0 }).bounds, {
    start: 0,
    stableEnd: 1,
    highWatermark: 3,
  });
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1');
  const waiting = fetchOne(port, 1, 5000);
  await clock.advance(100);
  await port.endTransaction(txn, 'commit');
  assert.deepEqual((await clock.run(waiting)).bounds, { start: 0, stableEnd: 4, highWatermark: 4 });
  assert.equal(clock.nowMs(), 1_000_100);
  assert.equal(await readCommitted(port, 'out', 0), '0:a=1 1:b=2 2:c=3');
});

test('aborted transactions are listed in the order of their ends, and only as far as the answer reaches', async () => {
  const { broker, port } = openWorld();
  const first = await take(port, 'task-0');
  const second = await take(port, 'task-1');
  await send(port, first, 'out', 0, 0, ['a=1']);
  await send(port, second, 'out', 0, 0, ['b=2']);
  await port.endTransaction(second, 'abort');
  await port.endTransaction(first, 'abort');
  broker.append('out', 0, 'c', '3');
  const { aborted } = await fetchOne(port, 0);
  const [one, two] = [first.identity.producerId, second.identity.producerId];
  assert.deepEqual(aborted, [
    { producerId: two, firstOffset: 1 },
    { producerId: one, firstOffset: 0 },
  ]);
  assert.equal(await readCommitted(port, 'out', 0), '4:c=3');
  assert.deepEqual((await fetchOne(port, 4)).aborted, []);
  const [short] = await port.fetch([{ topic: 'out', partition: 0, offset: 0 }], 0, 1);
  assert.deepEqual(short?.aborted, [{ producerId: one, firstOffset: 0 }]);
});

test('an offset outside the log is an error, before and behind', async () => {
  const { broker, clock, port } = openWorld();
  for (let i = 0; i < 5; i += 1) broker.append('out', 0, 'a', `${i}`);
  const waiting = assert.rejects(fetchOne(port, 5, 1000), { code: 'offset-out-of-range' });
  await assert.rejects(fetchOne(port, 6), { code: 'offset-out-of-range' });
  broker.append('out', 0, 'a', '5');
  broker.truncate('out', 0, 6);
  await clock.run(waiting);
  await assert.rejects(fetchOne(port, 5), {
    code: 'offset-out-of-range',
    message: /holds offsets 6 to 6, not 5/,
  });
  assert.throws(() => broker.truncate('out', 0, 7), { code: 'offset-out-of-range' });
  assert.throws(() => broker.truncate('out', 0, 5), { code: 'offset-out-of-range' });
  broker.append('out', 0, 'a', '6');
  assert.equal(await readCommitted(port, 'out', 0, 6), '6:a=6');
});

test('retention may cut a batch in two: readers get it whole, and leave out what is gone', async () => {
  const { broker, port } = openWorld();
  await port.produce(null, [batchOf('out', 0, null, -1, ['a=1', 'b=2', 'c=3'])]);
  broker.truncate('out', 0, 1);
  assert.deepEqual(
    batchesOf((await fetchOne(port, 1)).batches).map((batch) => batch.baseOffset),
    [0],
  );
  assert.equal(await readCommitted(port, 'out', 0, 1), '1:b=2 2:c=3');
  assert.equal(committed(broker, 'out', 0), '1:b=2 2:c=3');
});

test('answers are cut at maxBytes, in the middle of a batch, but never without one whole batch', async () => {
  const { broker, port } = openWorld();
  for (const value of ['1', '2', '3', '4']) broker.append('out', 0, 'key', value);
  const whole = (await fetchOne(port, 0)).batches;
  const one = whole.length / 4;
  const [cut] = await port.fetch([{ topic: 'out', partition: 0, offset: 1 }], 0, one + 10);
  assert.equal(cut?.batches.length, one + 10);
  assert.deepEqual(
    batchesOf(cut!.batches).map((batch) => batch.baseOffset),
    [1],
  );
  const [least] = await port.fetch([{ topic: 'out', partition: 0, offset: 1 }], 0, 1);
  assert.equal(least?.batches.length, one);
  for (const bytesMax of [1, one, one + 1, 2 * one + 5]) {
    assert.equal(await readCommitted(port, 'out', 0, 0, bytesMax), '0:key=1 1:key=2 2:key=3 3:key=4');
  }
});

test('the bytes of an answer are shared out, so that no partition waits for another', async () => {
  const { broker, port } = openWorld();
  for (let i = 0; i < 100; i += 1)
    for (const partition of [0, 1]) broker.append('out', partition, 'key', `${i}`);
  const requests = [0, 1].map((partition) => ({ topic: 'out', partition, offset: 0 }));
  const [zero, one] = await port.fetch(requests, 0, 2000);
  assert.deepEqual([zero?.batches.length, one?.batches.length], [1000, 1000]);
});

test('an answer may be made to begin with batches before the one asked for', async () => {
  const { broker, port } = openWorld({ shapeFetch: (_, plain) => ({ ...plain, earlierBatches: 2 }) });
  for (const value of ['1', '2', '3', '4']) broker.append('out', 0, 'key', value);
  const { batches } = await fetchOne(port, 3);
  assert.deepEqual(
    batchesOf(batches).map((batch) => batch.baseOffset),
    [1, 2, 3],
  );
  assert.equal(await readCommitted(port, 'out', 0, 3), '3:key=4');
  assert.equal(await readCommitted(port, 'out', 0), '0:key=1 1:key=2 2:key=3 3:key=4');
});

test('what a broker refuses: damaged, oversized, control and keyless batches, and unknown topics', async () => {
  const { broker, port } = openWorld();
  const good = batchOf('out', 0, null, -1, ['a=1']);
  const damaged = good.bytes.slice();
  damaged[damaged.length - 2]! ^= 1;
  await assert.rejects(port.produce(null, [{ ...good, bytes: damaged }]), { code: 'corrupt-batch' });
  await assert.rejects(port.produce(null, [{ ...good, bytes: good.bytes.subarray(0, -1) }]), {
    code: 'corrupt-batch',
  });
  await assert.rejects(port.produce(null, [batchOf('table', 0, null, -1, ['=1'])]), {
    code: 'corrupt-batch',
  });
  broker.createTopics([
    { topic: 'small', partitions: 1, replicas: 1, configs: { 'max.message.bytes': '65' } },
  ]);
  await assert.rejects(port.produce(null, [{ ...good, topic: 'small' }]), { code: 'record-too-large' });
  await assert.rejects(port.produce(null, [{ ...good, partition: 2 }]), { code: 'unknown-topic' });
  await assert.rejects(port.produce(null, [good, good]), { code: 'protocol' });
  await assert.rejects(port.fetch([{ topic: 'nowhere', partition: 0, offset: 0 }], 0, 1), {
    code: 'unknown-topic',
  });
  assert.equal(committed(broker, 'out', 0), '');
});

test('a produce request that one partition refuses is appended to the others all the same', async () => {
  const { broker, port } = openWorld();
  const request = [batchOf('table', 0, null, -1, ['=1']), batchOf('out', 0, null, -1, ['a=1'])];
  await assert.rejects(port.produce(null, request), { code: 'corrupt-batch' });
  assert.equal(committed(broker, 'out', 0), '0:a=1');
});

test('segments: a long log reads the same as one batch after the other', async () => {
  const { broker, port } = openWorld();
  const value = 'x'.repeat(900);
  for (let i = 0; i < 300; i += 1) broker.append('out', 0, `${i}`, value);
  const records = (await readCommitted(port, 'out', 0)).split(' ');
  assert.equal(records.length, 300);
  assert.deepEqual(records, committed(broker, 'out', 0).split(' '));
});

test('whatever transactions do, in whatever order they end, the reader sees what was committed', async () => {
  const step = fc.record({
    producer: fc.nat(2),
    action: fc.constantFrom('send', 'send', 'send', 'commit', 'abort', 'plain', 'takeover'),
    records: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 400 }),
      async (steps, bytesMax) => {
        const { broker, port } = openWorld({ shapeFetch: (_, plain) => ({ ...plain, earlierBatches: 1 }) });
        const txns = [await take(port, 't0'), await take(port, 't1'), await take(port, 't2')];
        const open: string[][] = [[], [], []];
        const sequences = [0, 0, 0];
        const expected: string[] = [];
        const end = (producer: number, outcome: 'commit' | 'abort'): void => {
          if (outcome === 'commit') expected.push(...open[producer]!);
          open[producer] = [];
        };
        for (const [i, { producer, action, records }] of steps.entries()) {
          const values = Array.from({ length: records }, (_, k) => `${action}=${i}.${k}`);
          if (action === 'send') {
            const txn = txns[producer]!;
            const { baseOffset } = await send(port, txn, 'out', 0, sequences[producer]!, values);
            sequences[producer]! += records;
            open[producer]!.push(...values.map((value, k) => `${baseOffset + k}:${value}`));
          } else if (action === 'plain') {
            expected.push(`${broker.append('out', 0, 'plain', `${i}`)}:plain=${i}`);
          } else if (action === 'takeover') {
            txns[producer] = await take(port, `t${producer}`);
            sequences[producer] = 0;
            end(producer, 'abort');
          } else if (open[producer]!.length > 0) {
            await port.endTransaction(txns[producer]!, action);
            end(producer, action);
          }
        }
        for (const producer of [0, 1, 2]) {
          if (open[producer]!.length > 0) await port.endTransaction(txns[producer]!, 'abort');
          end(producer, 'abort');
        }
        const inOrder = expected.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).join(' ');
        assert.equal(committed(broker, 'out', 0), inOrder);
        assert.equal(await readCommitted(port, 'out', 0, 0, bytesMax), inOrder);
        assert.deepEqual(broker.transactions.unfinished(), []);
      },
    ),
    { numRuns: 100 },
  );
});

test('what was fetched stays as it was, whatever is appended later', async () => {
  const { broker, port } = openWorld();
  broker.append('out', 0, 'a', '1');
  const { batches } = await fetchOne(port, 0);
  for (let i = 0; i < 200; i += 1) broker.append('out', 0, 'b', `${i}`);
  const cursor = new RecordCursor();
  cursor.reset(batches, 0);
  assert.ok(cursor.next());
  assert.deepEqual(cursor.value(), utf8('1'));
  assert.equal(cursor.next(), false);
});

test('a marker fences the smaller epochs of its producer in the partition itself', () => {
  const { broker } = openWorld();
  const log = broker.log({ topic: 'out', partition: 0 });
  const before = { producerId: 7n, epoch: 2 };
  log.append(batchOf('out', 0, before, 0, ['a=1']).bytes, before, null);
  log.appendMarker({ producerId: 7n, epoch: 3 }, 'abort', 0);
  const late = batchOf('out', 0, before, 1, ['b=2']).bytes;
  assert.throws(() => log.append(late, before, null), {
    code: 'producer-fenced',
    message: /epoch 3 of producer 7/,
  });
  const after = { producerId: 7n, epoch: 3 };
  assert.equal(log.append(batchOf('out', 0, after, 0, ['c=3']).bytes, after, null).baseOffset, 2);
});

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
