import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import type { TaskLimits } from '../../runtime/task.ts';
import { TINY_START_MS, tinyCluster, tinyCodec } from '../../test/support/tiny-cluster.ts';
import { tinyCounting, tinyGathering } from '../../test/support/tiny-topologies.ts';
import { type AuditedTask, audit } from './audit.ts';

const PROGRAMMES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'];
const TOPOLOGIES = [tinyCounting, tinyGathering];

/** 90 s in which programmes come and go; the counting worker is killed in the middle and another one takes over. */
async function ran(limits: Partial<TaskLimits> = {}) {
  const tiny = await tinyCluster();
  const workers = [tiny.work(tinyCounting, { limits }), tiny.work(tinyGathering, { limits })];
  for (let round = 0; round < 120; round++) {
    for (const [index, id] of PROGRAMMES.entries()) if ((round + index * 7) % 24 < 17) tiny.send(id, round);
    await tiny.clock.advance(500);
    if (round === 50) await tiny.clock.run(workers.shift()!.stop());
    if (round === 90) workers.push(tiny.work(tinyCounting, { limits }));
  }
  await tiny.clock.advance(30_000);
  for (const worker of workers) await tiny.clock.run(worker.stop());
  const auditOf = (fromMs = 0, toMs = Number.MAX_SAFE_INTEGER): Promise<readonly AuditedTask[]> =>
    tiny.clock.run(
      audit({
        port: tiny.port,
        codec: tinyCodec,
        configs: NO_CONFIGS,
        topologies: TOPOLOGIES,
        partitions: tiny.partitions,
        writerTasks: new Map(),
        fromMs,
        toMs,
        onProgress: () => {},
        signal: new AbortController().signal,
      }),
    );
  return { ...tiny, auditOf };
}

const differencesOf = (tasks: readonly AuditedTask[]) =>
  tasks.flatMap(({ difference }) => (difference === null ? [] : [difference]));
const comparedOf = (tasks: readonly AuditedTask[]) => tasks.reduce((sum, { compared }) => sum + compared, 0);

test('what was said live is what the log leads to, also across a pause with ticks in derived inputs', async () => {
  const { auditOf, broker, partitions } = await ran();
  const tasks = await auditOf();
  assert.deepEqual(differencesOf(tasks), []);
  let said = 0;
  for (const topic of ['stream-defects', 'qos-alerts'])
    for (let p = 0; p < partitions.get(topic)!; p++) said += broker.dump(topic, p).length;
  // the readers' ticks do not count, nor what is of the last moment
  assert.ok(comparedOf(tasks) > said * 0.8, `${comparedOf(tasks)} of ${said}`);
  assert.ok(tasks.every(({ start, leftOut }) => start?.kind === 'log-start' && leftOut === 0));
});

test('a range in the middle, from a snapshot', async () => {
  const { auditOf } = await ran({ snapshotEveryMs: 10_000 });
  const tasks = await auditOf(TINY_START_MS + 35_000, TINY_START_MS + 60_000);
  assert.deepEqual(differencesOf(tasks), []);
  assert.ok(comparedOf(tasks) > 100);
  for (const { start, comparedToMs } of tasks) {
    assert.ok(start?.kind === 'snapshot' && start.boundaryMs <= TINY_START_MS + 35_000);
    assert.ok(comparedToMs <= TINY_START_MS + 60_000);
  }
});

test('a record too many, and one byte that was changed, are found where they are', async () => {
  const tiny = await ran();
  const { broker, auditOf } = tiny;
  const last = broker.dump('qos-alerts', 0).at(-1)!;
  // before the end of what the live task has committed
  const place = broker.dump('qos-alerts', 0)[200]!;
  const value = place.value!;
  const at = value.length - 12;
  value[at] = value[at]! ^ 1;
  const [difference, ...others] = differencesOf(await auditOf());
  assert.deepEqual(others, []);
  assert.equal(difference!.topic, 'qos-alerts');
  assert.equal(difference!.topology, 'tiny-gathering');
  assert.match(difference!.kind, /^(differs|unreadable)$/);
  value[at] = value[at]! ^ 1;
  assert.deepEqual(differencesOf(await auditOf()), []);

  broker.append('qos-alerts', 0, last.key, last.value, last.timestampMs - 1);
  const [extra] = differencesOf(await auditOf());
  assert.equal(extra!.kind, 'missing');
  assert.equal(extra!.timestampMs, last.timestampMs - 1);
});
