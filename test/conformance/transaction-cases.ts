/** Exactly once: fencing, lost replies, duplicates, timeouts. */
import assert from 'node:assert/strict';
import type { LogPort, TransactionHandle } from '../../runtime/port.ts';
import type { TransactionalProducer } from '../../runtime/transactional-producer.ts';
import type { Case } from './conformance.ts';
import { batch, type Lab, partitionsOf } from './lab.ts';

export const TRANSACTION_CASES: readonly Case[] = [
  {
    name: 'a transaction over several partitions and topics becomes visible, or not at all',
    body: async (lab) => {
      const [one, other] = [await lab.topic({}, 2), await lab.topic()];
      const producer = await lab.producer();
      const everywhere = (value: string) => [
        batch(one, 0, value),
        batch(one, 1, value),
        batch(other, 0, value),
      ];
      await lab.transact(producer, 'abort', ...everywhere('aborted'));
      await lab.transact(producer, 'commit', ...everywhere('committed'));
      for (const [topic, partition] of [
        [one, 0],
        [one, 1],
        [other, 0],
      ] as const) {
        assert.deepEqual(await lab.values(topic, partition), ['committed']);
      }
    },
  },
  {
    name: 'transactions follow each other without a pause',
    body: async (lab) => {
      const topic = await lab.topic({}, 2);
      const producer = await lab.producer();
      const expected: string[] = [];
      for (let round = 0; round < 40; round++) {
        await lab.transact(producer, 'commit', batch(topic, 0, `${round}`), batch(topic, 1, `${round}`));
        expected.push(`${round}`);
      }
      assert.deepEqual(await lab.values(topic, 1), expected);
      assert.deepEqual(await lab.values(topic, 0), expected);
    },
  },
  {
    name: 'several batches near the limit fit into one transaction',
    body: async (lab) => {
      const topic = await lab.topic();
      const producer = await lab.producer();
      const large = (name: string) =>
        batch(topic, 0, ...Array.from({ length: 9 }, (_, i) => `${name}${i}`.padEnd(100_000)));
      await lab.transact(producer, 'commit', large('a'), large('b'), large('c'));
      const values = await lab.values(topic);
      assert.deepEqual(
        values.map((value) => value!.trim()),
        ['a', 'b', 'c'].flatMap((name) => Array.from({ length: 9 }, (_, i) => `${name}${i}`)),
      );
    },
  },
  {
    name: 'a newer holder of a transactional id fences the older one, at every step',
    body: async (lab) => {
      for (const step of ['begin', 'send', 'commit', 'abort', 'offsets'] as const) {
        const topic = await lab.topic();
        const id = lab.name('txn');
        const zombie = await lab.producer(id);
        await lab.transact(zombie, 'commit', batch(topic, 0, 'before'));
        zombie.begin();
        if (step !== 'begin') await zombie.send([batch(topic, 0, 'zombie')]);
        const owner = await lab.producer(id, { port: await lab.openPort() });
        assert.ok(
          owner.identity.epoch > zombie.identity.epoch ||
            owner.identity.producerId !== zombie.identity.producerId,
        );
        await assert.rejects(actOf(zombie, step, topic), { code: 'producer-fenced', kind: 'fenced' }, step);
        await lab.transact(owner, 'commit', batch(topic, 0, 'after'));
        assert.deepEqual(await lab.values(topic), ['before', 'after'], step);
      }
    },
  },
  {
    name: 'a zombie is fenced even when it writes past the coordinator',
    body: async (lab) => {
      const topic = await lab.topic();
      const port = await lab.port();
      const id = lab.name('txn');
      const zombie: TransactionHandle = {
        transactionalId: id,
        identity: await port.initProducer(id, 10_000),
      };
      await port.addPartitions(zombie, partitionsOf(topic));
      const owner = await lab.producer(id);
      const bytes = sealed(batch(topic, 0, 'zombie'), zombie, 0);
      await assert.rejects(
        port.produce(zombie, [{ topic, partition: 0, baseSequence: 0, bytes }]),
        (error: { kind: string }) => {
          return error.kind === 'fenced' || error.kind === 'ambiguous';
        },
      );
      await lab.transact(owner, 'commit', batch(topic, 0, 'owner'));
      assert.deepEqual(await lab.values(topic), ['owner']);
    },
  },
  {
    name: 'taking over ends what a dead process left open, and does not wait for its timeout',
    body: async (lab) => {
      const topic = await lab.topic();
      const id = lab.name('txn');
      const dying = await lab.openPort();
      const dead = await lab.producer(id, { port: dying, transactionTimeoutMs: 60_000 });
      dead.begin();
      await dead.send([batch(topic, 0, 'dangling')]);
      await dying.close();
      const startedAtMs = lab.subject.clock.nowMs();
      await lab.transact(await lab.producer(id), 'commit', batch(topic, 0, 'taken over'));
      assert.ok(lab.subject.clock.nowMs() - startedAtMs < 10_000);
      assert.deepEqual(await lab.values(topic), ['taken over']);
    },
  },
  {
    name: 'what is open in a partition is told, by producer and first offset, until its marker is written',
    body: async (lab) => {
      const topic = await lab.topic({}, 2);
      const port = await lab.port();
      const [one, other] = [await lab.producer(), await lab.producer()];
      const told = async () => {
        const open = await port.openTransactions(partitionsOf(topic, 2));
        return open
          .map(({ partition, producerId, epoch, firstOffset }) => [partition, producerId, epoch, firstOffset])
          .sort((a, b) => Number(a[0]) - Number(b[0]) || Number(a[3]) - Number(b[3]));
      };
      const lineOf = ({ identity }: TransactionalProducer, partition: number, offset: number) => [
        partition,
        identity.producerId,
        identity.epoch,
        offset,
      ];
      assert.deepEqual(await told(), []);
      one.begin();
      other.begin();
      await one.send([batch(topic, 0, 'a', 'b')]);
      await other.send([batch(topic, 0, 'c'), batch(topic, 1, 'd')]);
      assert.deepEqual(await told(), [lineOf(one, 0, 0), lineOf(other, 0, 2), lineOf(other, 1, 0)]);
      await other.commit();
      await lab.until('the markers are written', async () => (await told()).length === 1);
      assert.deepEqual(await told(), [lineOf(one, 0, 0)]);
      await one.abort();
      assert.deepEqual(await lab.values(topic, 0), ['c']);
      assert.deepEqual(await told(), []);
    },
  },
  {
    name: 'a transaction that is left open is aborted by its timeout, and its producer fenced',
    body: async (lab) => {
      const topic = await lab.topic();
      const [slow, other] = [
        await lab.producer(undefined, { transactionTimeoutMs: 1_000 }),
        await lab.producer(),
      ];
      slow.begin();
      await slow.send([batch(topic, 0, 'too slow')]);
      await lab.transact(other, 'commit', batch(topic, 0, 'behind'));
      assert.deepEqual(await lab.values(topic), ['behind']);
      await assert.rejects(
        slow.commit(),
        (error: { kind: string }) => error.kind === 'fenced' || error.kind === 'ambiguous',
      );
    },
  },
  {
    name: 'after a lost produce reply the producer is dead, and nothing that comes later is swallowed',
    body: async (lab) => {
      const topic = await lab.topic();
      const id = lab.name('txn');
      const { port, loseNextReply } = await lab.openLossyPort();
      const producer = await lab.producer(id, { port });
      await lab.transact(producer, 'commit', batch(topic, 0, 'm1'));
      producer.begin();
      loseNextReply('produce');
      await assert.rejects(producer.send([batch(topic, 0, 'm2')]), { kind: 'ambiguous' });
      await assert.rejects(producer.send([batch(topic, 0, 'm3')]), { kind: 'ambiguous' });
      await assert.rejects(producer.commit(), { kind: 'ambiguous' });
      const next = await lab.producer(id, { port });
      await lab.transact(next, 'commit', batch(topic, 0, 'm2'), batch(topic, 0, 'm3'));
      assert.deepEqual(await lab.values(topic), ['m1', 'm2', 'm3']);
    },
  },
  {
    name: 'after a lost commit reply, what is committed is there to be read once the id is taken over',
    body: async (lab) => {
      const topic = await lab.topic();
      const id = lab.name('txn');
      const { port, loseNextReply } = await lab.openLossyPort();
      const producer = await lab.producer(id, { port });
      producer.begin();
      await producer.send([batch(topic, 0, 'm1', 'm2')]);
      loseNextReply('endTransaction');
      await assert.rejects(producer.commit(), { kind: 'ambiguous' });
      const next = await lab.producer(id, { port });
      assert.deepEqual(await lab.valuesNow(topic), ['m1', 'm2'], 'decided before the takeover returns');
      await lab.transact(next, 'commit', batch(topic, 0, 'm3'));
      assert.deepEqual(await lab.values(topic), ['m1', 'm2', 'm3']);
    },
  },
  {
    name: 'a lost reply to a takeover costs an epoch and nothing else',
    body: async (lab) => {
      const topic = await lab.topic();
      const id = lab.name('txn');
      const { port, loseNextReply } = await lab.openLossyPort();
      loseNextReply('initProducer');
      await assert.rejects(lab.producer(id, { port }), { kind: 'ambiguous' });
      await lab.transact(await lab.producer(id, { port }), 'commit', batch(topic, 0, 'm1'));
      assert.deepEqual(await lab.values(topic), ['m1']);
    },
  },
  {
    name: 'a batch that arrives twice is written once, and a gap in the sequence is refused',
    body: async (lab) => {
      const topic = await lab.topic();
      const { port, txn } = await openTransaction(lab, topic);
      const first = {
        topic,
        partition: 0,
        baseSequence: 0,
        bytes: sealed(batch(topic, 0, 'a', 'b'), txn, 0),
      };
      const [written] = await port.produce(txn, [first]);
      const [again] = await port.produce(txn, [first]);
      assert.equal(again!.baseOffset, written!.baseOffset);
      const gap = { ...first, baseSequence: 3, bytes: sealed(batch(topic, 0, 'd'), txn, 3) };
      await assert.rejects(port.produce(txn, [gap]), { code: 'out-of-order-sequence', kind: 'ambiguous' });
      const next = { ...first, baseSequence: 2, bytes: sealed(batch(topic, 0, 'c'), txn, 2) };
      await port.produce(txn, [next]);
      await port.endTransaction(txn, 'commit');
      assert.deepEqual(await lab.values(topic), ['a', 'b', 'c']);
    },
  },
  {
    name: 'a partition that was not added to the transaction takes nothing',
    body: async (lab) => {
      const topic = await lab.topic({}, 2);
      const { port, txn } = await openTransaction(lab, topic);
      const bytes = sealed(batch(topic, 1, 'hanging'), txn, 0);
      await assert.rejects(port.produce(txn, [{ topic, partition: 1, baseSequence: 0, bytes }]), {
        kind: 'ambiguous',
      });
      const [bounds] = await port.bounds([{ topic, partition: 1 }]);
      assert.deepEqual([bounds!.stableEnd, bounds!.highWatermark], [0, 0]);
    },
  },
  {
    name: 'group offsets commit and abort with their transaction',
    body: async (lab) => {
      const topic = await lab.topic();
      const groupId = lab.name('group');
      const producer = await lab.producer();
      const offsetIs = async (expected: number | null) => {
        return (await lab.subject.groupOffset(groupId, { topic, partition: 0 })) === expected;
      };
      for (const [outcome, offset, expected] of [
        ['commit', 7, 7],
        ['abort', 8, 7],
        ['commit', 9, 9],
      ] as const) {
        producer.begin();
        await producer.send([batch(topic, 0, 'v')]);
        await producer.sendGroupOffsets(groupId, [{ topic, partition: 0, offset }]);
        await producer[outcome]();
        await lab.until(`the group is at ${expected}`, () => offsetIs(expected));
      }
    },
  },
];

async function openTransaction(
  lab: Lab,
  topic: string,
): Promise<{ readonly port: LogPort; readonly txn: TransactionHandle }> {
  const port = await lab.port();
  const transactionalId = lab.name('txn');
  const txn = { transactionalId, identity: await port.initProducer(transactionalId, 10_000) };
  await port.addPartitions(txn, [{ topic, partition: 0 }]);
  return { port, txn };
}

function sealed(
  { builder }: ReturnType<typeof batch>,
  { identity }: TransactionHandle,
  baseSequence: number,
): Uint8Array {
  const { producerId, epoch } = identity;
  return builder.finish({ producerId, producerEpoch: epoch, baseSequence, isTransactional: true });
}

async function actOf(
  producer: TransactionalProducer,
  step: 'begin' | 'send' | 'commit' | 'abort' | 'offsets',
  topic: string,
): Promise<void> {
  switch (step) {
    case 'begin':
    case 'send':
      await producer.send([batch(topic, 0, 'zombie')]);
      return;
    case 'offsets':
      await producer.sendGroupOffsets('group-of-a-zombie', [{ topic, partition: 0, offset: 1 }]);
      return;
    default:
      await producer[step]();
  }
}
