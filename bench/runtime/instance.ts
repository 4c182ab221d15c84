/**
 * One process that is measured: a worker with its share of the tasks, or the bare-consume limit, which fetches the same
 * partitions through the same port, checks and walks every batch, and does nothing with the records. It ends when its
 * share is used up, and committed, and tells what it took.
 *
 * Started by `main.ts` with an {@link Order} as its argument.
 */
import { CommittedReader } from '../../runtime/committed-reader.ts';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import { FetchAhead } from '../../runtime/fetch-ahead.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import type { LogPort } from '../../runtime/port.ts';
import { wholeBatchesEnd } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { Worker } from '../../runtime/worker.ts';
import { PARTITIONS } from './workload.ts';
import { workloadOf } from './workloads.ts';

export type Order = {
  readonly brokers: readonly string[];
  readonly workload: string;
  readonly mode: 'run' | 'consume';
  readonly applicationId: string;
  /** Tasks of this process: partition numbers. */
  readonly tasks: readonly number[];
};

export type Taken = {
  /** From the first commit (or the first answer) to the last one; milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Records between the two. */
  readonly records: number;
  /** All of them, those before `fromMs` included. */
  readonly recordsAll: number;
  /** User and system time of the process over the last three quarters of its records, seconds for a million. */
  readonly cpuSecondsPerMillion: number;
  readonly peakRssMb: number;
};

/** Clock and CPU at the first commit, at a quarter of the records, and at the end. */
class Gauge {
  readonly total: number;
  #first: { readonly records: number; readonly atMs: number } | null = null;
  #quarter: { readonly records: number; readonly cpu: NodeJS.CpuUsage } | null = null;
  #last: { readonly records: number; readonly atMs: number; readonly cpu: NodeJS.CpuUsage } | null = null;

  constructor(total: number) {
    this.total = total;
  }

  committed(records: number): void {
    this.#first ??= { records, atMs: nowMs() };
  }

  took(records: number): void {
    if (records >= this.total / 4) this.#quarter ??= { records, cpu: process.cpuUsage() };
  }

  ended(records: number): void {
    this.#last = { records, atMs: nowMs(), cpu: process.cpuUsage() };
  }

  taken(): Taken {
    const [first, quarter, last] = [this.#first, this.#quarter, this.#last];
    if (first === null || quarter === null || last === null || last.records === first.records)
      throw new Error('the run ended before it was under way: ask for more records');
    const spentUs = last.cpu.user + last.cpu.system - quarter.cpu.user - quarter.cpu.system;
    return {
      fromMs: first.atMs,
      toMs: last.atMs,
      records: last.records - first.records,
      recordsAll: last.records,
      cpuSecondsPerMillion: spentUs / (last.records - quarter.records),
      peakRssMb: process.resourceUsage().maxRSS / 1_024,
    };
  }
}

async function run(port: LogPort, order: Order, gauge: Gauge): Promise<void> {
  const { topology, codec } = workloadOf(order.workload);
  const topics = [...topology.sources, ...topology.sinks].map(({ topic }) => topic as string);
  const taken = () => worker.metrics().counts.recordsIn;
  const worker = new Worker({
    topology,
    applicationId: order.applicationId,
    port,
    clock: systemClock,
    codec: codec(),
    configs: NO_CONFIGS,
    partitions: new Map([...topics, 'dead-letters', 'late-records'].map((topic) => [topic, PARTITIONS])),
    writerTasks: new Map(),
    openGroup: fixedGroup(order.tasks),
    limits: {
      commitEveryMs: COMMIT_EVERY_MS,
      // an input that ends would be ticked, and the next run would find the ticks in it
      tickEveryMs: Number.MAX_SAFE_INTEGER,
    },
    onEvent: (event) => {
      if (event.kind === 'retrying') process.stderr.write(`${event.what}: ${String(event.error)}\n`);
    },
    onCommit: () => gauge.committed(taken()),
  });
  while (taken() < gauge.total) {
    gauge.took(taken());
    await Promise.race([worker.done, systemClock.sleep(POLL_MS)]);
  }
  await worker.stop();
  gauge.ended(taken());
}

async function consume(port: LogPort, { workload, tasks }: Order, gauge: Gauge): Promise<void> {
  const topic = workloadOf(workload).inputTopic;
  const fetch = new FetchAhead(port);
  const reader = new CommittedReader();
  const positions = new Map(tasks.map((partition) => [partition, 0]));
  let records = 0;
  while (records < gauge.total) {
    fetch.start(
      tasks.map((partition) => ({ topic, partition, offset: positions.get(partition)! })),
      POLL_MS,
      FETCH_BYTES_MAX,
    );
    await fetch.settled;
    const fetched = fetch.take();
    for (const { partition: one } of fetched) {
      positions.set(one.partition, wholeBatchesEnd(one.batches) ?? positions.get(one.partition)!);
    }
    // the next answer is on its way while this one is walked
    fetch.start(
      tasks.map((partition) => ({ topic, partition, offset: positions.get(partition)! })),
      POLL_MS,
      FETCH_BYTES_MAX,
    );
    for (const { partition: one, requestedOffset } of fetched) {
      reader.reset(one, requestedOffset);
      while (reader.next()) records += 1;
    }
    if (records > 0) gauge.committed(records);
    gauge.took(records);
  }
  gauge.ended(records);
  await fetch.settled;
}

/** As in the measurements that this is held against. */
const COMMIT_EVERY_MS = 200;
/** As a worker asks for. */
const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const POLL_MS = 10;

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Where this file is the process. */
async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2]!) as Order;
  // nobody would take the figures any more
  const end = () => process.exit(1);
  process.once('disconnect', end);
  const port = await openKafkajsPort({ brokers: order.brokers, clientId: 'bench-runtime' });
  const bounds = await port.bounds(
    order.tasks.map((partition) => ({ topic: workloadOf(order.workload).inputTopic, partition })),
  );
  const total = bounds.reduce((sum, { start, stableEnd }) => sum + stableEnd - start, 0);
  const gauge = new Gauge(total);
  await (order.mode === 'run' ? run(port, order, gauge) : consume(port, order, gauge));
  await port.close();
  process.off('disconnect', end);
  process.send!(gauge.taken());
  process.disconnect();
}

if (import.meta.main) await main();
