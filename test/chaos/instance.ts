/**
 * One process of a chaos run: a worker of every topology over the real port, told by its parent what to do.
 *
 * argv[2]: {@link InstanceSetup} as JSON. stdin: one {@link InstanceOrder} as JSON per line; its end means that the
 * parent is gone. stdout: one {@link InstanceNews} as JSON per line, written before anything else happens.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { getHeapSpaceStatistics } from 'node:v8';
import { configStore } from '../../runtime/config-store.ts';
import { consumerGroup } from '../../runtime/consumer-group.ts';
import { applicationIdOf, writerTasksOf } from '../../runtime/deploy.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { LogError, type LogPort } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { textOf } from '../../runtime/take-over.ts';
import type { FetchingCodec, TaskLimits } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';
import { registryCodec } from '../../runtime/value-codec.ts';
import { Worker, type WorkerEvent } from '../../runtime/worker.ts';
import { openRegistry } from '../../schemas/registry.ts';
import { heldPort } from './held-port.ts';
import { prefixedPort } from './prefixed-port.ts';
import { type Strike, Strikes, struckPort } from './struck-port.ts';
import { SUBJECTS, type SubjectName } from './subject.ts';

export type InstanceSetup = {
  readonly name: string;
  readonly brokers: readonly string[];
  /** Where to connect to for a broker's address; the address itself where it is not named. */
  readonly via: Readonly<Record<string, string>>;
  readonly registryUrl: string;
  readonly prefix: string;
  readonly subject: SubjectName;
  /** Names of those that run in this process; all of the subject's where nothing is said. */
  readonly topologies?: readonly string[];
  readonly partitions: readonly (readonly [string, number])[];
  readonly sessionTimeoutMs: number;
  readonly heartbeatEveryMs: number;
  readonly limits: Partial<TaskLimits>;
  /** Strikes that have to be armed before the first request. */
  readonly strikes: readonly Strike[];
  /** Inputs that are read only when the others of the same topology have been. */
  readonly heldTopics: readonly string[];
};

export type InstanceOrder =
  | { readonly kind: 'arm'; readonly strike: Strike }
  | { readonly kind: 'disarm' }
  | { readonly kind: 'report' }
  | { readonly kind: 'stop' };

export type InstanceReport = {
  readonly tasks: readonly {
    readonly topology: string;
    readonly task: number;
    /** Records that are in the log and were not fetched yet. */
    readonly behind: number;
  }[];
  readonly abandoned: number;
  readonly memory: Memory;
};

/** After a full collection. */
export type Memory = {
  readonly liveHeapBytes: number;
  /** Of it: bytecode and machine code. V8 goes on optimising for as long as ever rarer functions become hot. */
  readonly codeBytes: number;
  /** Outside the heap: buffers, mostly. */
  readonly externalBytes: number;
  readonly rssBytes: number;
};

export type InstanceNews =
  | { readonly kind: 'struck'; readonly strike: Strike; readonly atMs: number }
  | { readonly kind: 'event'; readonly topology: string; readonly event: Record<string, unknown> }
  | { readonly kind: 'failed'; readonly topology: string; readonly code: string; readonly message: string }
  /** What was held back is read from now on: the other inputs have been read to their ends. */
  | { readonly kind: 'released'; readonly topology: string }
  | ({ readonly kind: 'report' } & InstanceReport)
  | { readonly kind: 'stopped' };

/** Without a prefix all names are those of a deployment, and its tools can look at the run. */
export function applicationIdIn(prefix: string): (topology: Topology) => string {
  return prefix === '' ? applicationIdOf : (topology) => `${prefix}${topology.name}`;
}

type Running = { readonly topology: Topology; readonly worker: Worker; readonly port: LogPort };

async function main(setup: InstanceSetup): Promise<void> {
  const strikes = new Strikes((strike) => {
    tell({ kind: 'struck', strike, atMs: systemClock.nowMs() });
    process.kill(process.pid, strike.deed === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  });
  for (const strike of setup.strikes) strikes.arm(strike);
  const registry = openRegistry(setup.registryUrl);
  const codec = await registryCodec(registry, systemClock);
  const running: Running[] = [];
  const { topologies } = SUBJECTS[setup.subject];
  for (const topology of topologies.filter(({ name }) => setup.topologies?.includes(name) ?? true))
    running.push(await start(setup, topology, codec, strikes));
  for (const { topology, worker } of running) {
    worker.done.catch((error: unknown) => {
      const code = error instanceof LogError ? error.code : 'unexpected';
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      tell({ kind: 'failed', topology: topology.name, code, message });
      process.exit(1);
    });
  }
  const orders = createInterface({ input: process.stdin });
  orders.on('line', (line) => void obey(JSON.parse(line) as InstanceOrder, running, strikes));
  // who is left alone must not go on
  orders.once('close', () => process.exit(3));
}

async function start(
  setup: InstanceSetup,
  topology: Topology,
  codec: FetchingCodec,
  strikes: Strikes,
): Promise<Running> {
  const { brokers, via, prefix } = setup;
  const inner = await openKafkajsPort({
    brokers,
    clientId: `${setup.name}-${topology.name}`,
    via: (address) => via[address] ?? address,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  const direct = struckPort(prefixedPort(inner, prefix), topology.name, strikes);
  const inputs = topology.sources.map(({ topic }): string => topic);
  const held = inputs.filter((topic) => setup.heldTopics.includes(topic));
  const others = inputs.filter((topic) => !held.includes(topic));
  const isHeld = held.length > 0 && others.length > 0;
  const port = isHeld
    ? heldPort(direct, held, others, () => tell({ kind: 'released', topology: topology.name }))
    : direct;
  const partitions = new Map(setup.partitions);
  const applicationId = applicationIdIn(prefix)(topology);
  const worker = new Worker({
    topology,
    applicationId,
    port,
    clock: systemClock,
    codec,
    configs: configStore(port, codec),
    partitions,
    writerTasks: writerTasksOf(SUBJECTS[setup.subject].topologies, partitions),
    openGroup: consumerGroup({
      port,
      clock: systemClock,
      groupId: applicationId,
      topics: topology.sources.map(({ topic }) => `${prefix}${topic}`),
      sessionTimeoutMs: setup.sessionTimeoutMs,
      heartbeatEveryMs: setup.heartbeatEveryMs,
      onLost: ({ code, message }) =>
        tell({ kind: 'event', topology: topology.name, event: { kind: 'lost', code, message } }),
    }),
    limits: setup.limits,
    onEvent: (event) => tell({ kind: 'event', topology: topology.name, event: plain(event) }),
  });
  return { topology, worker, port };
}

async function obey(order: InstanceOrder, running: readonly Running[], strikes: Strikes): Promise<void> {
  switch (order.kind) {
    case 'arm':
      strikes.arm(order.strike);
      return;
    case 'disarm':
      strikes.disarm();
      return;
    case 'report':
      tell({ kind: 'report', ...reportOf(running) });
      return;
    case 'stop':
      await Promise.allSettled(running.map(({ worker }) => worker.stop()));
      for (const { port } of running) await port.close();
      tell({ kind: 'stopped' });
      process.exit(0);
  }
}

function reportOf(running: readonly Running[]): InstanceReport {
  const tasks = running.flatMap(({ worker }) => {
    const { topology, tasks: metrics } = worker.metrics();
    return metrics.map(({ task, lagRecords, queued }) => ({ topology, task, behind: lagRecords - queued }));
  });
  const abandoned = running.reduce((sum, { worker }) => sum + worker.metrics().abandoned, 0);
  return { tasks, abandoned, memory: liveMemory() };
}

/** An ordinary collection keeps for later what nobody may need, hidden classes and caches above all: this one does not. */
function liveMemory(): Memory {
  const { gc } = globalThis as { gc?: (options: object) => void };
  if (gc === undefined) throw new Error('an instance needs --expose-gc');
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const { heapUsed, external, rss } = process.memoryUsage();
  const codeBytes = getHeapSpaceStatistics()
    .filter(({ space_name }) => /^(code|trusted)_/.test(space_name))
    .reduce((sum, { space_used_size }) => sum + space_used_size, 0);
  return { liveHeapBytes: heapUsed, codeBytes, externalBytes: external, rssBytes: rss };
}

/** Errors have no JSON of their own. */
function plain(event: WorkerEvent): Record<string, unknown> {
  if (event.kind === 'hanging-transaction')
    return { kind: event.kind, task: event.task, outcome: event.outcome, open: event.open.map(textOf) };
  if (event.kind !== 'retrying') return { ...event };
  const { error, what } = event;
  return { kind: 'retrying', what, error: error instanceof Error ? error.message : String(error) };
}

/** Synchronous: the news is out before the process can die. */
function tell(news: InstanceNews): void {
  writeSync(1, `${JSON.stringify(news)}\n`);
}

/** Below the session timeout plus what recovery may take: a broker that hangs is given up in time. */
const REQUEST_TIMEOUT_MS = 4_000;

if (import.meta.main) await main(JSON.parse(process.argv[2]!) as InstanceSetup);
