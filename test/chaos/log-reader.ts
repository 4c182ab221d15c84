/** Reads committed records as they come, with our own reader: counts, committed positions, frozen sources. */
import { CommittedReader } from '../../runtime/committed-reader.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { LogPort, TopicPartition } from '../../runtime/port.ts';

export class LogReader {
  readonly #port: LogPort;
  readonly #inputs: readonly {
    readonly at: TopicPartition;
    readonly reader: CommittedReader;
    offset: number;
    /** Behind the last record that is there, decided or not; null before the first answer. */
    end: number | null;
  }[];
  readonly #onRecord: (at: TopicPartition, record: CommittedRecord) => void;
  #isBegun = false;

  /** From the beginning of each partition. */
  constructor(
    port: LogPort,
    partitions: readonly TopicPartition[],
    onRecord: (at: TopicPartition, record: CommittedRecord) => void,
  ) {
    this.#port = port;
    this.#inputs = partitions.map((at) => ({ at, reader: new CommittedReader(), offset: 0, end: null }));
    this.#onRecord = onRecord;
  }

  /** Everything that is there was read: nothing waits for the marker of its transaction either. */
  get isAtEnd(): boolean {
    return this.#inputs.every(({ offset, end }) => end !== null && offset >= end);
  }

  /** One round; whether anything came. Keys and values are the caller's to keep. Rejects as the port does. */
  async poll(waitMs: number): Promise<boolean> {
    await this.#begin();
    const requests = this.#inputs.map(({ at, offset }) => ({ ...at, offset }));
    let moved = false;
    for (const fetched of await this.#port.fetch(requests, waitMs, FETCH_BYTES)) {
      const input = this.#inputs.find(
        ({ at }) => at.topic === fetched.topic && at.partition === fetched.partition,
      )!;
      input.reader.reset(fetched, input.offset);
      while (input.reader.next()) {
        const { cursor } = input.reader;
        this.#onRecord(input.at, {
          offset: cursor.offset,
          timestampMs: cursor.timestampMs,
          key: copyOf(cursor.key()),
          value: copyOf(cursor.value()),
          headers: cursor.headers().map(([name, value]) => [name, value.slice()] as const),
        });
      }
      input.end = fetched.bounds.highWatermark;
      if (input.reader.position > input.offset) moved = true;
      input.offset = input.reader.position;
    }
    return moved;
  }

  /** Retention may have been there before. */
  async #begin(): Promise<void> {
    if (this.#isBegun) return;
    const bounds = await this.#port.bounds(this.#inputs.map(({ at }) => at));
    for (const [i, { start }] of bounds.entries()) this.#inputs[i]!.offset = start;
    this.#isBegun = true;
  }
}

export function partitionsOf(topics: readonly (readonly [string, number])[]): readonly TopicPartition[] {
  return topics.flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  );
}

const FETCH_BYTES = 4 << 20;

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : bytes.slice();
}
