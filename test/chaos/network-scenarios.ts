/** Networks that lose answers, or everything. */
import { systemClock } from '../../runtime/system-clock.ts';
import type { ApiName } from '../support/broker-proxy.ts';
import { type ChaosRun, SESSION_TIMEOUT_MS } from './chaos-run.ts';
import type { Instance } from './instances.ts';
import { FIRES_MS_MAX, type Scenario } from './scenario.ts';

/** Requests that come by themselves all the time. */
const STEADY: readonly ApiName[] = [
  'AddPartitionsToTxn',
  'Produce',
  'AddOffsetsToTxn',
  'TxnOffsetCommit',
  'EndTxn',
  'Heartbeat',
  'Fetch',
];

export const NETWORK_SCENARIOS: readonly Scenario[] = [
  {
    name: 'lost-replies',
    what: `the request arrives, its answer is lost with the connection: ${STEADY.join(', ')}`,
    brokers: 'one',
    isProxied: true,
    run: lostReplies,
  },
  {
    name: 'lost-replies-opening',
    what: 'the same for InitProducerId, JoinGroup, SyncGroup, while tasks move',
    brokers: 'one',
    isProxied: true,
    run: lostRepliesOpening,
  },
  {
    name: 'black-hole',
    what: 'connections stay open and nothing comes through, for three times the session timeout, then for half of it',
    brokers: 'one',
    isProxied: true,
    run: blackHole,
  },
];

async function lostReplies(run: ChaosRun): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (const api of STEADY) {
    const victim = run.random.pick(run.instances);
    await loses(run, victim, api);
    await run.settle();
  }
}

async function lostRepliesOpening(run: ChaosRun): Promise<void> {
  await run.add();
  await run.settle();
  for (const api of ['JoinGroup', 'SyncGroup', 'InitProducerId'] as const) {
    // the one that is there loses its answer in the rebalance, or when it gets tasks back
    const [first] = run.instances;
    for (const proxy of run.proxiesOf(first!)) proxy.loseNextReply(api);
    const second = await run.add();
    await run.settle();
    await run.stop(second);
    await happened(run, first!, api);
    await run.settle();
  }
}

async function loses(run: ChaosRun, victim: Instance, api: ApiName): Promise<void> {
  for (const proxy of run.proxiesOf(victim)) proxy.loseNextReply(api);
  await happened(run, victim, api);
}

async function happened(run: ChaosRun, victim: Instance, api: ApiName): Promise<void> {
  const name = `answer to ${api} lost`;
  const proxies = run.proxiesOf(victim);
  const deadlineMs = systemClock.nowMs() + FIRES_MS_MAX;
  while (proxies.some(({ pending }) => pending > 0)) {
    if (systemClock.nowMs() > deadlineMs) {
      run.notFired(name);
      return;
    }
    await systemClock.sleep(10);
  }
  await run.recovered(name, await run.mark());
}

async function blackHole(run: ChaosRun): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  for (const [durationMs, losesTasks] of [
    [3 * SESSION_TIMEOUT_MS, true],
    [SESSION_TIMEOUT_MS / 2, false],
  ] as const) {
    const victim = run.random.pick(run.instances);
    const proxies = run.proxiesOf(victim);
    const before = proxies.reduce((sum, { swallowedBytes }) => sum + swallowedBytes, 0);
    const startedAtMs = systemClock.nowMs();
    for (const proxy of proxies) proxy.swallow(true);
    const name = `black hole of ${durationMs} ms before ${victim.name}`;
    if (losesTasks) await run.recovered(name, await run.mark());
    await systemClock.sleep(Math.max(0, startedAtMs + durationMs - systemClock.nowMs()));
    for (const proxy of proxies) proxy.swallow(false);
    const swallowed = proxies.reduce((sum, { swallowedBytes }) => sum + swallowedBytes, 0) - before;
    if (swallowed === 0) run.notFired(name);
    else await run.recovered(`${name}, and its end (${swallowed} bytes lost)`, await run.mark());
    await run.settle();
  }
}
