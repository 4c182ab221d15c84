/** Apache Kafka as the subject of the conformance suite, and of the control with stock kafkajs. */
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import type { AdminPort, LogPort, TopicPartition } from '../../runtime/port.ts';
import { batchesOf } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { type ApiName, BrokerProxy } from '../support/broker-proxy.ts';
import type { LossyMethod, Subject } from './conformance.ts';
import { NotCompacted } from './laid-out.ts';

/** Segments are closed by age, so that compaction may have them soon; it merges only what fits into one of them. */
export const COMPACTED_CONFIGS = {
  'segment.bytes': '1048576',
  'segment.ms': '200',
  'min.cleanable.dirty.ratio': '0.001',
  'min.compaction.lag.ms': '0',
  'max.compaction.lag.ms': '1000',
  // markers and tombstones stay
  'delete.retention.ms': '86400000',
} as const;

const API_OF: { readonly [method in LossyMethod]: ApiName } = {
  produce: 'Produce',
  initProducer: 'InitProducerId',
  addPartitions: 'AddPartitionsToTxn',
  endTransaction: 'EndTxn',
};

const SEGMENT_MS = 300;
/** Brokers look for what to clean every log.cleaner.backoff.ms, 15 s by default. */
const COMPACTION_MS_MAX = 25_000;

export function kafkaSubject(brokers: readonly string[]): Subject {
  const proxies: BrokerProxy[] = [];
  const ports: LogPort[] = [];
  const openPort = async (clientId: string): Promise<AdminPort> => {
    const port = await openKafkajsPort({ brokers, clientId });
    ports.push(port);
    return port;
  };
  return {
    clock: systemClock,
    run: (body) => body(),
    openPort,
    openLossyPort: async (clientId) => {
      const proxy = await BrokerProxy.start(brokers[0]!);
      proxies.push(proxy);
      const port = await openKafkajsPort({ brokers, clientId, via: () => proxy.address });
      ports.push(port);
      return { port, loseNextReply: (method) => proxy.loseNextReply(API_OF[method]) };
    },
    compactedConfigs: COMPACTED_CONFIGS,
    rollSegment: () => systemClock.sleep(SEGMENT_MS),
    compact: async (partition) => untilEmptied(await openPort('conformance-compaction'), partition),
    deleteBefore: (partition, offset) =>
      withAdmin(brokers, (admin) => deleteBefore(admin, partition, offset)),
    groupOffset: (groupId, { topic, partition }) =>
      withAdmin(brokers, async (admin) => {
        const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
        const offset = answer?.partitions.find((one) => one.partition === partition)?.offset ?? '-1';
        return offset === '-1' ? null : Number(offset);
      }),
    close: async () => {
      for (const port of ports) await port.close();
      for (const proxy of proxies) await proxy.stop();
    },
  };
}

export async function deleteBefore(
  admin: Admin,
  { topic, partition }: TopicPartition,
  offset: number,
): Promise<void> {
  // kafkajs deletes only in topics that it was asked about before
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
}

/** Waits until the partition holds a batch without records. */
export async function untilEmptied(port: LogPort, { topic, partition }: TopicPartition): Promise<void> {
  const deadlineMs = systemClock.nowMs() + COMPACTION_MS_MAX;
  while (systemClock.nowMs() < deadlineMs) {
    const [fetched] = await port.fetch([{ topic, partition, offset: 0 }], 0, 1 << 20);
    if (batchesOf(fetched?.batches ?? new Uint8Array(0)).some(({ recordCount }) => recordCount === 0)) return;
    await systemClock.sleep(100);
  }
  throw new NotCompacted(
    `the broker did not compact ${topic} within ${COMPACTION_MS_MAX} ms: is its log cleaner on?`,
  );
}

async function withAdmin<T>(brokers: readonly string[], action: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await action(admin);
  } finally {
    await admin.disconnect();
  }
}
