/** Snapshots on Apache Kafka: written in the transactions of a task, found by time, continued to the same outputs. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import { findSnapshot, restoreSnapshot } from '../../runtime/find-snapshot.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { reset } from '../../runtime/reset.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { TaskCore } from '../../runtime/task-core.ts';
import { Worker } from '../../runtime/worker.ts';
import { kafkaSubject } from '../conformance/kafka-subject.ts';
import { batch, Lab } from '../conformance/lab.ts';
import { testCluster } from '../support/local-cluster.ts';
import { textCodec, textTopology } from '../support/text-topology.ts';

const cluster = await testCluster();
after(() => cluster.stop());

test('what was said after a snapshot is said again by who goes on from it', async () => {
  const subject = kafkaSubject(cluster.brokers);
  const lab = new Lab(subject);
  const port = await lab.port();
  const text = textTopology();
  await text.deploy(port);
  const writerTasks = new Map<string, number>();
  const worker = new Worker({
    ...text,
    port,
    clock: systemClock,
    codec: textCodec,
    configs: NO_CONFIGS,
    writerTasks,
    openGroup: fixedGroup(),
    limits: { snapshotEveryMs: 200, snapshotBytesPerCommit: 1 },
    onEvent: () => {},
  });
  try {
    const producer = await lab.producer();
    let sent = 0;
    await lab.until('five snapshots are written', async () => {
      const keys = ['a', 'b', 'c'].map((key) => ({ key, value: `v${sent}` }));
      await lab.transact(producer, 'commit', batch(text.input, 0, ...keys));
      sent += keys.length;
      return worker.metrics().snapshots >= 5;
    });
    await lab.until('all is said', async () => (await lab.valuesNow(text.output)).length >= sent);
    await worker.stop();

    const inputs = await lab.records(text.input);
    const middleMs = inputs[Math.floor(inputs.length / 2)]!.timestampMs;
    const snapshot = await findSnapshot(port, text.applicationId, 0, middleMs);
    assert.ok(snapshot !== null && snapshot.boundaryMs <= middleMs);
    const said: string[] = [];
    const core = new TaskCore({
      topology: text.topology,
      task: 0,
      partitions: text.partitions,
      writerTasks,
      codec: textCodec,
      configOf: () => undefined,
      output: (draft) => said.push(Buffer.from(draft.toRecord().value!).toString()),
    });
    restoreSnapshot(core, snapshot);
    const [source] = core.sources;
    for (const { offset, timestampMs, key, value, headers } of await lab.records(
      text.input,
      0,
      source!.fetchOffset,
    )) {
      const bytes = headers.map(([name, header]) => [name, Buffer.from(header)] as const);
      const of = (part: string | null) => (part === null ? null : Buffer.from(part));
      core.offer(source!, { offset, timestampMs, key: of(key), value: of(value), headers: bytes });
    }
    while (core.step().kind === 'processed');
    const live = await lab.values(text.output);
    assert.ok(said.length > 3 && said.length < live.length, `${said.length} of ${live.length}`);
    assert.deepEqual(said, live.slice(-said.length));

    await reset({ ...text, port, clock: systemClock, writerTasks, target: { kind: 'earliest' } });
    assert.equal(await findSnapshot(port, text.applicationId, 0, middleMs), null);
  } finally {
    await worker.stop();
    await lab.close();
    await subject.close();
  }
});
