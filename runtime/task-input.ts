/** One partition that a task reads: what was fetched of it waits here, as the bytes it came in, until the merge wants it. */
import { CommittedReader } from './committed-reader.ts';
import { isTick } from './control-records.ts';
import { isStarved, WaitingRecord } from './merge.ts';
import type { FetchedPartition, FetchRequest, LogBounds } from './port.ts';
import { newestMsOf, wholeBatchesEnd } from './record-batch.ts';
import type { TaskCore } from './task-core.ts';
import type { Source } from './task-sources.ts';

export class TaskInput {
  readonly source: Source;
  readonly #reader = new CommittedReader();
  /** Oldest first; the reader walks the first one. */
  readonly #fetched: FetchedPartition[] = [];
  #isWalking = false;
  /** Walked to its end, but records of it may still wait in the merge; oldest first. */
  readonly #walked: { readonly end: number; readonly release: () => void }[] = [];
  /** First offset that was not fetched. */
  #fetchedTo: number;
  #bounds: LogBounds;
  /** When, by the clock of this process, anything was last read or ticked. */
  advancedAtMs: number;
  /** By channel: when the word of its writer was last read, and when it was last ticked from here. */
  readonly writers: readonly { spokenAtMs: number; tickedAtMs: number }[];
  /** Newest log time that was fetched. */
  newestMs = 0;

  constructor(source: Source, bounds: LogBounds, nowMs: number) {
    this.source = source;
    this.#fetchedTo = source.fetchOffset;
    this.#bounds = bounds;
    this.advancedAtMs = nowMs;
    this.writers = source.channels.map(() => ({ spokenAtMs: nowMs, tickedAtMs: 0 }));
  }

  /** The log's, as last fetched. */
  get bounds(): LogBounds {
    return this.#bounds;
  }

  get abortedRecords(): number {
    return this.#reader.abortedRecords;
  }

  /** Offsets that were fetched and not walked yet: at least as many as there are records in them. */
  get ahead(): number {
    return this.#fetchedTo - this.source.fetchOffset;
  }

  get hasFetched(): boolean {
    return this.#fetched.length > 0;
  }

  /** Size of what was fetched and not walked to its end. */
  get bytesAhead(): number {
    return this.#fetched.reduce((sum, { batches }) => sum + batches.length, 0);
  }

  /** Everything up to the log's end was fetched and walked. */
  get isAtEnd(): boolean {
    return this.#fetched.length === 0 && this.#fetchedTo >= this.#bounds.highWatermark;
  }

  get request(): FetchRequest {
    const { topic, partition } = this.source;
    return { topic, partition, offset: this.#fetchedTo };
  }

  /** Takes what the port answered to `request`; an answer to another one is not taken. */
  offer(fetched: FetchedPartition, requestedOffset: number, nowMs: number): void {
    if (requestedOffset !== this.#fetchedTo) {
      fetched.release?.();
      return;
    }
    this.#bounds = fetched.bounds;
    if (fetched.batches.length === 0) return;
    this.#fetched.push(fetched);
    const end = wholeBatchesEnd(fetched.batches);
    if (end === null || end <= this.#fetchedTo) return;
    this.#fetchedTo = end;
    this.newestMs = Math.max(this.newestMs, newestMsOf(fetched.batches));
    this.advancedAtMs = nowMs;
  }

  /**
   * Queues the next records where the merge has none left of one of the writers; false when nothing more was fetched.
   * A few at a time: what is queued lives long enough to cost, what stays in its bytes does not. Throws `corrupt-batch`.
   */
  refill(core: TaskCore, nowMs: number): boolean {
    this.#releaseWalked();
    const { source } = this;
    const reader = this.#reader;
    let queued = 0;
    while (queued < REFILL_RECORDS || isStarved(source)) {
      if (!this.#isWalking) {
        const next = this.#fetched[0];
        if (next === undefined) break;
        reader.reset(next, source.fetchOffset);
        this.#isWalking = true;
      }
      if (!reader.next()) {
        source.fetchOffset = reader.position;
        this.#isWalking = false;
        const { release } = this.#fetched.shift()!;
        if (release !== undefined) this.#walked.push({ end: reader.position, release });
        continue;
      }
      const { cursor } = reader;
      const { bytes, valueStart } = cursor;
      const headers = cursor.headers();
      const record = new WaitingRecord(
        cursor.offset,
        cursor.timestampMs,
        bytes,
        cursor.keyStart,
        cursor.keyEnd,
        bytes,
        valueStart,
        cursor.valueEnd,
        headers,
      );
      const channel = core.offer(source, record);
      source.fetchOffset = reader.position;
      queued += 1;
      // a seal is a word of its writer; a tick only says that some reader went on without one
      if (valueStart >= 0 || !isTick(headers)) this.writers[channel]!.spokenAtMs = nowMs;
    }
    return queued > 0;
  }

  /** Between two steps nobody looks at a record that the merge does not have any more. */
  #releaseWalked(): void {
    while (this.#walked.length > 0 && isBehind(this.source, this.#walked[0]!.end))
      this.#walked.shift()!.release();
  }
}

/** Whether no record before `offset` waits. */
function isBehind({ channels }: Source, offset: number): boolean {
  for (const { queue, head } of channels)
    if (head < queue.length && queue[head]!.offset < offset) return false;
  return true;
}

const REFILL_RECORDS = 64;
