import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  describeProducersRequest,
  fetchRequest,
  produceRequest,
  readDescribeProducersResponse,
  readFetchResponse,
  readProduceResponse,
} from './kafka-wire.ts';

const require = createRequire(import.meta.url);
const Encoder = require('kafkajs/src/protocol/encoder');

const topicPartition = fc.record({
  topic: fc.constantFrom('a', 'tönt', 'long-topic-name'),
  partition: fc.nat(5000),
});

test('a fetch is what kafkajs would send', async () => {
  const kafkajsRequest = require('kafkajs/src/protocol/requests/fetch/v11/request');
  const fetches = fc.uniqueArray(topicPartition, {
    minLength: 1,
    maxLength: 20,
    selector: (one) => one.topic + one.partition,
  });
  await fc.assert(
    fc.asyncProperty(
      fetches,
      fc.nat(2 ** 48),
      fc.nat(),
      fc.nat(),
      async (partitions, offset, maxWaitTime, maxBytes) => {
        const sorted = [...partitions].sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0));
        const { apiKey, apiVersion, body } = fetchRequest(
          sorted.map((one) => ({ ...one, offset, maxBytes })),
          maxWaitTime,
          maxBytes,
        );
        const topics = [...new Set(sorted.map(({ topic }) => topic))].map((topic) => ({
          topic,
          partitions: sorted
            .filter((one) => one.topic === topic)
            .map(({ partition }) => ({ partition, fetchOffset: String(offset), maxBytes })),
        }));
        const theirs = kafkajsRequest({ replicaId: -1, maxWaitTime, minBytes: 1, maxBytes, topics });
        assert.deepEqual([apiKey, apiVersion], [theirs.apiKey, theirs.apiVersion]);
        assert.deepEqual(Buffer.from(body), (await theirs.encode()).buffer);
      },
    ),
  );
});

test('a produce request holds the batches as they are', () => {
  const batches = fc.array(fc.tuple(topicPartition, fc.uint8Array({ maxLength: 500 })), {
    minLength: 1,
    maxLength: 10,
  });
  fc.assert(
    fc.property(
      fc.option(fc.string(), { nil: null }),
      batches,
      fc.nat(),
      (transactionalId, ours, timeoutMs) => {
        const { body } = produceRequest(
          transactionalId,
          ours.map(([one, bytes]) => ({ ...one, bytes, baseSequence: 0 })),
          timeoutMs,
        );
        const theirs = new Encoder().writeString(transactionalId).writeInt16(-1).writeInt32(timeoutMs);
        const groups: [string, [number, Uint8Array][]][] = [];
        for (const [{ topic, partition }, bytes] of ours) {
          if (groups.at(-1)?.[0] !== topic) groups.push([topic, []]);
          groups.at(-1)![1].push([partition, bytes]);
        }
        theirs.writeInt32(groups.length);
        for (const [topic, partitions] of groups) {
          theirs.writeString(topic).writeInt32(partitions.length);
          for (const [partition, bytes] of partitions)
            theirs.writeInt32(partition).writeBytes(Buffer.from(bytes));
        }
        assert.deepEqual(Buffer.from(body), theirs.buffer);
      },
    ),
  );
});

test('a fetch answer is taken apart, its batches being views of it', () => {
  const payload = new Encoder()
    .writeInt32(0)
    .writeInt16(0)
    .writeInt32(0)
    .writeInt32(1)
    .writeString('a')
    .writeInt32(2);
  payload.writeInt32(7).writeInt16(0).writeInt64('12').writeInt64('11').writeInt64('3');
  payload
    .writeInt32(1)
    .writeInt64('9007199254740993')
    .writeInt64('5')
    .writeInt32(-1)
    .writeBytes(Buffer.from('batches'));
  payload
    .writeInt32(8)
    .writeInt16(6)
    .writeInt64('-1')
    .writeInt64('-1')
    .writeInt64('-1')
    .writeInt32(-1)
    .writeInt32(-1)
    .writeInt32(-1);
  const { errorCode, partitions } = readFetchResponse(payload.buffer);
  assert.equal(errorCode, 0);
  const [first, second] = partitions;
  assert.equal(Buffer.from(first!.batches).toString(), 'batches');
  assert.equal(first!.batches.buffer, payload.buffer.buffer);
  assert.deepEqual(
    { ...first, batches: null },
    {
      topic: 'a',
      partition: 7,
      errorCode: 0,
      highWatermark: 12,
      stableEnd: 11,
      start: 3,
      aborted: [{ producerId: 9007199254740993n, firstOffset: 5 }],
      batches: null,
    },
  );
  assert.deepEqual([second!.errorCode, second!.aborted, second!.batches.length], [6, [], 0]);
});

test('a produce answer keeps what the broker says about records', () => {
  const payload = new Encoder().writeInt32(1).writeString('a').writeInt32(2);
  payload
    .writeInt32(0)
    .writeInt16(0)
    .writeInt64('42')
    .writeInt64('1700')
    .writeInt64('0')
    .writeInt32(0)
    .writeString(null);
  payload.writeInt32(1).writeInt16(87).writeInt64('-1').writeInt64('-1').writeInt64('0');
  payload
    .writeInt32(1)
    .writeInt32(3)
    .writeString('no key')
    .writeString('One or more records have been rejected')
    .writeInt32(0);
  const [good, bad] = readProduceResponse(payload.buffer);
  assert.deepEqual(good, {
    topic: 'a',
    partition: 0,
    errorCode: 0,
    errorMessage: '',
    baseOffset: 42,
    logAppendTimeMs: 1700,
  });
  assert.deepEqual(
    [bad!.errorCode, bad!.errorMessage],
    [87, 'One or more records have been rejected; record 3: no key'],
  );
});

test('an answer that ends too early is an error', () => {
  const payload = new Encoder()
    .writeInt32(0)
    .writeInt16(0)
    .writeInt32(0)
    .writeInt32(1)
    .writeString('a')
    .writeInt32(2);
  assert.throws(() => readFetchResponse(payload.buffer), RangeError);
});

// by hand after DescribeProducersRequest.json and DescribeProducersResponse.json: kafkajs does not know this request
test('open transactions are asked for and read in the flexible encoding', () => {
  const { apiKey, apiVersion, body } = describeProducersRequest([
    { topic: 'ab', partition: 1 },
    { topic: 'ab', partition: 258 },
  ]);
  assert.deepEqual([apiKey, apiVersion], [61, 0]);
  const asked = '00 02 03 6162 03 00000001 00000102 00 00';
  assert.equal(Buffer.from(body).toString('hex'), asked.replaceAll(' ', ''));

  const open = '0000000000000007 00000003 00000009 0000000000000001 00000000 00000000000000ff 00';
  const idle = '0000000000000008 00000000 ffffffff ffffffffffffffff ffffffff ffffffffffffffff 00';
  const tag = '01 05 02 abcd';
  const partitions = `03 00000001 0000 00 03 ${open} ${idle} ${tag} 00000102 001d 04 6e6f21 01 00`;
  const answer = `${tag} 00000000 02 03 6162 ${partitions} 00 00`;
  assert.deepEqual(readDescribeProducersResponse(Buffer.from(answer.replaceAll(' ', ''), 'hex')), [
    {
      topic: 'ab',
      partition: 1,
      errorCode: 0,
      errorMessage: null,
      open: [{ topic: 'ab', partition: 1, producerId: 7n, epoch: 3, firstOffset: 255 }],
    },
    { topic: 'ab', partition: 258, errorCode: 29, errorMessage: 'no!', open: [] },
  ]);
});
