import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configStore } from '../../runtime/config-store.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { TaskLimits } from '../../runtime/task.ts';
import { TINY_PARTITIONS, TINY_START_MS, tinyCluster, tinyCodec } from '../../test/support/tiny-cluster.ts';
import { cut, draw, everySecond, type Looks } from '../../topologies/detectors/drawn-stream.ts';
import { qosAlerting } from '../../topologies/qos-alerting.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { type BacktestOptions, type BacktestResult, backtest } from './backtest.ts';
import { isWithoutDifference } from './backtest-diff.ts';
import { backtestHtml } from './backtest-html.ts';
import { backtestLines } from './backtest-text.ts';

const LOOKS: Looks = { '.': {}, f: { still: true, diffMeanCenti: 1, anchorMeanCenti: 40 } };
const TOPOLOGIES = [streamDetection, qosAlerting];
/** A freeze of 3 s and one of 8 s, then pictures that move until every alert is over. */
const NEWS = `${'.'.repeat(20)}ffffff${'.'.repeat(60)}${'f'.repeat(16)}${'.'.repeat(150)}`;
const SPORT = '.'.repeat(NEWS.length);

/** Both streams live, at their pace; the detection worker is away for a while in the middle. */
async function ran(limits: Partial<TaskLimits> = {}) {
  const tiny = await tinyCluster(TOPOLOGIES);
  let detection = tiny.work(streamDetection, { limits });
  const alerting = tiny.work(qosAlerting, { limits });
  const streams = [NEWS, SPORT].map((drawing, index) => {
    const recording = draw(drawing, LOOKS);
    const programmeId = ['news', 'sport'][index]!;
    return cut(recording, everySecond(recording)).map((chunk) => ({ ...chunk, programmeId }));
  });
  for (const [second, chunk] of streams[0]!.entries()) {
    for (const one of [chunk, streams[1]![second]!]) {
      const key = Buffer.from(one.programmeId);
      const value = tinyCodec.encode('frame-features', one);
      tiny.broker.append('frame-features', partitionOf(key, TINY_PARTITIONS), key, value);
    }
    await tiny.clock.advance(1_000);
    if (second === 30) await tiny.clock.run(detection.stop());
    if (second === 60) detection = tiny.work(streamDetection, { limits });
  }
  await tiny.clock.advance(5_000);
  await tiny.clock.run(detection.stop());
  await tiny.clock.advance(2_000);
  await tiny.clock.run(alerting.stop());
  const backtestOf = (options: Partial<BacktestOptions> = {}): Promise<BacktestResult> =>
    tiny.clock.run(
      backtest({
        port: tiny.port,
        codec: tinyCodec,
        configs: configStore(tiny.port, tinyCodec),
        topologies: TOPOLOGIES,
        partitions: tiny.partitions,
        writerTasks: new Map(),
        fromMs: 0,
        toMs: Number.MAX_SAFE_INTEGER,
        onProgress: () => {},
        signal: new AbortController().signal,
        ...options,
      }),
    );
  return { ...tiny, backtestOf };
}

const SLOWER = { configHash: 'slower', config: { detectors: { 'video-freeze': { minMs: 5_000 } } } };
const titles = (intervals: readonly { readonly title: string }[]) => intervals.map(({ title }) => title);

test('what held live gives no difference, also where a reader had gone on without its writer', async () => {
  const { backtestOf } = await ran();
  const result = await backtestOf();
  assert.ok(isWithoutDifference(result.diff), backtestLines(result).join('\n'));
  const { defects, alerts } = result.diff;
  assert.deepEqual([defects.live, defects.equal], [2, 2]);
  assert.ok(alerts.equal >= 1);
  assert.equal(result.keysLeftOut, 0);
  assert.match(backtestLines(result).at(-1)!, /^no difference$/);
});

test('a longer minimum: the short freeze is gone with its alert, the long one is told later', async () => {
  const { backtestOf } = await ran();
  const result = await backtestOf({ candidate: SLOWER });
  const { defects, alerts, scores } = result.diff;
  assert.deepEqual(titles(defects.removed), ['video-freeze news origin']);
  assert.equal(defects.removed[0]!.endMs! - defects.removed[0]!.startMs >= 2_900, true);
  assert.deepEqual([defects.added.length, defects.moved.length, defects.equal], [0, 0, 1]);
  assert.ok(alerts.removed.length + alerts.moved.length > 0, 'the alert changed as well');
  assert.deepEqual([scores.live, scores.candidate], [0, 0]);
  const html = backtestHtml(result, { candidate: 'slower.yaml <b>' });
  assert.match(html, /slower\.yaml &#60;b&#62;/);
  assert.match(html, /video-freeze news origin/);
  assert.doesNotMatch(html, /(src|href)=/, 'the page needs nothing else');
});

test('from a snapshot in the middle, the candidate holds from there on only', async () => {
  const { backtestOf } = await ran({ snapshotEveryMs: 10_000 });
  const fromMs = TINY_START_MS + 40_000;
  const unchanged = await backtestOf({ fromMs });
  assert.ok(isWithoutDifference(unchanged.diff), backtestLines(unchanged).join('\n'));
  assert.ok(unchanged.starts.every(({ start }) => start.kind === 'snapshot'));
  assert.equal(unchanged.diff.defects.live, 1, 'the first freeze was before');
  const changed = await backtestOf({
    fromMs,
    candidate: { configHash: 'never', config: { detectors: { 'video-freeze': { minMs: 60_000 } } } },
  });
  assert.deepEqual(titles(changed.diff.defects.removed), ['video-freeze news origin']);
  assert.equal(changed.diff.alerts.candidate < unchanged.diff.alerts.candidate, true);
});
