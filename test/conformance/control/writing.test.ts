/** The control of the conformance suite, continued: what stock kafkajs loses, duplicates or lets happen on the way in. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { PartitionAssigners } from 'kafkajs';
import { BrokerProxy } from '../../support/broker-proxy.ts';
import { testCluster } from '../../support/local-cluster.ts';
import { newName, StockKafkajs, until } from './stock-kafkajs.ts';

const cluster = await testCluster();
const stock = await StockKafkajs.start(cluster.brokers);
after(async () => {
  await stock.close();
  await cluster.stop();
});

test('stock kafkajs says that a record was sent, after a lost reply, and the broker has dropped it', async () => {
  const topic = await stock.topic();
  const proxy = await BrokerProxy.start(cluster.brokers[0]!);
  try {
    const producer = await stock.producer({}, stock.lossy(proxy));
    const send = (value: string) => producer.send({ topic, messages: [{ value, partition: 0 }] });
    await send('m1');
    for (let attempt = 0; attempt < 2; attempt++) proxy.loseNextReply('Produce');
    await assert.rejects(send('m2'));
    assert.equal(proxy.pending, 0);
    await send('m3');
    await send('m4');
    const reader = await stock.reader(topic);
    await until('the last record is read', () => reader.values.includes('m4'));
    assert.deepEqual(reader.values, ['m1', 'm2', 'm4']);
  } finally {
    await proxy.stop();
  }
});

test('stock kafkajs commits a transaction whose record the broker has dropped, after a lost reply in the one before', async () => {
  const topic = await stock.topic();
  const proxy = await BrokerProxy.start(cluster.brokers[0]!);
  try {
    const producer = await stock.transactional(stock.lossy(proxy));
    const first = await producer.transaction();
    await first.send({ topic, messages: [{ value: 'aborted-0', partition: 0 }] });
    for (let attempt = 0; attempt < 2; attempt++) proxy.loseNextReply('Produce');
    await assert.rejects(first.send({ topic, messages: [{ value: 'aborted-1', partition: 0 }] }));
    await first.abort();
    for (const value of ['m3', 'm4']) {
      await until(`${value} is committed`, async () => {
        const next = await producer.transaction();
        try {
          await next.send({ topic, messages: [{ value, partition: 0 }] });
          await next.commit();
          return true;
        } catch (error) {
          // the markers of the one before are not written yet: nothing was sent
          assert.equal(
            (error as { type?: string; cause?: { type?: string } }).cause?.type ??
              (error as { type?: string }).type,
            'CONCURRENT_TRANSACTIONS',
          );
          await next.abort().catch(() => undefined);
          return false;
        }
      });
    }
    const reader = await stock.reader(topic);
    await until('the last record is read', () => reader.values.includes('m4'));
    assert.deepEqual(reader.values, ['m4'], 'm3 was committed, and is not there');
  } finally {
    await proxy.stop();
  }
});

test('stock kafkajs resolves a send of which one partition was skipped while its leader moved', async () => {
  const { send, produced } = sendWithMovingLeader();
  const sent = await send({
    acks: -1,
    timeout: 1000,
    topicMessages: [
      {
        topic: 't',
        messages: [
          { value: 'p0', partition: 0 },
          { value: 'p1', partition: 1 },
        ],
      },
    ],
  });
  assert.ok(sent.length > 0, 'it resolves');
  assert.deepEqual(produced, ['p0'], 'p1 was written nowhere');
});

test('stock kafkajs lets somebody who is not in the group overwrite its offsets', async () => {
  const topic = await stock.topic();
  const groupId = newName('group');
  const member = await stock.reader(topic, { groupId });
  await until('the member is in the group', () => member.fetches > 0);
  const [owner, zombie] = [await stock.transactional(), await stock.transactional()];
  for (const [producer, offset] of [
    [owner, '100'],
    [zombie, '5'],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: `at ${offset}` }] });
    await transaction.sendOffsets({
      consumerGroupId: groupId,
      topics: [{ topic, partitions: [{ partition: 0, offset }] }],
    });
    await transaction.commit();
  }
  await until("the zombie's offset is the group's", async () => (await offsetOf(groupId, topic)) === '5');
});

test('stock kafkajs reads an offset that is being committed as none at all', async () => {
  const topic = await stock.topic();
  const groupId = newName('group');
  const transaction = await (await stock.transactional()).transaction();
  await transaction.send({ topic, messages: [{ value: 'v' }] });
  await transaction.sendOffsets({
    consumerGroupId: groupId,
    topics: [{ topic, partitions: [{ partition: 0, offset: '7' }] }],
  });
  assert.equal(await offsetOf(groupId, topic), '-1');
  await transaction.commit();
  await until('the offset is committed', async () => (await offsetOf(groupId, topic)) === '7');
});

test('stock kafkajs fails a transaction that begins with offsets, for markers that are not written yet', async () => {
  const topic = await stock.topic();
  const groupId = newName('group');
  const producer = await stock.transactional(undefined, { retry: { initialRetryTime: 20, retries: 50 } });
  let failure: string | undefined;
  // without a pause: the markers of one are being written while the next begins
  for (let tries = 0; failure === undefined && tries < 3_000; tries++) {
    const transaction = await producer.transaction();
    try {
      await transaction.sendOffsets({
        consumerGroupId: groupId,
        topics: [{ topic, partitions: [{ partition: 0, offset: '1' }] }],
      });
      await transaction.commit();
    } catch (error) {
      failure = (error as { type?: string }).type ?? String(error);
      await transaction.abort().catch(() => undefined);
    }
  }
  assert.equal(failure, 'CONCURRENT_TRANSACTIONS');
});

test('stock kafkajs loses its place in the group while it processes', async () => {
  const topic = await stock.topic();
  const groupId = newName('group');
  await (await stock.producer()).send({ topic, messages: [{ value: 'm' }] });
  const timeouts = {
    groupId,
    sessionTimeout: 1_000,
    rebalanceTimeout: 1_000,
    heartbeatInterval: 100,
    maxWaitTimeInMs: 100,
  };
  const slow = stock.kafka.consumer(timeouts);
  let isProcessing = false;
  const processed = Promise.withResolvers<void>();
  try {
    await slow.connect();
    await slow.subscribe({ topics: [topic], fromBeginning: true });
    await slow.run({
      eachMessage: async () => {
        isProcessing = true;
        await processed.promise;
      },
    });
    await until('it processes', () => isProcessing);
    const other = await stock.reader(topic, timeouts);
    await until('another member is given the record that it processes', () => other.values.includes('m'));
  } finally {
    processed.resolve();
    await slow.disconnect();
  }
});

test('stock kafkajs gives partition 0 of two topics to two members', () => {
  const assigner = PartitionAssigners.roundRobin({
    name: 'RoundRobinAssigner',
    version: 0,
    cluster: {
      findTopicPartitionMetadata: () => [0, 1, 2].map((partitionId) => ({ partitionId })),
    },
  } as never);
  return assigner
    .assign({
      members: ['a', 'b'].map((memberId) => ({ memberId, memberMetadata: Buffer.alloc(0) })),
      topics: ['one', 'two'],
    })
    .then((assigned) => {
      const texts = assigned.map(({ memberAssignment }) => memberAssignment.toString('latin1'));
      assert.equal(texts.length, 2);
      const { MemberAssignment } = createRequire(import.meta.url)('kafkajs/src/consumer/assignerProtocol');
      const partitions = assigned.map(
        ({ memberAssignment }) => MemberAssignment.decode(memberAssignment).assignment,
      );
      const ownerOfZero = (topic: string) =>
        partitions.findIndex((ours: Record<string, number[]>) => ours[topic]!.includes(0));
      assert.notEqual(ownerOfZero('one'), ownerOfZero('two'));
    });
});

async function offsetOf(groupId: string, topic: string): Promise<string> {
  const [answer] = await (await stock.admin()).fetchOffsets({ groupId, topics: [topic] });
  return answer!.partitions.find(({ partition }) => partition === 0)!.offset;
}

type Sent = readonly { readonly partition: number }[];

/** kafkajs's own `sendMessages` over two brokers, of which the second gives its partition to the first during the send. */
function sendWithMovingLeader(): { send(request: object): Promise<Sent>; readonly produced: string[] } {
  const require = createRequire(import.meta.url);
  const sendMessages = require('kafkajs/src/producer/sendMessages');
  const createRetry = require('kafkajs/src/retry');
  const { KafkaJSProtocolError } = require('kafkajs/src/errors');
  let leaders: readonly number[] = [1, 2];
  const produced: string[] = [];
  const brokers: Record<number, object> = {};
  for (const nodeId of [1, 2]) {
    brokers[nodeId] = {
      nodeId,
      produce: async ({ topicData }: { topicData: readonly TopicData[] }) => {
        if (nodeId === 2)
          throw new KafkaJSProtocolError({
            type: 'NOT_LEADER_FOR_PARTITION',
            code: 6,
            retriable: true,
            message: 'moved',
          });
        for (const { partitions } of topicData)
          for (const one of partitions) produced.push(...one.messages.map(({ value }) => value));
        const answerOf = ({ partition }: { partition: number }) => ({
          partition,
          errorCode: 0,
          baseOffset: '0',
        });
        return {
          topics: topicData.map(({ topic, partitions }) => ({
            topicName: topic,
            partitions: partitions.map(answerOf),
          })),
        };
      },
    };
  }
  const nothing = () => {};
  const cluster = {
    targetTopics: new Set(),
    addMultipleTargetTopics: async () => {},
    refreshMetadataIfNecessary: async () => {},
    refreshMetadata: async () => {
      leaders = [1, 1];
    },
    isConnected: () => true,
    removeBroker: nothing,
    findTopicPartitionMetadata: () => leaders.map((_, partitionId) => ({ partitionId })),
    findLeaderForPartitions: (_topic: string, partitions: readonly (number | string)[]) => {
      const led: Record<number, number[]> = {};
      for (const partition of partitions.map(Number))
        led[leaders[partition]!] = [...(led[leaders[partition]!] ?? []), partition];
      return led;
    },
    findBroker: async ({ nodeId }: { nodeId: number }) => brokers[nodeId],
  };
  const eosManager = {
    acquireBrokerLock: async () => {},
    releaseBrokerLock: async () => {},
    isTransactional: () => false,
    getSequence: () => 0,
    updateSequence: nothing,
    getProducerId: () => 1,
    getProducerEpoch: () => 0,
    getTransactionalId: nothing,
  };
  const logger = { debug: nothing, error: nothing, info: nothing, warn: nothing };
  const partitioner = ({ message }: { message: { partition: number } }) => message.partition;
  const retrier = createRetry({ retries: 5, initialRetryTime: 10 });
  return { send: sendMessages({ logger, cluster, partitioner, eosManager, retrier }), produced };
}

type TopicData = {
  readonly topic: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly messages: readonly { readonly value: string }[];
  }[];
};
