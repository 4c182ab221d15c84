/** Processes that die, or fall asleep, at an exact step of their protocol. */
import { systemClock } from '../../runtime/system-clock.ts';
import { type ChaosRun, SESSION_TIMEOUT_MS } from './chaos-run.ts';
import type { Instance } from './instances.ts';
import { replayBoth } from './replay-scenarios.ts';
import { FIRES_MS_MAX, type Scenario } from './scenario.ts';
import { MOMENTS, type Moment, type Step, type Strike } from './struck-port.ts';

/** Steps at which a process that works can be struck at any time. */
const WORKING_STEPS = [
  'add-partitions',
  'produce',
  'group-offsets',
  'end-transaction',
  'heartbeat',
  'fetch',
] as const satisfies readonly Step[];

/** Those of them that make a transaction. */
const COMMIT_STEPS = ['add-partitions', 'produce', 'group-offsets', 'end-transaction'] as const;

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
  'group-offsets': 'AddOffsetsToTxn and TxnOffsetCommit',
  'end-transaction': 'EndTxn',
};

export const KILL_SCENARIOS: readonly Scenario[] = [
  {
    name: 'slice',
    what: 'the part of all this that npm test does: SIGKILL during EndTxn and while restoring, SIGSTOP before Produce; then the same input again, with 1 and with 3 instances, either input of a merged pair read first',
    brokers: 'one',
    run: slice,
    replay: replayBoth,
  },
  ...WORKING_STEPS.map((step) => ({
    name: `kill-at-${step}`,
    what: `SIGKILL before, during, after ${STEP_NAMES[step]}`,
    brokers: 'one' as const,
    run: (run: ChaosRun) => killWorking(run, step, MOMENTS),
  })),
  ...OPENING_STEPS.map((step) => ({
    name: `kill-at-${step}`,
    what: `SIGKILL before, during, after ${STEP_NAMES[step]}, of a process that starts`,
    brokers: 'one' as const,
    run: (run: ChaosRun) => killOpening(run, step, MOMENTS),
  })),
  {
    name: 'zombie',
    what: 'SIGSTOP for twice the session timeout at any time, SIGCONT',
    brokers: 'one',
    run: zombieAtAnyTime,
  },
  {
    name: 'zombie-in-commit',
    what: `SIGSTOP before ${COMMIT_STEPS.map((step) => STEP_NAMES[step]).join(', ')}, SIGCONT after twice the session timeout: the request goes out`,
    brokers: 'one',
    run: (run) => zombieInCommit(run, COMMIT_STEPS),
  },
  {
    name: 'rebalance-storm',
    what: '1, 4, 2, 3 instances; then at once two come, one is killed, one leaves',
    brokers: 'one',
    run: rebalanceStorm,
  },
];

async function slice(run: ChaosRun): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  const victim = run.random.pick(run.instances);
  const topology = pickTopology(run, victim);
  const strike: Strike = { deed: 'kill', step: 'end-transaction', moment: 'during', topology, skip: 1 };
  victim.arm(strike);
  await diesOf(run, victim, strike);
  const restoring: Strike = { deed: 'kill', step: 'restore', moment: 'during', topology: null, skip: 0 };
  await diesOf(run, await run.add([restoring]), restoring);
  await run.add();
  await run.settle();
  await sleepsInCommit(run, 'produce');
}

/** Two processes; one of them dies at the step, the other takes over; then a new one comes. */
async function killWorking(run: ChaosRun, step: Step, moments: readonly Moment[]): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (const moment of moments) {
    const victim = run.random.pick(run.instances);
    // a few are let through: what a task says is never the same twice
    const skip = run.random.below(4);
    const strike: Strike = { deed: 'kill', step, moment, topology: pickTopology(run, victim), skip };
    victim.arm(strike);
    await diesOf(run, victim, strike);
    await run.add();
    await run.settle();
  }
}

/** A process that comes and dies on its way to its tasks; the one that was there gets them back. */
async function killOpening(run: ChaosRun, step: Step, moments: readonly Moment[]): Promise<void> {
  await run.add();
  await run.settle();
  for (const moment of moments) {
    const skip = run.random.below(2);
    const strike: Strike = { deed: 'kill', step, moment, topology: null, skip };
    const victim = await run.add([strike]);
    await diesOf(run, victim, strike);
    await run.settle();
  }
}

/** Two processes; one is suspended in the middle of its commit, and wakes up when its tasks are somebody else's. */
async function zombieInCommit(run: ChaosRun, steps: readonly Step[]): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (const step of steps) await sleepsInCommit(run, step);
}

async function sleepsInCommit(run: ChaosRun, step: Step): Promise<void> {
  const victim = run.random.pick(run.instances);
  const topology = pickTopology(run, victim);
  const strike: Strike = { deed: 'suspend', step, moment: 'before', topology, skip: run.random.below(4) };
  victim.arm(strike);
  const name = `SIGSTOP ${nameOf(strike)}`;
  if (!(await victim.until(() => victim.hasStruck(strike), FIRES_MS_MAX))) {
    run.notFired(name);
    victim.disarm();
    return;
  }
  await run.recovered(name, await run.mark());
  await wakes(run, victim);
}

async function zombieAtAnyTime(run: ChaosRun): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (let round = 0; round < ZOMBIES; round++) {
    const victim = run.random.pick(run.instances);
    await systemClock.sleep(run.random.below(300));
    victim.suspend();
    await run.recovered(`SIGSTOP ${victim.name}`, await run.mark());
    await wakes(run, victim);
  }
}

/** Much later than the session allows; it has to notice that it has lost what it had, and get a share again. */
async function wakes(run: ChaosRun, victim: Instance): Promise<void> {
  await systemClock.sleep(SESSION_TIMEOUT_MS);
  const closedBefore = victim.closedTasks;
  victim.resume();
  await run.recovered(`SIGCONT ${victim.name}`, await run.mark());
  if (await victim.until(() => victim.closedTasks > closedBefore, FIRES_MS_MAX))
    run.fired(`${victim.name} gave up what it had`);
  else run.notFired(`${victim.name} gives up what it had`);
  await run.settle();
}

async function diesOf(run: ChaosRun, victim: Instance, strike: Strike): Promise<void> {
  run.expectEnd(victim);
  const name = `SIGKILL ${nameOf(strike)}`;
  if (!(await victim.until(() => victim.hasStruck(strike), FIRES_MS_MAX))) {
    run.notFired(name);
    await run.kill(victim);
    return;
  }
  await victim.ended;
  await run.recovered(name, await run.mark());
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

const ZOMBIES = 3;

/** A topology of which the process has a task: else nothing would ever strike. */
function pickTopology(run: ChaosRun, instance: Instance): string {
  const own = run.subject.topologies
    .map(({ name }) => name)
    .filter((name) => [...instance.openTasks].some((task) => task.startsWith(`${name}/`)));
  return run.random.pick(own);
}

function nameOf({ moment, step, topology }: Strike): string {
  return `${moment} ${STEP_NAMES[step]}${topology === null ? '' : ` of ${topology}`}`;
}
