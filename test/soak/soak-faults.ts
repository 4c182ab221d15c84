/** What goes wrong in a soak: drawn from the seed, one after the other, for as long as the minute has time. */
import { systemClock } from '../../runtime/system-clock.ts';
import { type ChaosRun, SESSION_TIMEOUT_MS } from '../chaos/chaos-run.ts';
import type { Instance } from '../chaos/instances.ts';
import type { KafkaNodes } from '../chaos/kafka-nodes.ts';

/** The long-lived one meets everything but an end. */
export type SoakCast = { readonly run: ChaosRun; readonly kafka: KafkaNodes; readonly longLived: Instance };

type SoakFault = {
  readonly name: string;
  readonly weight: number;
  readonly happen: (cast: SoakCast) => Promise<void>;
};

const SOAK_FAULTS: readonly SoakFault[] = [
  { name: 'kill', weight: 4, happen: kill },
  { name: 'suspend', weight: 2, happen: suspendLong },
  { name: 'short suspend', weight: 2, happen: suspendShort },
  { name: 'rebalance', weight: 3, happen: rebalance },
  { name: 'broker restart', weight: 1, happen: (cast) => restart(cast, 'SIGTERM') },
  { name: 'broker kill', weight: 1, happen: (cast) => restart(cast, 'SIGKILL') },
  { name: 'black hole', weight: 2, happen: blackHole },
];

/** Two processes: few enough for a laptop, and enough for a task to have somewhere to go. */
const PROCESSES = 2;

export async function happenOne(cast: SoakCast): Promise<void> {
  let draw = cast.run.random.below(SOAK_FAULTS.reduce((sum, { weight }) => sum + weight, 0));
  for (const { weight, happen } of SOAK_FAULTS) {
    draw -= weight;
    if (draw >= 0) continue;
    await happen(cast);
    return;
  }
}

/** As many processes as there ought to be, each with something to do. */
export async function restore({ run }: SoakCast): Promise<void> {
  while (run.instances.length < PROCESSES) await run.add();
  await run.settle(WAIT_MS_MAX);
}

/** Only the long-lived process is left, and everything is its own: so one minute's memory can be held against another's. */
export async function leaveAlone({ run, longLived }: SoakCast): Promise<void> {
  for (const instance of run.instances.filter((one) => one !== longLived)) await run.stop(instance);
  await run.settle(WAIT_MS_MAX);
}

async function kill({ run, longLived }: SoakCast): Promise<void> {
  const victim = run.random.pick(run.instances.filter((one) => one !== longLived));
  await run.kill(victim);
  await run.recovered('kill', await run.mark(), WAIT_MS_MAX);
}

async function suspendLong({ run }: SoakCast): Promise<void> {
  const victim = run.random.pick(run.instances);
  victim.suspend();
  await run.recovered('suspend', await run.mark(), WAIT_MS_MAX);
  await systemClock.sleep(SESSION_TIMEOUT_MS);
  victim.resume();
  await run.recovered('wake up', await run.mark(), WAIT_MS_MAX);
}

/** Too short for anybody to notice. */
async function suspendShort({ run }: SoakCast): Promise<void> {
  const victim = run.random.pick(run.instances);
  victim.suspend();
  await systemClock.sleep(run.random.between(200, SESSION_TIMEOUT_MS / 2));
  victim.resume();
  await run.recovered('short suspend', await run.mark(), WAIT_MS_MAX);
}

async function rebalance({ run, longLived }: SoakCast): Promise<void> {
  const mark = await run.mark();
  await run.add();
  await run.settle(WAIT_MS_MAX);
  const leaving = run.random.pick(run.instances.filter((one) => one !== longLived));
  await run.stop(leaving);
  await run.recovered('rebalance', mark, WAIT_MS_MAX);
}

async function restart({ run, kafka }: SoakCast, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (signal === 'SIGTERM') await kafka.stop(0);
  else await kafka.kill(0);
  await kafka.startAgain(0);
  await run.recovered(signal === 'SIGTERM' ? 'broker restart' : 'broker kill', await run.mark(), WAIT_MS_MAX);
}

async function blackHole({ run }: SoakCast): Promise<void> {
  const victim = run.random.pick(run.instances);
  const proxies = run.proxiesOf(victim);
  const before = proxies.reduce((sum, { swallowedBytes }) => sum + swallowedBytes, 0);
  for (const proxy of proxies) proxy.swallow(true);
  await systemClock.sleep(run.random.between(1_000, 2 * SESSION_TIMEOUT_MS));
  for (const proxy of proxies) proxy.swallow(false);
  const swallowed = proxies.reduce((sum, { swallowedBytes }) => sum + swallowedBytes, 0) - before;
  if (swallowed === 0) run.notFired('black hole');
  else await run.recovered('black hole', await run.mark(), WAIT_MS_MAX);
}

/** A soak is about what adds up: how fast a recovery has to be is judged in the chaos table. */
const WAIT_MS_MAX = 300_000;
