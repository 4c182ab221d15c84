/** All topologies over streams and viewers with known faults: what each part of a configuration changes, and only that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configStore } from '../../runtime/config-store.ts';
import { isTick } from '../../runtime/control-records.ts';
import { applicationIdOf, deployTopics, partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { Topology } from '../../runtime/topology.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { Worker } from '../../runtime/worker.ts';
import type { QosScore } from '../../schemas/records.ts';
import { damagedPort } from '../../test/placement/damage.ts';
import { END_MS, frozenSources, PARTITIONS } from '../../test/placement/frozen-sources.ts';
import { LATER_FREEZE, LAX_REBUFFERING, outcomeOf } from '../../test/placement/predictions.ts';
import { sessionScoring } from '../../topologies/session-scoring.ts';
import { TOPOLOGIES } from '../topologies.ts';
import { audit } from './audit.ts';
import { type BacktestOptions, backtest } from './backtest.ts';
import { isWithoutDifference } from './backtest-diff.ts';
import { backtestLines } from './backtest-text.ts';
import type { ReplayOptions } from './replay-options.ts';

const START_MS = 1_795_000_000_000;
const SLICE_MS = 1_000;
const AWAY = { fromMs: 70_000, toMs: 95_000 };
const codec = localCodec();

/**
 * The sources come at their pace, with snapshots every 10 s; session scoring is away for so long that its readers go on
 * without it, in the log.
 */
async function ran() {
  const sources = await frozenSources(START_MS, codec);
  const clock = new VirtualClock({ startMs: START_MS });
  const broker = new MemoryBroker({ clock });
  const port = broker.openPort({ clientId: 'copy', keepsTimestamps: true });
  await clock.run(deployTopics(port, { topologies: TOPOLOGIES, applicationIdOf, partitions: PARTITIONS }));
  const partitions = await clock.run(partitionCounts(port));
  const writerTasks = writerTasksOf(TOPOLOGIES, partitions);
  const work = (topology: Topology): Worker => {
    const own = broker.openPort({ clientId: topology.name });
    return new Worker({
      topology,
      applicationId: applicationIdOf(topology),
      port: own,
      clock,
      codec,
      configs: configStore(own, codec),
      partitions,
      writerTasks,
      openGroup: fixedGroup(),
      limits: { snapshotEveryMs: 10_000 },
      onEvent: () => {},
    });
  };
  const workers = new Map(TOPOLOGIES.map((topology) => [topology, work(topology)]));
  for (let fromMs = START_MS; fromMs < START_MS + END_MS; fromMs += SLICE_MS) {
    for (const [topic, all] of sources) {
      for (const [partition, records] of all.entries()) {
        const due = records.filter(
          ({ timestampMs }) => timestampMs >= fromMs && timestampMs < fromMs + SLICE_MS,
        );
        if (due.length === 0) continue;
        const builder = new BatchBuilder();
        for (const { key, value, headers, timestampMs } of due)
          builder.append(key, value, headers, timestampMs);
        const bytes = builder.finish(NO_PRODUCER);
        await clock.run(port.produce(null, [{ topic, partition, bytes, baseSequence: -1 }]));
      }
    }
    await clock.advance(SLICE_MS);
    if (fromMs - START_MS === AWAY.fromMs) await clock.run(workers.get(sessionScoring)!.stop());
    if (fromMs - START_MS === AWAY.toMs) workers.set(sessionScoring, work(sessionScoring));
  }
  await clock.advance(5_000);
  for (const worker of workers.values()) await clock.run(worker.stop());
  return { clock, broker, port: port as AdminPort, partitions, writerTasks };
}

const run = await ran();
const common = {
  port: run.port,
  codec,
  topologies: TOPOLOGIES,
  partitions: run.partitions,
  writerTasks: run.writerTasks,
  fromMs: 0,
  toMs: Number.MAX_SAFE_INTEGER,
  onProgress: () => {},
  signal: new AbortController().signal,
};
const tried = (config: unknown, options: Partial<BacktestOptions> = {}) =>
  run.clock.run(
    backtest({
      ...common,
      configs: configStore(run.port, codec),
      ...(config === undefined ? {} : { candidate: { configHash: 'candidate', config } }),
      ...options,
    }),
  );
const audited = (options: Partial<ReplayOptions> = {}) =>
  run.clock.run(audit({ ...common, configs: configStore(run.port, codec), ...options }));

test('unchanged, with a configuration that takes effect in the middle: no difference, all records equal', async () => {
  const result = await tried(undefined);
  assert.ok(isWithoutDifference(result.diff), backtestLines(result).join('\n'));
  const { alerts, defects, scores } = result.diff;
  assert.ok(alerts.equal >= 6 && defects.equal >= 4 && scores.equal > 90, JSON.stringify(result.diff));
  const ticks = Array.from({ length: PARTITIONS }, (_, at) => run.broker.dump('cohort-partials', at))
    .flat()
    .filter(({ headers }) => isTick(headers));
  assert.ok(ticks.length > 10, 'readers went on without the writer that was away');
  const tasks = await audited();
  assert.equal(tasks.length, 3 * PARTITIONS + 1);
  for (const { topology, task, difference, leftOut } of tasks)
    assert.deepEqual([difference, leftOut], [null, 0], `${topology} ${task}`);
});

for (const [what, { config, outcome }] of Object.entries({ LATER_FREEZE, LAX_REBUFFERING })) {
  test(`a changed threshold changes what it has to and nothing else: ${what}`, async () => {
    const { diff } = await tried(config);
    assert.deepEqual(outcomeOf(diff), outcome);
  });
}

test('longer windows: each session has as many as its time takes, whatever else changes', async () => {
  const windowMs = 20_000;
  const { candidate, diff } = await tried({ sessions: { windowMs } });
  const windows = new Map<string, Set<number>>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const { value } of run.broker.dump('qos-scores', partition)) {
      const score = value === null ? null : (codec.decode('qos-scores', value) as QosScore);
      if (score?.kind !== 'window') continue;
      const starts = windows.get(score.sessionKey) ?? new Set();
      windows.set(score.sessionKey, starts.add(Math.floor(score.windowStartMs / windowMs)));
    }
  }
  const predicted = [...windows].map(([sessionKey, starts]) => [sessionKey, starts.size]);
  const found = [...candidate.scores().values()].map((score) => [score.sessionKey, score.windows]);
  assert.deepEqual(found.sort(), predicted.sort());
  assert.deepEqual([diff.defects.added, diff.defects.removed, diff.defects.moved], [[], [], []]);
});

test('from a snapshot in the middle: unchanged no difference, and a candidate holds from there on only', async () => {
  const fromMs = START_MS + 42_000;
  const unchanged = await tried(undefined, { fromMs });
  assert.ok(isWithoutDifference(unchanged.diff), backtestLines(unchanged).join('\n'));
  const kinds = new Set(unchanged.starts.map(({ start }) => start.kind));
  assert.deepEqual([...kinds], ['snapshot']);
  assert.equal(unchanged.keysLeftOut, 0);
  for (const { topology, task, difference } of await audited({ fromMs }))
    assert.equal(difference, null, `${topology} ${task}`);

  const { outcome } = LATER_FREEZE;
  const later = outcomeOf((await tried(LATER_FREEZE.config, { fromMs })).diff);
  assert.deepEqual(later.defects, { added: [], removed: [], moved: [] }, 'the short one was before');
  assert.deepEqual(later.alerts, { ...outcome.alerts, removed: [] });
  const lax = outcomeOf((await tried(LAX_REBUFFERING.config, { fromMs })).diff);
  assert.deepEqual(lax, LAX_REBUFFERING.outcome);
});

test('one byte that was changed is found where it is, whichever byte of whichever topic', async () => {
  for (const topology of TOPOLOGIES) {
    for (const { topic } of topology.sinks) {
      const partition = Array.from({ length: run.partitions.get(topic)! }, (_, at) => at).find((at) =>
        run.broker.dump(topic, at).some(({ value }) => value !== null),
      )!;
      const said = run.broker.dump(topic, partition).filter(({ value }) => value !== null);
      const record = said[said.length >> 1]!;
      for (const byteAt of [0, 4, 9, record.value!.length >> 1, record.value!.length - 1]) {
        const port = damagedPort(run.port, { topic, partition, record, byteAt, isChecksumMended: true });
        const tasks = await audited({ port, topologies: [topology] });
        const found = tasks.flatMap(({ difference }) => (difference === null ? [] : [difference]));
        const where = `${topic}/${partition} at ${record.offset}, byte ${byteAt} of its value`;
        assert.deepEqual(
          found.map((one) => [one.topic, one.partition, one.offset, one.kind]),
          [[topic, partition, record.offset, 'differs']],
          where,
        );
        assert.match(found[0]!.detail, /^(\w+: .* live, .* in the replay|value: not decodable)/, where);
      }
    }
  }
});

test('a checksum that does not fit: audit names who wrote it and the tasks that read it, backtest the place', async () => {
  const at = { topic: 'stream-defects', partition: 1 };
  const record = run.broker.dump(at.topic, at.partition).find(({ value }) => value !== null)!;
  const port = damagedPort(run.port, { ...at, record, byteAt: 9, isChecksumMended: false });
  const found = (await audited({ port })).filter(({ difference }) => difference !== null);
  const scoring = Array.from({ length: PARTITIONS }, (_, task) => `session-scoring ${task}`);
  assert.deepEqual(
    found.map(({ topology, task }) => `${topology} ${task}`),
    ['stream-detection 1', ...scoring, 'qos-alerting 0'],
  );
  for (const { difference } of found) {
    const { topic, partition, kind, detail } = difference!;
    assert.deepEqual([topic, partition, kind], [at.topic, at.partition, 'unreadable']);
    assert.match(detail, /does not match its checksum/);
  }
  await assert.rejects(tried(undefined, { port }), /stream-defects\/1: .* does not match its checksum/);
});

test('a patience that nobody needs changes nothing', async () => {
  const { diff } = await tried({ scoring: { sealWaitMs: 60_000, model: 'iqx-1' } });
  assert.ok(isWithoutDifference(diff), JSON.stringify(diff));
});
