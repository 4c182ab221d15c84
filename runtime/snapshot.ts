/**
 * Snapshots: now and then a task writes down what it is (position, configuration, state) into a topic of its
 * application, so that an audit or a backtest can begin in the middle of the log. Nothing in a live run reads them.
 *
 * One is taken of the moment at which log time passes a multiple of `snapshotEveryMs`: everything before that boundary
 * was processed, nothing after it. It is written in pieces, a few with each commit, and holds from its last record on:
 *
 * | key | value |
 * |---|---|
 * | `<boundaryMs>/0`, `<boundaryMs>/1`, … | entries: store, key, bytes as in the changelog |
 * | `<boundaryMs>/end` | JSON: {@link SnapshotHeader} |
 */
import type { OutputRecord } from './output-buffer.ts';
import { LogError, type LogPort } from './port.ts';
import type { ReducerGraph } from './reducer-graph.ts';
import { StateReader, StateWriter } from './state-bytes.ts';
import type { TaskPosition } from './task-core.ts';
import type { Topology } from './topology.ts';

export type SnapshotHeader = {
  readonly version: 1;
  /** Log time: everything before it is in the snapshot. */
  readonly boundaryMs: number;
  readonly parts: number;
  readonly entries: number;
  /** Whose states these are. Each entry says the same of itself; this is for people. */
  readonly reducers: readonly {
    readonly name: string;
    readonly store: string;
    readonly stateVersion: number;
  }[];
  /** With the hash of the configuration in force. */
  readonly position: TaskPosition;
};

export type SnapshotEntry = { readonly store: string; readonly key: string; readonly bytes: Uint8Array };

/** Partition of a task is the one with its number. */
export function snapshotTopic(applicationId: string): string {
  return `${applicationId}-snapshots`;
}

/** Whether there is one. Not where the application was deployed by a build that had none: all else works without. */
export async function hasSnapshotTopic(port: LogPort, applicationId: string): Promise<boolean> {
  try {
    await port.describeTopics([snapshotTopic(applicationId)]);
    return true;
  } catch (error) {
    if (error instanceof LogError && error.code === 'unknown-topic') return false;
    throw error;
  }
}

export type SnapshotWriterOptions = {
  readonly topic: string;
  readonly task: number;
  readonly topology: Topology;
  readonly graph: ReducerGraph;
  readonly append: (record: OutputRecord) => void;
  /** Of one commit, besides what else is in it. */
  readonly bytesPerCommit: number;
};

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  readonly #writer = new StateWriter();
  /** Snapshots that were written whole, and those that were left out because the one before was not. */
  taken = 0;
  skipped = 0;
  #current: Current | null = null;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
  }

  /** Something of a snapshot waits to be written. */
  get isBusy(): boolean {
    return this.#current !== null;
  }

  /** Takes a snapshot of this moment; left out, and counted, while the one before is still being written. */
  begin(boundaryMs: number, position: TaskPosition): void {
    if (this.#current !== null) {
      this.skipped += 1;
      return;
    }
    const next = this.#options.graph.capture();
    this.#current = { boundaryMs, position, next, parts: 0, entries: 0 };
  }

  /** Appends the next pieces, for the commit that is about to be made. */
  writeSome(timeMs: number): void {
    const current = this.#current;
    if (current === null) return;
    let sizeBytes = 0;
    while (sizeBytes < this.#options.bytesPerCommit) {
      const part = this.#nextPart(current);
      if (part === null) {
        this.#append(
          `${current.boundaryMs}/end`,
          Buffer.from(JSON.stringify(this.#headerOf(current))),
          timeMs,
        );
        this.#current = null;
        this.taken += 1;
        return;
      }
      this.#append(`${current.boundaryMs}/${current.parts}`, part, timeMs);
      current.parts += 1;
      sizeBytes += part.length;
    }
  }

  #nextPart(current: Current): Uint8Array | null {
    const writer = this.#writer;
    writer.reset();
    while (writer.length < PART_BYTES) {
      const entry = current.next();
      if (entry === null) break;
      writer.string(entry.store);
      writer.string(entry.key);
      writer.bytes(entry.bytes);
      current.entries += 1;
    }
    return writer.length === 0 ? null : writer.finish();
  }

  #headerOf({ boundaryMs, parts, entries, position }: Current): SnapshotHeader {
    const reducers = this.#options.topology.reducers.map(({ reducer, store }) => ({
      name: reducer.name,
      store,
      stateVersion: reducer.state.version,
    }));
    return { version: 1, boundaryMs, parts, entries, reducers, position };
  }

  #append(key: string, value: Uint8Array, timestampMs: number): void {
    const { append, topic, task } = this.#options;
    append({ topic, partition: task, key: Buffer.from(key), value, headers: [], timestampMs });
  }
}

/** The entries of one part. Throws a `RangeError` for bytes that are none. */
export function* entriesIn(part: Uint8Array): Generator<SnapshotEntry> {
  const reader = new StateReader(part);
  while (reader.position < part.length) {
    yield { store: reader.string(), key: reader.string(), bytes: reader.bytes() };
  }
}

/** Well below the size of a batch, which no record may exceed. */
const PART_BYTES = 128 * 1024;

type Current = {
  readonly boundaryMs: number;
  readonly position: TaskPosition;
  readonly next: () => SnapshotEntry | null;
  parts: number;
  entries: number;
};
