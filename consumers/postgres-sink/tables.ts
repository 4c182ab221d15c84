/** The tables that the sink writes: of which topic, by which natural key, and which of two rows with one key wins. */
import type { CatalogueEntry, QosScore, StreamDefect } from '../../schemas/records.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { type Column, columnsOf } from './columns.ts';

export type Table = {
  readonly name: string;
  readonly topic: TopicName;
  /** Fields of the value, then where in the log it was read. */
  readonly columns: readonly Column[];
  /** Names of the columns that tell one row from another. */
  readonly key: readonly string[];
  /** Column whose greatest value wins where keys are equal; null: what came later in the log. */
  readonly rank: string | null;
  /** Column by whose day (UTC) the table is partitioned; null: one table, and rows are deleted one by one. */
  readonly time: string | null;
  /** Rows that have not changed for the retention may go where this SQL condition holds. */
  readonly forgettable: string | null;
  readonly accepts: (value: unknown) => boolean;
};

/** What is read of a topic that has tables. */
export const SINK_TOPICS = [
  'stream-defects',
  'stream-health',
  'qos-scores',
  'qos-alerts',
  'cohort-windows',
  'dead-letters',
  'catalogue',
] as const satisfies readonly TopicName[];

export type SinkTopic = (typeof SINK_TOPICS)[number];

/** Where a row was read. Offsets decide between rows of one key, which are all in one partition. */
export const LOG_COLUMNS: readonly Column[] = [
  { name: 'log_time', type: 'timestamptz', isNullable: false, field: '' },
  { name: 'log_partition', type: 'integer', isNullable: false, field: '' },
  { name: 'log_offset', type: 'bigint', isNullable: false, field: '' },
];

export const TABLES: readonly Table[] = [
  table('stream_defect_steps', 'stream-defects', {
    key: ['programme_id', 'defect_id', 'revision', 'detected_at'],
    time: 'detected_at',
    accepts: isDefect,
  }),
  table('stream_defects', 'stream-defects', {
    key: ['programme_id', 'defect_id'],
    rank: 'revision',
    forgettable: "event IN ('close', 'point')",
    accepts: isDefect,
  }),
  table('stream_health', 'stream-health', {
    key: ['programme_id', 'rendition_id', 'vantage', 'window_start'],
    time: 'window_start',
  }),
  table('qos_scores', 'qos-scores', {
    key: ['session_key', 'window_start'],
    rank: 'revision',
    time: 'window_start',
    accepts: (value) => (value as QosScore).kind === 'window',
  }),
  table('qos_sessions', 'qos-scores', {
    key: ['session_key', 'window_start'],
    rank: 'revision',
    time: 'window_start',
    accepts: (value) => (value as QosScore).kind === 'final',
  }),
  table('qos_alerts', 'qos-alerts', { key: ['alert_id', 'version', 'updated_at'], time: 'updated_at' }),
  table('qos_alerts_current', 'qos-alerts', {
    key: ['alert_id'],
    rank: 'version',
    forgettable: "status = 'resolved'",
  }),
  table('cohort_windows', 'cohort-windows', {
    key: [
      ...['window_start', 'window_end', 'tenant', 'programme_id', 'cdn', 'asn', 'country', 'device_class'],
      ...['player_version', 'other'],
    ],
    time: 'window_start',
  }),
  table('catalogue', 'catalogue', {
    key: ['name'],
    accepts: (value) => (value as CatalogueEntry).name !== '',
  }),
];

/** Counted by the minute; the letters themselves stay in the log. */
export const DEAD_LETTER_COUNTS = {
  name: 'dead_letter_counts',
  key: ['minute', 'topology', 'node', 'code', 'source_topic'],
  time: 'minute',
} as const;

/** Records that could not be stored, as bytes. */
export const REJECTS = { name: 'sink_rejects', time: 'log_time' } as const;

/** All tables with a partition for each day. */
export const PARTITIONED: readonly { readonly name: string; readonly time: string }[] = [
  ...TABLES.flatMap(({ name, time }) => (time === null ? [] : [{ name, time }])),
  DEAD_LETTER_COUNTS,
  REJECTS,
];

type Traits = Pick<Table, 'key'> & Partial<Pick<Table, 'rank' | 'time' | 'forgettable' | 'accepts'>>;

function table(name: string, topic: TopicName, traits: Traits): Table {
  return {
    name,
    topic,
    columns: [...columnsOf(topic), ...LOG_COLUMNS],
    rank: null,
    time: null,
    forgettable: null,
    accepts: () => true,
    ...traits,
  };
}

/** Programme time anchors travel in the same topic. */
function isDefect(value: unknown): boolean {
  return (value as StreamDefect).event !== 'anchor';
}
