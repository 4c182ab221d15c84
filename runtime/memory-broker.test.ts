import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MemoryBroker } from './memory-broker.ts';
import type { FaultDecision, FaultPlan } from './memory-faults.ts';
import { readCommitted } from './memory-fixture.ts';
import { LogError, type LogPort } from './port.ts';
import { BatchBuilder } from './record-batch.ts';
import { SeededRandom } from './seeded-random.ts';
import { TransactionalProducer } from './transactional-producer.ts';
import { VirtualClock } from './virtual-clock.ts';

const VALUES = 30;
const WRITERS = ['a', 'b', 'c'];
const SEEDS = 25;

/** Every tenth request meets a fault, and all of them give way to each other. */
function stormOf(random: SeededRandom, isOver: () => boolean): FaultPlan {
  const pass: FaultDecision = { kind: 'delay', delayMs: 0 };
  return {
    decide() {
      const delayMs = random.below(300);
      const faults: readonly FaultDecision[] = [
        { kind: 'unreachable', delayMs },
        { kind: 'lose-reply', delayMs },
        { kind: 'arrive-late', delayMs },
        { kind: 'delay', delayMs },
        { kind: 'delay-reply', delayMs },
        { kind: 'duplicate' },
        { kind: 'refuse', code: 'not-leader' },
        { kind: 'crash', when: random.chance(500) ? 'before' : 'after' },
      ];
      return random.chance(100) && !isOver() ? random.pick(faults) : pass;
    },
  };
}

/** Writes `name=0`, `name=1` ... into two partitions; after each failure it reads what is committed and goes on from there. */
async function writeAll(broker: MemoryBroker, name: string, faults: FaultPlan): Promise<void> {
  const { clock } = broker;
  const calm = broker.openPort({ clientId: `${name}-reader` });
  for (;;) {
    const port: LogPort = broker.openPort({ clientId: name, faults });
    try {
      const options = { port, clock, transactionalId: `task-${name}`, transactionTimeoutMs: 1_000 };
      const producer = await TransactionalProducer.open(options);
      const end = broker.log({ topic: 'out', partition: 0 }).bounds.highWatermark;
      // the stable end may still stand before own records, behind another writer's open transaction
      while (broker.log({ topic: 'out', partition: 0 }).bounds.stableEnd < end) await clock.sleep(5);
      const records = (await readCommitted(calm, 'out', 0)).split(' ');
      let next = records.filter((record) => record.includes(`:${name}=`)).length;
      while (next < VALUES) {
        const builders = [new BatchBuilder(), new BatchBuilder()];
        for (const builder of builders) builder.append(Buffer.from(name), Buffer.from(`${next}`), [], 0);
        producer.begin();
        await producer.send(builders.map((builder, partition) => ({ topic: 'out', partition, builder })));
        await producer.commit();
        next += 1;
      }
      return;
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      await clock.sleep(5);
    }
  }
}

async function runWorld(seed: number): Promise<{ broker: MemoryBroker; digest: string; written: string[] }> {
  const random = new SeededRandom(seed);
  const clock = new VirtualClock({ tieBreaker: random.fork('ties'), wakesMax: 1_000_000 });
  const delays = random.fork('markers');
  const broker = new MemoryBroker({ clock, markerDelayMs: () => delays.below(8) });
  broker.createTopics([{ topic: 'out', partitions: 2, replicas: 1, configs: {} }]);
  const writers = WRITERS.map((name) =>
    writeAll(
      broker,
      name,
      stormOf(random.fork(name), () => clock.nowMs() > 60_000),
    ),
  );
  await clock.run(Promise.all(writers));
  // what was given up may still be on its way, and what was left open has to time out
  await clock.runUntilIdle();
  const hash = createHash('sha256');
  const written: string[] = [];
  for (const partition of [0, 1]) {
    for (const { segment, start, end } of broker.log({ topic: 'out', partition }).batches) {
      hash.update(segment.subarray(start, end));
    }
    written.push(await readCommitted(broker.openPort({ clientId: 'reader' }), 'out', partition));
  }
  return { broker, digest: hash.digest('hex'), written };
}

test('a storm of faults loses nothing and doubles nothing, and a seed repeats it byte for byte', async () => {
  const digests = new Set<string>();
  const kinds = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { broker, digest, written } = await runWorld(seed);
    for (const name of WRITERS) {
      const values = Array.from({ length: VALUES }, (_, value) => `${name}=${value}`).join(' ');
      for (const records of written) {
        const own = records.split(' ').map((record) => record.replace(/^\d+:/, ''));
        assert.equal(
          own.filter((record) => record.startsWith(name)).join(' '),
          values,
          `seed ${seed}, writer ${name}`,
        );
      }
    }
    assert.deepEqual(broker.transactions.unfinished(), [], `seed ${seed}`);
    assert.equal((await runWorld(seed)).digest, digest, `seed ${seed} gave another log the second time`);
    digests.add(digest);
    for (const { method, kind } of broker.faultTally.cells()) kinds.add(`${method} ${kind}`);
  }
  assert.equal(digests.size, SEEDS);
  // four requests of a transaction, eight faults (a crash counts as one)
  for (const method of ['initProducer', 'addPartitions', 'produce', 'endTransaction']) {
    const met = [...kinds].filter((kind) => kind.startsWith(method));
    assert.equal(met.length, 8, `${method} met only ${met.join(', ')}`);
  }
});
