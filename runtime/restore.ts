/** Reads a changelog partition from its beginning to its stable end: what a task, or a table, was when it last committed. */
import { CommittedReader } from './committed-reader.ts';
import type { LogPort, TopicPartition } from './port.ts';

export type RestoreHandlers = {
  /** A null value is a tombstone. */
  readonly onEntry: (key: Uint8Array, value: Uint8Array | null) => void;
  readonly onProgress?: (progress: StoreProgress) => void;
};

export type StoreProgress = {
  /** Records so far. */
  readonly restored: number;
  /** Offsets still to go; compaction makes that an upper bound of records. */
  readonly remaining: number;
  /** Offsets that there were to go at first. */
  readonly offsets: number;
};

const FETCH_BYTES = 8 * 1024 * 1024;
const WAIT_MS = 100;

/** The number of records that were read. */
export async function restoreStore(
  port: LogPort,
  from: TopicPartition,
  handlers: RestoreHandlers,
): Promise<number> {
  const [bounds] = await port.bounds([from]);
  let offset = bounds!.start;
  const end = bounds!.stableEnd;
  const offsets = end - offset;
  const reader = new CommittedReader();
  let restored = 0;
  while (offset < end) {
    const [fetched] = await port.fetch([{ ...from, offset }], WAIT_MS, FETCH_BYTES);
    if (fetched === undefined) continue;
    reader.reset(fetched, offset);
    while (reader.next()) {
      const { cursor } = reader;
      if (cursor.offset >= end) break;
      const key = cursor.key();
      if (key === null) continue;
      handlers.onEntry(key, cursor.value());
      restored += 1;
    }
    offset = reader.position;
    handlers.onProgress?.({ restored, remaining: Math.max(0, end - offset), offsets });
  }
  return restored;
}
