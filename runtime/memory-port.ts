/** One process's connection to a {@link MemoryBroker}, with the faults that its plan asks for. */

import type { MemoryBroker, OpenPortOptions } from './memory-broker.ts';
import type { FaultDecision, FaultPlan, PortMethod } from './memory-faults.ts';
import {
  type ActiveMember,
  type AdminPort,
  type FetchedPartition,
  type FetchRequest,
  type GroupMembership,
  type GroupOffset,
  type JoinedGroup,
  type JoinRequest,
  type LogBounds,
  LogError,
  type MemberAssignment,
  type NewTopic,
  type OpenTransaction,
  type ProduceBatch,
  type ProduceResult,
  type ProducerIdentity,
  type TopicDescription,
  type TopicPartition,
  type TransactionHandle,
} from './port.ts';

export class MemoryPort implements AdminPort {
  readonly clientId: string;
  readonly #broker: MemoryBroker;
  readonly #faults: FaultPlan | null;
  readonly #keepsTimestamps: boolean;
  /** Calls without an answer yet; closing fails them. */
  readonly #pending = new Set<(error: LogError) => void>();
  #isClosed = false;
  #step = 0;

  constructor(broker: MemoryBroker, options: OpenPortOptions) {
    this.#broker = broker;
    this.clientId = options.clientId;
    this.#faults = options.faults ?? null;
    this.#keepsTimestamps = options.keepsTimestamps ?? false;
  }

  /** True after `close()`, and after a fault plan crashed the process. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]> {
    return this.#request({ method: 'describeTopics', topics }, () => this.#broker.describeTopics(topics));
  }

  createTopics(topics: readonly NewTopic[]): Promise<readonly string[]> {
    const names = topics.map(({ topic }) => topic);
    return this.#request({ method: 'createTopics', topics: names }, () => this.#broker.createTopics(topics));
  }

  bounds(partitions: readonly TopicPartition[]): Promise<readonly (TopicPartition & LogBounds)[]> {
    const act = (): (TopicPartition & LogBounds)[] =>
      partitions.map(({ topic, partition }) => ({
        topic,
        partition,
        ...this.#broker.log({ topic, partition }).bounds,
      }));
    return this.#request({ method: 'bounds', partitions }, act);
  }

  fetch(
    requests: readonly FetchRequest[],
    maxWaitMs: number,
    maxBytes: number,
  ): Promise<readonly FetchedPartition[]> {
    const act = (): Promise<FetchedPartition[]> => this.#broker.fetch(requests, maxWaitMs, maxBytes);
    return this.#request({ method: 'fetch', partitions: requests }, act);
  }

  initProducer(transactionalId: string, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    const act = (): ProducerIdentity =>
      this.#broker.transactions.initProducer(transactionalId, transactionTimeoutMs);
    return this.#request({ method: 'initProducer', transactionalId }, act);
  }

  addPartitions(txn: TransactionHandle, partitions: readonly TopicPartition[]): Promise<void> {
    const act = (): void => {
      const logs = partitions.map((partition) => this.#broker.log(partition));
      this.#broker.transactions.addPartitions(txn, logs);
    };
    return this.#request({ method: 'addPartitions', transactionalId: txn.transactionalId, partitions }, act);
  }

  produce(
    txn: TransactionHandle | null,
    batches: readonly ProduceBatch[],
  ): Promise<readonly ProduceResult[]> {
    // a request that waits is on its way already: what the caller does to its buffers does not reach it any more
    const sent =
      this.#faults === null ? batches : batches.map((batch) => ({ ...batch, bytes: batch.bytes.slice() }));
    const act = (): readonly ProduceResult[] => this.#broker.produce(txn, sent, this.#keepsTimestamps);
    return this.#request(
      { method: 'produce', transactionalId: txn?.transactionalId ?? null, partitions: batches },
      act,
    );
  }

  endTransaction(txn: TransactionHandle, outcome: 'commit' | 'abort'): Promise<void> {
    const act = (): void => this.#broker.transactions.end(txn, outcome);
    return this.#request({ method: 'endTransaction', transactionalId: txn.transactionalId, outcome }, act);
  }

  sendGroupOffsets(txn: TransactionHandle, groupId: string, offsets: readonly GroupOffset[]): Promise<void> {
    const act = (): void => this.#broker.transactions.addOffsets(txn, groupId, offsets);
    const { transactionalId } = txn;
    return this.#request({ method: 'sendGroupOffsets', transactionalId, partitions: offsets }, act);
  }

  openTransactions(partitions: readonly TopicPartition[]): Promise<readonly OpenTransaction[]> {
    const act = (): OpenTransaction[] =>
      partitions.flatMap((partition) => this.#broker.log(partition).openTransactions);
    return this.#request({ method: 'openTransactions', partitions }, act);
  }

  joinGroup(request: JoinRequest): Promise<JoinedGroup> {
    return this.#request({ method: 'joinGroup' }, () => this.#broker.groups.join(this.clientId, request));
  }

  syncGroup(membership: GroupMembership, assignments: readonly MemberAssignment[]): Promise<Uint8Array> {
    return this.#request({ method: 'syncGroup' }, () => this.#broker.groups.sync(membership, assignments));
  }

  heartbeat(membership: GroupMembership): Promise<void> {
    return this.#request({ method: 'heartbeat' }, () => this.#broker.groups.heartbeat(membership));
  }

  leaveGroup(membership: GroupMembership): Promise<void> {
    return this.#request({ method: 'leaveGroup' }, () => this.#broker.groups.leave(membership));
  }

  groupMembers(groupId: string): Promise<readonly ActiveMember[]> {
    return this.#request({ method: 'groupMembers' }, () => this.#broker.groups.members(groupId));
  }

  offsetsForTime(
    partitions: readonly TopicPartition[],
    timeMs: number,
  ): Promise<readonly (TopicPartition & { readonly offset: number | null })[]> {
    const act = () =>
      partitions.map(({ topic, partition }) => ({
        topic,
        partition,
        offset: this.#broker.log({ topic, partition }).offsetForTime(timeMs),
      }));
    return this.#request({ method: 'offsetsForTime', partitions }, act);
  }

  deleteRecords(before: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    const act = (): void => {
      for (const { topic, partition, offset } of before) {
        const log = this.#broker.log({ topic, partition });
        if (log.topic.cleanup === 'compact') {
          throw new LogError('protocol', `Topic ${topic} is compacted: its records cannot be deleted.`);
        }
        log.truncate(offset);
      }
    };
    return this.#request({ method: 'deleteRecords', partitions: before }, act);
  }

  /** As a process that ends without a word: its group members and transactions stay until their timeouts. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const reject of this.#pending) reject(closed(this.clientId));
    this.#pending.clear();
    return Promise.resolve();
  }

  #request<T>(about: RequestSummary, act: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closed(this.clientId));
    const run = this.#faults === null ? act : this.#withFaults(this.#faults, about, act);
    return new Promise<T>((resolve, reject) => {
      let answer: T | Promise<T>;
      try {
        answer = run();
      } catch (error) {
        reject(error);
        return;
      }
      if (!(answer instanceof Promise)) {
        resolve(answer);
        return;
      }
      this.#pending.add(reject);
      const settle = (finish: () => void): void => {
        this.#pending.delete(reject);
        finish();
      };
      answer.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      );
    });
  }

  #withFaults<T>(faults: FaultPlan, about: RequestSummary, act: () => T | Promise<T>): () => T | Promise<T> {
    this.#step += 1;
    const decision = faults.decide({
      clientId: this.clientId,
      step: this.#step,
      method: about.method,
      topics: about.topics ?? [...new Set((about.partitions ?? []).map(({ topic }) => topic))],
      transactionalId: about.transactionalId ?? null,
      outcome: about.outcome ?? null,
    });
    this.#broker.faultTally.add(about.method, decision.kind);
    return decision.kind === 'pass' ? act : () => this.#faulty(decision, about.method, act);
  }

  async #faulty<T>(decision: FaultDecision, method: PortMethod, act: () => T | Promise<T>): Promise<T> {
    const { clock } = this.#broker;
    switch (decision.kind) {
      case 'pass':
        return act();
      case 'refuse':
        throw new LogError(decision.code, `The broker refused ${method} with ${decision.code}.`);
      case 'unreachable':
        await clock.sleep(decision.delayMs);
        throw new LogError('unreachable', `The broker could not be reached for ${method}.`);
      case 'lose-reply':
        unseen(act);
        await clock.sleep(decision.delayMs);
        throw timedOut(method);
      case 'arrive-late':
        void clock.sleep(decision.delayMs).then(() => unseen(act));
        throw timedOut(method);
      case 'delay':
        await clock.sleep(decision.delayMs);
        return act();
      case 'delay-reply': {
        const answer = await act();
        await clock.sleep(decision.delayMs);
        return answer;
      }
      case 'duplicate':
        unseen(act);
        return act();
      case 'crash':
        if (decision.when === 'after') unseen(act);
        await this.close();
        throw closed(this.clientId);
    }
  }
}

type RequestSummary = {
  readonly method: PortMethod;
  readonly topics?: readonly string[];
  readonly partitions?: readonly TopicPartition[];
  readonly transactionalId?: string | null;
  readonly outcome?: 'commit' | 'abort';
};

/** Does what nobody sees the answer of. */
function unseen<T>(act: () => T | Promise<T>): void {
  // a refusal is an answer as well; anything else is a defect of the simulation and must be seen
  const refuse = (error: unknown): void => {
    if (!(error instanceof LogError)) throw error;
  };
  try {
    const answer = act();
    if (answer instanceof Promise) answer.catch(refuse);
  } catch (error) {
    refuse(error);
  }
}

function timedOut(method: PortMethod): LogError {
  return new LogError('timed-out', `No reply to ${method}: the broker may have done it or not.`);
}

function closed(clientId: string): LogError {
  return new LogError('closed', `The port of ${clientId} is closed: open a new one.`);
}
