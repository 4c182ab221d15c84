/**
 * The only list of topics. Everything that creates, registers, reads, writes or documents a topic starts here.
 *
 * `visibility` decides what a schema change may be: public topics have subscribers that we do not know, so old and new
 * readers must both read old and new records (FULL_TRANSITIVE); internal ones are read by EveryView only, whose
 * readers are deployed first (BACKWARD_TRANSITIVE).
 *
 * `timestampType` is the log's clock. What comes from outside is stamped by the broker (`log-append`), because its
 * writers' clocks are not to be trusted; derived records carry the log time of the input that caused them (`create`).
 */
import type {
  CatalogueEntry,
  CohortPartial,
  CohortWindow,
  ConfigEntry,
  DeadLetter,
  FrameFeatures,
  LateRecord,
  PlaybackEvent,
  QosAlert,
  QosScore,
  StreamDefect,
  StreamHealth,
} from './records.ts';

/** Type of the values on each topic. */
export type RecordOf = {
  'frame-features': FrameFeatures;
  'playback-events': PlaybackEvent;
  'stream-defects': StreamDefect;
  'stream-health': StreamHealth;
  'qos-scores': QosScore;
  'cohort-partials': CohortPartial;
  'cohort-windows': CohortWindow;
  'qos-alerts': QosAlert;
  'qos-alerts-current': QosAlert;
  'late-records': LateRecord;
  'dead-letters': DeadLetter;
  'everyview-config': ConfigEntry;
  catalogue: CatalogueEntry;
};

export type TopicName = keyof RecordOf;

export type TopicDefinition<T extends TopicName = TopicName> = {
  readonly name: T;
  /** File in this folder, without `.avsc`, that describes the values. */
  readonly schema: string;
  /** What the record key is made of. Keys are plain UTF-8 strings without framing. */
  readonly key: string;
  readonly cleanup: 'delete' | 'compact';
  readonly timestampType: 'log-append' | 'create';
  readonly visibility: 'public' | 'internal';
  /** `partitioned` topics get the number chosen at deploy; `single` ones have one partition for ever. */
  readonly partitioning: 'partitioned' | 'single';
  /** Further Kafka configs, beyond what the fields above say. */
  readonly configs: Readonly<Record<string, string>>;
  readonly doc: string;
};

/** Partitions of a `partitioned` topic where nothing else is chosen at the first deploy: right for one laptop. */
export const DEFAULT_PARTITIONS = 6;

export const COMPATIBILITY_OF_VISIBILITY = {
  public: 'FULL_TRANSITIVE',
  internal: 'BACKWARD_TRANSITIVE',
} as const;

const DAY_MS = 24 * 60 * 60 * 1000;
const MEBIBYTE = 1024 * 1024;

/** Retention and segment length: a segment is the unit that retention deletes. */
function retainDays(days: number): Record<string, string> {
  return { 'retention.ms': String(days * DAY_MS), 'segment.ms': String(Math.min(days, 7) * DAY_MS) };
}

/** Compacted topics: a reader that is at most a day behind still sees every version, and every tombstone. */
const COMPACTION = {
  'min.compaction.lag.ms': String(DAY_MS),
  'delete.retention.ms': String(7 * DAY_MS),
  'segment.ms': String(DAY_MS),
  'min.cleanable.dirty.ratio': '0.1',
};

export const TOPICS: { readonly [T in TopicName]: TopicDefinition<T> } = {
  'frame-features': {
    name: 'frame-features',
    schema: 'frame-features',
    key: 'programmeId',
    cleanup: 'delete',
    timestampType: 'log-append',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: retainDays(8),
    doc: 'What probes measured: one record per stream and second or less, parallel columns, one entry per picture.',
  },
  'playback-events': {
    name: 'playback-events',
    schema: 'playback-events',
    key: 'sessionKey = hash(tenant, session id)',
    cleanup: 'delete',
    timestampType: 'log-append',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: retainDays(8),
    doc: 'What players report: one player event or report per record, decoded and normalised.',
  },
  'stream-defects': {
    name: 'stream-defects',
    schema: 'stream-defects',
    key: 'programmeId',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: retainDays(30),
    doc: 'Defects of streams as intervals (open, update, close), programme time anchors, and seals.',
  },
  'stream-health': {
    name: 'stream-health',
    schema: 'stream-health',
    key: 'programmeId',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: retainDays(30),
    doc: 'A roll-up per stream and 10 s: the figures that dashboards draw. "No data" is a value.',
  },
  'qos-scores': {
    name: 'qos-scores',
    schema: 'qos-scores',
    key: 'sessionKey = hash(tenant, session id)',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: retainDays(30),
    doc: "Every session's score per 10 s window, and final records (session, revision): the highest revision wins.",
  },
  'cohort-partials': {
    name: 'cohort-partials',
    schema: 'cohort-partials',
    key: 'leaf tuple: programmeId|cdn|asn|country|device|playerVersion',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'internal',
    partitioning: 'partitioned',
    configs: retainDays(8),
    doc: "One scoring task's share of a cohort's window: sums, maxima and bucket counts that merge by addition.",
  },
  'cohort-windows': {
    name: 'cohort-windows',
    schema: 'cohort-windows',
    key: 'leaf tuple: programmeId|cdn|asn|country|device|playerVersion',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'internal',
    partitioning: 'partitioned',
    configs: retainDays(8),
    doc: "A cohort's window, merged over all scoring tasks.",
  },
  'qos-alerts': {
    name: 'qos-alerts',
    schema: 'qos-alerts',
    key: 'alertId',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'single',
    configs: retainDays(400),
    doc: 'Every change of every alert: (alertId, version). Subscribe here; backtests compare with it.',
  },
  'qos-alerts-current': {
    name: 'qos-alerts-current',
    schema: 'qos-alerts',
    key: 'alertId',
    cleanup: 'compact',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'single',
    configs: COMPACTION,
    doc: 'The latest state of each alert, the same record as on qos-alerts. A deleted alert is a tombstone.',
  },
  'late-records': {
    name: 'late-records',
    schema: 'late-records',
    key: 'source topic and partition: topic-partition',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: { ...retainDays(30), 'max.message.bytes': String(3 * MEBIBYTE) },
    doc: 'What came after its window had closed, with the original bytes. Unordered, outside equality checks.',
  },
  'dead-letters': {
    name: 'dead-letters',
    schema: 'dead-letters',
    key: 'source topic and partition: topic-partition',
    cleanup: 'delete',
    timestampType: 'create',
    visibility: 'public',
    partitioning: 'partitioned',
    configs: { ...retainDays(30), 'max.message.bytes': String(3 * MEBIBYTE) },
    doc: 'What could not be read or made no sense, with the original bytes. Unordered, outside equality checks.',
  },
  'everyview-config': {
    name: 'everyview-config',
    schema: 'everyview-config',
    key: 'name = kind/contentHash, so that compaction keeps every version that the log may still cite',
    cleanup: 'compact',
    timestampType: 'log-append',
    visibility: 'public',
    partitioning: 'single',
    configs: COMPACTION,
    doc: 'Rules, mutes, expectations and detector settings by content hash. In force by a control record, not by time.',
  },
  catalogue: {
    name: 'catalogue',
    schema: 'catalogue',
    key: 'name = tenant/contentId',
    cleanup: 'compact',
    timestampType: 'log-append',
    visibility: 'public',
    partitioning: 'single',
    configs: COMPACTION,
    doc: 'Which programme, renditions and vantage points a (tenant, content id) stands for; retired ones say so.',
  },
};

export const TOPIC_NAMES = Object.keys(TOPICS) as readonly TopicName[];

export function isTopicName(name: string): name is TopicName {
  return Object.hasOwn(TOPICS, name);
}

/** Throws, naming what exists, when there is no such topic. */
export function topicDefinition<T extends TopicName>(name: T): TopicDefinition<T> {
  if (!isTopicName(name)) {
    throw new Error(
      `no topic ${JSON.stringify(name)} in schemas/topics.ts; there are ${TOPIC_NAMES.join(', ')}`,
    );
  }
  return TOPICS[name];
}

/** Subject of the registry that holds the schema of a topic's values (TopicNameStrategy). */
export function valueSubject(name: TopicName): string {
  return `${name}-value`;
}

/** How many partitions a topic has when `partitions` was chosen for the partitioned ones. */
export function partitionsOf(name: TopicName, partitions: number = DEFAULT_PARTITIONS): number {
  return topicDefinition(name).partitioning === 'single' ? 1 : partitions;
}

/** The whole of a topic's Kafka configuration, `cleanup.policy` and `message.timestamp.type` included. */
export function kafkaConfigs(name: TopicName, replicas = 1): Readonly<Record<string, string>> {
  const topic = topicDefinition(name);
  return {
    'cleanup.policy': topic.cleanup,
    'message.timestamp.type': topic.timestampType === 'log-append' ? 'LogAppendTime' : 'CreateTime',
    // Acknowledged means held by two brokers, wherever there are enough of them to lose one.
    ...(replicas >= 3 ? { 'min.insync.replicas': '2' } : {}),
    ...topic.configs,
  };
}

/** What deploy creates: every topic, in the form that the log port's `createTopics` takes. */
export function newTopics(partitions: number = DEFAULT_PARTITIONS, replicas = 1) {
  return TOPIC_NAMES.map((name) => ({
    topic: name,
    partitions: partitionsOf(name, partitions),
    replicas,
    configs: kafkaConfigs(name, replicas),
  }));
}
