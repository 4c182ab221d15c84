/**
 * Beacons straight into a log, without HTTP: for runs in memory (backtests, property tests, benches) and for loading a
 * log faster than the clock. What the collector would make of a beacon is handed in, since it is the collector's.
 */
import { partitionOf } from '../../runtime/partitioner.ts';
import type { Clock, LogPort, ProduceBatch } from '../../runtime/port.ts';
import { BatchBuilder, NO_HEADERS, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { Beacon } from './audience.ts';

/** What the collector makes of a beacon that reaches it at `receivedAtMs`; none when it can use nothing of it. */
export type NormaliseBeacon = (beacon: Beacon, receivedAtMs: number) => readonly PlaybackEvent[];

export type LogDriverOptions = {
  readonly beacons: Iterable<Beacon>;
  readonly port: LogPort;
  /** Partitions of `playback-events`. */
  readonly partitions: number;
  readonly encode: (event: PlaybackEvent) => Uint8Array;
  readonly normalise: NormaliseBeacon;
  /** Beacons are written when they are due by this clock, virtual or not; null: at once, each with its own time. */
  readonly clock: Clock | null;
  readonly signal?: AbortSignal;
};

export type LogDriverCounts = {
  readonly beacons: number;
  readonly events: number;
  /** Beacons that nothing could be made of. */
  readonly unusable: number;
};

/** Resolves when all is acknowledged; rejects with the port's `LogError`. */
export async function writeBeacons(options: LogDriverOptions): Promise<LogDriverCounts> {
  const { clock, signal } = options;
  const counts = { beacons: 0, events: 0, unusable: 0 };
  let group: Beacon[] = [];
  let groupDueMs = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const taken = group;
    group = [];
    if (clock !== null) await clock.sleep(groupDueMs - clock.nowMs(), signal);
    if (signal?.aborted === true) return;
    const batches = batchesOf(taken, options, counts);
    if (batches.length > 0) await options.port.produce(null, batches);
  };
  for (const beacon of options.beacons) {
    const isFull = group.length >= GROUP_MAX || (clock !== null && beacon.dueMs > groupDueMs);
    if (isFull) await flush();
    if (signal?.aborted === true) break;
    if (group.length === 0) groupDueMs = beacon.dueMs + LINGER_MS;
    group.push(beacon);
  }
  await flush();
  return counts;
}

/** What is due within this time travels together, as a collector's writer would have it. */
const LINGER_MS = 20;
const GROUP_MAX = 500;

function batchesOf(
  beacons: readonly Beacon[],
  { partitions, encode, normalise }: LogDriverOptions,
  counts: { beacons: number; events: number; unusable: number },
): ProduceBatch[] {
  const builders = new Map<number, BatchBuilder>();
  for (const beacon of beacons) {
    const events = normalise(beacon, beacon.dueMs);
    counts.beacons += 1;
    counts.events += events.length;
    if (events.length === 0) counts.unusable += 1;
    for (const event of events) {
      const key = Buffer.from(event.sessionKey);
      const partition = partitionOf(key, partitions);
      const builder = builders.get(partition) ?? new BatchBuilder();
      builders.set(partition, builder);
      builder.append(key, encode(event), NO_HEADERS, beacon.dueMs);
    }
  }
  return [...builders].map(([partition, builder]) => ({
    topic: 'playback-events',
    partition,
    bytes: builder.finish(NO_PRODUCER),
    baseSequence: NO_PRODUCER.baseSequence,
  }));
}
