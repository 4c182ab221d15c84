/**
 * The log port over Apache Kafka, by way of kafkajs 2.2.4. Each hole of kafkajs that breaks exactly-once is closed at one
 * place, and shown to be by a case of `test/conformance/` that stock kafkajs fails:
 *
 * | hole | closed in |
 * |---|---|
 * | aborted records are delivered, markers are guessed from keys | `committed-reader.ts` |
 * | a batch that compaction emptied stops the reader for ever | `committed-reader.ts` |
 * | a producer is reused after a lost reply, and its next record vanishes | `transactional-producer.ts` |
 * | `send` resolves although partitions were skipped while a leader moved | `#produceAt` here, and the producer again |
 * | commits are not fenced by group generation | one transactional id per task; `group-member.ts` checks before a takeover |
 * | pending group offsets read as -1 | nothing reads group offsets: positions are in the task's changelog |
 * | CONCURRENT_TRANSACTIONS is not retried | `retry.ts`, used by the producer |
 * | an offset outside the log silently becomes another one | `#fetchAt` here: a fatal error with the log's bounds |
 */
import { ERROR, kafkaError } from './kafka-errors.ts';
import {
  fetchRequest,
  type PartitionFetched,
  type ProducedPartition,
  produceRequest,
  readFetchResponse,
  readProduceResponse,
} from './kafka-wire.ts';
import { KafkajsCluster } from './kafkajs-cluster.ts';
import { recycleAnswer, type Security } from './kafkajs-connection.ts';
import * as groups from './kafkajs-groups.ts';
import * as topics from './kafkajs-topics.ts';
import * as transactions from './kafkajs-transactions.ts';
import {
  type AdminPort,
  type Clock,
  type FetchedPartition,
  type FetchRequest,
  type LogAdmin,
  LogError,
  type LogPort,
  type ProduceBatch,
  type ProduceResult,
  type TopicPartition,
  type TransactionHandle,
} from './port.ts';
import { systemClock } from './system-clock.ts';
import { recycle } from './wire-codec.ts';

export type KafkajsPortOptions = Security & {
  /** Addresses, host:port, of which one has to answer. */
  readonly brokers: readonly string[];
  /** Names this process in the broker's logs and metrics. */
  readonly clientId: string;
  /** Where to connect to for an address that a broker goes by: for tunnels and port forwarding. Default: the same. */
  readonly via?: (address: string) => string;
  readonly connectTimeoutMs?: number;
  /** How long a broker may take to answer, besides the time that it was asked to wait. */
  readonly requestTimeoutMs?: number;
  /** How long leaders and coordinators are looked for while there are none. */
  readonly lookupTimeoutMs?: number;
  readonly clock?: Clock;
};

/** Connects. Rejects with `unreachable`, naming each address, when no broker answers. */
export async function openKafkajsPort(options: KafkajsPortOptions): Promise<AdminPort> {
  const cluster = new KafkajsCluster({
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
    lookupTimeoutMs: 10_000,
    clock: systemClock,
    via: (address) => address,
    ...options,
  });
  try {
    await cluster.reach();
  } catch (error) {
    cluster.close();
    throw error;
  }
  return new KafkajsPort(cluster, options.clock ?? systemClock);
}

class KafkajsPort implements AdminPort {
  readonly #cluster: KafkajsCluster;
  readonly #clock: Clock;
  /** Long polls under way, by leader and what they ask for: asked again, they are waited for again. */
  readonly #polls = new Map<string, Promise<LeaderFetch>>();
  #fetches = 0;
  #isClosed = false;

  constructor(cluster: KafkajsCluster, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  describeTopics: LogPort['describeTopics'] = (names) =>
    this.#guarded(() => topics.describeTopics(this.#cluster, names));

  createTopics: LogPort['createTopics'] = (wanted) =>
    this.#guarded(() => topics.createTopics(this.#cluster, this.#clock, wanted));

  bounds: LogPort['bounds'] = (partitions) => this.#guarded(() => topics.boundsOf(this.#cluster, partitions));

  initProducer: LogPort['initProducer'] = (transactionalId, transactionTimeoutMs) =>
    this.#guarded(() => transactions.initProducer(this.#cluster, transactionalId, transactionTimeoutMs));

  addPartitions: LogPort['addPartitions'] = (txn, partitions) =>
    this.#guarded(() => transactions.addPartitions(this.#cluster, txn, partitions));

  endTransaction: LogPort['endTransaction'] = (txn, outcome) =>
    this.#guarded(() => transactions.endTransaction(this.#cluster, txn, outcome));

  sendGroupOffsets: LogPort['sendGroupOffsets'] = (txn, groupId, offsets) =>
    this.#guarded(() => transactions.sendGroupOffsets(this.#cluster, txn, groupId, offsets));

  openTransactions: LogPort['openTransactions'] = (partitions) =>
    this.#guarded(() => transactions.openTransactions(this.#cluster, partitions));

  joinGroup: LogPort['joinGroup'] = (request) =>
    this.#guarded(() => groups.joinGroup(this.#cluster, request));

  syncGroup: LogPort['syncGroup'] = (membership, assignments) =>
    this.#guarded(() => groups.syncGroup(this.#cluster, membership, assignments));

  heartbeat: LogPort['heartbeat'] = (membership) =>
    this.#guarded(() => groups.heartbeat(this.#cluster, membership));

  leaveGroup: LogPort['leaveGroup'] = (membership) =>
    this.#guarded(() => groups.leaveGroup(this.#cluster, membership));

  groupMembers: LogAdmin['groupMembers'] = (groupId) =>
    this.#guarded(() => groups.groupMembers(this.#cluster, groupId));

  offsetsForTime: LogAdmin['offsetsForTime'] = (partitions, timeMs) =>
    this.#guarded(() => topics.offsetsForTime(this.#cluster, partitions, timeMs));

  deleteRecords: LogAdmin['deleteRecords'] = (before) =>
    this.#guarded(() => topics.deleteRecords(this.#cluster, before));

  produce(
    txn: TransactionHandle | null,
    batches: readonly ProduceBatch[],
  ): Promise<readonly ProduceResult[]> {
    return this.#guarded(async () => {
      if (batches.length === 0) return [];
      const lane = txn === null ? 'produce' : transactions.transactionLane(txn.transactionalId);
      const led = await this.#cluster.byLeader(batches);
      // all of them are waited for: nothing may be under way any more when the caller tries again
      const settled = await Promise.allSettled(
        [...led].map(([leader, ours]) => this.#produceAt(leader, lane, txn?.transactionalId ?? null, ours)),
      );
      const failures = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
      if (failures.length > 0) throw worstOf(failures);
      return settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    });
  }

  fetch(
    requests: readonly FetchRequest[],
    maxWaitMs: number,
    maxBytes: number,
  ): Promise<readonly FetchedPartition[]> {
    return this.#guarded(async () => {
      if (requests.length === 0) return [];
      const { led, leaderless } = await this.#cluster.byLeaderNow(requests);
      if (led.size === 0) throw notLed(leaderless);
      const polls = [...led].map(([leader, ours]) => this.#poll(leader, ours, maxWaitMs, maxBytes));
      const answers = await this.#firstWithNews(polls, maxWaitMs);
      const fetched = answers.flatMap((answer) => answer.partitions);
      const failures = answers.flatMap((answer) => answer.failures);
      const fatal = failures.find((failure) => failure.kind !== 'retry');
      if (fatal !== undefined) throw fatal;
      // one partition without a leader does not hold up the others
      if (fetched.length === 0 && failures.length > 0) throw worstOf(failures);
      // but who asks again at once, for want of data, shall not keep the brokers busy with it
      if (failures.length > 0 && fetched.every(({ batches }) => batches.length === 0)) {
        await this.#clock.sleep(Math.min(maxWaitMs, LEADERLESS_WAIT_MS));
      }
      return fetched;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cluster.close();
  }

  async #produceAt(
    leader: string,
    lane: string,
    transactionalId: string | null,
    batches: readonly ProduceBatch[],
  ): Promise<ProduceResult[]> {
    const request = produceRequest(transactionalId, batches, this.#cluster.requestTimeoutMs);
    const produced = readProduceResponse(await this.#cluster.ask(leader, lane, request, 'not-leader'));
    recycle(request.body);
    const byName = new Map(produced.map((one) => [nameOf(one), one]));
    const failures: LogError[] = [];
    const results: ProduceResult[] = [];
    for (const batch of batches) {
      const answer = byName.get(nameOf(batch));
      if (answer === undefined) failures.push(notAcknowledged(leader, batch));
      else if (answer.errorCode !== ERROR.none) failures.push(this.#refused(answer));
      else results.push(resultOf(answer));
    }
    if (failures.length > 0) throw worstOf(failures);
    return results;
  }

  #refused(answer: ProducedPartition): LogError {
    const error = kafkaError(answer.errorCode, `writing to ${nameOf(answer)}`, answer.errorMessage);
    if (error.code === 'not-leader') this.#cluster.forgetLeaders([answer]);
    return error;
  }

  #poll(
    leader: string,
    requests: readonly FetchRequest[],
    maxWaitMs: number,
    maxBytes: number,
  ): Promise<LeaderFetch> {
    const what = requests.map((one) => `${nameOf(one)}@${one.offset}`).join(' ');
    const name = `${leader} ${maxBytes} ${what}`;
    const underWay = this.#polls.get(name);
    if (underWay !== undefined) return underWay;
    const poll = this.#fetchAt(leader, requests, maxWaitMs, maxBytes).finally(() => this.#polls.delete(name));
    this.#polls.set(name, poll);
    // an answer that came after others had news may have nobody to wait for it; it is asked for again then
    poll.catch(() => undefined);
    return poll;
  }

  /**
   * All answers that are there when the first one with news is, or else when all have answered or time is up. News are
   * records, and failures that the caller has to know of.
   */
  async #firstWithNews(
    polls: readonly Promise<LeaderFetch>[],
    maxWaitMs: number,
  ): Promise<readonly LeaderFetch[]> {
    const answers: LeaderFetch[] = [];
    const ended = new AbortController();
    const add = (answer: LeaderFetch): void => {
      answers.push(answer);
      const isNews =
        answer.failures.length > 0 || answer.partitions.some(({ batches }) => batches.length > 0);
      if (isNews || answers.length === polls.length) ended.abort();
    };
    const added = polls.map((poll) =>
      poll.then(add, (error: unknown) => add({ partitions: [], failures: [asLogError(error)] })),
    );
    // a broker that hangs shall not hold up what the others have
    await this.#clock.sleep(maxWaitMs + OVERDUE_MS, ended.signal);
    if (answers.length === 0) await Promise.race(added);
    return [...answers];
  }

  async #fetchAt(
    leader: string,
    requests: readonly FetchRequest[],
    maxWaitMs: number,
    maxBytes: number,
  ): Promise<LeaderFetch> {
    const partitionBytes = Math.min(
      maxBytes,
      Math.max(PARTITION_BYTES_MIN, Math.floor(maxBytes / requests.length)),
    );
    // the broker fills the answer from the front: another partition is first each time
    const turn = this.#fetches++ % requests.length;
    const rotated = [...requests.slice(turn), ...requests.slice(0, turn)];
    const request = fetchRequest(
      rotated.map(({ topic, partition, offset }) => ({ topic, partition, offset, maxBytes: partitionBytes })),
      maxWaitMs,
      maxBytes,
    );
    const payload = await this.#cluster.askPatiently(leader, request, 'not-leader', maxWaitMs);
    const { errorCode, partitions } = readFetchResponse(payload);
    if (errorCode !== ERROR.none) throw kafkaError(errorCode, `fetching from ${leader}`);
    const fetched: FetchedPartition[] = [];
    const failures: LogError[] = [];
    const release = releaseOf(payload, partitions);
    for (const one of partitions) {
      if (one.errorCode === ERROR.none) fetched.push(fetchedOf(one, release));
      else failures.push(await this.#notFetched(one, requests));
    }
    return { partitions: fetched, failures };
  }

  async #notFetched(answer: PartitionFetched, requests: readonly FetchRequest[]): Promise<LogError> {
    const error = kafkaError(answer.errorCode, `fetching ${nameOf(answer)}`);
    if (error.code === 'not-leader') this.#cluster.forgetLeaders([answer]);
    if (error.code !== 'offset-out-of-range') return error;
    const offset = requests.find((one) => nameOf(one) === nameOf(answer))?.offset;
    const [bounds] = await topics.boundsOf(this.#cluster, [answer]);
    return new LogError(
      'offset-out-of-range',
      `Offset ${offset} of ${nameOf(answer)} is outside the log, which holds [${bounds!.start}, ${bounds!.highWatermark}): records were deleted before they were read, or the topic was made anew. "everyview reset" sets the position.`,
    );
  }

  /** Nothing but a LogError leaves the port. */
  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      if (this.#isClosed) throw closedError();
      return await action();
    } catch (error) {
      if (this.#isClosed) throw closedError();
      if (error instanceof LogError) throw error;
      throw new LogError('protocol', error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    }
  }
}

/** What one leader answered. */
type LeaderFetch = {
  readonly partitions: readonly FetchedPartition[];
  readonly failures: readonly LogError[];
};

/** How much later than asked for an answer may come before others go ahead without it. */
const OVERDUE_MS = 200;

const LEADERLESS_WAIT_MS = 100;

/** Room for one batch of the usual largest size. */
const PARTITION_BYTES_MIN = 1 << 20;

/** Of several failures, the one that leaves the least hope. */
function worstOf(failures: readonly unknown[]): LogError {
  const errors = failures.map(asLogError);
  for (const kind of ['fatal', 'fenced', 'ambiguous'] as const) {
    const found = errors.find((error) => error.kind === kind);
    if (found !== undefined) return found;
  }
  return errors[0]!;
}

function asLogError(error: unknown): LogError {
  if (error instanceof LogError) return error;
  return new LogError('protocol', error instanceof Error ? error.message : String(error), { cause: error });
}

function closedError(): LogError {
  return new LogError('closed', 'The log port was closed: open a new one.');
}

function notLed(partitions: readonly TopicPartition[]): LogError {
  const names = partitions.map(nameOf).join(', ');
  return new LogError(
    'not-leader',
    `No broker leads ${names} now: check that the brokers which hold it run.`,
  );
}

/** Whether the batch is in the log is not known, so nothing may be built on it. */
function notAcknowledged(leader: string, batch: ProduceBatch): LogError {
  return new LogError(
    'timed-out',
    `The broker at ${leader} left ${nameOf(batch)} out of its acknowledgement.`,
  );
}

function resultOf({ topic, partition, baseOffset, logAppendTimeMs }: ProducedPartition): ProduceResult {
  return { topic, partition, baseOffset, logAppendTimeMs };
}

function fetchedOf(one: PartitionFetched, release: () => void): FetchedPartition {
  const { topic, partition, batches, aborted, start, stableEnd, highWatermark } = one;
  const bounds = { start, stableEnd, highWatermark };
  return batches.length === 0
    ? { topic, partition, batches, aborted, bounds }
    : { topic, partition, batches, aborted, bounds, release };
}

/** To be called once for each partition with batches; the last call takes the answer's memory back. */
function releaseOf(payload: Uint8Array, partitions: readonly PartitionFetched[]): () => void {
  let left = partitions.filter(({ batches }) => batches.length > 0).length;
  return () => {
    left -= 1;
    if (left === 0) recycleAnswer(payload);
  };
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
