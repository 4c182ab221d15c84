/** What watches a chaos run has to be able to see trouble: each eye is shown some. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { deployTopics } from '../../runtime/deploy.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { LogError } from '../../runtime/port.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { testCluster } from '../support/local-cluster.ts';
import { CommitWatch } from './commit-watch.ts';
import { openTransactions, undecided } from './evidence.ts';
import { applicationIdIn } from './instance.ts';
import { resolveJavaParts } from './java-parts.ts';
import { javaTools } from './java-tools.ts';
import { prefixedPort } from './prefixed-port.ts';
import { untilDone } from './speakers.ts';

const topologies = [streamDetection];
const applicationIdOf = applicationIdIn('watched-');

test('tasks that commit nothing new are missed, by name', async () => {
  const broker = new MemoryBroker({ clock: systemClock });
  const port = broker.openPort({ clientId: 'watch' });
  await deployTopics(port, { topologies, applicationIdOf, partitions: 2 });
  const partitions = new Map([['frame-features', 2]]);
  const watch = new CommitWatch(port, topologies, applicationIdOf, partitions);
  const commit = async (partition: number): Promise<void> => {
    const builder = new BatchBuilder();
    builder.append(Buffer.from('position'), Buffer.from('1'), [], systemClock.nowMs());
    const bytes = builder.finish(NO_PRODUCER);
    const topic = 'watched-stream-detection-positions-changelog';
    await port.produce(null, [{ topic, partition, bytes, baseSequence: -1 }]);
  };
  await commit(0);
  const mark = await watch.mark();
  await commit(1);
  const { missing, durationMs } = await watch.recoveryFrom(mark, 500);
  assert.deepEqual(missing, ['watched-stream-detection-positions-changelog/0']);
  assert.ok(durationMs >= 500);
  await commit(0);
  assert.deepEqual((await watch.recoveryFrom(mark, 5_000)).missing, []);
  await watch.stop();
  broker.close();
});

test("a transaction that stays open is seen in the log's bounds, and by Kafka's own tool", async () => {
  const cluster = await testCluster();
  after(() => cluster.stop());
  const prefix = `watching-${systemClock.nowMs().toString(36)}-`;
  const inner = await openKafkajsPort({ brokers: cluster.brokers, clientId: 'watching' });
  const port = prefixedPort(inner, prefix);
  try {
    const configs = { 'cleanup.policy': 'delete', 'message.timestamp.type': 'CreateTime' };
    await port.createTopics([{ topic: 'qos-alerts', partitions: 1, replicas: 1, configs }]);
    const transactionalId = `${prefix}left-open`;
    const identity = await untilDone(() => port.initProducer(transactionalId, 60_000));
    const txn = { transactionalId, identity };
    const builder = new BatchBuilder();
    builder.append(null, Buffer.from('x'), [], systemClock.nowMs());
    const { producerId, epoch: producerEpoch } = identity;
    const bytes = builder.finish({ producerId, producerEpoch, baseSequence: 0, isTransactional: true });
    const batch = { topic: 'qos-alerts', partition: 0, bytes, baseSequence: 0 };
    await untilDone(() => port.addPartitions(txn, [batch]));
    await untilDone(() => port.produce(txn, [batch]));
    const found: string[] = [];
    const watched = { port, prefix, find: (what: string) => found.push(what) };
    const java = javaTools(await resolveJavaParts(), cluster.brokers);
    const topics = [['qos-alerts', 1]] as const;
    assert.deepEqual(await undecided(watched, topics), ['qos-alerts/0 from 0 on (end 1)']);
    assert.deepEqual(await openTransactions(watched, java), [`transaction of ${transactionalId} (Ongoing)`]);
    await untilDone(() => port.endTransaction(txn, 'abort'));
    await untilDone(async () => {
      const open = await undecided(watched, topics);
      if (open.length > 0) throw new LogError('concurrent-transactions', 'the marker is not there yet');
    });
    assert.deepEqual(await openTransactions({ ...watched, prefix: 'nobody-' }, java), []);
    assert.deepEqual(found, ["Kafka's tool knows no transactional id of this run"]);
  } finally {
    await port.close();
  }
});
