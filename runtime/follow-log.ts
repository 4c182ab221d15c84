/** Reads topics as a subscriber does: committed records only, partition by partition, for as long as it is wanted. */
import { SchemaError, UnknownSchemaId } from '../schemas/errors.ts';
import type { RecordOf, TopicName } from '../schemas/topics.ts';
import { CommittedReader } from './committed-reader.ts';
import {
  type Clock,
  type LogAdmin,
  type LogBounds,
  LogError,
  type LogPort,
  type TopicPartition,
} from './port.ts';
import type { LogHeader } from './record-batch.ts';
import type { FetchingCodec } from './task.ts';

export type FollowedRecord = TopicPartition & {
  readonly offset: number;
  /** Log time, Unix ms. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
};

export type FollowOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  readonly positions: readonly (TopicPartition & { readonly offset: number })[];
  /** Reading ends when it aborts, after the records at hand. */
  readonly signal: AbortSignal;
  /** Also ends reading, when it answers true. Records of one partition come in order; the next one waits. */
  readonly onRecord: (record: FollowedRecord) => Promise<boolean> | boolean;
  /** Told after each fetch: false while there is more to read than was read. Reading waits for it. */
  readonly onCaughtUp?: (isCaughtUp: boolean) => Promise<void> | void;
  /** Told of each partition that was fetched, after its records: where reading goes on, markers and the like behind it. */
  readonly onRead?: (at: TopicPartition & { readonly offset: number }, bounds: LogBounds) => void;
};

/** `latest` begins behind what is committed now. A time is not a place: read from the beginning and leave out. */
export type FollowFrom = { readonly kind: 'beginning' | 'latest' | 'time' };

const FETCH_WAIT_MS = 250;
const FETCH_BYTES_MAX = 4 * 1024 * 1024;
const BACKOFF_MS = 500;
/** A broker that is restarted is back by then. */
const GIVE_UP_AFTER_MS = 60_000;

/** Where each partition of the topics is to be read from. */
export async function startPositions(
  port: LogPort,
  topics: readonly string[],
  from: FollowFrom,
): Promise<readonly (TopicPartition & { readonly offset: number })[]> {
  const bounds = await port.bounds(await partitionsOf(port, topics));
  return bounds.map(({ topic, partition, start, stableEnd }) => ({
    topic,
    partition,
    offset: from.kind === 'latest' ? stableEnd : start,
  }));
}

/** Where the records since a point in time begin in each partition of the topics; their end where there are none. */
export async function recentPositions(
  port: Pick<LogPort, 'describeTopics' | 'bounds'> & Pick<LogAdmin, 'offsetsForTime'>,
  topics: readonly string[],
  sinceMs: number,
): Promise<readonly (TopicPartition & { readonly offset: number })[]> {
  const places = await partitionsOf(port, topics);
  const bounds = await port.bounds(places);
  const offsets = await port.offsetsForTime(places, Math.max(0, sinceMs));
  return bounds.map(({ topic, partition, stableEnd }) => {
    const found = offsets.find((one) => one.topic === topic && one.partition === partition);
    return { topic, partition, offset: found?.offset ?? stableEnd };
  });
}

/**
 * Follows the log until it is told to end. Failures that may pass are tried again for a minute; then, and for all
 * others, it throws the {@link LogError}.
 */
export async function followLog(options: FollowOptions): Promise<void> {
  const { port, clock, signal } = options;
  const offsets = new Map(options.positions.map((at) => [`${at.topic}/${at.partition}`, at]));
  const reader = new CommittedReader();
  let failingSinceMs: number | null = null;
  while (!signal.aborted) {
    try {
      const fetched = await port.fetch([...offsets.values()], FETCH_WAIT_MS, FETCH_BYTES_MAX);
      failingSinceMs = null;
      let isCaughtUp = true;
      for (const part of fetched) {
        const name = `${part.topic}/${part.partition}`;
        reader.reset(part, offsets.get(name)!.offset);
        while (reader.next()) if (await options.onRecord(recordAt(reader, part))) return;
        const next = { topic: part.topic, partition: part.partition, offset: reader.position };
        offsets.set(name, next);
        options.onRead?.(next, part.bounds);
        if (reader.position < part.bounds.stableEnd) isCaughtUp = false;
      }
      await options.onCaughtUp?.(isCaughtUp);
    } catch (error) {
      if (!(error instanceof LogError) || error.kind === 'fatal') throw error;
      failingSinceMs ??= clock.nowMs();
      if (clock.nowMs() - failingSinceMs > GIVE_UP_AFTER_MS) throw error;
      await clock.sleep(BACKOFF_MS, signal);
    }
  }
}

/**
 * The value of a record that has one, or the {@link SchemaError} that says why it can never be read. A schema that was
 * not met before is fetched first; while the registry is away, the record waits for as long as the codec allows.
 */
export async function decodeFollowed<T extends TopicName>(
  codec: FetchingCodec,
  clock: Clock,
  topic: T,
  bytes: Uint8Array,
): Promise<RecordOf[T] | SchemaError> {
  for (;;) {
    try {
      return codec.decode(topic, bytes) as RecordOf[T];
    } catch (error) {
      if (error instanceof UnknownSchemaId) {
        if (!(await codec.fetchSchema(error.schemaId))) await clock.sleep(BACKOFF_MS);
      } else if (error instanceof SchemaError) return error;
      else throw error;
    }
  }
}

async function partitionsOf(
  port: Pick<LogPort, 'describeTopics'>,
  topics: readonly string[],
): Promise<readonly TopicPartition[]> {
  const descriptions = await port.describeTopics(topics);
  return descriptions.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
}

function recordAt(reader: CommittedReader, { topic, partition }: TopicPartition): FollowedRecord {
  const { cursor } = reader;
  return {
    topic,
    partition,
    offset: cursor.offset,
    timestampMs: cursor.timestampMs,
    key: cursor.key(),
    value: cursor.value(),
    headers: cursor.headers(),
  };
}
