/** Finds the snapshot that a run in the middle of the log begins from. */
import { CommittedReader } from './committed-reader.ts';
import type { AdminPort, TopicPartition } from './port.ts';
import { entriesIn, type SnapshotEntry, type SnapshotHeader, snapshotTopic } from './snapshot.ts';
import { StateError } from './state.ts';
import type { TaskCore } from './task-core.ts';

export type Snapshot = SnapshotHeader & {
  entriesOf(): Generator<SnapshotEntry>;
};

/**
 * The latest whole snapshot of a task with a boundary at or before `beforeMs` of log time; null when there is none. One
 * that was cut off, by a crash while it was written or by retention, is passed over.
 */
export async function findSnapshot(
  port: AdminPort,
  applicationId: string,
  task: number,
  beforeMs: number,
): Promise<Snapshot | null> {
  const at = { topic: snapshotTopic(applicationId), partition: task };
  const [bounds] = await port.bounds([at]);
  const { start, stableEnd } = bounds!;
  for (let lookBackMs = LOOK_BACK_MS; ; lookBackMs *= 4) {
    const [found] = await port.offsetsForTime([at], Math.max(0, beforeMs - lookBackMs));
    const from = Math.max(start, found!.offset ?? stableEnd);
    const snapshot = await latestFrom(port, at, from, stableEnd, beforeMs);
    if (snapshot !== null || from === start || lookBackMs > beforeMs) return snapshot;
  }
}

/**
 * Puts a task that has done nothing yet into the state of a snapshot. The configuration of its position has to be known
 * already. Throws {@link StateError} for what this build cannot read or migrate.
 */
export function restoreSnapshot(core: TaskCore, snapshot: Snapshot): void {
  for (const { store, key, bytes } of snapshot.entriesOf()) core.graph.restore(store, key, bytes);
  core.restore(snapshot.position);
}

/** Where looking begins, before the time that is asked for; further back when nothing is found. */
const LOOK_BACK_MS = 30 * 60_000;
const FETCH_BYTES = 8 * 1024 * 1024;
const WAIT_MS = 100;

async function latestFrom(
  port: AdminPort,
  at: TopicPartition,
  from: number,
  end: number,
  beforeMs: number,
): Promise<Snapshot | null> {
  const reader = new CommittedReader();
  const gathering = new Gathering();
  let offset = from;
  while (offset < end) {
    const [fetched] = await port.fetch([{ ...at, offset }], WAIT_MS, FETCH_BYTES);
    if (fetched === undefined) continue;
    reader.reset(fetched, offset);
    while (reader.next()) {
      const { cursor } = reader;
      const [boundaryMs, piece] = Buffer.from(cursor.key() ?? [])
        .toString()
        .split('/');
      // they are written one after the other, in the order of log time
      if (cursor.offset >= end || Number(boundaryMs) > beforeMs) return gathering.latest;
      gathering.add(Number(boundaryMs), piece ?? '', cursor.value() ?? NO_BYTES);
    }
    offset = reader.position;
  }
  return gathering.latest;
}

/** Puts pieces together, and keeps the last snapshot that became whole. */
class Gathering {
  latest: Snapshot | null = null;
  #boundaryMs = -1;
  #parts: Uint8Array[] = [];

  add(boundaryMs: number, piece: string, value: Uint8Array): void {
    if (boundaryMs !== this.#boundaryMs || piece === '0') {
      this.#boundaryMs = boundaryMs;
      this.#parts = [];
    }
    if (piece === 'end') this.#end(value);
    // a part without the one before it belongs to nothing that could become whole
    else if (Number(piece) === this.#parts.length) this.#parts.push(value.slice());
  }

  #end(value: Uint8Array): void {
    const header = headerFrom(value);
    const parts = this.#parts;
    this.#parts = [];
    if (parts.length !== header.parts) return;
    this.latest = {
      ...header,
      *entriesOf() {
        for (const part of parts) yield* entriesIn(part);
      },
    };
  }
}

function headerFrom(value: Uint8Array): SnapshotHeader {
  const header = JSON.parse(Buffer.from(value).toString('utf8')) as SnapshotHeader;
  if (header.version !== 1) {
    throw new StateError(
      `a snapshot of version ${header.version} cannot be read: this build reads version 1`,
    );
  }
  return header;
}

const NO_BYTES = new Uint8Array(0);
