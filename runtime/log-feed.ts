/** Where a replayed task gets one of its partitions from: the log as it was recorded, or what was computed anew. */
import { CommittedReader } from './committed-reader.ts';
import { isTick } from './control-records.ts';
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
 * then what was computed. Ticks that readers had written into it while its writer was gone stay where they were among
 * the writer's records, because what they cut off stays cut off.
 */
export class ComputedFeed implements LogFeed {
  readonly #recorded: RecordedFeed;
  readonly #fromMs: number;
  readonly #computed: readonly ComputedRecord[];
  readonly #ticks: { readonly tick: PendingRecord; readonly afterMs: number }[] = [];
  #saidUpToMs = 0;
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
    const isReadersTick = record.value === null && isTick(record.headers);
    if (!isReadersTick) this.#saidUpToMs = Math.max(this.#saidUpToMs, record.timestampMs);
    if (record.timestampMs < this.#fromMs) return true;
    if (isReadersTick) this.#ticks.push({ tick: record, afterMs: this.#saidUpToMs });
    return false;
  }

  #withTicks(): PendingRecord[] {
    const all: PendingRecord[] = [];
    let nextTick = 0;
    const add = (record: ComputedRecord): void => {
      all.push({ ...record, offset: this.#recorded.endOffset + all.length });
    };
    const addTicksBefore = (timeMs: number): void => {
      while (nextTick < this.#ticks.length && this.#ticks[nextTick]!.afterMs < timeMs) {
        add(this.#ticks[nextTick]!.tick);
        nextTick += 1;
      }
    };
    for (const record of this.#computed) {
      addTicksBefore(record.timestampMs);
      add(record);
    }
    addTicksBefore(Number.POSITIVE_INFINITY);
    return all;
  }
}
