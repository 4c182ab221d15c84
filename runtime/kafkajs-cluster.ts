/**
 * Who in the cluster to ask: leaders, coordinators, anybody. Lookups are retried here, with a bound; nothing else is.
 */
import { ERROR, kafkaError } from './kafka-errors.ts';
import type { WireRequest } from './kafka-wire.ts';
import {
  type KafkajsExchange,
  kafkajsExchange,
  type RequestName,
  type Security,
  wireRequest,
} from './kafkajs-connection.ts';
import { hostAndPort, KafkajsPool } from './kafkajs-pool.ts';
import { type Clock, LogError, type LogErrorCode, type TopicPartition } from './port.ts';
import { withRetries } from './retry.ts';

export type ClusterOptions = Security & {
  /** Addresses, host:port, of which one has to answer. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly via: (address: string) => string;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly lookupTimeoutMs: number;
};

export type CoordinatorKind = 'group' | 'transaction';

/** What a topic has, as one broker sees it; partitions by number. */
export type TopicMetadata = {
  readonly topic: string;
  readonly errorCode: number;
  readonly leaders: readonly (string | null)[];
};

export class KafkajsCluster {
  readonly #options: ClusterOptions;
  readonly #pool: KafkajsPool;
  /** Addresses by node id. */
  #nodes = new Map<number, string>();
  readonly #leaders = new Map<string, (string | null)[]>();
  readonly #coordinators = new Map<string, string>();

  constructor(options: ClusterOptions) {
    const { clientId, via, connectTimeoutMs, requestTimeoutMs, ssl, sasl } = options;
    options.brokers.forEach(hostAndPort);
    if (options.brokers.length === 0) {
      throw new LogError(
        'unreachable',
        'No Kafka broker was named: give its address, host:port, in KAFKA_BROKERS.',
      );
    }
    this.#options = options;
    this.#pool = new KafkajsPool({
      clientId,
      via,
      connectTimeoutMs,
      requestTimeoutMs,
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl }),
    });
  }

  get requestTimeoutMs(): number {
    return this.#options.requestTimeoutMs;
  }

  /**
   * Asks one broker. `unsent` is the code of the error when the broker cannot be reached to be asked at all: then nothing
   * happened, and the caller may look for another broker.
   */
  async ask(address: string, lane: string, request: WireRequest, unsent: LogErrorCode): Promise<Buffer> {
    const connection = await this.#reached(address, unsent, () => this.#pool.shared(address, lane));
    return this.#watched(address, () => connection.ask(request));
  }

  /** `ask` for what the broker may hold back, for up to `longestMs`, on a connection of its own. */
  async askPatiently(
    address: string,
    request: WireRequest,
    unsent: LogErrorCode,
    longestMs: number,
  ): Promise<Buffer> {
    let isSent = false;
    return this.#reached(
      address,
      // once sent, an error of the connection is what it is
      () => (isSent ? null : unsent),
      () =>
        this.#pool.exclusive(address, (connection) => {
          isSent = true;
          return this.#watched(address, () => connection.ask(request, longestMs + this.requestTimeoutMs));
        }),
    );
  }

  /** `ask` with a request that kafkajs encodes and decodes. */
  async exchange<T>(
    address: string,
    lane: string,
    name: RequestName,
    args: object,
    unsent: LogErrorCode,
  ): Promise<T> {
    const exchange = kafkajsExchange(name, args);
    const payload = await this.ask(address, lane, await wireRequest(exchange.request), unsent);
    return decoded<T>(exchange, name, payload);
  }

  async exchangePatiently<T>(
    address: string,
    name: RequestName,
    args: object,
    unsent: LogErrorCode,
    longestMs: number,
  ): Promise<T> {
    const exchange = kafkajsExchange(name, args);
    const payload = await this.askPatiently(address, await wireRequest(exchange.request), unsent, longestMs);
    return decoded<T>(exchange, name, payload);
  }

  /** Makes sure that some broker answers, and means to go on. */
  async reach(): Promise<void> {
    await this.#withAny(async (address) => {
      const connection = await this.#pool.shared(address, 'control');
      try {
        await connection.ask(METADATA_OF_NOTHING);
      } catch (cause) {
        if (!(cause instanceof LogError) || cause.code !== 'unreachable') throw cause;
        throw new LogError(
          'unreachable',
          `The Kafka broker at ${address} hung up on the first request: check whether it expects a login.`,
          { cause },
        );
      }
    });
  }

  /** Asks one broker after the other until one answers. */
  async exchangeWithAny<T>(name: RequestName, args: object): Promise<T> {
    return this.#withAny((address) => this.exchange<T>(address, 'control', name, args, 'unreachable'));
  }

  /** Metadata of `topics`, of none that does not exist; what it says is remembered. */
  async metadataOf(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const args = { topics, allowAutoTopicCreation: false };
    const { brokers, topicMetadata } = await this.exchangeWithAny<MetadataAnswer>('Metadata', args);
    this.#nodes = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, addressOf(host, port)]));
    return topicMetadata.map(({ topic, topicErrorCode, partitionMetadata }) => {
      const leaders: (string | null)[] = [];
      for (const { partitionId, leader } of partitionMetadata)
        leaders[partitionId] = this.#nodes.get(leader) ?? null;
      if (topicErrorCode === ERROR.none) this.#leaders.set(topic, leaders);
      else this.#leaders.delete(topic);
      return { topic, errorCode: topicErrorCode, leaders: [...leaders] };
    });
  }

  /**
   * Items by the address of their partition's leader; waits, within the bound of lookups, until all have one. Throws
   * `unknown-topic`, or `timed-out`.
   */
  async byLeader<T extends TopicPartition>(items: readonly T[]): Promise<Map<string, T[]>> {
    const unknownUntilMs = this.#options.clock.nowMs() + UNKNOWN_TOPIC_MS;
    return this.#lookUp('finding the leaders of partitions', async () => {
      const { led, leaderless } = await this.byLeaderNow(items, this.#options.clock.nowMs() < unknownUntilMs);
      if (leaderless.length === 0) return led;
      const names = leaderless.map(({ topic, partition }) => `${topic}/${partition}`).join(', ');
      throw new LogError('not-leader', `no broker leads ${names}: check that the brokers which hold it run`);
    });
  }

  /** `byLeader` without waiting: what has no leader now is told apart. */
  async byLeaderNow<T extends TopicPartition>(
    items: readonly T[],
    mayAppear = false,
  ): Promise<{ readonly led: Map<string, T[]>; readonly leaderless: readonly T[] }> {
    const stale = new Set<string>();
    for (const { topic, partition } of items) {
      if (typeof this.#leaders.get(topic)?.[partition] !== 'string') stale.add(topic);
    }
    if (stale.size > 0) {
      const found = await this.metadataOf([...stale]);
      // a topic that was just created is not known to every broker at once
      if (!mayAppear) throwOnUnknown(found);
    }
    const led = new Map<string, T[]>();
    const leaderless: T[] = [];
    for (const item of items) {
      const leaders = this.#leaders.get(item.topic);
      const leader = leaders?.[item.partition];
      if (typeof leader !== 'string') {
        if (leaders !== undefined && leader === undefined && !mayAppear) {
          throw new LogError(
            'unknown-topic',
            `${item.topic} has ${leaders.length} partitions, and none of number ${item.partition}: the partition count is fixed when a topic is created.`,
          );
        }
        leaderless.push(item);
        continue;
      }
      const group = led.get(leader);
      if (group === undefined) led.set(leader, [item]);
      else group.push(item);
    }
    return { led, leaderless };
  }

  forgetLeaders(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const leaders = this.#leaders.get(topic);
      if (leaders !== undefined && partition in leaders) leaders[partition] = null;
    }
  }

  async coordinatorOf(kind: CoordinatorKind, id: string): Promise<string> {
    const known = this.#coordinators.get(`${kind} ${id}`);
    if (known !== undefined) return known;
    const what = `finding the ${kind} coordinator of ${id}`;
    return this.#lookUp(what, async () => {
      const args = { groupId: id, coordinatorType: kind === 'group' ? 0 : 1 };
      const answer = await this.exchangeWithAny<CoordinatorAnswer>('GroupCoordinator', args);
      if (answer.errorCode !== ERROR.none) throw kafkaError(answer.errorCode, what, answer.errorMessage);
      const address = addressOf(answer.coordinator.host, answer.coordinator.port);
      this.#coordinators.set(`${kind} ${id}`, address);
      return address;
    });
  }

  forgetCoordinator(kind: CoordinatorKind, id: string): void {
    this.#coordinators.delete(`${kind} ${id}`);
  }

  close(): void {
    this.#pool.close();
  }

  async #withAny<T>(action: (address: string) => Promise<T>): Promise<T> {
    const failures: LogError[] = [];
    for (const address of new Set([...this.#nodes.values(), ...this.#options.brokers])) {
      try {
        return await action(address);
      } catch (error) {
        if (!(error instanceof LogError) || error.kind !== 'ambiguous') throw error;
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0]!;
    const message = failures.map((failure) => failure.message).join(' ');
    throw new LogError('unreachable', `No Kafka broker answers. ${message}`, { cause: failures[0] });
  }

  #lookUp<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { clock, lookupTimeoutMs } = this.#options;
    const backoff = { initialMs: 20, maxMs: 500, giveUpAfterMs: lookupTimeoutMs };
    return withRetries(clock, backoff, what, async () => {
      try {
        return await attempt();
      } catch (error) {
        // to look something up again never does harm
        if (!(error instanceof LogError) || error.kind !== 'ambiguous') throw error;
        throw new LogError('not-leader', error.message, { cause: error });
      }
    });
  }

  /** Runs `action`; a failure to reach the broker comes out with the code that `unsent` gives. */
  async #reached<T>(
    address: string,
    unsent: LogErrorCode | (() => LogErrorCode | null),
    action: () => Promise<T>,
  ): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const code = typeof unsent === 'function' ? unsent() : unsent;
      if (code === null || !(error instanceof LogError) || error.code !== 'unreachable') throw error;
      this.#forgetBroker(address);
      throw new LogError(code, error.message, { cause: error });
    }
  }

  async #watched<T>(address: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      this.#forgetBroker(address);
      throw error;
    }
  }

  /** It did not answer: somebody else may lead and coordinate by now. */
  #forgetBroker(address: string): void {
    for (const [name, coordinator] of this.#coordinators)
      if (coordinator === address) this.#coordinators.delete(name);
    for (const leaders of this.#leaders.values()) {
      for (const [partition, leader] of leaders.entries()) if (leader === address) leaders[partition] = null;
    }
  }
}

/** A request's topics: partitions gathered by topic, as most requests have them. */
export function topicsOf<T extends TopicPartition, R>(
  items: readonly T[],
  partitionOf: (item: T) => R,
): { readonly topic: string; readonly partitions: readonly R[] }[] {
  const topics = new Map<string, R[]>();
  for (const item of items) {
    const partitions = topics.get(item.topic);
    if (partitions === undefined) topics.set(item.topic, [partitionOf(item)]);
    else partitions.push(partitionOf(item));
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

/** Throws one error that names every topic that does not exist. */
export function throwOnUnknown(topics: readonly TopicMetadata[]): void {
  const unknown = topics.filter(({ errorCode }) => errorCode === ERROR.unknownTopicOrPartition);
  if (unknown.length > 0) {
    const names = unknown.map(({ topic }) => topic).join(', ');
    const message = `There is no topic ${names} on this cluster: "everyview topics" creates what is missing.`;
    throw new LogError('unknown-topic', message);
  }
  for (const { topic, errorCode } of topics) {
    if (errorCode !== ERROR.none && errorCode !== ERROR.leaderNotAvailable)
      throw kafkaError(errorCode, `metadata of ${topic}`);
  }
}

/** Version 6, no topics, none to be created: any broker that serves us answers it. */
const METADATA_OF_NOTHING: WireRequest = {
  apiName: 'Metadata',
  apiKey: 3,
  apiVersion: 6,
  body: new Uint8Array(5),
};

const UNKNOWN_TOPIC_MS = 1_000;

type MetadataAnswer = {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly topicMetadata: readonly {
    readonly topic: string;
    readonly topicErrorCode: number;
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
  }[];
};

type CoordinatorAnswer = {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly coordinator: { readonly host: string; readonly port: number };
};

function addressOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

async function decoded<T>(exchange: KafkajsExchange, name: RequestName, payload: Buffer): Promise<T> {
  try {
    return (await exchange.response.decode(payload)) as T;
  } catch (cause) {
    throw new LogError(
      'protocol',
      `${name}: the broker's answer cannot be read. Check that it is Kafka 2.4 or later.`,
      { cause },
    );
  }
}
