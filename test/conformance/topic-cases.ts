/** Topics, bounds, and what is wrong from the start. */
import assert from 'node:assert/strict';
import { BatchBuilder, NO_HEADERS, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { Case } from './conformance.ts';
import { batch, partitionsOf } from './lab.ts';

export const TOPIC_CASES: readonly Case[] = [
  {
    name: 'topics are created once, and described as they are',
    body: async (lab) => {
      const port = await lab.port();
      const [stamped, table] = [lab.name('stamped'), lab.name('table')];
      const wanted = [
        {
          topic: stamped,
          partitions: 3,
          replicas: 1,
          configs: { 'message.timestamp.type': 'LogAppendTime' },
        },
        { topic: table, partitions: 1, replicas: 1, configs: { 'cleanup.policy': 'compact' } },
      ];
      assert.deepEqual([...(await port.createTopics(wanted))].sort(), [stamped, table].sort());
      assert.deepEqual(await port.createTopics(wanted), []);
      assert.deepEqual(await port.describeTopics([table, stamped]), [
        { topic: table, partitions: 1, timestampType: 'create', cleanup: 'compact' },
        { topic: stamped, partitions: 3, timestampType: 'log-append', cleanup: 'delete' },
      ]);
    },
  },
  {
    name: 'every topic that does not exist is named',
    body: async (lab) => {
      const port = await lab.port();
      const there = await lab.topic();
      const [one, other] = [lab.name('missing'), lab.name('missing')];
      const unknown = { code: 'unknown-topic', message: new RegExp(`${one}, ${other}`) };
      await assert.rejects(port.describeTopics([one, there, other]), unknown);
      await assert.rejects(port.fetch([{ topic: one, partition: 0, offset: 0 }], 0, 1000), {
        code: 'unknown-topic',
      });
      await assert.rejects(port.bounds(partitionsOf(one)), { code: 'unknown-topic' });
    },
  },
  {
    name: 'a partition that does not exist is an error, and no wait',
    body: async (lab) => {
      const topic = await lab.topic();
      const port = await lab.port();
      await assert.rejects(port.fetch([{ topic, partition: 1, offset: 0 }], 0, 1000), {
        code: 'unknown-topic',
      });
    },
  },
  {
    name: 'bounds tell what is decided from what is not',
    body: async (lab) => {
      const topic = await lab.topic({}, 2);
      const port = await lab.port();
      const producer = await lab.producer();
      assert.deepEqual(
        (await port.bounds(partitionsOf(topic, 2))).map(({ start, stableEnd, highWatermark }) => [
          start,
          stableEnd,
          highWatermark,
        ]),
        [
          [0, 0, 0],
          [0, 0, 0],
        ],
      );
      producer.begin();
      await producer.send([batch(topic, 1, 'a', 'b')]);
      const [untouched, open] = await port.bounds(partitionsOf(topic, 2));
      assert.deepEqual(untouched, { topic, partition: 0, start: 0, stableEnd: 0, highWatermark: 0 });
      assert.deepEqual(open, { topic, partition: 1, start: 0, stableEnd: 0, highWatermark: 2 });
      await producer.commit();
      await lab.until('the marker is written', async () => {
        const [bounds] = await port.bounds([{ topic, partition: 1 }]);
        return bounds!.stableEnd === 3 && bounds!.highWatermark === 3;
      });
    },
  },
  {
    name: 'an offset is found by time, among what is decided only',
    body: async (lab) => {
      const topic = await lab.topic({}, 2);
      const port = await lab.port();
      const producer = await lab.producer();
      const at = (timestampMs: number) => ({ value: `at ${timestampMs}`, timestampMs });
      await lab.transact(producer, 'commit', batch(topic, 0, at(1_000), at(2_000), at(3_000)));
      await lab.records(topic);
      const found = async (timeMs: number) =>
        (await port.offsetsForTime(partitionsOf(topic, 2), timeMs)).map(({ offset }) => offset);
      assert.deepEqual(await found(0), [0, null]);
      assert.deepEqual(await found(2_000), [1, null]);
      assert.deepEqual(await found(2_001), [2, null]);
      const farAheadMs = lab.subject.clock.nowMs() + 3_600_000;
      producer.begin();
      await producer.send([batch(topic, 0, at(farAheadMs))]);
      assert.deepEqual(await found(farAheadMs), [null, null], 'an open transaction is not there yet');
      await producer.commit();
      await lab.records(topic);
      assert.deepEqual(await found(farAheadMs), [4, null]);
    },
  },
  {
    name: 'records are deleted up to an offset, but not where the log is a table',
    body: async (lab) => {
      const port = await lab.port();
      const [topic, table] = [await lab.topic({}, 2), await lab.topic({ 'cleanup.policy': 'compact' })];
      const producer = await lab.producer();
      await lab.transact(producer, 'commit', batch(topic, 0, 'a', 'b', 'c'), batch(topic, 1, 'd'));
      await lab.transact(producer, 'commit', batch(table, 0, { key: 'k', value: 'v' }));
      await port.deleteRecords([{ topic, partition: 0, offset: 2 }]);
      assert.deepEqual(await lab.values(topic, 0, 2), ['c']);
      assert.deepEqual(
        (await port.bounds(partitionsOf(topic, 2))).map(({ start }) => start),
        [2, 0],
      );
      await assert.rejects(port.deleteRecords([{ topic: table, partition: 0, offset: 1 }]), {
        code: 'protocol',
      });
      await assert.rejects(port.deleteRecords([{ topic, partition: 0, offset: 99 }]), {
        code: 'offset-out-of-range',
      });
    },
  },
  {
    name: 'a record that is too large is refused, and says so',
    body: async (lab) => {
      const topic = await lab.topic({ 'max.message.bytes': '10000' });
      const producer = await lab.producer();
      producer.begin();
      await assert.rejects(producer.send([batch(topic, 0, 'x'.repeat(20_000))]), {
        code: 'record-too-large',
        kind: 'fatal',
      });
    },
  },
  {
    name: 'a damaged batch is refused',
    body: async (lab) => {
      const topic = await lab.topic();
      const port = await lab.port();
      const builder = new BatchBuilder();
      builder.append(null, Buffer.from('value'), NO_HEADERS, 0);
      const bytes = builder.finish(NO_PRODUCER);
      bytes[bytes.length - 2]! ^= 1;
      await assert.rejects(port.produce(null, [{ topic, partition: 0, bytes, baseSequence: -1 }]), {
        code: 'corrupt-batch',
      });
      assert.deepEqual(await lab.values(topic), []);
    },
  },
  {
    name: 'a closed port says so, also to who was waiting',
    body: async (lab) => {
      const topic = await lab.topic();
      const port = await lab.openPort();
      const waiting = assert.rejects(port.fetch([{ topic, partition: 0, offset: 0 }], 30_000, 1000), {
        code: 'closed',
      });
      await lab.subject.clock.sleep(50);
      await port.close();
      await waiting;
      await assert.rejects(port.bounds(partitionsOf(topic)), { code: 'closed' });
    },
  },
];
