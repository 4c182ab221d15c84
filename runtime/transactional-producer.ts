/**
 * The life of one transactional id, as a state machine over the log port: ready -> open -> ready ... -> dead.
 *
 * A producer that threw is dead for good. Stock kafkajs reuses it: after a lost reply the next record takes the sequence
 * number of the lost one, the broker takes it for a duplicate, and it is gone although `send` resolves. Here the only way
 * on is a new producer, and reading what is committed.
 */
import { messageOf } from '../schemas/errors.ts';
import {
  type Clock,
  type GroupOffset,
  LogError,
  type LogPort,
  type ProduceBatch,
  type ProduceResult,
  type ProducerIdentity,
  type TopicPartition,
  type TransactionHandle,
} from './port.ts';
import type { BatchBuilder } from './record-batch.ts';
import { type Backoff, withRetries } from './retry.ts';

export type TransactionalProducerOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  readonly transactionalId: string;
  /** After this long without an end the coordinator aborts the transaction, and fences the producer. */
  readonly transactionTimeoutMs: number;
};

/** Records for one partition; none or more for each partition in a `send`, sent in the order in which they are given. */
export type OutgoingBatch = TopicPartition & { readonly builder: BatchBuilder };

export type ProducerState = 'ready' | 'open' | 'dead';

export class TransactionalProducer {
  readonly #port: LogPort;
  readonly #clock: Clock;
  readonly #handle: TransactionHandle;
  readonly #backoff: Backoff;
  /** By partition: the sequence number of the next record. They go on from transaction to transaction. */
  readonly #nextSequence = new Map<string, number>();
  readonly #added = new Set<string>();
  /** Every partition that was ever added. */
  readonly #known = new Map<string, TopicPartition>();
  /** Since when the coordinator may have started anew after the last transaction, and dropped its markers; null: it did not. */
  #doubtfulSinceMs: number | null = null;
  #endedAtMs: number;
  #hasGroupOffsets = false;
  #state: ProducerState = 'ready';
  #isBusy = false;
  #failure: LogError | null = null;
  #retries = 0;

  /**
   * Takes the transactional id over: fences every earlier producer of it, and waits until what that left open is aborted.
   */
  static async open(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    const { port, clock, transactionalId, transactionTimeoutMs } = options;
    let retries = 0;
    const identity = await withRetries(
      clock,
      backoffOf(transactionTimeoutMs),
      `taking over transactional id ${transactionalId}`,
      () => port.initProducer(transactionalId, transactionTimeoutMs),
      () => retries++,
    );
    const producer = new TransactionalProducer(options, identity);
    producer.#retries = retries;
    return producer;
  }

  private constructor(options: TransactionalProducerOptions, identity: ProducerIdentity) {
    this.#port = options.port;
    this.#clock = options.clock;
    this.#handle = { transactionalId: options.transactionalId, identity };
    this.#backoff = backoffOf(options.transactionTimeoutMs);
    this.#endedAtMs = options.clock.nowMs();
  }

  get state(): ProducerState {
    return this.#state;
  }

  get identity(): ProducerIdentity {
    return this.#handle.identity;
  }

  /** Requests that were made again so far, the usual reason being the previous transaction's markers. */
  get retries(): number {
    return this.#retries;
  }

  begin(): void {
    this.#expect('ready');
    this.#state = 'open';
  }

  /**
   * Writes batches into the open transaction. Resolves when all are acknowledged; builders may be reset then, and not
   * before. Builders without records are passed over.
   */
  async send(batches: readonly OutgoingBatch[]): Promise<readonly ProduceResult[]> {
    return this.#exclusively('open', async () => {
      const full = batches.filter(({ builder }) => builder.recordCount > 0);
      await this.#addPartitions(full);
      const results: ProduceResult[] = [];
      for (const request of requestsOf(full)) results.push(...(await this.#produce(request)));
      return results;
    });
  }

  /** Puts group offsets into the open transaction. They feed lag tools and are never read back. */
  async sendGroupOffsets(groupId: string, offsets: readonly GroupOffset[]): Promise<void> {
    await this.#exclusively('open', async () => {
      this.#hasGroupOffsets = true;
      await this.#retrying('adding group offsets', () =>
        this.#port.sendGroupOffsets(this.#handle, groupId, offsets),
      );
    });
  }

  async commit(): Promise<void> {
    await this.#end('commit');
  }

  async abort(): Promise<void> {
    await this.#end('abort');
  }

  /** Ends what an earlier holder of the id left open in these partitions, with markers of a transaction of our own. */
  async finish(partitions: readonly TopicPartition[], outcome: 'commit' | 'abort'): Promise<void> {
    this.begin();
    // what is open there is no doubt, but the reason
    this.#known.clear();
    await this.#exclusively('open', () => this.#addPartitions(partitions));
    await this.#end(outcome);
  }

  async #end(outcome: 'commit' | 'abort'): Promise<void> {
    await this.#exclusively('open', async () => {
      // the coordinator knows nothing of a transaction that nothing was added to
      if (this.#added.size > 0 || this.#hasGroupOffsets) {
        await this.#retrying(outcome, () => this.#port.endTransaction(this.#handle, outcome));
      }
      this.#added.clear();
      this.#endedAtMs = this.#clock.nowMs();
      this.#hasGroupOffsets = false;
      this.#state = 'ready';
    });
  }

  async #addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const missing = new Map<string, TopicPartition>();
    for (const { topic, partition } of partitions) {
      const name = nameOf({ topic, partition });
      if (!this.#added.has(name)) missing.set(name, { topic, partition });
    }
    if (missing.size === 0) return;
    if (this.#clock.nowMs() - this.#endedAtMs >= PAUSE_MS) this.#doubt();
    await this.#retrying('adding partitions', async () => {
      if (this.#added.size === 0) await this.#checkEnded();
      await this.#port.addPartitions(this.#handle, [...missing.values()]);
    });
    for (const [name, partition] of missing) {
      this.#added.add(name);
      this.#known.set(name, partition);
    }
  }

  /**
   * Whatever the last transaction left open would share the fate of the next one. Where it stays open, the producer dies
   * of it, and whoever opens the next one finishes it.
   */
  async #checkEnded(): Promise<void> {
    if (this.#doubtfulSinceMs === null || this.#known.size === 0) return;
    const open = await this.#port.openTransactions([...this.#known.values()]);
    const ours = open.find(({ producerId }) => producerId === this.identity.producerId);
    if (ours !== undefined) {
      const isLost = this.#clock.nowMs() - this.#doubtfulSinceMs >= MARKERS_MS;
      const where = `${nameOf(ours)} from offset ${ours.firstOffset} on`;
      throw new LogError(
        isLost ? 'invalid-transaction-state' : 'concurrent-transactions',
        `the last transaction is still open in ${where}`,
      );
    }
    this.#doubtfulSinceMs = null;
  }

  #doubt(): void {
    this.#doubtfulSinceMs ??= this.#clock.nowMs();
  }

  async #produce(request: readonly OutgoingBatch[]): Promise<readonly ProduceResult[]> {
    const { producerId, epoch } = this.identity;
    const sealed = request.map(({ topic, partition, builder }): ProduceBatch => {
      const baseSequence = this.#nextSequence.get(nameOf({ topic, partition })) ?? 0;
      const bytes = builder.finish({ producerId, producerEpoch: epoch, baseSequence, isTransactional: true });
      return { topic, partition, baseSequence, bytes };
    });
    // made again, a request carries the same sequence numbers: what the log has already is not written twice
    const results = await this.#retrying('produce', () => this.#port.produce(this.#handle, sealed));
    this.#checkCovered(sealed, results);
    for (const [i, { builder }] of request.entries()) {
      const { baseSequence } = sealed[i]!;
      this.#nextSequence.set(nameOf(request[i]!), sequenceAfter(baseSequence, builder.recordCount));
    }
    return results;
  }

  /** Stock kafkajs resolves although records were skipped while a leader moved; so each batch is looked for. */
  #checkCovered(batches: readonly ProduceBatch[], results: readonly ProduceResult[]): void {
    const acknowledged = new Set(results.map(nameOf));
    const missing = batches.map(nameOf).filter((name) => !acknowledged.has(name));
    if (missing.length > 0 || results.length !== batches.length) {
      throw new LogError(
        'protocol',
        `The broker acknowledged ${results.length} of ${batches.length} partitions (not ${missing.join(', ')}): nothing of this transaction may be committed. Check the broker's version and log.`,
      );
    }
  }

  #retrying<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { transactionalId } = this.#handle;
    return withRetries(this.#clock, this.#backoff, `${what} (${transactionalId})`, attempt, (error) => {
      this.#retries++;
      if (error.code === 'coordinator-moved') this.#doubt();
    });
  }

  async #exclusively<T>(state: ProducerState, action: () => Promise<T>): Promise<T> {
    this.#expect(state);
    this.#isBusy = true;
    try {
      return await action();
    } catch (error) {
      this.#state = 'dead';
      this.#failure =
        error instanceof LogError ? error : new LogError('protocol', messageOf(error), { cause: error });
      throw this.#failure;
    } finally {
      this.#isBusy = false;
    }
  }

  #expect(state: ProducerState): void {
    const { transactionalId } = this.#handle;
    if (this.#failure !== null) {
      const message = `The producer ${transactionalId} is dead, open a new one. It failed with: ${this.#failure.message}`;
      throw new LogError(this.#failure.code, message, { cause: this.#failure });
    }
    if (this.#isBusy)
      throw new Error(`the producer ${transactionalId} is still busy with an earlier call: await it`);
    if (this.#state !== state)
      throw new Error(`the producer ${transactionalId} is ${this.#state}, not ${state}`);
  }
}

/** Of one produce request; the broker's own limit for a request is 100 MB. */
const REQUEST_BYTES_MAX = 8 << 20;

/** Whoever has waited so long for a broker asks who has the task now. */
const GIVE_UP_MS = 10_000;

/** No broker starts anew in less, and goes unnoticed. */
const PAUSE_MS = 2_000;

/** Markers need some milliseconds; whoever gives up too early only takes the task over again. */
const MARKERS_MS = 1_000;

/** No longer than the coordinator waits itself: after that the transaction is lost in any case. */
function backoffOf(transactionTimeoutMs: number): Backoff {
  return { initialMs: 2, maxMs: 100, giveUpAfterMs: Math.min(transactionTimeoutMs, GIVE_UP_MS) };
}

/** Requests, one after the other: a request takes one batch for each partition, and a bounded number of bytes. */
function* requestsOf(batches: readonly OutgoingBatch[]): Generator<readonly OutgoingBatch[]> {
  let waiting = batches;
  while (waiting.length > 0) {
    const request: OutgoingBatch[] = [];
    const later: OutgoingBatch[] = [];
    const taken = new Set<string>();
    let sizeBytes = 0;
    for (const batch of waiting) {
      const name = nameOf(batch);
      const fits = sizeBytes === 0 || sizeBytes + batch.builder.sizeBytes <= REQUEST_BYTES_MAX;
      if (fits && !taken.has(name)) {
        request.push(batch);
        sizeBytes += batch.builder.sizeBytes;
      } else {
        later.push(batch);
      }
      // also when it did not fit: nothing may overtake it
      taken.add(name);
    }
    yield request;
    waiting = later;
  }
}

/** Sequence numbers wrap at 2^31, as the broker counts them. */
function sequenceAfter(baseSequence: number, recordCount: number): number {
  return (baseSequence + recordCount) % 2 ** 31;
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
