/** What topics and subjects should be, and what they are. */
import { POSITIONS_STORE, storesOf } from '../runtime/define-topology.ts';
import { applicationIdOf } from '../runtime/deploy.ts';
import { LogError, type LogPort, type TopicDescription } from '../runtime/port.ts';
import { snapshotTopic } from '../runtime/snapshot.ts';
import { changelogTopic } from '../runtime/task-inputs.ts';
import type { Topology } from '../runtime/topology.ts';
import { taskCountOf } from '../runtime/worker.ts';
import { lookUpSchemaIds, type Registry } from '../schemas/registry.ts';
import { RegistryError } from '../schemas/registry-error.ts';
import {
  DEFAULT_PARTITIONS,
  kafkaConfigs,
  partitionsOf,
  TOPIC_NAMES,
  TOPICS,
  type TopicName,
  valueSubject,
} from '../schemas/topics.ts';

type Shape = {
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  readonly timestampType: 'log-append' | 'create';
};

export type TopicReport = {
  readonly topic: string;
  /** `changelog`: holds the state of a topology, for its tasks only. `snapshots`: where an audit of it may begin. */
  readonly kind: 'public' | 'internal' | 'changelog' | 'snapshots';
  /** What record keys are made of. */
  readonly key: string;
  readonly doc: string;
  readonly wanted: Shape & { readonly configs: Readonly<Record<string, string>> };
  /** Null when the topic does not exist, or nobody could be asked. */
  readonly found: Shape | null;
  /** Subject of the values in the registry; null for changelogs, whose bytes are not Avro. */
  readonly subject: string | null;
  /** Id of this build's schema under that subject; null when it is not registered, or nobody could be asked. */
  readonly schemaId: number | null;
  /** What differs, in words; empty when all is as it should be. */
  readonly drift: readonly string[];
};

export type ReportOptions = {
  readonly topologies: readonly Topology[];
  /** Null says what should be, and asks nobody. */
  readonly port: LogPort | null;
  readonly registry: Registry | null;
};

export async function topicReports({
  topologies,
  port,
  registry,
}: ReportOptions): Promise<readonly TopicReport[]> {
  const found =
    port === null
      ? null
      : await foundTopics(port, [
          ...TOPIC_NAMES,
          ...topologies.flatMap((topology) => ownTopics(topology).map(({ topic }) => topic)),
        ]);
  const schemaIds = registry === null ? null : await foundSchemas(registry);
  const partitions = found?.get('frame-features')?.partitions ?? DEFAULT_PARTITIONS;
  const reports = TOPIC_NAMES.map((name): TopicReport => {
    const topic = TOPICS[name];
    const wanted = {
      partitions: partitionsOf(name, partitions),
      cleanup: topic.cleanup,
      timestampType: topic.timestampType,
      configs: kafkaConfigs(name),
    };
    const schemaId = schemaIds?.get(name) ?? null;
    return {
      topic: name,
      kind: topic.visibility,
      key: topic.key,
      doc: topic.doc,
      wanted,
      found: found?.get(name) ?? null,
      subject: valueSubject(name),
      schemaId,
      drift: [
        ...driftOf(wanted, found, name),
        ...(schemaIds !== null && schemaId === null ? ['schema not registered'] : []),
      ],
    };
  });
  return [...reports, ...ownReports(topologies, partitions, found)];
}

/** Of the topics that belong to one application. */
function ownReports(
  topologies: readonly Topology[],
  partitions: number,
  found: ReadonlyMap<string, Shape> | null,
): TopicReport[] {
  const counts = new Map(TOPIC_NAMES.map((name) => [name as string, partitionsOf(name, partitions)]));
  return topologies.flatMap((topology) =>
    ownTopics(topology).map(({ topic, kind, cleanup, key, doc }): TopicReport => {
      const wanted = {
        partitions: taskCountOf(topology, counts),
        cleanup,
        timestampType: 'create',
      } as const;
      return {
        topic,
        kind,
        key,
        doc,
        wanted: { ...wanted, configs: {} },
        found: found?.get(topic) ?? null,
        subject: null,
        schemaId: null,
        drift: driftOf(wanted, found, topic),
      };
    }),
  );
}

function ownTopics(topology: Topology) {
  const applicationId = applicationIdOf(topology);
  const changelogs = [...storesOf(topology), POSITIONS_STORE].map((store) => ({
    topic: changelogTopic(applicationId, store),
    kind: 'changelog' as const,
    cleanup: 'compact' as const,
    key: 'store key',
    doc: `State of ${topology.name}.`,
  }));
  return [
    ...changelogs,
    {
      topic: snapshotTopic(applicationId),
      kind: 'snapshots' as const,
      cleanup: 'delete' as const,
      key: 'log time and part: ms/part',
      doc: `What ${topology.name} was now and then, where an audit or a backtest may begin.`,
    },
  ];
}

function driftOf(wanted: Shape, found: ReadonlyMap<string, Shape> | null, topic: string): string[] {
  if (found === null) return [];
  const is = found.get(topic);
  if (is === undefined) return ['does not exist'];
  return (['partitions', 'cleanup', 'timestampType'] as const)
    .filter((field) => is[field] !== wanted[field])
    .map((field) => `${field} is ${is[field]}, should be ${wanted[field]}`);
}

async function foundTopics(port: LogPort, names: readonly string[]): Promise<ReadonlyMap<string, Shape>> {
  const found = new Map<string, TopicDescription>();
  for (const name of names) {
    try {
      for (const description of await port.describeTopics([name])) found.set(description.topic, description);
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'unknown-topic') throw error;
    }
  }
  return new Map(
    [...found].map(([name, { partitions, cleanup, timestampType }]) => [
      name,
      { partitions, cleanup, timestampType },
    ]),
  );
}

async function foundSchemas(registry: Registry): Promise<ReadonlyMap<TopicName, number>> {
  const found = new Map<TopicName, number>();
  for (const name of TOPIC_NAMES) {
    try {
      for (const [topic, id] of await lookUpSchemaIds(registry, [name])) found.set(topic, id);
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'not-registered') throw error;
    }
  }
  return found;
}
