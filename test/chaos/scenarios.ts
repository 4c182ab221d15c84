/** The rows of the chaos table: what is made to go wrong in each. */
import { systemClock } from '../../runtime/system-clock.ts';
import { SIMULATED_TOPOLOGIES } from '../simulation/topologies.ts';
import { type ChaosRun, SESSION_TIMEOUT_MS } from './chaos-run.ts';
import type { Instance } from './instances.ts';
import type { KafkaNodes } from './kafka-nodes.ts';
import { MOMENTS, type Moment, type Step, type Strike } from './struck-port.ts';

export type Scenario = {
  readonly name: string;
  /** What is done, for the table. */
  readonly what: string;
  readonly brokers: 'shared' | 'own' | 'three';
  readonly isProxied?: boolean;
  /** Everything that goes wrong; the run is over when it resolves. */
  readonly run: (run: ChaosRun, kafka: KafkaNodes | null) => Promise<void>;
};

/** Steps at which a process that works can be killed at any time. */
const WORKING_STEPS = [
  'add-partitions',
  'produce',
  'group-offsets',
  'end-transaction',
  'heartbeat',
  'fetch',
] as const satisfies readonly Step[];

/** Steps that a process goes through once, after its start: strikes are armed before it begins. */
const OPENING_STEPS = [
  'join',
  'sync',
  'init-producer',
  'restore',
  'bounds',
] as const satisfies readonly Step[];

const STEP_NAMES: Readonly<Record<Step, string>> = {
  join: 'JoinGroup',
  sync: 'SyncGroup',
  heartbeat: 'Heartbeat',
  'init-producer': 'InitProducerId',
  restore: 'Fetch of a changelog',
  bounds: 'ListOffsets',
  fetch: 'Fetch',
  'add-partitions': 'AddPartitionsToTxn',
  produce: 'Produce',
  'group-offsets': 'AddOffsetsToTxn, TxnOffsetCommit',
  'end-transaction': 'EndTxn',
};

export const SCENARIOS: readonly Scenario[] = [
  ...WORKING_STEPS.map((step) => ({
    name: `kill-at-${step}`,
    what: `SIGKILL ${MOMENTS.join(', ')} ${STEP_NAMES[step]}`,
    brokers: 'shared' as const,
    run: (run: ChaosRun) => killWorking(run, step, MOMENTS),
  })),
  ...OPENING_STEPS.map((step) => ({
    name: `kill-at-${step}`,
    what: `SIGKILL ${MOMENTS.join(', ')} ${STEP_NAMES[step]}, of a process that starts`,
    brokers: 'shared' as const,
    run: (run: ChaosRun) => killOpening(run, step, MOMENTS),
  })),
  {
    name: 'zombie',
    what: `SIGSTOP for twice the session timeout, SIGCONT: between commits, and in the middle of one`,
    brokers: 'shared',
    run: zombie,
  },
  {
    name: 'rebalance-storm',
    what: '1, 4, 2, 3 instances; then two that come and two that go at once',
    brokers: 'shared',
    run: rebalanceStorm,
  },
];

/** Two processes; one of them dies at the step, the other takes over; then a new one comes. */
export async function killWorking(run: ChaosRun, step: Step, moments: readonly Moment[]): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (const moment of moments) {
    const victim = run.random.pick(run.instances);
    const topology = pickTopology(run, victim);
    // a few are let through: what a task says is never the same twice
    const strike: Strike = { step, moment, topology, skip: run.random.below(4) };
    victim.arm(strike);
    await diesOf(run, victim, strike);
    await run.add();
    await run.settle();
  }
}

/** A process that comes and dies on its way to its tasks; the one that was there gets them back. */
export async function killOpening(run: ChaosRun, step: Step, moments: readonly Moment[]): Promise<void> {
  await run.add();
  await run.settle();
  for (const moment of moments) {
    const strike: Strike = { step, moment, topology: null, skip: run.random.below(2) };
    const victim = await run.add([strike]);
    await diesOf(run, victim, strike);
    await run.settle();
  }
}

async function diesOf(run: ChaosRun, victim: Instance, strike: Strike): Promise<void> {
  run.expectEnd(victim);
  const name = `${strike.moment} ${strike.step}${strike.topology === null ? '' : ` (${strike.topology})`}`;
  if (!(await victim.until(() => victim.hasStruck(strike), FIRES_MS_MAX))) {
    run.notFired(`kill ${name}`);
    await run.kill(victim);
    return;
  }
  await victim.ended;
  await run.recovered(`kill ${name}`, await run.mark());
}

async function zombie(run: ChaosRun): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (let round = 0; round < ZOMBIES; round++) {
    const victim = run.random.pick(run.instances);
    await systemClock.sleep(run.random.below(300));
    victim.suspend();
    await run.recovered(`SIGSTOP ${victim.name}`, await run.mark());
    await systemClock.sleep(SESSION_TIMEOUT_MS);
    const lostBefore = victim.closedTasks;
    victim.resume();
    const woke = await run.mark();
    await run.recovered(`SIGCONT ${victim.name}`, woke);
    if (await victim.until(() => victim.closedTasks > lostBefore, FIRES_MS_MAX))
      run.fired(`${victim.name} gave up what it had`);
    else run.notFired(`${victim.name} gives up what it had`);
    await run.settle();
  }
}

async function rebalanceStorm(run: ChaosRun): Promise<void> {
  await run.add();
  await run.settle();
  for (const count of [4, 2, 3]) {
    const mark = await run.mark();
    while (run.instances.length < count) await run.add();
    const leaving = run.instances.slice(0, Math.max(0, run.instances.length - count));
    await Promise.all(leaving.map((instance) => run.stop(instance)));
    await run.recovered(`to ${count} instances`, mark);
    await run.settle();
  }
  const [first, second] = run.instances;
  const mark = await run.mark();
  await Promise.all([run.add(), run.add(), run.kill(first!), run.stop(second!)]);
  await run.recovered('two come, one is killed, one leaves', mark);
  await run.settle();
}

const FIRES_MS_MAX = 30_000;
const ZOMBIES = 3;

/** A topology of which the process has a task: else nothing would ever strike. */
function pickTopology(run: ChaosRun, instance: Instance): string {
  const own = SIMULATED_TOPOLOGIES.map(({ name }) => name).filter((name) =>
    [...instance.openTasks].some((task) => task.startsWith(`${name}/`)),
  );
  return run.random.pick(own);
}
