/** Brokers that end, in order or by a signal that cannot be caught, and come back. */
import { Kafka, logLevel } from 'kafkajs';
import { systemClock } from '../../runtime/system-clock.ts';
import type { ChaosRun } from './chaos-run.ts';
import type { KafkaNodes } from './kafka-nodes.ts';
import type { Scenario } from './scenario.ts';

export const BROKER_SCENARIOS: readonly Scenario[] = [
  {
    name: 'broker-restart',
    what: 'the only broker is stopped in order and started again, twice',
    brokers: 'one',
    run: (run, kafka) => restarts(run, kafka, 'SIGTERM'),
  },
  {
    name: 'broker-kill',
    what: 'the only broker is killed (kill -9) and started again, twice',
    brokers: 'one',
    run: (run, kafka) => restarts(run, kafka, 'SIGKILL'),
  },
  {
    name: 'leader-kill',
    what: 'three brokers, replication 3, min.insync 2: each is killed (kill -9) and started again in turn',
    brokers: 'three',
    run: leaderKills,
  },
];

async function restarts(
  run: ChaosRun,
  kafka: KafkaNodes | null,
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  if (kafka === null) throw new Error('this scenario needs brokers of its own');
  await run.add();
  await run.add();
  await run.settle();
  for (let round = 0; round < ROUNDS; round++) {
    const downAtMs = systemClock.nowMs();
    if (signal === 'SIGTERM') await kafka.stop(0);
    else await kafka.kill(0);
    run.trace(`the broker is gone (${signal})`);
    await kafka.startAgain(0);
    const awayMs = systemClock.nowMs() - downAtMs;
    await run.recovered(`${signal} of the broker, ${awayMs} ms away`, await run.mark());
    await run.settle();
  }
}

async function leaderKills(run: ChaosRun, kafka: KafkaNodes | null): Promise<void> {
  if (kafka === null) throw new Error('this scenario needs brokers of its own');
  await run.add();
  await run.add();
  await run.settle();
  for (const index of kafka.brokers.keys()) {
    await untilInSync(kafka);
    const led = await partitionsLedBy(kafka, index, run.prefix);
    const mark = await run.mark();
    await kafka.kill(index);
    await run.recovered(`SIGKILL of broker ${index + 1}, leader of ${led} partitions`, mark);
    if (led === 0) run.find(`broker ${index + 1} led nothing`);
    await kafka.startAgain(index);
    await run.settle();
  }
  await untilInSync(kafka);
}

const ROUNDS = 2;
const IN_SYNC_MS_MAX = 60_000;

/** Until every replica of every partition is in sync: another broker may be lost then. */
async function untilInSync(kafka: KafkaNodes): Promise<void> {
  const deadlineMs = systemClock.nowMs() + IN_SYNC_MS_MAX;
  for (;;) {
    const partitions = await describe(kafka);
    const behind = partitions.filter(({ replicas, isr }) => isr.length < replicas.length);
    if (behind.length === 0) return;
    if (systemClock.nowMs() > deadlineMs)
      throw new Error(`${behind.length} partitions are not in sync after ${IN_SYNC_MS_MAX} ms`);
    await systemClock.sleep(200);
  }
}

async function partitionsLedBy(kafka: KafkaNodes, index: number, prefix: string): Promise<number> {
  const partitions = await describe(kafka);
  return partitions.filter(({ topic, leader }) => topic.startsWith(prefix) && leader === index + 1).length;
}

async function describe(kafka: KafkaNodes) {
  const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata();
    return topics.flatMap(({ name, partitions }) => partitions.map((one) => ({ topic: name, ...one })));
  } finally {
    await admin.disconnect();
  }
}
