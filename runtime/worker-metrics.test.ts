import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { TINY_PARTITIONS, type TinyCluster, tinyCluster, tinyCodec } from '../test/support/tiny-cluster.ts';
import { tinyCounting } from '../test/support/tiny-topologies.ts';
import { partitionOf } from './partitioner.ts';
import type { FetchingCodec } from './task.ts';
import type { Worker } from './worker.ts';
import { collectWorkerMetrics } from './worker-metrics.ts';

const ALPHA = partitionOf(Buffer.from('alpha'), TINY_PARTITIONS);

/** Samples by their name and labels, as Prometheus reads them. */
async function scrape(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const samples = new Map<string, number>();
  for (const line of (await registry.metrics()).split('\n')) {
    const match = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line);
    if (match !== null) samples.set(match[1]!, Number(match[2]));
  }
  return samples;
}

function watched({ clock, work }: TinyCluster, codec: FetchingCodec = tinyCodec) {
  const registry = new Registry();
  const workers: Worker[] = [];
  const collector = collectWorkerMetrics(registry, clock, () => workers.map((worker) => worker.metrics()));
  workers.push(
    work(tinyCounting, {
      codec,
      onCommit: (durationMs) => collector.observeCommit('tiny-counting', durationMs),
    }),
  );
  return { registry, worker: workers[0]! };
}

test('what a worker did is there to be scraped, by topology, task, reason and code', async () => {
  const tiny = await tinyCluster();
  const { clock, broker, send } = tiny;
  const { registry, worker } = watched(tiny);
  send('alpha', 0);
  send('alpha', -1);
  broker.append('frame-features', ALPHA, 'alpha', Buffer.from('no framing at all'));
  await clock.advance(500);
  const samples = await scrape(registry);
  const topology = 'topology="tiny-counting"';
  const figures = (names: readonly string[]) =>
    names.map((name) => samples.get(name.replace('{', `{${topology}`)));
  assert.deepEqual(
    figures([
      'everyview_records_in_total{}',
      'everyview_records_processed_total{}',
      'everyview_records_left_out_total{}',
      'everyview_records_out_total{}',
      'everyview_records_late_total{}',
      'everyview_records_dropped_total{,reason="negative-seq"}',
      'everyview_dead_letters_total{,code="bad-framing"}',
      'everyview_transactions_abandoned_total{}',
      'everyview_tasks{}',
      `everyview_task_lag_records{,task="${ALPHA}"}`,
      `everyview_task_queued_records{,task="${ALPHA}"}`,
      `everyview_task_state_keys{,task="${ALPHA}"}`,
      `everyview_task_timers{,task="${ALPHA}"}`,
    ]),
    [3, 1, 2, 1, 0, 1, 1, 0, TINY_PARTITIONS, 0, 0, 1, 1],
  );
  const commits = samples.get(`everyview_commits_total{${topology}}`);
  assert.ok(commits! > 0);
  assert.equal(samples.get(`everyview_commit_duration_seconds_count{${topology}}`), commits);
  await clock.run(worker.stop());
});

test('a task that lags says so in records and in log time', async () => {
  const tiny = await tinyCluster();
  const { clock, broker, send } = tiny;
  const { registry, worker } = watched(tiny, { ...tinyCodec, fetchSchema: async () => false });
  const behind = async () => {
    const samples = await scrape(registry);
    const of = (name: string) => samples.get(`${name}{topology="tiny-counting",task="${ALPHA}"}`);
    return [
      of('everyview_task_lag_records'),
      of('everyview_task_lag_seconds'),
      of('everyview_task_log_time_seconds'),
    ];
  };
  send('alpha', 0);
  await clock.advance(500);
  assert.deepEqual(await behind(), [0, 0.5, 1_700_000_000]);
  // nobody can be asked for the schema of this one, so it waits, and all that comes after it
  broker.append('frame-features', ALPHA, 'alpha', Buffer.from([0, 0, 0, 3, 231, 0]));
  for (let seq = 1; seq < 4; seq++) send('alpha', seq);
  await clock.advance(5_000);
  assert.deepEqual(await behind(), [4, 5.5, 1_700_000_000]);
  await clock.run(worker.stop());
});

test('counters never go back: a task that is given back stays counted', async () => {
  const tiny = await tinyCluster();
  const { clock, send } = tiny;
  const { registry, worker } = watched(tiny);
  for (let seq = 0; seq < 5; seq++) send('alpha', seq);
  await clock.advance(500);
  const name = 'everyview_records_in_total{topology="tiny-counting"}';
  const before = (await scrape(registry)).get(name);
  await clock.run(worker.stop());
  const after = await scrape(registry);
  assert.deepEqual([before, after.get(name)], [5, 5]);
  assert.equal(after.get('everyview_tasks{topology="tiny-counting"}'), 0);
  assert.ok([...after.keys()].every((key) => !key.startsWith('everyview_task_lag')));
});
