/** What the sink counts: what became of every record, and how far behind it is. */
import type { TopicPartition } from '../../runtime/port.ts';
import type { Batch, LeftOutReason } from './batch.ts';
import type { Gap } from './positions.ts';

/** Of committed batches only, so that `in` = stored + left out + rejected at every moment. */
export type TopicCounts = {
  readonly topic: string;
  readonly in: number;
  readonly stored: number;
  readonly leftOut: ReadonlyMap<LeftOutReason, number>;
  readonly rejected: ReadonlyMap<string, number>;
};

export type SinkMetrics = {
  readonly isConnected: boolean;
  readonly topics: readonly TopicCounts[];
  /** Rows that were sent to each table; fewer may be new. */
  readonly rowsByTable: ReadonlyMap<string, number>;
  readonly batches: number;
  /** Time that batches took to be written, waiting for PostgreSQL included, ms in all. */
  readonly writeMsSum: number;
  readonly conflicts: number;
  readonly reconnects: number;
  /** Records that retention had deleted before they were written, and that were skipped. */
  readonly lostRecords: number;
  /** Offsets between what was written and the stable end; an upper bound, it counts markers. */
  readonly lag: readonly (TopicPartition & { readonly records: number })[];
  /** Log time of the newest record that was written, Unix ms; null before the first. */
  readonly logTimeMs: number | null;
  readonly pendingRows: number;
};

type Counts = {
  in: number;
  stored: number;
  leftOut: Map<LeftOutReason, number>;
  rejected: Map<string, number>;
};
type Place = TopicPartition & { stableEnd: number; written: number };

export class SinkCounters {
  conflicts = 0;
  reconnects = 0;
  writtenAtMs = 0;
  #lostRecords = 0;
  #batches = 0;
  #writeMsSum = 0;
  #logTimeMs: number | null = null;
  readonly #topics = new Map<string, Counts>();
  readonly #rowsByTable = new Map<string, number>();
  readonly #places = new Map<string, Place>();

  noteBounds(at: TopicPartition & { readonly offset: number }, stableEnd: number): void {
    const place = this.#placeOf(at, at.offset);
    place.stableEnd = Math.max(place.stableEnd, stableEnd);
  }

  noteWritten(batch: Batch, nowMs: number, durationMs: number): void {
    this.writtenAtMs = nowMs;
    this.#batches += 1;
    this.#writeMsSum += durationMs;
    for (const [topic, counts] of batch.counts) {
      const sum = this.#topics.get(topic) ?? { in: 0, stored: 0, leftOut: new Map(), rejected: new Map() };
      this.#topics.set(topic, sum);
      sum.in += counts.in;
      sum.stored += counts.stored;
      addUp(sum.leftOut, counts.leftOut);
      addUp(sum.rejected, counts.rejected);
    }
    addUp(
      this.#rowsByTable,
      Array.from(batch.rows, ([table, rows]) => [table.name, rows.length] as const),
    );
    for (const move of batch.moves.values()) {
      this.#placeOf(move, move.to).written = move.to;
      if (move.logTimeMs !== null) this.#logTimeMs = Math.max(this.#logTimeMs ?? 0, move.logTimeMs);
    }
  }

  noteGaps(gaps: readonly Gap[]): void {
    for (const { from, to } of gaps) this.#lostRecords += to - from;
  }

  metrics(isConnected: boolean, batch: Batch): SinkMetrics {
    return {
      isConnected,
      topics: Array.from(this.#topics, ([topic, counts]) => ({ topic, ...counts })),
      rowsByTable: this.#rowsByTable,
      batches: this.#batches,
      writeMsSum: this.#writeMsSum,
      conflicts: this.conflicts,
      reconnects: this.reconnects,
      lostRecords: this.#lostRecords,
      lag: Array.from(this.#places.values(), ({ topic, partition, stableEnd, written }) => ({
        ...{ topic, partition },
        records: Math.max(0, stableEnd - written),
      })),
      logTimeMs: this.#logTimeMs,
      pendingRows: batch.rowCount,
    };
  }

  #placeOf({ topic, partition }: TopicPartition, offset: number): Place {
    const name = `${topic}/${partition}`;
    let place = this.#places.get(name);
    if (place === undefined) {
      place = { topic, partition, stableEnd: offset, written: offset };
      this.#places.set(name, place);
    }
    return place;
  }
}

function addUp<K>(sums: Map<K, number>, counts: Iterable<readonly [K, number]>): void {
  for (const [key, count] of counts) sums.set(key, (sums.get(key) ?? 0) + count);
}
