/** Topics and their bounds over kafkajs's requests. */
import { ERROR, kafkaError } from './kafka-errors.ts';
import { type KafkajsCluster, throwOnUnknown, topicsOf } from './kafkajs-cluster.ts';
import {
  type Clock,
  type LogBounds,
  LogError,
  type NewTopic,
  type TopicDescription,
  type TopicPartition,
} from './port.ts';
import { withRetries } from './retry.ts';

export async function describeTopics(
  cluster: KafkajsCluster,
  topics: readonly string[],
): Promise<readonly TopicDescription[]> {
  const names = [...new Set(topics)];
  if (names.length === 0) return [];
  const metadata = await cluster.metadataOf(names);
  throwOnUnknown(metadata);
  const { resources } = await cluster.exchangeWithAny<ConfigsAnswer>('DescribeConfigs', {
    resources: names.map((name) => ({ type: TOPIC_RESOURCE, name, configNames: [TIMESTAMP_TYPE, CLEANUP] })),
  });
  const configs = new Map<string, ReadonlyMap<string, string>>();
  for (const { errorCode, errorMessage, resourceName, configEntries } of resources) {
    if (errorCode !== ERROR.none)
      throw kafkaError(errorCode, `configuration of ${resourceName}`, errorMessage);
    configs.set(
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    );
  }
  return names.map((topic): TopicDescription => {
    const config = configs.get(topic);
    return {
      topic,
      partitions: metadata.find((one) => one.topic === topic)!.leaders.length,
      timestampType: config?.get(TIMESTAMP_TYPE) === 'LogAppendTime' ? 'log-append' : 'create',
      cleanup: config?.get(CLEANUP)?.includes('compact') ? 'compact' : 'delete',
    };
  });
}

/** Returns when every partition of what it created has a leader that serves it. */
export async function createTopics(
  cluster: KafkajsCluster,
  clock: Clock,
  topics: readonly NewTopic[],
): Promise<readonly string[]> {
  if (topics.length === 0) return [];
  const known = await cluster.metadataOf(topics.map(({ topic }) => topic));
  const missing = topics.filter(({ topic }) =>
    known.some((one) => one.topic === topic && isMissing(one.errorCode)),
  );
  if (missing.length === 0) {
    throwOnUnknown(known);
    return [];
  }
  const { topicErrors } = await cluster.exchangeWithAny<CreateAnswer>('CreateTopics', {
    timeout: cluster.requestTimeoutMs,
    topics: missing.map(({ topic, partitions, replicas, configs }) => ({
      topic,
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
    })),
  });
  const created: string[] = [];
  for (const { topic, errorCode, errorMessage } of topicErrors) {
    // somebody else was quicker
    if (errorCode === ERROR.topicAlreadyExists) continue;
    if (errorCode !== ERROR.none) throw kafkaError(errorCode, `creating topic ${topic}`, errorMessage);
    created.push(topic);
  }
  await untilServed(cluster, clock, missing);
  return created;
}

export async function boundsOf(
  cluster: KafkajsCluster,
  partitions: readonly TopicPartition[],
): Promise<readonly (TopicPartition & LogBounds)[]> {
  if (partitions.length === 0) return [];
  const found = new Map<string, TopicPartition & LogBounds>();
  const led = await cluster.byLeader(partitions);
  await Promise.all(
    [...led].map(async ([leader, ours]) => {
      // in this order, so that start <= stable end <= high watermark while the log grows
      const starts = await listOffsets(cluster, leader, ours, EARLIEST, READ_COMMITTED);
      const stableEnds = await listOffsets(cluster, leader, ours, LATEST, READ_COMMITTED);
      const highWatermarks = await listOffsets(cluster, leader, ours, LATEST, READ_UNCOMMITTED);
      for (const one of ours) {
        const name = nameOf(one);
        const bounds = {
          start: starts.get(name),
          stableEnd: stableEnds.get(name),
          highWatermark: highWatermarks.get(name),
        };
        found.set(name, { topic: one.topic, partition: one.partition, ...(bounds as LogBounds) });
      }
    }),
  );
  return partitions.map((one) => found.get(nameOf(one))!);
}

export async function offsetsForTime(
  cluster: KafkajsCluster,
  partitions: readonly TopicPartition[],
  timeMs: number,
): Promise<readonly (TopicPartition & { readonly offset: number | null })[]> {
  if (partitions.length === 0) return [];
  const found = new Map<string, number>();
  const led = await cluster.byLeader(partitions);
  await Promise.all(
    [...led].map(async ([leader, ours]) => {
      const offsets = await listOffsets(cluster, leader, ours, Math.max(timeMs, 0), READ_COMMITTED);
      for (const [name, offset] of offsets) found.set(name, offset);
    }),
  );
  return partitions.map(({ topic, partition }) => {
    const offset = found.get(nameOf({ topic, partition }))!;
    return { topic, partition, offset: offset < 0 ? null : offset };
  });
}

export async function deleteRecords(
  cluster: KafkajsCluster,
  before: readonly (TopicPartition & { readonly offset: number })[],
): Promise<void> {
  const led = await cluster.byLeader(before);
  await Promise.all(
    [...led].map(async ([leader, ours]) => {
      const answer = await cluster.exchange<DeleteAnswer>(
        leader,
        'control',
        'DeleteRecords',
        {
          topics: topicsOf(ours, ({ partition, offset }) => ({ partition, offset: String(offset) })),
          timeout: cluster.requestTimeoutMs,
        },
        'not-leader',
      );
      for (const { topic, partitions } of answer.topics) {
        for (const { partition, errorCode } of partitions) {
          if (errorCode === ERROR.none) continue;
          cluster.forgetLeaders([{ topic, partition }]);
          throw kafkaError(errorCode, `deleting records of ${topic}/${partition}`);
        }
      }
    }),
  );
}

/** An offset for every one of `partitions`. */
async function listOffsets(
  cluster: KafkajsCluster,
  leader: string,
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolationLevel: number,
): Promise<ReadonlyMap<string, number>> {
  const topics = topicsOf(partitions, ({ partition }) => ({ partition, timestamp }));
  const args = { isolationLevel, topics };
  const { responses } = await cluster.exchange<OffsetsAnswer>(
    leader,
    'control',
    'ListOffsets',
    args,
    'not-leader',
  );
  const offsets = new Map<string, number>();
  for (const { topic, partitions: answered } of responses) {
    for (const { partition, errorCode, offset } of answered) {
      if (errorCode !== ERROR.none) {
        cluster.forgetLeaders([{ topic, partition }]);
        throw kafkaError(errorCode, `bounds of ${topic}/${partition}`);
      }
      offsets.set(nameOf({ topic, partition }), Number(offset));
    }
  }
  const missing = partitions.filter((one) => !offsets.has(nameOf(one))).map(nameOf);
  if (missing.length > 0)
    throw new LogError('protocol', `The broker at ${leader} gave no bounds of ${missing.join(', ')}.`);
  return offsets;
}

async function untilServed(
  cluster: KafkajsCluster,
  clock: Clock,
  topics: readonly NewTopic[],
): Promise<void> {
  const backoff = { initialMs: 10, maxMs: 200, giveUpAfterMs: cluster.requestTimeoutMs };
  await withRetries(clock, backoff, 'waiting for the leaders of new topics', async () => {
    const found = await cluster.metadataOf(topics.map(({ topic }) => topic));
    const waiting = found.filter(
      ({ leaders, errorCode }) => errorCode !== ERROR.none || leaders.includes(null),
    );
    if (waiting.length > 0) {
      throw new LogError('not-leader', `no leader yet for ${waiting.map(({ topic }) => topic).join(', ')}`);
    }
    // a broker may be named as the leader a moment before it knows of it itself
    const partitions = found.flatMap(({ topic, leaders }) =>
      leaders.map((_, partition) => ({ topic, partition })),
    );
    await boundsOf(cluster, partitions);
  });
}

function isMissing(errorCode: number): boolean {
  return errorCode === ERROR.unknownTopicOrPartition;
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

const TOPIC_RESOURCE = 2;
const TIMESTAMP_TYPE = 'message.timestamp.type';
const CLEANUP = 'cleanup.policy';
const EARLIEST = -2;
const LATEST = -1;
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;

type ConfigsAnswer = {
  readonly resources: readonly {
    readonly errorCode: number;
    readonly errorMessage: string | null;
    readonly resourceName: string;
    readonly configEntries: readonly { readonly configName: string; readonly configValue: string }[];
  }[];
};

type CreateAnswer = {
  readonly topicErrors: readonly {
    readonly topic: string;
    readonly errorCode: number;
    readonly errorMessage: string | null;
  }[];
};

type DeleteAnswer = {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
};

type OffsetsAnswer = {
  readonly responses: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly errorCode: number;
      readonly offset: string;
    }[];
  }[];
};
