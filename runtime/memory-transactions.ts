/**
 * The simulated broker's transaction coordinator: identities, epochs, and the life of each transaction. It follows
 * Kafka's `TransactionCoordinator` for clients of transaction version 1 (KIP-98, KIP-360, KIP-890 part 1), which is what
 * kafkajs speaks: the epoch changes with InitProducerId and when the broker aborts, not with each commit.
 */
import type { Deadline, Deadlines } from './deadlines.ts';
import type { PartitionLog } from './memory-log.ts';
import {
  type Clock,
  type GroupOffset,
  LogError,
  type ProducerIdentity,
  type TopicPartition,
  type TransactionHandle,
} from './port.ts';

export type TransactionCoordinatorOptions = {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /**
   * Drawn for each partition when a transaction ends: the marker is written so much later, and until the last one is,
   * the transactional id answers `concurrent-transactions`, as a real broker does. 0: at once.
   */
  readonly markerDelayMs: () => number;
  /**
   * Asked for each partition when a transaction ends: its marker is taken for written, and never is, as by a coordinator
   * of Kafka 4.3.1 where the partition has no leader just then.
   */
  readonly losesMarker: (
    partition: TopicPartition,
    transactionalId: string,
    outcome: 'commit' | 'abort',
  ) => boolean;
  readonly commitOffsets: (groupId: string, offsets: readonly GroupOffset[]) => void;
};

export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions;
  readonly #entries = new Map<string, Entry>();
  #nextProducerId = 1000n;

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options;
  }

  initProducer(transactionalId: string, timeoutMs: number): ProducerIdentity {
    if (transactionalId === '' || !(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
      throw new LogError(
        'protocol',
        `initProducer("${transactionalId}", ${timeoutMs}): give a transactional id, and a timeout from 1 to ${TIMEOUT_MS_MAX} ms.`,
      );
    }
    const entry = this.#entries.get(transactionalId);
    if (entry === undefined) {
      const fresh = newEntry(transactionalId, this.#nextProducerId++, timeoutMs);
      this.#entries.set(transactionalId, fresh);
      return identityOf(fresh);
    }
    if (entry.state === 'ongoing') this.#abortAndFence(entry);
    refuseWhileEnding(entry);
    this.#bumpEpoch(entry);
    entry.timeoutMs = timeoutMs;
    entry.state = 'empty';
    return identityOf(entry);
  }

  addPartitions(txn: TransactionHandle, logs: readonly PartitionLog[]): void {
    const entry = this.#checkedEntry(txn);
    refuseWhileEnding(entry);
    this.#open(entry);
    for (const log of logs) entry.logs.add(log);
  }

  addOffsets(txn: TransactionHandle, groupId: string, offsets: readonly GroupOffset[]): void {
    const entry = this.#checkedEntry(txn);
    refuseWhileEnding(entry);
    this.#open(entry);
    entry.offsets.push({ groupId, offsets });
  }

  /** What a broker asks before it appends (KIP-890): whether the transaction is open and knows the partition. */
  checkProducing(txn: TransactionHandle, log: PartitionLog): void {
    const entry = this.#checkedEntry(txn);
    if (entry.state === 'ongoing' && entry.logs.has(log)) return;
    throw new LogError(
      'invalid-transaction-state',
      `${log.topic.topic}-${log.partition} is not part of an open transaction of ${txn.transactionalId}: ` +
        'call addPartitions before produce.',
    );
  }

  end(txn: TransactionHandle, outcome: 'commit' | 'abort'): void {
    const entry = this.#checkedEntry(txn);
    refuseWhileEnding(entry);
    if (entry.state === outcome) return;
    if (entry.state !== 'ongoing') {
      throw new LogError(
        'invalid-transaction-state',
        `${txn.transactionalId} has no open transaction to ${outcome}` +
          `${entry.state === 'empty' ? '' : ` (the last one: ${entry.state})`}: add partitions or offsets first.`,
      );
    }
    this.#finish(entry, outcome);
  }

  /** Transactional ids with a transaction that is open or still ending. */
  unfinished(): readonly string[] {
    const ids: string[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.state === 'ongoing' || entry.state === 'ending') ids.push(entry.transactionalId);
    }
    return ids;
  }

  #checkedEntry({ transactionalId, identity }: TransactionHandle): Entry {
    const entry = this.#entries.get(transactionalId);
    if (entry === undefined) {
      throw new LogError(
        'invalid-transaction-state',
        `The coordinator does not know the transactional id ${transactionalId}: call initProducer first.`,
      );
    }
    if (entry.producerId !== identity.producerId || entry.epoch !== identity.epoch) {
      throw new LogError(
        'producer-fenced',
        `${transactionalId} is held by producer ${entry.producerId} epoch ${entry.epoch} now, so producer ` +
          `${identity.producerId} epoch ${identity.epoch} is fenced: give the task up and rejoin.`,
      );
    }
    return entry;
  }

  #open(entry: Entry): void {
    if (entry.state === 'ongoing') return;
    entry.state = 'ongoing';
    const { clock, deadlines } = this.#options;
    entry.timeout = deadlines.at(clock.nowMs() + entry.timeoutMs, () => this.#abortAndFence(entry));
  }

  /** What the coordinator does when the owner is gone: nobody with the old epoch can touch the transaction any more. */
  #abortAndFence(entry: Entry): void {
    this.#bumpEpoch(entry);
    this.#finish(entry, 'abort');
  }

  #bumpEpoch(entry: Entry): void {
    entry.epoch += 1;
    // the marker of an aborted transaction needs one more epoch of the same producer id
    if (entry.epoch < EPOCH_MAX || entry.state === 'ongoing') return;
    entry.producerId = this.#nextProducerId++;
    entry.epoch = 0;
  }

  #finish(entry: Entry, outcome: 'commit' | 'abort'): void {
    if (entry.timeout !== null) entry.timeout.cancelled = true;
    entry.timeout = null;
    entry.state = 'ending';
    const identity = identityOf(entry);
    const { clock, deadlines, markerDelayMs, losesMarker, commitOffsets } = this.#options;
    const logs = [...entry.logs].filter(
      ({ topic: { topic }, partition }) => !losesMarker({ topic, partition }, entry.transactionalId, outcome),
    );
    const offsets = entry.offsets;
    entry.logs.clear();
    entry.offsets = [];
    let left = logs.length + 1;
    const finishOne = (): void => {
      left -= 1;
      if (left === 0) entry.state = outcome;
    };
    for (const log of logs) {
      const writeMarker = (): void => {
        log.appendMarker(identity, outcome, clock.nowMs());
        finishOne();
      };
      const delayMs = markerDelayMs();
      if (delayMs > 0) deadlines.at(clock.nowMs() + delayMs, writeMarker);
      else writeMarker();
    }
    if (outcome === 'commit') for (const sent of offsets) commitOffsets(sent.groupId, sent.offsets);
    finishOne();
  }
}

/** Kafka's default transaction.max.timeout.ms. */
const TIMEOUT_MS_MAX = 900_000;
/** From here on a producer gets a new id; Short.MAX_VALUE is kept for the fencing marker. */
const EPOCH_MAX = 32_766;

type Entry = {
  readonly transactionalId: string;
  producerId: bigint;
  epoch: number;
  timeoutMs: number;
  /** `commit` and `abort`: how the last transaction ended; a repeated request for the same is acknowledged. */
  state: 'empty' | 'ongoing' | 'ending' | 'commit' | 'abort';
  readonly logs: Set<PartitionLog>;
  offsets: { readonly groupId: string; readonly offsets: readonly GroupOffset[] }[];
  timeout: Deadline | null;
};

function newEntry(transactionalId: string, producerId: bigint, timeoutMs: number): Entry {
  return {
    transactionalId,
    producerId,
    epoch: 0,
    timeoutMs,
    state: 'empty',
    logs: new Set(),
    offsets: [],
    timeout: null,
  };
}

function identityOf(entry: Entry): ProducerIdentity {
  return { producerId: entry.producerId, epoch: entry.epoch };
}

function refuseWhileEnding(entry: Entry): void {
  if (entry.state !== 'ending') return;
  throw new LogError(
    'concurrent-transactions',
    `The last transaction of ${entry.transactionalId} is still being finished: try again.`,
  );
}
