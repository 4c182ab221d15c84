import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CompressionTypes,
  type Kafka,
  type Message,
  type ProducerConfig,
  type ProducerRecord,
  type RecordMetadata,
} from 'kafkajs';
import { partitionOf } from '../../runtime/partitioner.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { bodyOf, schemaIdOf } from '../../schemas/codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { Chunker } from './chunker.ts';
import { createKafkaSink } from './kafka-sink.ts';

const PARTITIONS = 6;

test('records of one moment travel together, in order, framed and keyed', async () => {
  const { kafka, sends, configs } = fakeKafka([]);
  const sink = await createKafkaSink({ kafka, schemaId: 42, clock: systemClock, lingerMs: 20 });
  await Promise.all([0, 1, 2].map((seq) => sink.write('news', recordOf(seq))));
  await sink.close();
  assert.equal(sends.length, 1);
  const [{ messages, acks, topic, compression }] = sends as [ProducerRecord];
  assert.deepEqual([topic, acks, messages.length], ['frame-features', -1, 3]);
  assert.equal(compression, CompressionTypes.GZIP);
  assert.ok(messages.every((message) => message.key === 'news'));
  const values = messages.map((message) => message.value as Buffer);
  assert.ok(values.every((value) => schemaIdOf(value) === 42 && bodyOf(value).length > 0));
  assert.equal(configs[0]?.idempotent, true);
});

test('a producer that threw is never used again, and the batch is sent by a new one', async () => {
  const { kafka, sends, configs, disconnects } = fakeKafka(['lost']);
  const sink = await createKafkaSink({ kafka, schemaId: 1, clock: systemClock, lingerMs: 0 });
  await sink.write('news', recordOf(0));
  await sink.write('news', recordOf(1));
  await sink.close();
  assert.equal(configs.length, 2, 'two producers');
  assert.deepEqual(disconnects, [0, 1]);
  assert.equal(sends.length, 3);
  assert.deepEqual(sends[0]!.messages, sends[1]!.messages);
});

test('a reply that leaves a partition out is a failure', async () => {
  const { kafka, configs } = fakeKafka(['partial']);
  const sink = await createKafkaSink({ kafka, schemaId: 1, clock: systemClock, lingerMs: 0 });
  await sink.write('news', recordOf(0));
  await sink.close();
  assert.equal(configs.length, 2);
});

test('after the last attempt the records fail with the reason', async () => {
  const { kafka } = fakeKafka(['lost']);
  const sink = await createKafkaSink({ kafka, schemaId: 1, clock: systemClock, lingerMs: 0, attemptsMax: 1 });
  await assert.rejects(sink.write('news', recordOf(0)), /reply lost/);
  await sink.close();
  await assert.rejects(sink.write('news', recordOf(1)), /the Kafka sink is closed/);
});

test('a linger beyond 100 ms is refused', async () => {
  const { kafka } = fakeKafka([]);
  await assert.rejects(
    createKafkaSink({ kafka, schemaId: 1, clock: systemClock, lingerMs: 101 }),
    /from 0 to 100/,
  );
});

type Mishap = 'lost' | 'partial';

/** Answers as kafkajs does; the first sends go wrong as told. */
function fakeKafka(mishaps: Mishap[]) {
  const sends: ProducerRecord[] = [];
  const configs: ProducerConfig[] = [];
  const disconnects: number[] = [];
  const producer = (config: ProducerConfig) => {
    const number = configs.push(config) - 1;
    const partitioner = config.createPartitioner!();
    const partitionMetadata = Array.from({ length: PARTITIONS }, (_, partitionId) => ({ partitionId }));
    const place = (message: Message) =>
      partitioner({ topic: 'frame-features', partitionMetadata, message } as Parameters<
        typeof partitioner
      >[0]);
    return {
      connect: async () => {},
      disconnect: async () => {
        disconnects.push(number);
      },
      async send(record: ProducerRecord): Promise<RecordMetadata[]> {
        sends.push(record);
        const mishap = mishaps.shift();
        const partitions = new Set(record.messages.map(place));
        for (const message of record.messages) {
          assert.equal(place(message), partitionOf(Buffer.from(message.key as string), PARTITIONS));
        }
        if (mishap === 'lost') throw new Error('reply lost');
        if (mishap === 'partial') return [];
        return [...partitions].map((partition) => ({ topicName: record.topic, partition, errorCode: 0 }));
      },
    };
  };
  return { kafka: { producer } as unknown as Kafka, sends, configs, disconnects };
}

function recordOf(seq: number): FrameFeatures {
  const identity = {
    programmeId: 'news',
    renditionId: 'main',
    vantage: 'origin',
    probeId: 'x',
    probeEpochMs: 1,
    decoder: 'test',
  };
  const [record] = new Chunker(identity).addEvent('end', '', 0, 0);
  return { ...record!, seq };
}
