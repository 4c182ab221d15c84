/** Runs one plan, faults and all, until everything that was said is processed. */
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { LogError, type LogPort } from '../../runtime/port.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { ArmedFaults, type CellCounts } from './faults.ts';
import { controlOf, type Plan, type PlannedEvent, type PlannedRecord } from './plan.ts';
import { runToEnd } from './quiet-run.ts';
import { GROUP_TIMES, SimulatedProcess } from './simulated-process.ts';
import { SIMULATED_TOPOLOGIES, SOURCE_TOPICS } from './topologies.ts';
import {
  type Contents,
  changelogsOf,
  committedPosition,
  contentsOf,
  type Deployment,
  deploy,
  hashOfLogs,
  openTransactions,
  tasksOf,
} from './world.ts';

/** After the last fault, the system has to be back within this. */
export const RECOVERY_MS_MAX = GROUP_TIMES.sessionTimeoutMs + 5_000;

export type Simulated = {
  readonly contents: Contents;
  readonly logHash: string;
  readonly violations: readonly string[];
  readonly fired: CellCounts;
  readonly notFired: CellCounts;
  /** From the end of all faults until every task had committed what came after it. */
  readonly recoveryMs: number;
  readonly virtualMs: number;
  readonly processesEnded: number;
};

export type SimulationOptions = {
  readonly onTrace?: (line: string) => void;
  /**
   * How long readers wait for a writer that is gone. Default: longer than any recovery, so that none has to go on without
   * one that only needs to be started again.
   */
  readonly sealWaitMs?: number;
};

export async function simulate(plan: Plan, options: SimulationOptions = {}): Promise<Simulated> {
  const simulation = new Simulation(plan, options);
  return simulation.clock.run(simulation.run());
}

class Simulation {
  readonly clock: VirtualClock;
  readonly #plan: Plan;
  readonly #trace: (line: string) => void;
  readonly #random: SeededRandom;
  readonly #broker: MemoryBroker;
  readonly #outside: LogPort;
  readonly #faults: ArmedFaults;
  readonly #processes = new Map<number, SimulatedProcess>();
  readonly #violations: string[] = [];
  readonly #sealWaitMs: number;
  #deployment: Deployment | null = null;
  #registryAwayUntilMs = 0;
  #markerDelayMs = 0;
  /** Of the markers with which the coordinator itself aborts a task's transaction. */
  #lostMarkersPermille: number;
  #roughPermille: number;
  #isHealed = false;
  #incarnations = 0;
  #ended = 0;
  #transactions = 0;
  readonly #pending = new Set<Promise<void>>();

  constructor(plan: Plan, options: SimulationOptions) {
    this.#plan = plan;
    this.#roughPermille = plan.roughPermille;
    this.#sealWaitMs = options.sealWaitMs ?? SEAL_WAIT_MS;
    this.#random = new SeededRandom(`run of ${plan.seed}`);
    this.clock = new VirtualClock({
      startMs: plan.startMs,
      tieBreaker: this.#random.fork('ties'),
      wakesMax: WAKES_MAX,
    });
    this.#faults = new ArmedFaults(this.clock, plan.pauseMs);
    this.#trace = (line) => options.onTrace?.(`${this.clock.nowMs() - plan.startMs} ms: ${line}`);
    const markers = this.#random.fork('markers');
    const lost = this.#random.fork('lost markers');
    this.#lostMarkersPermille = lost.below(2) * 300;
    const shapes = this.#random.fork('shapes');
    this.#broker = new MemoryBroker({
      clock: this.clock,
      markerDelayMs: () => (this.#markerDelayMs === 0 ? 0 : markers.below(this.#markerDelayMs)),
      // a producer that lives would have to see the coordinator start anew
      losesMarker: (_partition, transactionalId, outcome) =>
        outcome === 'abort' && !isOutside(transactionalId) && lost.chance(this.#lostMarkersPermille),
      shapeFetch: (_request, plain) => {
        const drawn = shapes.below(16);
        if (drawn > 3) return plain;
        return { earlierBatches: drawn, bytesMax: Math.min(plain.bytesMax, 80 + shapes.below(4_000)) };
      },
    });
    this.#outside = this.#broker.openPort({ clientId: 'outside' });
  }

  async run(): Promise<Simulated> {
    const { startMs, timeline, partitions } = this.#plan;
    this.#deployment = await deploy(this.#broker, partitions);
    for (const { atMs, event } of timeline) {
      const waitMs = startMs + atMs - this.clock.nowMs();
      if (waitMs > 0) await this.clock.sleep(waitMs);
      await this.#perform(event);
    }
    await Promise.all(this.#pending);
    const recoveryMs = await this.#recover();
    await this.#finish();
    return this.#result(recoveryMs);
  }

  async #perform(event: PlannedEvent): Promise<void> {
    switch (event.kind) {
      case 'append':
        return event.how === 'plain' ? this.#append(event.records) : this.#inTransaction(event);
      case 'config':
        return this.#configure(event.hash, event.config.weight);
      case 'start':
        this.#start(event.process);
        return;
      case 'kill':
        this.#processes.get(event.process)?.die('killed');
        return;
      case 'stop':
        void this.#processes.get(event.process)?.stop();
        return;
      case 'freeze':
        this.#trace(`freeze process ${event.process} for ${event.durationMs} ms`);
        this.#processes.get(event.process)?.freeze(event.durationMs);
        return;
      case 'cut':
        this.#trace(`cut process ${event.process} off for ${event.durationMs} ms`);
        this.#processes.get(event.process)?.cut(event.durationMs);
        return;
      case 'stall':
        this.#processes.get(event.process)?.stall(event.topic, event.durationMs);
        return;
      case 'arm':
        this.#faults.arm(event.fault);
        return;
      case 'steal':
        this.#steal(event.task);
        return;
      case 'compact':
        return this.#compact(event);
      case 'registry-away':
        this.#registryAwayUntilMs = this.clock.nowMs() + event.durationMs;
        return;
      case 'slow-markers':
        this.#markerDelayMs = event.delayMs;
        return;
    }
  }

  async #append(records: readonly PlannedRecord[]): Promise<void> {
    for (const { topic, partition, builder } of buildersOf(records)) {
      const bytes = builder.finish(NO_PRODUCER);
      await this.#outside.produce(null, [{ topic, partition, bytes, baseSequence: -1 }]);
    }
  }

  /** Outside producers may write in transactions of their own, and give them up. */
  #inTransaction(event: Extract<PlannedEvent, { kind: 'append' }>): void {
    const writing = this.#writeTransaction(event).finally(() => this.#pending.delete(writing));
    this.#pending.add(writing);
  }

  async #writeTransaction({
    records,
    how,
    heldMs,
  }: Extract<PlannedEvent, { kind: 'append' }>): Promise<void> {
    const port = this.#outside;
    const transactionalId = `${OUTSIDE}${this.#transactions++}`;
    const identity = await port.initProducer(transactionalId, 60_000);
    const txn = { transactionalId, identity };
    const seal = { ...identity, producerEpoch: identity.epoch, baseSequence: 0, isTransactional: true };
    const batches = buildersOf(records).map(({ topic, partition, builder }) => ({
      topic,
      partition,
      bytes: builder.finish(seal),
      baseSequence: 0,
    }));
    await port.addPartitions(txn, batches);
    await port.produce(txn, batches);
    await this.clock.sleep(heldMs);
    await port.endTransaction(txn, how === 'abort' ? 'abort' : 'commit');
  }

  async #configure(hash: string, weight: number): Promise<void> {
    const entry = { name: `set/${hash}`, kind: 'set', contentHash: hash, body: JSON.stringify({ weight }) };
    const rest = { bodyVersion: 1, author: '', comment: '', createdAtMs: 0 };
    const value = codec.encode('everyview-config', { ...entry, ...rest });
    this.#broker.append('everyview-config', 0, entry.name, value);
    for (const topic of SOURCE_TOPICS) {
      const records = Array.from({ length: this.#plan.partitions }, (_, partition) =>
        controlOf(topic, partition, hash),
      );
      await this.#append(records);
    }
  }

  #start(number: number): void {
    if (this.#processes.get(number)?.isAlive === true || this.#isHealed) return;
    this.#incarnations += 1;
    const name = `p${number}.${this.#incarnations}`;
    this.#trace(`start ${name}`);
    const process = new SimulatedProcess({
      name,
      broker: this.#broker,
      random: this.#random.fork(name),
      faults: this.#faults,
      roughPermille: () => this.#roughPermille,
      registry: { isAway: () => this.clock.nowMs() < this.#registryAwayUntilMs },
      ...this.#deployment!,
      limits: {
        ...this.#plan.limits,
        sealWaitMs: this.#sealWaitMs,
        transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
        groupOffsetsEveryMs: 300,
      },
      onTrace: this.#trace,
      onViolation: (what) => this.#violations.push(what),
      onEnd: (ended, why) => this.#onEnd(number, ended, why),
    });
    this.#processes.set(number, process);
    process.start();
  }

  /** A supervisor starts again what has ended, after a while. */
  #onEnd(number: number, process: SimulatedProcess, why: string): void {
    this.#trace(`${process.name} ended: ${why}`);
    this.#ended += 1;
    if (this.#isHealed) return;
    const waitMs = this.#random.between(50, 1_500);
    void this.clock.sleep(waitMs).then(() => {
      if (this.#processes.get(number) === process) this.#start(number);
    });
  }

  #steal(pick: number): void {
    const tasks = tasksOf(this.#deployment!);
    const { applicationId, task } = tasks[pick % tasks.length]!;
    this.#trace(`a stranger takes ${applicationId}-${task}`);
    this.#outside.initProducer(`${applicationId}-${task}`, TRANSACTION_TIMEOUT_MS).catch((error: unknown) => {
      // its last transaction is still being finished: then not
      if (!(error instanceof LogError) || error.code !== 'concurrent-transactions') throw error;
    });
  }

  #compact({ markers, emptyBatches }: Extract<PlannedEvent, { kind: 'compact' }>): void {
    // tombstones may only go when nobody is half-way through reading them
    const isRestoring = [...this.#processes.values()].some(
      (process) => process.isAlive && process.isRestoring,
    );
    const tombstones = isRestoring ? 'keep' : 'drop';
    for (const topology of SIMULATED_TOPOLOGIES) {
      for (const topic of changelogsOf(topology))
        this.#broker.compact(topic, { tombstones, markers, emptyBatches });
    }
  }

  /** No more faults: how long until every task has committed something that came after them? */
  async #recover(): Promise<number> {
    this.#faults.disarm();
    this.#roughPermille = 0;
    this.#markerDelayMs = 0;
    this.#lostMarkersPermille = 0;
    this.#registryAwayUntilMs = 0;
    for (const process of this.#processes.values()) {
      process.thaw();
      process.isCut = false;
      process.stalled.clear();
    }
    const healedAtMs = this.clock.nowMs();
    this.#trace('no more faults');
    if (![...this.#processes.values()].some((process) => process.isAlive)) this.#start(0);
    const tasks = tasksOf(this.#deployment!);
    for (;;) {
      const behind = tasks.filter(
        (task) => (committedPosition(this.#broker, task)?.timeMs ?? 0) <= healedAtMs,
      );
      const elapsedMs = this.clock.nowMs() - healedAtMs;
      if (behind.length === 0) return elapsedMs;
      if (elapsedMs > RECOVERY_MS_MAX) {
        const names = behind.map(({ applicationId, task }) => `${applicationId}-${task}`);
        this.#violations.push(
          `${elapsedMs} ms after the last fault, nothing new is committed by ${names.join(', ')}`,
        );
        return elapsedMs;
      }
      await this.clock.sleep(100);
    }
  }

  /** Freezes the sources: nobody ticks any more, and what is in the log is processed to its end. */
  async #finish(): Promise<void> {
    this.#isHealed = true;
    const alive = [...this.#processes.values()].filter((process) => process.isAlive);
    for (const [index, process] of alive.entries()) {
      if (index % 2 === 0) await process.stop();
      process.die('the end');
    }
    // what is still on its way to the broker arrives
    await this.clock.sleep(1_000);
    await runToEnd(this.#broker, this.#deployment!, { commitEveryMs: 100 });
    const open = openTransactions(this.#broker, this.#deployment!);
    if (open.length > 0) this.#violations.push(`transactions are left open: ${open.join(', ')}`);
  }

  #result(recoveryMs: number): Simulated {
    const deployment = this.#deployment!;
    const broker = this.#broker;
    return {
      contents: contentsOf(broker, deployment),
      logHash: hashOfLogs(broker, deployment),
      violations: this.#violations,
      fired: this.#faults.fired,
      notFired: this.#faults.notFired,
      recoveryMs,
      virtualMs: this.clock.nowMs() - this.#plan.startMs,
      processesEnded: this.#ended,
    };
  }
}

const OUTSIDE = 'outside-';

function isOutside(transactionalId: string): boolean {
  return transactionalId.startsWith(OUTSIDE);
}

const SEAL_WAIT_MS = 60_000;
const TRANSACTION_TIMEOUT_MS = 4_000;
const WAKES_MAX = 3_000_000;
const codec = localCodec();

/** One batch for each partition. */
function buildersOf(records: readonly PlannedRecord[]) {
  const byPartition = new Map<string, { topic: string; partition: number; builder: BatchBuilder }>();
  for (const { topic, partition, key, value, headers } of records) {
    const name = `${topic}/${partition}`;
    let batch = byPartition.get(name);
    if (batch === undefined) {
      batch = { topic, partition, builder: new BatchBuilder(1 << 12) };
      byPartition.set(name, batch);
    }
    batch.builder.append(key, value, headers, 0);
  }
  return [...byPartition.values()];
}
