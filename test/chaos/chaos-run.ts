/**
 * One scenario on a real broker: topics of its own, outside producers that keep on talking, worker processes that are
 * treated badly, and in the end the question whether anybody could tell from the output.
 */
import { deployTopics } from '../../runtime/deploy.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { TaskLimits } from '../../runtime/task.ts';
import type { ValueCodec } from '../../runtime/task-core.ts';
import { newTopics, partitionsOf, TOPIC_NAMES } from '../../schemas/topics.ts';
import { BrokerProxy } from '../support/broker-proxy.ts';
import { CommitWatch, type Mark } from './commit-watch.ts';
import { applicationIdIn, type InstanceSetup } from './instance.ts';
import { type Ending, Instance } from './instances.ts';
import { prefixedPort } from './prefixed-port.ts';
import type { Contents } from './reference.ts';
import { openSchemas, type Schemas } from './schemas.ts';
import { type OutsideOptions, Speakers } from './speakers.ts';
import type { Strike } from './struck-port.ts';
import { SUBJECTS, type Subject, type SubjectName } from './subject.ts';

export type RunOptions = {
  readonly name: string;
  readonly seed: number;
  readonly brokers: readonly string[];
  readonly registryUrl: string;
  /** Whose processes these are; `simulated` where nothing else is said. */
  readonly subject?: SubjectName;
  /** In front of every name; drawn anew where nothing is said, and empty for the names of a deployment. */
  readonly prefix?: string;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly recordsPerSecond?: number;
  readonly spoiledPermille?: number;
  /** Each process connects through a proxy of its own to each broker. */
  readonly isProxied?: boolean;
  /** No outside producers; source topics keep the timestamps that they are given: for copies. */
  readonly isSilent?: boolean;
  readonly outside?: OutsideOptions;
  /** Of every task; by default everything often, and no reader ever goes on without a writer. */
  readonly limits?: Partial<TaskLimits>;
  /** Of Node, for each process. */
  readonly nodeFlags?: readonly string[];
  readonly onTrace?: (line: string) => void;
};

/** What is known of a run when it is over. */
export type Evidence = {
  /** Everything that was committed, by the Java consumer. */
  readonly contents: Contents;
  readonly codec: ValueCodec;
};

/** What has to hold of one scenario in particular; lines for what does not. */
export type Check = (evidence: Evidence) => readonly string[];

/** One thing that was made to go wrong. */
export type Fault = {
  readonly name: string;
  readonly fired: boolean;
  /** Until every task had committed something new; null where the fault asks for none. */
  readonly recoveryMs: number | null;
};

export const SESSION_TIMEOUT_MS = 4_000;
/** Acceptance: back within the session timeout and 5 s. */
export const RECOVERY_MS_MAX = SESSION_TIMEOUT_MS + 5_000;

export class ChaosRun {
  readonly prefix: string;
  readonly random: SeededRandom;
  readonly options: RunOptions;
  readonly schemas: Schemas;
  /** Names topics without the prefix; connects to the brokers without any proxy. */
  readonly port: AdminPort;
  readonly partitions: ReadonlyMap<string, number>;
  readonly faults: Fault[] = [];
  /** What was seen that must not be. */
  readonly findings: string[] = [];
  readonly checks: Check[] = [];
  #speakers: Speakers | null = null;
  #isAnew = false;
  #watch: CommitWatch;
  readonly #proxies = new Map<Instance, readonly BrokerProxy[]>();
  #instances: Instance[] = [];
  #started = 0;
  readonly #expectedEnds = new Set<Instance>();

  /** Topics are there and the outside producers talk; no worker runs yet. */
  static async open(options: RunOptions): Promise<ChaosRun> {
    const { name, seed, brokers, partitions = 4, replicas = 1 } = options;
    const random = new SeededRandom(`${name} ${seed}`);
    const prefix = options.prefix ?? `chaos-${name}-${seed}-${systemClock.nowMs().toString(36)}-`;
    const inner = await openKafkajsPort({ brokers, clientId: `${prefix}outside` });
    const port = prefixedPort(inner, prefix);
    const applicationIdOf = applicationIdIn(prefix);
    const { topologies } = subjectOf(options);
    if (options.isSilent ?? false) await createTimelessSources(port, partitions);
    await deployTopics(port, { topologies, applicationIdOf, partitions, replicas });
    const counts = new Map(TOPIC_NAMES.map((topic) => [topic as string, partitionsOf(topic, partitions)]));
    const schemas = await openSchemas(options.registryUrl);
    return new ChaosRun(options, prefix, random, port, counts, schemas);
  }

  private constructor(
    options: RunOptions,
    prefix: string,
    random: SeededRandom,
    port: AdminPort,
    partitions: ReadonlyMap<string, number>,
    schemas: Schemas,
  ) {
    this.options = options;
    this.prefix = prefix;
    this.random = random;
    this.port = port;
    this.partitions = partitions;
    this.schemas = schemas;
    this.#watch = new CommitWatch(port, this.subject.topologies, applicationIdIn(prefix), partitions);
    if (!(options.isSilent ?? false)) this.speak();
  }

  get subject(): Subject {
    return subjectOf(this.options);
  }

  get speakers(): Speakers {
    if (this.#speakers === null) throw new Error('nobody speaks in this run');
    return this.#speakers;
  }

  /** After a reset: what the tasks number on repartition edges does not begin at 0. */
  get isAnew(): boolean {
    return this.#isAnew;
  }

  beginsAnew(): void {
    this.#isAnew = true;
  }

  check(check: Check): void {
    this.checks.push(check);
  }

  /** Outside producers begin to talk; those before, if any, have ended. */
  speak(): void {
    const { recordsPerSecond = 60, spoiledPermille, outside = {} } = this.options;
    this.#speakers = new Speakers({
      ...outside,
      firstConfig: this.#speakers?.nextConfig ?? 0,
      port: this.port,
      prefix: this.prefix,
      random: this.random.fork('outside'),
      partitions: this.partitions.get('frame-features')!,
      codec: this.schemas.codec,
      foreignSchemaIds: this.schemas.foreignIds,
      recordsPerSecond,
      ...(spoiledPermille === undefined ? {} : { spoiledPermille }),
    });
  }

  /** Processes that run now. */
  get instances(): readonly Instance[] {
    return this.#instances;
  }

  proxiesOf(instance: Instance): readonly BrokerProxy[] {
    return this.#proxies.get(instance) ?? [];
  }

  trace(line: string): void {
    this.options.onTrace?.(`${this.options.name}: ${line}`);
  }

  find(what: string): void {
    this.findings.push(what);
    this.trace(`FOUND ${what}`);
  }

  /** Starts one more process. It joins, and gets its share, in its own time. */
  async add(
    strikes: readonly Strike[] = [],
    limits: Partial<TaskLimits> = {},
    heldTopics: readonly string[] = [],
    topologies: readonly string[] | null = null,
  ): Promise<Instance> {
    const { brokers, registryUrl, isProxied = false } = this.options;
    const proxies = isProxied ? await Promise.all(brokers.map((broker) => BrokerProxy.start(broker))) : [];
    const setup: InstanceSetup = {
      name: `i${++this.#started}`,
      brokers,
      via: Object.fromEntries(proxies.map((proxy, i) => [brokers[i]!, proxy.address])),
      registryUrl,
      prefix: this.prefix,
      subject: this.options.subject ?? 'simulated',
      partitions: [...this.partitions],
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      heartbeatEveryMs: 500,
      limits: { ...(this.options.limits ?? LIMITS), ...limits },
      strikes,
      heldTopics,
      ...(topologies === null ? {} : { topologies }),
    };
    const instance = new Instance(setup, this.options.nodeFlags);
    this.trace(`start ${instance.name}`);
    this.#instances.push(instance);
    this.#proxies.set(instance, proxies);
    void instance.ended.then((ending) => this.#onEnd(instance, ending));
    return instance;
  }

  /** From now on it may end, by itself or by a signal. */
  expectEnd(instance: Instance): void {
    this.#expectedEnds.add(instance);
  }

  async kill(instance: Instance): Promise<void> {
    this.expectEnd(instance);
    await instance.kill();
  }

  async stop(instance: Instance): Promise<void> {
    this.trace(`stop ${instance.name}`);
    this.expectEnd(instance);
    try {
      await instance.stop();
    } catch (error) {
      this.find(`${error instanceof Error ? error.message : String(error)}\n${instance.describe()}`);
    }
  }

  mark(): Promise<Mark> {
    return this.#watch.mark();
  }

  /** Waits until every task commits anew after `mark`, and notes the fault with how long that took. */
  async recovered(name: string, mark: Mark, limitMs = RECOVERY_MS_MAX): Promise<void> {
    const { durationMs, missing } = await this.#watch.recoveryFrom(mark, limitMs + PATIENCE_MS);
    this.faults.push({ name, fired: true, recoveryMs: durationMs });
    this.trace(`${name}: all tasks commit again after ${durationMs} ms`);
    if (missing.length > 0) {
      this.find(`${name}: after ${durationMs} ms nothing new from ${missing.join(', ')}`);
      for (const instance of this.#instances) this.trace(instance.describe());
    } else if (durationMs > limitMs) {
      this.find(`${name}: recovery took ${durationMs} ms, and ${limitMs} ms are allowed`);
    }
  }

  /** A fault that was asked for and did not come to be: the row fails. */
  notFired(name: string): void {
    this.faults.push({ name, fired: false, recoveryMs: null });
    this.find(`${name} did not happen`);
  }

  fired(name: string): void {
    this.faults.push({ name, fired: true, recoveryMs: null });
    this.trace(name);
  }

  /** Until all tasks commit and, where processes are enough for it, each of them has something to do. */
  async settle(limitMs = 60_000): Promise<void> {
    const mark = await this.mark();
    const { missing } = await this.#watch.recoveryFrom(mark, limitMs);
    if (missing.length > 0) {
      const told = this.#instances.map((instance) => instance.describe()).join('\n');
      throw new Error(
        `${this.options.name}: not settled after ${limitMs} ms: ${missing.join(', ')}\n${told}`,
      );
    }
    for (const instance of this.#instances) {
      if (!(await instance.until(() => instance.openTasks.size > 0, limitMs)))
        throw new Error(`${instance.name} has got nothing to do\n${instance.describe()}`);
    }
  }

  /** Ends the processes in order, and the watch. */
  async stopAll(): Promise<void> {
    for (const instance of [...this.#instances]) await this.stop(instance);
    await this.#watch.stop();
  }

  /** Ends whatever still runs, for better or worse. */
  async close(): Promise<void> {
    for (const instance of [...this.#instances]) await this.kill(instance);
    for (const proxies of this.#proxies.values()) for (const proxy of proxies) await proxy.stop();
    await this.#speakers?.stop().catch((error: unknown) => this.trace(`outside producers: ${String(error)}`));
    await this.#watch.stop().catch((error: unknown) => this.trace(`watch: ${String(error)}`));
    await this.port.close();
  }

  #onEnd(instance: Instance, { code, signal }: Ending): void {
    this.#instances = this.#instances.filter((one) => one !== instance);
    this.trace(`${instance.name} ended (${signal ?? code})`);
    if (this.#expectedEnds.has(instance)) return;
    this.find(
      `${instance.name} ended by itself (${signal ?? code}): ${instance.failure?.message ?? ''}\n${instance.describe()}`,
    );
  }
}

function subjectOf({ subject = 'simulated' }: RunOptions): Subject {
  return SUBJECTS[subject];
}

/** How much longer than allowed a recovery is waited for, to tell slow from never. */
const PATIENCE_MS = 20_000;

/** Everything often; no reader ever goes on without a writer, which would be an input of its own kind. */
const LIMITS: Partial<TaskLimits> = {
  commitEveryMs: 100,
  tickEveryMs: 1_000,
  sealWaitMs: 600_000,
  groupOffsetsEveryMs: 400,
};

/** The broker would stamp copies anew. */
async function createTimelessSources(port: AdminPort, partitions: number): Promise<void> {
  const sources = newTopics(partitions).filter(
    ({ configs }) =>
      configs['message.timestamp.type'] !== 'CreateTime' && configs['cleanup.policy'] === 'delete',
  );
  await port.createTopics(
    sources.map((one) => ({ ...one, configs: { ...one.configs, 'message.timestamp.type': 'CreateTime' } })),
  );
}
