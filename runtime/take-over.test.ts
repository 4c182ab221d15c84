import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tinyCounting } from '../test/support/tiny-topologies.ts';
import { applicationIdOf, deployTopics, partitionCounts } from './deploy.ts';
import { MemoryBroker } from './memory-broker.ts';
import { scriptedFaults } from './memory-faults.ts';
import { committed } from './memory-fixture.ts';
import type { LogPort, TopicPartition } from './port.ts';
import { BatchBuilder, NO_HEADERS } from './record-batch.ts';
import { type FinishedTransaction, takeOver } from './take-over.ts';
import { changelogTopic } from './task-inputs.ts';
import { TransactionalProducer } from './transactional-producer.ts';
import { VirtualClock } from './virtual-clock.ts';

const APPLICATION = applicationIdOf(tinyCounting);
const POSITIONS = changelogTopic(APPLICATION, 'positions');

test('an aborted transaction that got no marker is aborted, and nobody else is touched', async () => {
  const { run, broker, port, lose, open, write, taken } = await world();
  await run(async () => {
    const other = await open('other');
    other.begin();
    await other.send([batch('dead-letters', 1, 'theirs')]);
    const dead = await open(`${APPLICATION}-0`);
    dead.begin();
    await dead.send([batch(POSITIONS, 0, 'hanging'), batch('dead-letters', 1, 'hanging')]);
    lose(() => true);
    // takes over as the runtime did before it looked: the transaction is over for the coordinator, and for nobody else
    await open(`${APPLICATION}-0`);
    assert.equal((await port.openTransactions([{ topic: POSITIONS, partition: 0 }])).length, 1);
    lose(() => false);

    const { producer, finished } = await taken();
    assert.deepEqual(outlined(finished), [`abort dead-letters/1@1 ${POSITIONS}/0@0`]);
    await write(producer, 'next');
    await other.commit();
    assert.match(committed(broker, POSITIONS, 0), /^\d+:next=next$/);
    assert.equal(committed(broker, 'dead-letters', 1), '0:theirs=theirs');
  });
});

test('a commit that got some of its markers gets the others', async () => {
  const { run, broker, lose, open, taken } = await world();
  await run(async () => {
    const dead = await open(`${APPLICATION}-0`);
    lose(({ topic }) => topic !== 'stream-defects');
    dead.begin();
    await dead.send([batch(POSITIONS, 0, 'position'), batch('stream-defects', 0, 'output')]);
    await dead.commit();
    assert.equal(committed(broker, POSITIONS, 0), '');
    lose(() => false);
    const { finished } = await taken();
    assert.deepEqual(outlined(finished), [`commit ${POSITIONS}/0@0`]);
    assert.equal(committed(broker, POSITIONS, 0), '0:position=position');
    assert.equal(committed(broker, 'stream-defects', 0), '0:output=output');
  });
});

test('markers take their time: the task is ready when they are written, and not before', async () => {
  const { run, clock, port, lose, write, taken } = await world(40);
  await run(async () => {
    const first = await taken();
    assert.deepEqual(first.finished, []);
    lose(() => true);
    await write(first.producer, 'hanging');
    await clock.sleep(100);
    lose(() => false);
    const { finished } = await taken();
    assert.deepEqual(outlined(finished), [`commit ${POSITIONS}/0@0`]);
    assert.deepEqual(await port.openTransactions([{ topic: POSITIONS, partition: 0 }]), []);
  });
});

test('markers that get lost again are written again, as they were decided', async () => {
  const { run, broker, lose, write, taken } = await world();
  await run(async () => {
    const first = await taken();
    let lost = 0;
    lose(() => lost++ < 3);
    await write(first.producer, 'hanging');
    const { finished } = await taken();
    assert.deepEqual(outlined(finished), [`commit ${POSITIONS}/0@0`]);
    assert.equal(committed(broker, POSITIONS, 0), '0:hanging=hanging');
  });
});

test('a transaction that only a person can end stops the task, with the command', async () => {
  const { run, open, taken } = await world();
  await run(async () => {
    const stranger = await open('an id that was forgotten');
    stranger.begin();
    await stranger.send([batch(POSITIONS, 0, 'hanging')]);
    await assert.rejects(taken(), {
      code: 'protocol',
      message: new RegExp(
        `kafka-transactions.sh .* abort --topic ${POSITIONS} --partition 0 --start-offset 0$`,
      ),
    });
  });
});

test('a producer whose coordinator moved writes nothing behind a transaction that is still open', async () => {
  const moved = { kind: 'refuse', code: 'coordinator-moved' } as const;
  const script = [{ method: 'addPartitions', nth: 2, decision: moved } as const];
  const { run, broker, lose, open, write, taken } = await world();
  await run(async () => {
    const faulty = broker.openPort({ clientId: 'faulty', faults: scriptedFaults(script) });
    const producer = await open(`${APPLICATION}-0`, faulty);
    lose(() => true);
    await write(producer, 'one');
    lose(() => false);
    await assert.rejects(write(producer, 'two'), {
      code: 'invalid-transaction-state',
      message: /the last transaction is still open in /,
    });
    const { finished } = await taken();
    assert.deepEqual(outlined(finished), [`commit ${POSITIONS}/0@0`]);
    assert.equal(committed(broker, POSITIONS, 0), '0:one=one');
  });
});

/** A broker with the counting topology deployed on it, whose markers get lost as the test says. */
async function world(markerDelayMs = 0) {
  const clock = new VirtualClock({ startMs: 1_700_000_000_000 });
  let losesMarker = (_partition: TopicPartition): boolean => false;
  const broker = new MemoryBroker({
    clock,
    markerDelayMs: () => markerDelayMs,
    losesMarker: (partition) => losesMarker(partition),
  });
  const port = broker.openPort({ clientId: 'test' });
  await clock.run(deployTopics(port, { topologies: [tinyCounting], applicationIdOf, partitions: 3 }));
  const partitions = await clock.run(partitionCounts(port));
  return {
    clock,
    broker,
    port,
    run: (body: () => Promise<void>) => clock.run(body()),
    lose: (which: (partition: TopicPartition) => boolean) => {
      losesMarker = which;
    },
    open: (transactionalId: string, by: LogPort = port) =>
      TransactionalProducer.open({ port: by, clock, transactionalId, transactionTimeoutMs: 60_000 }),
    async write(producer: TransactionalProducer, text: string) {
      producer.begin();
      await producer.send([batch(POSITIONS, 0, text)]);
      await producer.commit();
    },
    async taken() {
      const finished: FinishedTransaction[] = [];
      const producer = await takeOver({
        port,
        clock,
        applicationId: APPLICATION,
        topology: tinyCounting,
        task: 0,
        partitions,
        hasSnapshots: true,
        transactionTimeoutMs: 60_000,
        onHanging: (one) => finished.push(one),
      });
      return { producer, finished };
    },
  };
}

function batch(topic: string, partition: number, text: string) {
  const builder = new BatchBuilder();
  builder.append(Buffer.from(text), Buffer.from(text), NO_HEADERS, 0);
  return { topic, partition, builder };
}

function outlined(finished: readonly FinishedTransaction[]): string[] {
  return finished.map(({ outcome, open }) =>
    [outcome, ...open.map((one) => `${one.topic}/${one.partition}@${one.firstOffset}`).sort()].join(' '),
  );
}
