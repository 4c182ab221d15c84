/**
 * A Kafka broker in memory, driven by a {@link Clock}: topics, transactions and groups that any number of ports share,
 * each port standing for one process. It keeps real record batches and answers in the protocol's terms, so that
 * everything above the port runs on it unchanged. The same requests in the same order give the same answers.
 *
 *     const broker = new MemoryBroker({ clock: new VirtualClock() });
 *     const port = broker.openPort({ clientId: 'one' });
 */
import { Deadlines } from './deadlines.ts';
import { type CompactionOptions, compactLog } from './memory-compaction.ts';
import { type FaultPlan, FaultTally } from './memory-faults.ts';
import { GroupCoordinator, type GroupDescription } from './memory-group.ts';
import { type FetchShape, PartitionLog } from './memory-log.ts';
import { MemoryPort } from './memory-port.ts';
import { TransactionCoordinator, type TransactionCoordinatorOptions } from './memory-transactions.ts';
import {
  type Clock,
  type FetchedPartition,
  type FetchRequest,
  type GroupOffset,
  LogError,
  type NewTopic,
  type ProduceBatch,
  type ProduceResult,
  type TopicDescription,
  type TopicPartition,
  type TransactionHandle,
} from './port.ts';
import { BatchBuilder, type LogHeader, NO_HEADERS, NO_PRODUCER } from './record-batch.ts';
import { RecordCursor } from './record-cursor.ts';

export type MemoryBrokerOptions = {
  readonly clock: Clock;
  /** Kafka's group.initial.rebalance.delay.ms. Default 0. */
  readonly initialRebalanceDelayMs?: number;
  /**
   * How much later than EndTxn each partition gets its marker; drawn for each. A real broker needs some milliseconds,
   * in which the stable end lags and the transactional id answers `concurrent-transactions`. Default: 0.
   */
  readonly markerDelayMs?: () => number;
  /** The markers that get lost while a broker starts; see {@link TransactionCoordinatorOptions}. Default: none. */
  readonly losesMarker?: TransactionCoordinatorOptions['losesMarker'];
  /** Makes answers to fetches odd, as far as the protocol allows. `plain` is what would be answered otherwise. */
  readonly shapeFetch?: (request: FetchRequest, plain: FetchShape) => FetchShape;
};

export type OpenPortOptions = {
  readonly clientId: string;
  readonly faults?: FaultPlan;
  /** Topics with log-append time take this port's timestamps as they are: for copies of recorded logs. */
  readonly keepsTimestamps?: boolean;
};

/** A committed record. Keys and values are views of the log: copy what you change. */
export type CommittedRecord = {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
};

export class MemoryBroker {
  readonly clock: Clock;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  /** Faults that the plans of all ports asked for. */
  readonly faultTally = new FaultTally();
  readonly #deadlines: Deadlines;
  readonly #shapeFetch: MemoryBrokerOptions['shapeFetch'];
  readonly #topics = new Map<string, readonly PartitionLog[]>();
  readonly #groupOffsets = new Map<string, Map<string, GroupOffset>>();
  readonly #builder = new BatchBuilder();

  constructor(options: MemoryBrokerOptions) {
    const {
      clock,
      initialRebalanceDelayMs = 0,
      markerDelayMs = () => 0,
      losesMarker = () => false,
    } = options;
    const deadlines = new Deadlines(clock);
    this.clock = clock;
    this.#deadlines = deadlines;
    this.#shapeFetch = options.shapeFetch;
    this.groups = new GroupCoordinator({ clock, deadlines, initialRebalanceDelayMs });
    const commitOffsets = (groupId: string, offsets: readonly GroupOffset[]): void =>
      this.#commitOffsets(groupId, offsets);
    this.transactions = new TransactionCoordinator({
      clock,
      deadlines,
      markerDelayMs,
      losesMarker,
      commitOffsets,
    });
  }

  openPort(options: OpenPortOptions): MemoryPort {
    return new MemoryPort(this, options);
  }

  /** Ends all waiting; needed only with a real clock, whose pending sleeps keep the process alive. */
  close(): void {
    this.#deadlines.close();
  }

  createTopics(topics: readonly NewTopic[]): readonly string[] {
    for (const topic of topics) checkNewTopic(topic);
    const missing = topics.filter(({ topic }) => !this.#topics.has(topic));
    for (const topic of missing) {
      const description = describeNewTopic(topic);
      const logs = Array.from(
        { length: topic.partitions },
        (_, partition) => new PartitionLog(description, partition),
      );
      this.#topics.set(topic.topic, logs);
    }
    return missing.map(({ topic }) => topic);
  }

  describeTopics(topics: readonly string[]): readonly TopicDescription[] {
    const missing = topics.filter((topic) => !this.#topics.has(topic));
    if (missing.length > 0) throw unknownTopics(missing);
    return topics.map((topic) => {
      const { partitions, timestampType, cleanup } = (this.#topics.get(topic) as readonly PartitionLog[])[0]!
        .topic;
      return { topic, partitions, timestampType, cleanup };
    });
  }

  /** One partition's log: its bounds, and its batches as stored. */
  log({ topic, partition }: TopicPartition): PartitionLog {
    const log = this.#topics.get(topic)?.[partition];
    if (log === undefined) throw unknownTopics([`${topic}-${partition}`]);
    return log;
  }

  async fetch(
    requests: readonly FetchRequest[],
    maxWaitMs: number,
    maxBytes: number,
  ): Promise<FetchedPartition[]> {
    const deadlineMs = this.clock.nowMs() + maxWaitMs;
    const logs = requests.map((request) => this.log(request));
    for (;;) {
      let hasData = false;
      for (const [i, { offset }] of requests.entries()) {
        logs[i]!.checkOffset(offset);
        hasData ||= logs[i]!.hasDataAt(offset);
      }
      if (hasData || this.clock.nowMs() >= deadlineMs) return this.#answer(requests, logs, maxBytes);
      await this.#change(logs, deadlineMs);
    }
  }

  produce(
    txn: TransactionHandle | null,
    batches: readonly ProduceBatch[],
    keepsTimestamps: boolean,
  ): readonly ProduceResult[] {
    const named = new Set(batches.map(({ topic, partition }) => `${topic}-${partition}`));
    if (named.size < batches.length) {
      throw new LogError(
        'protocol',
        'A produce request holds two batches for one partition: send them one by one.',
      );
    }
    // each partition answers for itself: the others are appended even when one refuses
    let refusal: unknown = null;
    const results: ProduceResult[] = [];
    for (const batch of batches) {
      try {
        results.push(this.#produceOne(txn, batch, keepsTimestamps));
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        refusal ??= error;
      }
    }
    if (refusal !== null) throw refusal;
    return results;
  }

  /**
   * Appends a record outside of any transaction. `timestampMs` is what its reader sees, on topics of either timestamp
   * type; the default is now. @returns its offset.
   */
  append(
    topic: string,
    partition: number,
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    timestampMs: number = this.clock.nowMs(),
    headers: readonly LogHeader[] = NO_HEADERS,
  ): number {
    const builder = this.#builder;
    builder.reset();
    builder.append(bytesOf(key), bytesOf(value), headers, timestampMs);
    const log = this.log({ topic, partition });
    const stampMs = log.topic.timestampType === 'log-append' ? timestampMs : null;
    return log.append(builder.finish(NO_PRODUCER), null, stampMs).baseOffset;
  }

  /** The committed records of a partition, by what the broker knows of their transactions and not by any reader's filter. */
  dump(topic: string, partition: number): readonly CommittedRecord[] {
    const log = this.log({ topic, partition });
    const { start: logStart } = log.bounds;
    const records: CommittedRecord[] = [];
    for (const { segment, start, end, isControl, transaction } of log.batches) {
      if (isControl || (transaction !== null && transaction.outcome !== 'commit')) continue;
      const cursor = new RecordCursor();
      cursor.reset(segment.subarray(start, end), logStart);
      while (cursor.next()) {
        const { offset, timestampMs } = cursor;
        records.push({
          offset,
          timestampMs,
          key: cursor.key(),
          value: cursor.value(),
          headers: cursor.headers(),
        });
      }
    }
    return records;
  }

  /** Retention: the partition begins at `startOffset` from now on. Throws `offset-out-of-range`. */
  truncate(topic: string, partition: number, startOffset: number): void {
    this.log({ topic, partition }).truncate(startOffset);
  }

  /** Cleans every partition of the topic, whatever its cleanup policy. */
  compact(topic: string, options: Partial<CompactionOptions> = {}): void {
    const settled: CompactionOptions = {
      tombstones: 'keep',
      markers: 'keep',
      emptyBatches: 'last-of-producer',
      ...options,
    };
    for (const log of this.#topics.get(topic) ?? []) compactLog(log, settled);
    if (!this.#topics.has(topic)) throw unknownTopics([topic]);
  }

  /** What sendGroupOffsets committed, for one who looks at a group's lag. */
  groupOffsets(groupId: string): readonly GroupOffset[] {
    return [...(this.#groupOffsets.get(groupId)?.values() ?? [])];
  }

  describeGroup(groupId: string): GroupDescription {
    return this.groups.describe(groupId);
  }

  #produceOne(txn: TransactionHandle | null, batch: ProduceBatch, keepsTimestamps: boolean): ProduceResult {
    const { topic, partition, bytes } = batch;
    const log = this.log(batch);
    if (txn !== null) this.transactions.checkProducing(txn, log);
    const isStamped = log.topic.timestampType === 'log-append' && !keepsTimestamps;
    const { baseOffset, logAppendTimeMs } = log.append(
      bytes,
      txn?.identity ?? null,
      isStamped ? this.clock.nowMs() : null,
    );
    return { topic, partition, baseOffset, logAppendTimeMs };
  }

  /** Bytes are shared out among the partitions, and each gives at least one batch, so that none has to wait for another. */
  #answer(
    requests: readonly FetchRequest[],
    logs: readonly PartitionLog[],
    maxBytes: number,
  ): FetchedPartition[] {
    let bytesLeft = maxBytes;
    return requests.map((request, i) => {
      const log = logs[i]!;
      const { topic, partition, offset } = request;
      const bytesMax = Math.floor(bytesLeft / (requests.length - i));
      const plain: FetchShape = { earlierBatches: 0, bytesMax };
      const { batches: stored, aborted } = log.read(offset, this.#shapeFetch?.(request, plain) ?? plain);
      bytesLeft = Math.max(0, bytesLeft - stored.length);
      const batches = stored.slice();
      return { topic, partition, batches, bounds: log.bounds, aborted, release: () => spoil(batches) };
    });
  }

  /** Resolves when something changed in one of the logs, at `deadlineMs` at the latest. */
  #change(logs: readonly PartitionLog[], deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        deadline.cancelled = true;
        for (const log of logs) log.watchers.delete(finish);
        resolve();
      };
      const deadline = this.#deadlines.at(deadlineMs, finish);
      for (const log of logs) log.watchers.add(finish);
    });
  }

  #commitOffsets(groupId: string, offsets: readonly GroupOffset[]): void {
    const committed = this.#groupOffsets.get(groupId) ?? new Map<string, GroupOffset>();
    this.#groupOffsets.set(groupId, committed);
    for (const offset of offsets) committed.set(`${offset.topic}-${offset.partition}`, offset);
  }
}

/** Kafka's default message.max.bytes. */
const BATCH_BYTES_MAX = 1_048_588;

function checkNewTopic({ topic, partitions, replicas }: NewTopic): void {
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(topic)) {
    throw new LogError('protocol', `"${topic}" is no topic name: use letters, digits, ".", "_" and "-".`);
  }
  if (
    !Number.isInteger(partitions) ||
    partitions < 1 ||
    !Number.isInteger(replicas) ||
    (replicas < 1 && replicas !== -1)
  ) {
    throw new LogError(
      'protocol',
      `Topic ${topic} cannot have ${partitions} partitions and ${replicas} replicas: give whole numbers from 1 up.`,
    );
  }
}

function describeNewTopic({ topic, partitions, configs }: NewTopic): PartitionLog['topic'] {
  return {
    topic,
    partitions,
    timestampType: configs['message.timestamp.type'] === 'LogAppendTime' ? 'log-append' : 'create',
    cleanup: (configs['cleanup.policy'] ?? 'delete').includes('compact') ? 'compact' : 'delete',
    batchBytesMax: Number(configs['max.message.bytes'] ?? BATCH_BYTES_MAX),
  };
}

function unknownTopics(names: readonly string[]): LogError {
  return new LogError(
    'unknown-topic',
    `The broker does not have ${names.join(', ')}: create the topics first.`,
  );
}

function bytesOf(text: Uint8Array | string | null): Uint8Array | null {
  return typeof text === 'string' ? new TextEncoder().encode(text) : text;
}

/** Whoever still looks at what was given back shall see it. */
function spoil(bytes: Uint8Array): void {
  bytes.fill(0xdb);
}
