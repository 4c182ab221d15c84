/** Where a replayed task gets one of its partitions from: the log as it was recorded, or what was computed anew. */
import { CommittedReader } from './committed-reader.ts';
import { integerOf, isTick, SOURCE_TASK_HEADER } from './control-records.ts';
import type { PendingRecord } from './merge.ts';
import type { LogPort, TopicPartition } from './port.ts';

export type LogFeed = {
  /** The next records, at least one; null when there are no more. */
  more(): Promise<readonly PendingRecord[] | null>;
};

const FETCH_BYTES = 2 * 1024 * 1024;
const WAIT_MS = 100;

/** The committed records with offsets in `[fromOffset, endOffset)`. */
export class RecordedFeed implements LogFeed {
  readonly #port: LogPort;
  readonly #at: TopicPartition;
  readonly #reader = new CommittedReader();
  readonly endOffset: number;
  #offset: number;

  constructor(port: LogPort, { topic, partition }: TopicPartition, fromOffset: number, endOffset: number) {
    this.#port = port;
    this.#at = { topic, partition };
    this.#offset = fromOffset;
    this.endOffset = endOffset;
  }

  async more(): Promise<readonly PendingRecord[] | null> {
    while (this.#offset < this.endOffset) {
      const [fetched] = await this.#port.fetch([{ ...this.#at, offset: this.#offset }], WAIT_MS, FETCH_BYTES);
      if (fetched === undefined) continue;
      const records = this.#walk(fetched);
      if (records.length > 0) return records;
    }
    return null;
  }

  #walk(fetched: Parameters<CommittedReader['reset']>[0]): PendingRecord[] {
    const reader = this.#reader;
    const records: PendingRecord[] = [];
    reader.reset(fetched, this.#offset);
    while (reader.next()) {
      const { cursor } = reader;
      if (cursor.offset >= this.endOffset) break;
      records.push({
        offset: cursor.offset,
        timestampMs: cursor.timestampMs,
        key: cursor.key(),
        value: cursor.value(),
        headers: cursor.headers(),
      });
    }
    this.#offset = reader.position;
    return records;
  }
}

/** A record that a replay computed for a derived topic. */
export type ComputedRecord = Omit<PendingRecord, 'offset'>;

/**
 * A derived partition of which everything from `fromMs` of log time on is computed anew: before that the recorded log,
 * then what was computed. Ticks that readers had written into it while a writer was gone stay where they were among that
 * writer's records, because what they cut off stays cut off.
 */
export class ComputedFeed implements LogFeed {
  readonly #recorded: RecordedFeed;
  readonly #fromMs: number;
  readonly #computed: readonly ComputedRecord[];
  readonly #writers = new Map<number | null, RecordedWriter>();
  #isUsedUp = false;

  constructor(recorded: RecordedFeed, fromMs: number, computed: readonly ComputedRecord[]) {
    this.#recorded = recorded;
    this.#fromMs = fromMs;
    this.#computed = computed;
  }

  async more(): Promise<readonly PendingRecord[] | null> {
    for (;;) {
      const recorded = await this.#recorded.more();
      if (recorded === null) break;
      const before = recorded.filter((record) => this.#isKept(record));
      if (before.length > 0) return before;
    }
    if (this.#isUsedUp) return null;
    this.#isUsedUp = true;
    const all = this.#withTicks();
    return all.length > 0 ? all : null;
  }

  #isKept(record: PendingRecord): boolean {
    const { timestampMs, value, headers } = record;
    const isReadersTick = value === null && isTick(headers);
    const writer = this.#writerOf(record);
    const { said } = writer;
    if (!isReadersTick) {
      if (timestampMs > said.timeMs) writer.said = { timeMs: timestampMs, records: 1 };
      else if (timestampMs === said.timeMs) writer.said = { ...said, records: said.records + 1 };
    }
    if (timestampMs < this.#fromMs) return true;
    if (isReadersTick) writer.ticks.push({ tick: record, after: said });
    return false;
  }

  #withTicks(): PendingRecord[] {
    const all: PendingRecord[] = [];
    const add = (record: ComputedRecord): void => {
      all.push({ ...record, offset: this.#recorded.endOffset + all.length });
    };
    const again = new Map<RecordedWriter, Said>();
    for (const record of this.#computed) {
      const { timestampMs: timeMs } = record;
      const writer = this.#writerOf(record);
      const before = again.get(writer);
      const records = before?.timeMs === timeMs ? before.records : 0;
      while (writer.ticks.length > 0 && isBefore(writer.ticks[0]!.after, { timeMs, records }))
        add(writer.ticks.shift()!.tick);
      add(record);
      again.set(writer, { timeMs, records: records + 1 });
    }
    for (const { ticks } of this.#writers.values()) for (const { tick } of ticks) add(tick);
    return all;
  }

  /** On an edge with one writer it is nobody by name. */
  #writerOf({ headers }: Pick<PendingRecord, 'headers'>): RecordedWriter {
    const name = integerOf(headers, SOURCE_TASK_HEADER);
    const known = this.#writers.get(name);
    if (known !== undefined) return known;
    const writer: RecordedWriter = { said: { timeMs: 0, records: 0 }, ticks: [] };
    this.#writers.set(name, writer);
    return writer;
  }
}

/** How far a writer was: its latest log time, and how many records it had said with that time. */
type Said = { readonly timeMs: number; readonly records: number };

type RecordedWriter = {
  said: Said;
  /** Those of readers, from `fromMs` on, with what the writer had said before. */
  readonly ticks: { readonly tick: PendingRecord; readonly after: Said }[];
};

/** Whether a tick after `said` comes before the next record of a writer that is as far as `next`. */
function isBefore(said: Said, next: Said): boolean {
  return said.timeMs < next.timeMs || (said.timeMs === next.timeMs && said.records <= next.records);
}
