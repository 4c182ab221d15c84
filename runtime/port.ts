/**
 * The log port: the only door between EveryView's stream runtime and a Kafka log.
 *
 * The port speaks in the terms of Kafka's protocol (epochs, generations, last stable offset, record batches as
 * bytes), one small method for each request, so that everything which makes exactly-once work (the read_committed
 * filter, the life of a transactional producer, group membership) is written once, above the port, and runs
 * unchanged over Apache Kafka (`kafkajs-port.ts`) and over the simulated broker (`memory-port.ts`).
 *
 * Offsets and timestamps are numbers: both stay below 2^53. Times are milliseconds since the Unix epoch.
 * Every method rejects with a {@link LogError}; nothing else may escape.
 */

export type TopicPartition = { readonly topic: string; readonly partition: number };

/** How a topic stamps its records: `log-append` by the broker, `create` by the writer. */
export type TimestampType = 'log-append' | 'create';

export type TopicDescription = {
  readonly topic: string;
  readonly partitions: number;
  readonly timestampType: TimestampType;
  readonly cleanup: 'delete' | 'compact';
};

export type NewTopic = {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly configs: Readonly<Record<string, string>>;
};

/** Bounds of one partition. `stableEnd` is the last stable offset: below it every transaction is decided. */
export type LogBounds = {
  readonly start: number;
  readonly stableEnd: number;
  readonly highWatermark: number;
};

export type FetchRequest = TopicPartition & { readonly offset: number };

export type AbortedTransaction = { readonly producerId: bigint; readonly firstOffset: number };

/**
 * What one partition answered to a read_committed fetch: record batches (magic 2) as the log holds them, aborted
 * records and control batches included; the first batch may begin before the requested offset, and the last one
 * may be cut short. Walk it with `CommittedReader`, never by hand.
 */
export type FetchedPartition = TopicPartition & {
  readonly batches: Uint8Array;
  readonly bounds: LogBounds;
  readonly aborted: readonly AbortedTransaction[];
  /**
   * Gives the memory of `batches` back to the port: nobody may look at any view of it any more. At most once; who never
   * calls it leaves the memory to be collected.
   */
  readonly release?: () => void;
};

/** Identity that a transactional producer gets from its coordinator. A greater epoch fences every smaller one. */
export type ProducerIdentity = { readonly producerId: bigint; readonly epoch: number };

export type TransactionHandle = { readonly transactionalId: string; readonly identity: ProducerIdentity };

/** A transaction as one partition knows it: no marker came for the records from `firstOffset` on. */
export type OpenTransaction = TopicPartition & ProducerIdentity & { readonly firstOffset: number };

/** One encoded record batch (magic 2) for one partition; `baseSequence` as in the batch's own header. */
export type ProduceBatch = TopicPartition & { readonly bytes: Uint8Array; readonly baseSequence: number };

export type ProduceResult = TopicPartition & {
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
};

export type GroupMember = { readonly memberId: string; readonly metadata: Uint8Array };

export type JoinedGroup = {
  readonly generationId: number;
  readonly memberId: string;
  readonly leaderId: string;
  /** All members, told to the leader only; empty for the others. */
  readonly members: readonly GroupMember[];
};

export type JoinRequest = {
  readonly groupId: string;
  /** '' on first joining. */
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolName: string;
  readonly metadata: Uint8Array;
};

export type MemberAssignment = { readonly memberId: string; readonly assignment: Uint8Array };

export type GroupMembership = {
  readonly groupId: string;
  readonly memberId: string;
  readonly generationId: number;
};

export type GroupOffset = TopicPartition & { readonly offset: number };

export interface LogPort {
  /** Throws `unknown-topic` naming every topic that does not exist. */
  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]>;
  /** Creates what is missing, leaves what exists; the names that it created. */
  createTopics(topics: readonly NewTopic[]): Promise<readonly string[]>;
  bounds(partitions: readonly TopicPartition[]): Promise<readonly (TopicPartition & LogBounds)[]>;

  /**
   * A read_committed fetch over any number of partitions. Resolves as soon as one of them has data, or after
   * `maxWaitMs` with whatever there is (each requested partition is in the answer then, perhaps with no bytes: its
   * bounds are news too). A partition whose leader is moving is left out of the answer: ask again. An offset outside the
   * log is an `offset-out-of-range` error, never a silent reset.
   */
  fetch(
    requests: readonly FetchRequest[],
    maxWaitMs: number,
    maxBytes: number,
  ): Promise<readonly FetchedPartition[]>;

  /** InitProducerId: fences every earlier holder of the id, and finishes (aborts) what it left open. */
  initProducer(transactionalId: string, transactionTimeoutMs: number): Promise<ProducerIdentity>;
  /** AddPartitionsToTxn: opens the transaction on first use; idempotent. */
  addPartitions(txn: TransactionHandle, partitions: readonly TopicPartition[]): Promise<void>;
  /**
   * Produce, acks=all; at most one batch for each partition. Resolves only when every batch was acknowledged; otherwise
   * throws, and some may be in the log. After a `retry` error the same batches may be sent again with the same sequence
   * numbers. The bytes may be reused once the promise settles.
   */
  produce(txn: TransactionHandle | null, batches: readonly ProduceBatch[]): Promise<readonly ProduceResult[]>;
  /** EndTxn. A lost reply is `ambiguous`: the transaction may have either outcome. */
  endTransaction(txn: TransactionHandle, outcome: 'commit' | 'abort'): Promise<void>;
  /** AddOffsetsToTxn + TxnOffsetCommit: feeds lag tools only, nothing in EveryView reads these offsets back. */
  sendGroupOffsets(txn: TransactionHandle, groupId: string, offsets: readonly GroupOffset[]): Promise<void>;

  /** DescribeProducers: what is open in these partitions, as their leaders know it and whatever the coordinator thinks. */
  openTransactions(partitions: readonly TopicPartition[]): Promise<readonly OpenTransaction[]>;

  joinGroup(request: JoinRequest): Promise<JoinedGroup>;
  syncGroup(membership: GroupMembership, assignments: readonly MemberAssignment[]): Promise<Uint8Array>;
  heartbeat(membership: GroupMembership): Promise<void>;
  leaveGroup(membership: GroupMembership): Promise<void>;

  close(): Promise<void>;
}

export type ActiveMember = {
  readonly memberId: string;
  readonly clientId: string;
  /** Where it runs, as the broker sees it. */
  readonly host: string;
};

/** What people and tools ask of a log beside {@link LogPort}; no task needs it. */
export interface LogAdmin {
  /** Members of a consumer group; none when nobody is in it, or it never was. */
  groupMembers(groupId: string): Promise<readonly ActiveMember[]>;
  /** For each partition the first stable offset with a timestamp of at least `timeMs`; null when there is none. */
  offsetsForTime(
    partitions: readonly TopicPartition[],
    timeMs: number,
  ): Promise<readonly (TopicPartition & { readonly offset: number | null })[]>;
  /** Each log begins at `offset` from now on. Refused with `protocol` on compacted topics, as Kafka does. */
  deleteRecords(before: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>;
}

/** A port that can do both; every implementation is one. */
export type AdminPort = LogPort & LogAdmin;

/**
 * Everything a port can fail with. `retry`: the same call may be made again. `fenced`: somebody newer owns the
 * transactional id or the generation; give the task up and rejoin. `ambiguous`: nobody knows whether it happened;
 * discard the producer, open a new one, read what is committed. `fatal`: a person has to act.
 */
export type LogErrorCode =
  | 'unreachable'
  | 'timed-out'
  | 'not-leader'
  | 'coordinator-moved'
  | 'concurrent-transactions'
  | 'rebalance-in-progress'
  | 'unknown-member'
  | 'stale-generation'
  | 'producer-fenced'
  | 'out-of-order-sequence'
  | 'invalid-transaction-state'
  | 'offset-out-of-range'
  | 'unknown-topic'
  | 'record-too-large'
  | 'corrupt-batch'
  | 'unauthorized'
  | 'closed'
  | 'protocol';

export type LogErrorKind = 'retry' | 'fenced' | 'ambiguous' | 'fatal';

const KIND_OF_CODE: Readonly<Record<LogErrorCode, LogErrorKind>> = {
  unreachable: 'ambiguous',
  'timed-out': 'ambiguous',
  'not-leader': 'retry',
  'coordinator-moved': 'retry',
  'concurrent-transactions': 'retry',
  'rebalance-in-progress': 'fenced',
  'unknown-member': 'fenced',
  'stale-generation': 'fenced',
  'producer-fenced': 'fenced',
  'out-of-order-sequence': 'ambiguous',
  'invalid-transaction-state': 'ambiguous',
  'offset-out-of-range': 'fatal',
  'unknown-topic': 'fatal',
  'record-too-large': 'fatal',
  'corrupt-batch': 'fatal',
  unauthorized: 'fatal',
  closed: 'fatal',
  protocol: 'fatal',
};

export class LogError extends Error {
  readonly code: LogErrorCode;
  readonly kind: LogErrorKind;

  constructor(code: LogErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LogError';
    this.code = code;
    this.kind = KIND_OF_CODE[code];
  }
}

/** Time as the runtime sees it; never reaches topology code. Virtual in the simulator. */
export interface Clock {
  nowMs(): number;
  /** Resolves after `durationMs`, or at once when `signal` aborts (it never rejects). */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}
