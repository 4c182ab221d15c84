/**
 * A log port as one simulated process sees it: it stands still while its process does, and meets the faults that were
 * scheduled for the step that a request belongs to.
 */

import { POSITIONS_STORE } from '../../runtime/define-topology.ts';
import type { MemoryBroker } from '../../runtime/memory-broker.ts';
import {
  type FaultDecision,
  type FaultPlan,
  PASS,
  type PortMethod,
  type PortRequest,
} from '../../runtime/memory-faults.ts';
import type { MemoryPort } from '../../runtime/memory-port.ts';
import {
  type FetchRequest,
  type GroupMembership,
  type GroupOffset,
  type JoinedGroup,
  type JoinRequest,
  LogError,
  type LogErrorCode,
  type LogPort,
  type MemberAssignment,
  type NewTopic,
  type ProduceBatch,
  type TopicPartition,
  type TransactionHandle,
} from '../../runtime/port.ts';
import { wholeBatchesEnd } from '../../runtime/record-batch.ts';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import type { ArmedFault, ArmedFaults, Fault, Step } from './faults.ts';
import { SOURCE_TOPICS } from './topologies.ts';

/** The process that a port belongs to. */
export type Host = {
  readonly name: string;
  readonly isFrozen: boolean;
  readonly isCut: boolean;
  readonly stalled: ReadonlySet<string>;
  thawed(): Promise<void>;
  freeze(durationMs: number): void;
  /** The process is gone, all its ports with it. */
  die(why: string): void;
  /** A scheduled fault met a request of this client. */
  struck(clientId: string, what: string): void;
  /** The runtime did what it must never do. */
  violated(what: string): void;
};

export type SimulatedPortOptions = {
  readonly broker: MemoryBroker;
  readonly host: Host;
  readonly clientId: string;
  readonly applicationId: string;
  readonly random: SeededRandom;
  readonly faults: ArmedFaults;
  /** How many of a thousand requests fail for no reason, just now. */
  readonly roughPermille: () => number;
};

export class SimulatedPort implements LogPort {
  readonly #options: SimulatedPortOptions;
  readonly #inner: MemoryPort;
  readonly #weather: Weather;
  readonly #positions: string;
  /** The group's generation is being checked. */
  #asserting = false;
  /** It was, and nothing was taken over since. */
  #mayTakeOver = false;
  /** A transactional id was taken over since. */
  #hasTaken = false;
  /** A task was opened, and nothing was fetched for it yet. */
  justOpened = false;
  /** Tasks that are being opened: their changelogs are read from the beginning. */
  restoring = false;
  /** Of the last assignment. */
  #generation = -1;
  /** By transactional id: the generation in which it was last taken over here. */
  readonly #takenAt = new Map<string, number>();
  /** Transactional ids that somebody else took since, with the generation in which they had been taken over here. */
  readonly #fencedAt = new Map<string, number>();
  /** Transactional ids that have added partitions to their open transaction. */
  readonly #adding = new Set<string>();
  /** Transactional ids that have produced in their open transaction. */
  readonly #producing = new Set<string>();
  /** By partition and producer: what was told to be open when it was last asked for. */
  readonly #open = new Set<string>();
  /** By transactional id: an EndTxn that was given up as lost, and is still on its way. */
  readonly #overtaken = new Map<string, () => Promise<void>>();
  /**
   * For each partition of a source topic whether the last answers showed its end: the latest, and the one before, since the
   * next fetch is under way while tasks step.
   */
  readonly #atEnd = new Map<string, readonly boolean[]>();
  /** By task: {@link #atEnd} when a commit began that first had to ask whether the one before it has ended. */
  readonly #atEndWhenAsked = new Map<number, ReadonlyMap<string, readonly boolean[]>>();
  /** How often the task of each partition was opened: what was asked for before tells nothing about it. */
  readonly #opened = new Map<string, number>();

  constructor(options: SimulatedPortOptions) {
    this.#options = options;
    this.#weather = new Weather(options.random, options.roughPermille);
    this.#inner = options.broker.openPort({ clientId: options.clientId, faults: this.#weather });
    this.#positions = changelogTopic(options.applicationId, POSITIONS_STORE);
  }

  describeTopics(topics: readonly string[]) {
    return this.#inner.describeTopics(topics);
  }

  createTopics(topics: readonly NewTopic[]) {
    return this.#inner.createTopics(topics);
  }

  bounds(partitions: readonly TopicPartition[]) {
    // a task is opened anew: where it stands is told by its position, not by what was fetched before
    this.#atEndWhenAsked.delete(taskOf(partitions));
    for (const name of partitions.map(nameOf)) {
      this.#atEnd.delete(name);
      this.#opened.set(name, (this.#opened.get(name) ?? 0) + 1);
    }
    return this.#do(this.#stepOfReading(partitions, 'bounds'), () => this.#inner.bounds(partitions));
  }

  async fetch(requests: readonly FetchRequest[], maxWaitMs: number, maxBytes: number) {
    const { host, broker } = this.#options;
    const step = this.#stepOfReading(requests, this.justOpened ? 'first-fetch' : 'fetch');
    if (step === 'first-fetch') this.justOpened = false;
    const asked =
      host.stalled.size === 0 ? requests : requests.filter(({ topic }) => !host.stalled.has(topic));
    if (asked.length === 0) {
      await broker.clock.sleep(maxWaitMs);
      return [];
    }
    const opened = asked.map((one) => this.#opened.get(nameOf(one)));
    const answer = await this.#do(step, () => this.#inner.fetch(asked, maxWaitMs, maxBytes));
    for (const [i, { topic, partition, batches, bounds }] of answer.entries()) {
      const name = nameOf({ topic, partition });
      if (!isSource(topic) || opened[i] !== this.#opened.get(name)) continue;
      const readTo = wholeBatchesEnd(batches) ?? asked[i]!.offset;
      this.#atEnd.set(name, [readTo >= bounds.highWatermark, ...(this.#atEnd.get(name) ?? []).slice(0, 1)]);
    }
    return answer;
  }

  async initProducer(transactionalId: string, transactionTimeoutMs: number) {
    const { host } = this.#options;
    if (!this.#mayTakeOver)
      host.violated(`${transactionalId} was taken over without asking the group before`);
    if (this.#fencedAt.get(transactionalId) === this.#generation)
      host.violated(`${transactionalId} was fenced, and is taken over again in the same generation`);
    this.#producing.delete(transactionalId);
    this.#adding.delete(transactionalId);
    this.restoring = true;
    try {
      const identity = await this.#do('init-producer', () =>
        this.#inner.initProducer(transactionalId, transactionTimeoutMs),
      );
      this.#mayTakeOver = false;
      this.#hasTaken = true;
      this.#takenAt.set(transactionalId, this.#generation);
      return identity;
    } catch (error) {
      if (!(error instanceof LogError) || error.kind !== 'retry') this.#mayTakeOver = false;
      throw error;
    }
  }

  addPartitions(txn: TransactionHandle, partitions: readonly TopicPartition[]) {
    // the first request of a commit but for that question, made in the moment that decided upon the ticks in it
    if (!this.#adding.has(txn.transactionalId)) {
      const { producerId } = txn.identity;
      // but what an earlier owner left open in an input is only finished
      const said = partitions.filter((one) => !this.#open.has(`${nameOf(one)} ${producerId}`));
      const task = taskOf(partitions);
      this.#checkTicks(said, this.#atEndWhenAsked.get(task) ?? this.#atEnd);
      this.#atEndWhenAsked.delete(task);
    }
    this.#adding.add(txn.transactionalId);
    return this.#watchFence(txn, () =>
      this.#do('add-partitions', () => this.#inner.addPartitions(txn, partitions)),
    );
  }

  async produce(txn: TransactionHandle, batches: readonly ProduceBatch[]) {
    const { transactionalId } = txn;
    const step = this.#producing.has(transactionalId) ? 'produce-more' : 'produce';
    this.#producing.add(transactionalId);
    return this.#watchFence(txn, () =>
      this.#do(step, (fault) => {
        if (fault !== 'refuse' || batches.length < 2) return this.#produceAndDeliver(txn, batches);
        // each partition answers for itself: some take it, the leader of the others has moved
        this.#weather.next = PASS;
        const taken = batches.slice(0, batches.length >> 1);
        return this.#inner.produce(txn, taken).then(() => {
          throw new LogError('not-leader', 'The leaders of some partitions have moved.');
        });
      }),
    );
  }

  endTransaction(txn: TransactionHandle, outcome: 'commit' | 'abort') {
    this.#producing.delete(txn.transactionalId);
    this.#adding.delete(txn.transactionalId);
    return this.#watchFence(txn, () =>
      this.#do('end-transaction', (fault) => {
        if (fault !== 'arrive-late') return this.#inner.endTransaction(txn, outcome);
        // at the worst moment: when the next transaction is half written
        this.#overtaken.set(txn.transactionalId, () => this.#inner.endTransaction(txn, outcome));
        return Promise.reject(new LogError('timed-out', 'No reply to endTransaction.'));
      }),
    );
  }

  sendGroupOffsets(txn: TransactionHandle, groupId: string, offsets: readonly GroupOffset[]) {
    return this.#watchFence(txn, () =>
      this.#do('group-offsets', () => this.#inner.sendGroupOffsets(txn, groupId, offsets)),
    );
  }

  async openTransactions(partitions: readonly TopicPartition[]) {
    const task = taskOf(partitions);
    if (task >= 0 && !this.#atEndWhenAsked.has(task)) this.#atEndWhenAsked.set(task, new Map(this.#atEnd));
    const open = await this.#do(null, () => this.#inner.openTransactions(partitions));
    this.#open.clear();
    for (const one of open) this.#open.add(`${nameOf(one)} ${one.producerId}`);
    return open;
  }

  joinGroup(request: JoinRequest): Promise<JoinedGroup> {
    return this.#do('join', () => this.#inner.joinGroup(request));
  }

  async syncGroup(membership: GroupMembership, assignments: readonly MemberAssignment[]) {
    const assignment = await this.#do('sync', () => this.#inner.syncGroup(membership, assignments));
    this.#generation = membership.generationId;
    return assignment;
  }

  async heartbeat(membership: GroupMembership) {
    const asserting = this.#asserting;
    await this.#do(asserting ? 'assert' : 'heartbeat', () => this.#inner.heartbeat(membership));
    if (asserting) this.#mayTakeOver = true;
  }

  leaveGroup(membership: GroupMembership) {
    return this.#do(null, () => this.#inner.leaveGroup(membership));
  }

  close() {
    return this.#inner.close();
  }

  /** A task is about to be opened: `check` asks whether the group still gives it to this instance. */
  async opening(check: () => Promise<void>): Promise<void> {
    this.#hasTaken = false;
    this.#asserting = true;
    try {
      await check();
    } finally {
      this.#asserting = false;
    }
  }

  #stepOfReading(partitions: readonly TopicPartition[], otherwise: Step): Step {
    const { topic, partition } = partitions[0]!;
    // until then whoever has the task may still commit
    if (topic.endsWith('-changelog') && !this.#hasTaken)
      this.#options.host.violated(`${topic}/${partition} was read before the task was taken over`);
    if (topic === this.#positions) return 'position';
    if (topic.endsWith('-changelog')) return 'restore';
    return topic === 'everyview-config' ? 'config' : otherwise;
  }

  async #produceAndDeliver(txn: TransactionHandle, batches: readonly ProduceBatch[]) {
    const results = await this.#inner.produce(txn, batches);
    const overtaken = this.#overtaken.get(txn.transactionalId);
    this.#overtaken.delete(txn.transactionalId);
    await overtaken?.().catch((error: unknown) => {
      if (!(error instanceof LogError)) throw error;
    });
    return results;
  }

  /** Nobody but the owner at the log's end may say that nothing happened there. */
  #checkTicks(partitions: readonly TopicPartition[], atEnd: ReadonlyMap<string, readonly boolean[]>): void {
    for (const partition of partitions) {
      const known = isSource(partition.topic) ? atEnd.get(nameOf(partition)) : undefined;
      if (known === undefined || known.length < 2 || known.includes(true)) continue;
      const { host } = this.#options;
      host.violated(`${nameOf(partition)} was ticked by a task that had not read it to its end`);
    }
  }

  async #watchFence<T>({ transactionalId }: TransactionHandle, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof LogError && error.kind === 'fenced')
        this.#fencedAt.set(transactionalId, this.#takenAt.get(transactionalId) ?? -1);
      throw error;
    }
  }

  async #do<T>(step: Step | null, call: (fault: Fault | null) => Promise<T>): Promise<T> {
    const { host, faults, clientId } = this.#options;
    if (host.isFrozen) await host.thawed();
    const fault = step === null || host.isCut ? null : faults.take(step);
    if (fault !== null) host.struck(clientId, `${fault.fault} ${step}, ${fault.durationMs} ms`);
    if (fault?.fault === 'freeze-before') {
      host.freeze(fault.durationMs);
      await host.thawed();
    }
    if (fault?.fault === 'crash-before') host.die(`crashed before ${step}`);
    this.#weather.next = host.isCut ? CUT_OFF : fault === null ? null : decisionOf(fault);
    try {
      const answering = call(fault?.fault ?? null);
      if (fault?.fault === 'crash-after') host.die(`crashed after ${step}`);
      if (fault?.fault === 'freeze-after') host.freeze(fault.durationMs);
      return await answering;
    } finally {
      if (host.isFrozen) await host.thawed();
    }
  }
}

/** Of the partitions that a task writes to, its changelogs tell its number; -1 where there is none among them. */
function taskOf(partitions: readonly TopicPartition[]): number {
  return partitions.find(({ topic }) => topic.endsWith('-changelog'))?.partition ?? -1;
}

function isSource(topic: string): boolean {
  return (SOURCE_TOPICS as readonly string[]).includes(topic);
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

const CUT_OFF: FaultDecision = { kind: 'unreachable', delayMs: 100 };

/** What a memory port is told; freezing and dying are done by the process itself. */
function decisionOf({ fault, step, durationMs: delayMs }: ArmedFault): FaultDecision | null {
  switch (fault) {
    case 'crash-after':
      return { kind: 'crash', when: 'after' };
    case 'refuse':
      return { kind: 'refuse', code: refusalOf(step) };
    case 'unreachable':
    case 'lose-reply':
    case 'arrive-late':
    case 'delay':
    case 'delay-reply':
      return { kind: fault, delayMs };
    case 'duplicate':
      return { kind: 'duplicate' };
    default:
      return null;
  }
}

/** What a broker says that is not able to just now. */
function refusalOf(step: Step): LogErrorCode {
  switch (step) {
    case 'join':
    case 'sync':
    case 'heartbeat':
    case 'assert':
      return 'coordinator-moved';
    case 'init-producer':
    case 'add-partitions':
    case 'end-transaction':
      return 'concurrent-transactions';
    case 'group-offsets':
      return 'coordinator-moved';
    default:
      return 'not-leader';
  }
}

/** Groups have troubles enough of their own. */
const ASIDE: ReadonlySet<PortMethod> = new Set(['joinGroup', 'syncGroup', 'heartbeat', 'leaveGroup']);

/**
 * Small delays everywhere, which shuffle what goes on at the same time, around the faults that were scheduled; and in rough
 * seeds failures at random.
 */
class Weather implements FaultPlan {
  next: FaultDecision | null = null;
  readonly #random: SeededRandom;
  readonly #roughPermille: () => number;

  constructor(random: SeededRandom, roughPermille: () => number) {
    this.#random = random;
    this.#roughPermille = roughPermille;
  }

  decide({ method }: PortRequest): FaultDecision {
    const { next } = this;
    this.next = null;
    if (next !== null) return next;
    const rough = this.#roughPermille();
    if (rough > 0 && !ASIDE.has(method) && this.#random.chance(rough)) {
      const kind = this.#random.chance(500) ? 'unreachable' : 'lose-reply';
      return { kind, delayMs: this.#random.below(30) };
    }
    const drawn = this.#random.below(100);
    if (drawn >= 8) return PASS;
    return { kind: drawn % 2 === 0 ? 'delay' : 'delay-reply', delayMs: this.#random.below(6) };
  }
}
