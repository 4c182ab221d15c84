/**
 * The control of the conformance suite: stock kafkajs 2.2.4 fails where our port passes. Each test says what it sees go
 * wrong; one that fails means that kafkajs has changed, and that the port may have something to give up.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openKafkajsPort } from '../../../runtime/kafkajs-port.ts';
import { testCluster } from '../../support/local-cluster.ts';
import { COMPACTED_CONFIGS, deleteBefore, untilEmptied } from '../kafka-subject.ts';
import { laidOut } from '../laid-out.ts';
import { StockKafkajs, until } from './stock-kafkajs.ts';

const cluster = await testCluster();
const stock = await StockKafkajs.start(cluster.brokers);
after(async () => {
  await stock.close();
  await cluster.stop();
});

test('stock kafkajs delivers aborted records when transactions abort in another order than they began', async () => {
  const topic = await stock.topic();
  const [a, b] = [await stock.transactional(), await stock.transactional()];
  const [inA, inB] = [await a.transaction(), await b.transaction()];
  await inA.send({ topic, messages: [{ value: 'A-aborted-0' }, { value: 'A-aborted-1' }] });
  await inB.send({ topic, messages: [{ value: 'B-aborted' }] });
  await inB.abort();
  await inA.abort();
  const last = await a.transaction();
  await last.send({ topic, messages: [{ value: 'A-committed' }] });
  await last.commit();
  const reader = await stock.reader(topic);
  await until('the committed record is read', () => reader.values.includes('A-committed'));
  assert.ok(
    reader.values.some((value) => value.includes('aborted')),
    reader.values.join(' '),
  );
});

test('stock kafkajs takes a data key for an abort marker', async () => {
  const topic = await stock.topic();
  const producer = await stock.transactional();
  const aborted = await producer.transaction();
  await aborted.send({
    topic,
    messages: [{ key: Buffer.alloc(4), value: 'aborted-0' }, { value: 'aborted-1' }],
  });
  await aborted.abort();
  const last = await producer.transaction();
  await last.send({ topic, messages: [{ value: 'committed' }] });
  await last.commit();
  const reader = await stock.reader(topic);
  await until('the committed record is read', () => reader.values.includes('committed'));
  assert.ok(
    reader.values.some((value) => value.includes('aborted')),
    reader.values.join(' '),
  );
});

test('stock kafkajs stops for ever at a batch that compaction emptied', async () => {
  const segmentEnds = () => new Promise((resolve) => setTimeout(resolve, 300));
  const large = 'x'.repeat(600_000);
  const topic = await laidOut(async () => {
    const topic = await stock.topic({ 'cleanup.policy': 'compact', ...COMPACTED_CONFIGS });
    const [early, late] = [await stock.producer(), await stock.producer()];
    await late.send({ topic, messages: [{ key: 'a', value: large }] });
    await early.send({ topic, messages: [{ key: 'k', value: 'old' }] });
    await segmentEnds();
    await late.send({
      topic,
      messages: [
        { key: 'k', value: 'new' },
        { key: 'b', value: large },
      ],
    });
    await segmentEnds();
    await late.send({ topic, messages: [{ key: 'end', value: 'end' }] });
    const port = await openKafkajsPort({ brokers: cluster.brokers, clientId: 'control' });
    await untilEmptied(port, { topic, partition: 0 }).finally(() => port.close());
    return topic;
  });
  const reader = await stock.reader(topic);
  await until('it has asked many times', () => reader.fetches >= 20);
  assert.deepEqual(reader.offsets, [0]);
});

test('stock kafkajs goes on somewhere else when its offset is outside the log, and says nothing', async () => {
  const topic = await stock.topic();
  const producer = await stock.producer();
  await producer.send({ topic, messages: Array.from({ length: 9 }, (_, i) => ({ value: `${i}` })) });
  await deleteBefore(await stock.admin(), { topic, partition: 0 }, 4);
  const groupId = `${topic}-group`;
  const transaction = await (await stock.transactional()).transaction();
  await transaction.send({ topic, messages: [{ value: 'last' }] });
  await transaction.sendOffsets({
    consumerGroupId: groupId,
    topics: [{ topic, partitions: [{ partition: 0, offset: '2' }] }],
  });
  await transaction.commit();
  const reader = await stock.reader(topic, { groupId });
  await until('it reads', () => reader.values.length > 0);
  assert.deepEqual([reader.offsets[0], reader.crashes], [4, []]);
});
