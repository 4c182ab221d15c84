import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, LogError, type LogErrorCode, type LogPort, type ProduceBatch } from './port.ts';
import { BatchBuilder, batchesOf, NO_HEADERS } from './record-batch.ts';
import { type OutgoingBatch, TransactionalProducer } from './transactional-producer.ts';

test('a transaction adds each partition once, and sequence numbers go on from one to the next', async () => {
  const { calls, producer } = await opened();
  for (let round = 0; round < 2; round++) {
    producer.begin();
    await producer.send([outgoing('a', 0, 2), outgoing('b', 1, 1)]);
    await producer.send([outgoing('a', 0, 3), outgoing('a', 0, 1)]);
    await (round === 0 ? producer.commit() : producer.abort());
  }
  assert.deepEqual(calls, [
    'init',
    ...['add a/0 b/1', 'produce a/0@0+2 b/1@0+1', 'produce a/0@2+3', 'produce a/0@5+1', 'commit'],
    ...['add a/0 b/1', 'produce a/0@6+2 b/1@1+1', 'produce a/0@8+3', 'produce a/0@11+1', 'abort'],
  ]);
  assert.equal(producer.state, 'ready');
});

test('what goes into one partition keeps its order, with one batch for a partition in a request', async () => {
  const { calls, producer } = await opened();
  producer.begin();
  await producer.send([
    outgoing('a', 0, 1),
    outgoing('a', 0, 2),
    outgoing('b', 0, 1),
    outgoing('a', 0, 3),
    outgoing('c', 0, 0),
  ]);
  assert.deepEqual(calls.slice(1), [
    'add a/0 b/0',
    'produce a/0@0+1 b/0@0+1',
    'produce a/0@1+2',
    'produce a/0@3+3',
  ]);
});

test('requests are bounded in size', async () => {
  const { calls, producer } = await opened();
  producer.begin();
  await producer.send([
    outgoing('a', 0, 1, 5 << 20),
    outgoing('b', 0, 1, 5 << 20),
    outgoing('a', 0, 1),
    outgoing('c', 0, 1),
  ]);
  assert.deepEqual(calls.slice(2), ['produce a/0@0+1 c/0@0+1', 'produce b/0@0+1 a/0@1+1']);
});

test('an empty transaction asks nothing of the coordinator', async () => {
  const { calls, producer } = await opened();
  producer.begin();
  await producer.send([outgoing('a', 0, 0)]);
  await producer.commit();
  assert.deepEqual(calls, ['init']);
});

test('a transaction of group offsets alone is ended all the same', async () => {
  const { calls, producer } = await opened();
  producer.begin();
  await producer.sendGroupOffsets('g', [{ topic: 'a', partition: 0, offset: 7 }]);
  await producer.commit();
  assert.deepEqual(calls, ['init', 'offsets g a/0=7', 'commit']);
});

test('retryable errors are retried with the same sequence numbers', async () => {
  const { calls, producer } = await opened({
    init: ['concurrent-transactions', 'coordinator-moved'],
    add: ['concurrent-transactions', 'concurrent-transactions'],
    produce: ['not-leader'],
    end: ['coordinator-moved'],
  });
  producer.begin();
  await producer.send([outgoing('a', 0, 2)]);
  await producer.commit();
  assert.deepEqual(calls, [
    ...['init', 'init', 'init'],
    ...['add a/0', 'add a/0', 'add a/0'],
    ...['produce a/0@0+2', 'produce a/0@0+2'],
    ...['commit', 'commit'],
  ]);
  assert.equal(producer.retries, 6);
});

test('retries end with the transaction timeout, as an error that nobody retries', async () => {
  const { producer } = await opened({
    add: Array.from({ length: 500 }, () => 'concurrent-transactions' as const),
  });
  producer.begin();
  await assert.rejects(producer.send([outgoing('a', 0, 1)]), {
    code: 'timed-out',
    kind: 'ambiguous',
    message: /adding partitions \(task-0\) did not succeed within 10\d\d ms: concurrent-transactions/,
  });
  assert.equal(producer.state, 'dead');
});

for (const code of [
  'unreachable',
  'timed-out',
  'producer-fenced',
  'out-of-order-sequence',
  'record-too-large',
] as const) {
  test(`after ${code} the producer is dead, and says why`, async () => {
    const { calls, producer } = await opened({ produce: [code] });
    producer.begin();
    await assert.rejects(producer.send([outgoing('a', 0, 1)]), { code });
    const callsBefore = calls.length;
    const dead = { code, message: /The producer task-0 is dead, open a new one. It failed with: / };
    await assert.rejects(producer.send([outgoing('a', 0, 1)]), dead);
    await assert.rejects(producer.commit(), dead);
    await assert.rejects(producer.abort(), dead);
    assert.throws(() => producer.begin(), dead);
    assert.equal(calls.length, callsBefore, 'a dead producer sends nothing');
  });
}

test('an ambiguous end kills the producer', async () => {
  const { producer } = await opened({ end: ['timed-out'] });
  producer.begin();
  await producer.send([outgoing('a', 0, 1)]);
  await assert.rejects(producer.commit(), { code: 'timed-out', kind: 'ambiguous' });
  assert.throws(() => producer.begin(), { code: 'timed-out' });
});

test('a reply that does not cover every partition kills the producer', async () => {
  const { producer } = await opened({}, (batches) => batches.slice(1));
  producer.begin();
  await assert.rejects(producer.send([outgoing('a', 0, 1), outgoing('b', 0, 1)]), {
    code: 'protocol',
    message: /acknowledged 1 of 2 partitions \(not a\/0\)/,
  });
});

test('calls out of turn are told apart from failures', async () => {
  const { producer } = await opened();
  await assert.rejects(producer.commit(), /is ready, not open/);
  producer.begin();
  assert.throws(() => producer.begin(), /is open, not ready/);
  const sending = producer.send([outgoing('a', 0, 1)]);
  await assert.rejects(producer.commit(), /still busy/);
  await sending;
  await producer.commit();
});

type Faults = { readonly [call in 'init' | 'add' | 'produce' | 'end']?: readonly LogErrorCode[] };

/** A producer on a port that writes down what it is asked for, after failing as often as it is told to. */
async function opened(faults: Faults = {}, acknowledged = (batches: readonly ProduceBatch[]) => batches) {
  const calls: string[] = [];
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: async (durationMs) => {
      nowMs += durationMs;
    },
  };
  const left = structuredClone(faults) as { [call: string]: LogErrorCode[] | undefined };
  const call = async (what: keyof Faults, text: string): Promise<void> => {
    calls.push(text);
    const code = left[what]?.shift();
    if (code !== undefined) throw new LogError(code, code);
  };
  const port = {
    initProducer: async () => {
      await call('init', 'init');
      return { producerId: 5n, epoch: 3 };
    },
    addPartitions: (_txn, partitions) =>
      call('add', ['add', ...partitions.map((p) => `${p.topic}/${p.partition}`)].join(' ')),
    produce: async (_txn, batches) => {
      await call('produce', ['produce', ...batches.map(described)].join(' '));
      return acknowledged(batches).map(({ topic, partition }) => ({
        topic,
        partition,
        baseOffset: 0,
        logAppendTimeMs: -1,
      }));
    },
    endTransaction: (_txn, outcome) => call('end', outcome),
    sendGroupOffsets: async (_txn, groupId, offsets) => {
      calls.push(
        `offsets ${groupId} ${offsets.map((o) => `${o.topic}/${o.partition}=${o.offset}`).join(' ')}`,
      );
    },
  } as Partial<LogPort> as LogPort;
  const producer = await TransactionalProducer.open({
    port,
    clock,
    transactionalId: 'task-0',
    transactionTimeoutMs: 1000,
  });
  return { calls, producer };
}

function described({ topic, partition, bytes, baseSequence }: ProduceBatch): string {
  const [header, ...others] = batchesOf(bytes);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [header!.producerId, header!.producerEpoch, header!.isTransactional, header!.baseSequence],
    [5n, 3, true, baseSequence],
  );
  return `${topic}/${partition}@${baseSequence}+${header!.recordCount}`;
}

function outgoing(topic: string, partition: number, recordCount: number, valueBytes = 3): OutgoingBatch {
  const builder = new BatchBuilder();
  for (let i = 0; i < recordCount; i++) builder.append(null, new Uint8Array(valueBytes), NO_HEADERS, 0);
  return { topic, partition, builder };
}
