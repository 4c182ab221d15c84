/** What was read since the last write, as rows: bounded, and written whole or not at all. */
import { decodeControl } from '../../runtime/control-records.ts';
import type { FollowedRecord } from '../../runtime/follow-log.ts';
import type { TopicPartition } from '../../runtime/port.ts';
import { messageOf, SchemaError } from '../../schemas/errors.ts';
import type { DeadLetter } from '../../schemas/records.ts';
import { type Column, copyText, instantText, UnstorableValue } from './columns.ts';
import { type Retention, startOfDay } from './partitions.ts';
import { DEAD_LETTER_COUNTS, LOG_COLUMNS, REJECTS, SINK_TOPICS, TABLES, type Table } from './tables.ts';

/** A line in COPY text format, and the record that it was made of. */
export type Row = { readonly line: string; readonly record: FollowedRecord };

export type Reject = {
  readonly record: FollowedRecord;
  readonly code: string;
  readonly reason: string;
  /** Under which time it is kept: its own, where that is one that can be kept. */
  readonly timeMs: number;
};

/** Why a record is in no table, though nothing is wrong with it. */
export type LeftOutReason = 'control' | 'tombstone' | 'no-table' | 'expired';

export type DeadLetterCount = {
  readonly minuteMs: number;
  readonly topology: string;
  readonly node: string;
  readonly code: string;
  readonly sourceTopic: string;
  records: number;
};

export type Move = TopicPartition & {
  readonly from: number;
  to: number;
  /** Log time of the newest record; null when there was none but control records. */
  logTimeMs: number | null;
};

/** What became of the records of a batch: `in` = stored + left out + rejected. */
export type BatchCounts = {
  in: number;
  stored: number;
  readonly leftOut: Map<LeftOutReason, number>;
  readonly rejected: Map<string, number>;
};

export class Batch {
  readonly rows = new Map<Table, Row[]>();
  readonly rejects: Reject[] = [];
  readonly deadLetters = new Map<string, DeadLetterCount>();
  /** Keys of the catalogue that were deleted, with the offset that did it. */
  readonly deletions = new Map<string, number>();
  readonly moves = new Map<string, Move>();
  readonly counts = new Map<string, BatchCounts>();
  rowCount = 0;
  bytes = 0;

  readonly #retention: Retention;
  readonly #days = new Map<string, Set<number>>();
  readonly #nowMs: number;
  readonly #refused = new Set<FollowedRecord>();

  constructor(retention: Retention, nowMs: number) {
    this.#retention = retention;
    this.#nowMs = nowMs;
  }

  /** Nothing but positions has changed. */
  get isEmpty(): boolean {
    return this.rowCount + this.rejects.length + this.deadLetters.size + this.deletions.size === 0;
  }

  /** Partitions that its rows need. */
  *days(): Iterable<{ readonly table: string; readonly dayMs: number }> {
    for (const [table, days] of this.#days) for (const dayMs of days) yield { table, dayMs };
  }

  /** The record is a part of this batch, or of none: from here on its position is behind it. */
  add(record: FollowedRecord, value: unknown | SchemaError | null): void {
    const counts = this.#countsOf(record.topic);
    counts.in += 1;
    const outcome = this.#outcomeOf(record, value);
    if (outcome === 'stored') counts.stored += 1;
    else if ('leftOut' in outcome) bump(counts.leftOut, outcome.leftOut);
    else this.reject(record, outcome.code, outcome.reason);
  }

  /** Keeps the record apart, with the reason. */
  reject(record: FollowedRecord, code: string, reason: string, keptAtMs?: number): void {
    bump(this.#countsOf(record.topic).rejected, code);
    const own = this.#judgeTime(record.timestampMs) === 'kept' ? record.timestampMs : this.#nowMs;
    const timeMs = keptAtMs ?? own;
    this.#need(REJECTS.name, timeMs);
    this.rejects.push({ record, code, reason, timeMs });
    this.bytes += Math.min(record.value?.length ?? 0, REJECTED_BYTES_MAX);
  }

  /** PostgreSQL does not take this row: it is no part of the batch any more, and its record is a reject. */
  refuse(table: Table, row: Row, error: unknown): void {
    const { record } = row;
    this.rows.set(
      table,
      this.rows.get(table)!.filter((other) => other !== row),
    );
    this.rowCount -= 1;
    if (this.#refused.has(record)) return;
    this.#refused.add(record);
    this.#countsOf(record.topic).stored -= 1;
    const why = messageOf(error);
    this.reject(record, 'refused-by-postgres', `${table.name}: ${why}`, this.#nowMs);
  }

  /** Everything before `offset` was read. `from` is where this batch found the partition. */
  move(at: TopicPartition & { readonly offset: number }, from: number, timestampMs: number | null): void {
    const name = `${at.topic}/${at.partition}`;
    const move = this.moves.get(name);
    if (move === undefined) {
      const { topic, partition, offset } = at;
      this.moves.set(name, { topic, partition, from, to: offset, logTimeMs: timestampMs });
    } else {
      move.to = at.offset;
      move.logTimeMs = timestampMs ?? move.logTimeMs;
    }
  }

  #outcomeOf(record: FollowedRecord, value: unknown | SchemaError | null): Outcome {
    if (value === null) return this.#withoutValue(record);
    if (value instanceof SchemaError) return { code: value.code, reason: value.message };
    try {
      return record.topic === 'dead-letters'
        ? this.#countLetter(record, value as DeadLetter)
        : this.#store(record, value as Fields);
    } catch (error) {
      if (!(error instanceof UnstorableValue)) throw error;
      return { code: error.code, reason: error.message };
    }
  }

  #withoutValue(record: FollowedRecord): Outcome {
    if (decodeControl(record.headers) !== null) return { leftOut: 'control' };
    if (record.topic !== 'catalogue' || record.key === null) return { leftOut: 'tombstone' };
    this.deletions.set(Buffer.from(record.key).toString('utf8'), record.offset);
    return 'stored';
  }

  #store(record: FollowedRecord, value: Fields): Outcome {
    const tables = TABLES_OF.get(record.topic)!.filter((table) => table.accepts(value));
    let verdict: Outcome = { leftOut: 'no-table' };
    const made: { readonly table: Table; readonly timeMs: number | null; readonly line: string }[] = [];
    for (const table of tables) {
      const timeMs = table.time === null ? null : timeOf(table, value);
      const judged = timeMs === null ? 'kept' : this.#judgeTime(timeMs);
      if (judged === 'future') return futureTime(timeMs!);
      if (judged === 'expired') verdict = { leftOut: 'expired' };
      else made.push({ table, timeMs, line: lineOf(table.columns, record, value) });
    }
    for (const { table, timeMs, line } of made) {
      const rows = this.rows.get(table);
      if (rows === undefined) this.rows.set(table, [{ line, record }]);
      else rows.push({ line, record });
      if (timeMs !== null) this.#need(table.name, timeMs);
      this.rowCount += 1;
      this.bytes += line.length;
    }
    return made.length > 0 ? 'stored' : verdict;
  }

  #countLetter(record: FollowedRecord, letter: DeadLetter): Outcome {
    const judged = this.#judgeTime(record.timestampMs);
    if (judged === 'future') return futureTime(record.timestampMs);
    if (judged === 'expired') return { leftOut: 'expired' };
    const { topology, node, code, sourceTopic } = letter;
    const minuteMs = record.timestampMs - (record.timestampMs % 60_000);
    for (const text of [topology, node, code, sourceTopic]) {
      if (text.includes('\0')) return { code: 'nul-character', reason: 'a label has a NUL character in it' };
    }
    const name = [minuteMs, topology, node, code, sourceTopic].join('\0');
    const known = this.deadLetters.get(name);
    if (known === undefined) {
      this.deadLetters.set(name, { minuteMs, topology, node, code, sourceTopic, records: 1 });
      this.#need(DEAD_LETTER_COUNTS.name, minuteMs);
    } else known.records += 1;
    return 'stored';
  }

  #judgeTime(timeMs: number): 'kept' | 'expired' | 'future' {
    if (timeMs >= this.#retention.beforeMs) return 'future';
    return timeMs < (this.#retention.fromMs ?? 0) ? 'expired' : 'kept';
  }

  #need(table: string, timeMs: number): void {
    const days = this.#days.get(table);
    if (days === undefined) this.#days.set(table, new Set([startOfDay(timeMs)]));
    else days.add(startOfDay(timeMs));
  }

  #countsOf(topic: string): BatchCounts {
    let counts = this.counts.get(topic);
    if (counts === undefined) {
      counts = { in: 0, stored: 0, leftOut: new Map(), rejected: new Map() };
      this.counts.set(topic, counts);
    }
    return counts;
  }
}

/** Bytes of a reject that are kept. */
const REJECTED_BYTES_MAX = 16_384;

export const REJECT_COLUMNS: readonly Column[] = [
  { name: 'topic', type: 'text', isNullable: false, field: '' },
  { name: 'partition', type: 'integer', isNullable: false, field: '' },
  { name: 'log_offset', type: 'bigint', isNullable: false, field: '' },
  { name: 'log_time', type: 'timestamptz', isNullable: false, field: '' },
  { name: 'code', type: 'text', isNullable: false, field: '' },
  { name: 'reason', type: 'text', isNullable: false, field: '' },
  { name: 'record_key', type: 'bytea', isNullable: true, field: '' },
  { name: 'record_value', type: 'bytea', isNullable: true, field: '' },
  { name: 'value_bytes', type: 'integer', isNullable: false, field: '' },
];

/** A reject as a line for {@link REJECT_COLUMNS}. */
export function rejectLine({ record, code, reason, timeMs }: Reject): string {
  const { topic, partition, offset, key, value } = record;
  const values = [
    ...[topic, partition, offset, timeMs, code, reason.replaceAll('\0', '').slice(0, 1_000)],
    key?.subarray(0, REJECTED_BYTES_MAX) ?? null,
    value?.subarray(0, REJECTED_BYTES_MAX) ?? null,
    value?.length ?? 0,
  ];
  return REJECT_COLUMNS.map((column, index) => copyText(column, values[index])).join('\t');
}

type Fields = Readonly<Record<string, unknown>>;
type Outcome =
  | 'stored'
  | { readonly leftOut: LeftOutReason }
  | { readonly code: string; readonly reason: string };

const TABLES_OF: ReadonlyMap<string, readonly Table[]> = new Map(
  SINK_TOPICS.map((topic) => [topic, TABLES.filter((table) => table.topic === topic)]),
);

function lineOf(columns: readonly Column[], record: FollowedRecord, value: Fields): string {
  const places = [record.timestampMs, record.partition, record.offset];
  const fields = columns.slice(0, -LOG_COLUMNS.length).map((column) => copyText(column, value[column.field]));
  const log = LOG_COLUMNS.map((column, index) => copyText(column, places[index]));
  return [...fields, ...log].join('\t');
}

function timeOf(table: Table, value: Fields): number {
  const column = table.columns.find(({ name }) => name === table.time)!;
  const timeMs = value[column.field] as number;
  // Throws for what is no time at all.
  instantText(column.name, timeMs);
  return timeMs;
}

function futureTime(timeMs: number): Outcome {
  return {
    code: 'future-time',
    reason: `its time is ${new Date(timeMs).toISOString()}, days ahead of this clock`,
  };
}

function bump<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
