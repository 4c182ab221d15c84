/** `everyview reset` on Apache Kafka: what the simulated broker cannot vouch for. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import { consumerGroup } from '../../runtime/consumer-group.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { activeMembers, planReset, type ResetTarget, reset } from '../../runtime/reset.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { Worker } from '../../runtime/worker.ts';
import { kafkaSubject } from '../conformance/kafka-subject.ts';
import { batch, Lab } from '../conformance/lab.ts';
import { testCluster } from '../support/local-cluster.ts';
import { type TextTopology, textCodec, textTopology } from '../support/text-topology.ts';

const cluster = await testCluster();
after(() => cluster.stop());

test('a reset deletes state and sets positions at once, whether instances are stopped or run on', async () => {
  const subject = kafkaSubject(cluster.brokers);
  const lab = new Lab(subject);
  const port = await lab.port();
  const text = textTopology();
  await text.deploy(port);
  const writerTasks = new Map<string, number>();
  const optionsOf = (target: ResetTarget) => ({ ...text, port, clock: systemClock, writerTasks, target });
  const producer = await lab.producer();
  const send = (...values: readonly string[]) =>
    lab.transact(producer, 'commit', batch(text.input, 0, ...values.map((value) => ({ key: 'a', value }))));
  const untilSaid = (count: number) =>
    lab.until(`${count} are numbered`, async () => (await lab.valuesNow(text.output)).length >= count);
  let worker = work(text, port);
  try {
    await send('x', 'y');
    await untilSaid(2);
    const earliest = optionsOf({ kind: 'earliest' });
    assert.equal((await activeMembers(earliest)).length, 1);
    await worker.stop();
    assert.deepEqual(await activeMembers(earliest), []);

    const [task] = await planReset(earliest);
    assert.deepEqual(task!.stores, [{ store: 'counts', keys: 1 }]);
    assert.ok(task!.inputs[0]!.from! >= 2);
    await reset(earliest);
    worker = work(text, port);
    await untilSaid(4);
    assert.deepEqual(await lab.values(text.output), ['x 1', 'y 2', 'x 1', 'y 2']);

    const done = await reset(optionsOf({ kind: 'latest' }));
    assert.deepEqual(done[0]!.stores, [{ store: 'counts', keys: 1 }]);
    await send('z');
    await untilSaid(5);
    assert.deepEqual((await lab.values(text.output)).slice(4), ['z 1']);
  } finally {
    await worker.stop();
    await lab.close();
    await subject.close();
  }
});

function work(text: TextTopology, port: AdminPort): Worker {
  const { applicationId: groupId, input } = text;
  return new Worker({
    ...text,
    port,
    clock: systemClock,
    codec: textCodec,
    configs: NO_CONFIGS,
    writerTasks: new Map(),
    openGroup: consumerGroup({ port, clock: systemClock, groupId, topics: [input] }),
    onEvent: () => {},
  });
}
