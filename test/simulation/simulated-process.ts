/** One simulated process: a worker for each topology, which can be killed, stopped, frozen and cut off as one. */
import { configStore } from '../../runtime/config-store.ts';
import { consumerGroup } from '../../runtime/consumer-group.ts';
import { applicationIdOf } from '../../runtime/deploy.ts';
import type { OpenGroup } from '../../runtime/group-session.ts';
import type { MemoryBroker } from '../../runtime/memory-broker.ts';
import type { Clock } from '../../runtime/port.ts';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { TaskLimits } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';
import { Worker, type WorkerEvent } from '../../runtime/worker.ts';
import { messageOf } from '../../schemas/errors.ts';
import type { ArmedFaults } from './faults.ts';
import { type Registry, simulatedCodec } from './simulated-codec.ts';
import { type Host, SimulatedPort } from './simulated-port.ts';
import { SIMULATED_TOPOLOGIES } from './topologies.ts';

export const GROUP_TIMES = { sessionTimeoutMs: 2_000, heartbeatEveryMs: 400, rebalanceTimeoutMs: 3_000 };

export type ProcessOptions = {
  readonly name: string;
  readonly broker: MemoryBroker;
  readonly random: SeededRandom;
  readonly faults: ArmedFaults;
  readonly registry: Registry;
  readonly roughPermille: () => number;
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  readonly limits: Partial<TaskLimits>;
  readonly onViolation: (what: string) => void;
  readonly onTrace: (line: string) => void;
  /** It ended, by itself or by a fault; `isAsked` when it was stopped in good order. */
  readonly onEnd: (process: SimulatedProcess, why: string, isAsked: boolean) => void;
};

export class SimulatedProcess implements Host {
  readonly name: string;
  readonly stalled = new Set<string>();
  isCut = false;
  readonly #options: ProcessOptions;
  readonly #ports: SimulatedPort[] = [];
  readonly #workers: Worker[] = [];
  #isAlive = true;
  #isStopping = false;
  #thaw: PromiseWithResolvers<void> | null = null;
  #thawAtMs = 0;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.name = options.name;
  }

  start(): void {
    // the first request of one worker may be the end of all of them
    for (const topology of SIMULATED_TOPOLOGIES) if (this.#isAlive) this.#startWorker(topology);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#thaw !== null;
  }

  /** A task is being opened somewhere in here. */
  get isRestoring(): boolean {
    return this.#ports.some((port) => port.restoring);
  }

  async thawed(): Promise<void> {
    while (this.#thaw !== null) await this.#thaw.promise;
  }

  freeze(durationMs: number): void {
    if (!this.#isAlive) return;
    const { clock } = this.#options.broker;
    const untilMs = clock.nowMs() + durationMs;
    this.#thaw ??= Promise.withResolvers();
    this.#thawAtMs = Math.max(this.#thawAtMs, untilMs);
    void clock.sleep(durationMs).then(() => {
      if (clock.nowMs() >= this.#thawAtMs) this.thaw();
    });
  }

  thaw(): void {
    this.#thaw?.resolve();
    this.#thaw = null;
  }

  cut(durationMs: number): void {
    this.isCut = true;
    void this.#options.broker.clock.sleep(durationMs).then(() => {
      this.isCut = false;
    });
  }

  stall(topic: string, durationMs: number): void {
    this.stalled.add(topic);
    void this.#options.broker.clock.sleep(durationMs).then(() => this.stalled.delete(topic));
  }

  /** As by kill -9: nothing is said to anybody. */
  die(why: string): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const port of this.#ports) void port.close();
    this.thaw();
    this.#options.onEnd(this, why, this.#isStopping);
  }

  /** In good order: commits and leaves its groups. */
  stop(): Promise<void> {
    this.#isStopping = true;
    return Promise.all(this.#workers.map((worker) => worker.stop())).then(
      () => this.die('stopped'),
      // whatever ends a worker is told once, by `#watch`
      () => undefined,
    );
  }

  struck(clientId: string, what: string): void {
    this.#options.onTrace(`${clientId}: ${what}`);
  }

  violated(what: string): void {
    this.#options.onViolation(`${this.name}: ${what}`);
  }

  #startWorker(topology: Topology): void {
    const { broker, random, faults, registry, roughPermille, partitions, writerTasks, limits } =
      this.#options;
    const applicationId = applicationIdOf(topology);
    const clientId = `${this.name}-${topology.name}`;
    const port = new SimulatedPort({
      broker,
      host: this,
      clientId,
      applicationId,
      random: random.fork(clientId),
      faults,
      roughPermille,
    });
    this.#ports.push(port);
    const codec = simulatedCodec(registry);
    const clock = this.#ownClock(broker.clock);
    const topics = topology.sources.map((source) => source.topic);
    const group = consumerGroup({ port, clock, groupId: applicationId, topics, ...GROUP_TIMES });
    const worker = new Worker({
      topology,
      applicationId,
      port,
      clock,
      codec,
      configs: configStore(port, codec),
      partitions,
      writerTasks,
      openGroup: watched(group, port),
      limits,
      onEvent: (event) => {
        if (event.kind !== 'restoring') this.#options.onTrace(`${clientId}: ${eventText(event)}`);
        if (event.kind === 'task-opened') {
          port.justOpened = true;
          port.restoring = false;
        } else if (event.kind === 'retrying') port.restoring = false;
      },
    });
    this.#workers.push(worker);
    this.#watch(worker, topology);
  }

  /** A worker that ends while its process lives has met something that it cannot go on after: that is a finding. */
  #watch(worker: Worker, topology: Topology): void {
    worker.done.catch((error: unknown) => {
      if (!this.#isAlive) return;
      this.violated(`the worker of ${topology.name} ended: ${messageOf(error)}`);
      this.die('a worker ended');
    });
  }

  /** Time goes on while a process stands still, but nobody in it wakes. */
  #ownClock(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      sleep: (durationMs, signal) =>
        clock.sleep(durationMs, signal).then(() => (this.isFrozen ? this.thawed() : undefined)),
    };
  }
}

/** Tells the port when the group's generation is being checked. */
function watched(openGroup: OpenGroup, port: SimulatedPort): OpenGroup {
  return async (taskCount) => {
    const session = await openGroup(taskCount);
    return {
      ...session,
      assertGeneration: (generation) => port.opening(() => session.assertGeneration(generation)),
    };
  };
}

function eventText(event: WorkerEvent): string {
  if (event.kind === 'retrying') return `${event.what} failed: ${messageOf(event.error)}`;
  return `${event.kind} ${event.task}${event.kind === 'task-closed' ? `: ${event.why}` : ''}`;
}
