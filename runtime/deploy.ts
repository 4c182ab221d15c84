/** The deploy step for topics: creates what a set of topologies needs, and refuses a partition count that changed. */
import {
  DEFAULT_PARTITIONS,
  kafkaConfigs,
  newTopics,
  partitionsOf,
  TOPIC_NAMES,
  type TopicName,
} from '../schemas/topics.ts';
import { POSITIONS_STORE, storesOf } from './define-topology.ts';
import { LogError, type LogPort, type NewTopic } from './port.ts';
import { snapshotTopic } from './snapshot.ts';
import { changelogTopic } from './task-inputs.ts';
import type { Topology } from './topology.ts';
import { taskCountOf } from './worker.ts';

export type DeployOptions = {
  readonly topologies: readonly Topology[];
  /** Application id of a topology; changelogs and the consumer group have it in their names. */
  readonly applicationIdOf: (topology: Topology) => string;
  /** For the partitioned topics, at the first deploy only; the count is fixed for the life of an application id. */
  readonly partitions?: number;
  readonly replicas?: number;
};

/** Application id of a topology: prefix of its changelogs and transactional ids, and name of its consumer group. */
export function applicationIdOf(topology: Topology): string {
  return `everyview-${topology.name}`;
}

/**
 * Creates every topic of `schemas/topics.ts` and every changelog that is missing; the names that it created. A topic
 * that exists with another partition count than the rest is an error: keys would change their tasks.
 */
export async function deployTopics(port: LogPort, options: DeployOptions): Promise<readonly string[]> {
  const replicas = options.replicas ?? 1;
  const existing = await existingPartitions(port);
  const partitions = options.partitions ?? existing.get('frame-features') ?? DEFAULT_PARTITIONS;
  for (const name of TOPIC_NAMES) {
    const found = existing.get(name);
    const wanted = partitionsOf(name, partitions);
    if (found === undefined || found === wanted) continue;
    throw new LogError(
      'protocol',
      `topic ${name} has ${found} partitions and would need ${wanted}: the count is fixed once data is in it. ` +
        `Deploy with --partitions ${existing.get('frame-features') ?? found}, or into an empty cluster`,
    );
  }
  const counts = new Map(TOPIC_NAMES.map((name) => [name as string, partitionsOf(name, partitions)]));
  const topics = [
    ...newTopics(partitions, replicas),
    ...changelogsOf(options, counts, replicas),
    ...snapshotTopicsOf(options, counts, replicas),
  ];
  return port.createTopics(topics);
}

/** Partition counts of every topic that the topologies use; throws, with the step that mends it, when one is missing. */
export async function partitionCounts(port: LogPort): Promise<ReadonlyMap<string, number>> {
  const descriptions = await port.describeTopics(TOPIC_NAMES);
  for (const { topic, timestampType } of descriptions) {
    const wanted =
      kafkaConfigs(topic as TopicName)['message.timestamp.type'] === 'LogAppendTime'
        ? 'log-append'
        : 'create';
    if (timestampType !== wanted) {
      throw new LogError(
        'protocol',
        `topic ${topic} stamps records by '${timestampType}' and has to by '${wanted}': set message.timestamp.type`,
      );
    }
  }
  return new Map(descriptions.map(({ topic, partitions }) => [topic, partitions]));
}

/** How many tasks write each topic on a repartition edge, so that a reader knows whom to wait for. */
export function writerTasksOf(
  topologies: readonly Topology[],
  partitions: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const writers = new Map<string, number>();
  for (const topology of topologies) {
    for (const sink of topology.sinks) {
      if (sink.edge === 'repartition') writers.set(sink.topic, taskCountOf(topology, partitions));
    }
  }
  return writers;
}

/** Kept as long as what they let a run begin in: the source topics. */
const SNAPSHOT_CONFIGS = {
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
  'retention.ms': String(8 * 24 * 60 * 60 * 1000),
  'segment.ms': String(24 * 60 * 60 * 1000),
  'segment.bytes': String(64 * 1024 * 1024),
};

/** State of a key is one record; the log cleaner keeps the latest, and restoring stays short. */
const CHANGELOG_CONFIGS = {
  'cleanup.policy': 'compact',
  'message.timestamp.type': 'CreateTime',
  'segment.ms': String(60 * 60 * 1000),
  'segment.bytes': String(64 * 1024 * 1024),
  'min.cleanable.dirty.ratio': '0.2',
};

function changelogsOf(
  options: DeployOptions,
  counts: ReadonlyMap<string, number>,
  replicas: number,
): readonly NewTopic[] {
  return options.topologies.flatMap((topology) =>
    [...storesOf(topology), POSITIONS_STORE].map((store) => ({
      topic: changelogTopic(options.applicationIdOf(topology), store),
      partitions: taskCountOf(topology, counts),
      replicas,
      configs: { ...CHANGELOG_CONFIGS, ...(replicas >= 3 ? { 'min.insync.replicas': '2' } : {}) },
    })),
  );
}

function snapshotTopicsOf(
  options: DeployOptions,
  counts: ReadonlyMap<string, number>,
  replicas: number,
): readonly NewTopic[] {
  return options.topologies.map((topology) => ({
    topic: snapshotTopic(options.applicationIdOf(topology)),
    partitions: taskCountOf(topology, counts),
    replicas,
    configs: SNAPSHOT_CONFIGS,
  }));
}

async function existingPartitions(port: LogPort): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const name of TOPIC_NAMES) {
    try {
      for (const { topic, partitions } of await port.describeTopics([name])) found.set(topic, partitions);
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'unknown-topic') throw error;
    }
  }
  return found;
}
