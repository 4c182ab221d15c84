/**
 * All topologies by real workers over a simulated broker, on a virtual clock: pictures and reports in, scores, cohorts and
 * alerts out. Three partitions each, so broadcast, repartition and gather are crossed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TOPOLOGIES } from '../../cli/topologies.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { QosAlert, QosScore } from '../../schemas/records.ts';
import type { RecordOf, TopicName } from '../../schemas/topics.ts';
import { cut, draw as drawStream, everySecond } from '../../topologies/detectors/drawn-stream.ts';
import { playbackEvent } from '../../topologies/sessions/drawn-session.ts';
import { TINY_PARTITIONS, TINY_START_MS, tinyCluster, tinyCodec } from '../support/tiny-cluster.ts';

const SECONDS = 112;
const VIEWERS = 48;
/** The freeze is seen by the probe at this second, and by viewers, who are this much behind it, later. */
const FREEZE_FROM_S = 30;
const FREEZE_S = 6;
const BEHIND_MS = 12_000;
const STALLS_FROM_S = 62;
const STALLS_TO_S = 90;

test('pictures and reports become scores with the defect, and one alert on the CDN that stalls', async () => {
  const cluster = await tinyCluster(TOPOLOGIES);
  const { clock, broker } = cluster;
  const workers = TOPOLOGIES.map((topology) => cluster.work(topology));
  const send = <T extends TopicName>(topic: T, key: string, value: RecordOf[T]) => {
    const bytes = Buffer.from(key);
    broker.append(topic, partitionOf(bytes, TINY_PARTITIONS), bytes, tinyCodec.encode(topic, value));
  };
  const drawing = Array.from({ length: 2 * SECONDS }, (_, at) =>
    at >= 2 * FREEZE_FROM_S && at < 2 * (FREEZE_FROM_S + FREEZE_S) ? 'f' : '.',
  ).join('');
  const recording = drawStream(drawing, {
    '.': {},
    f: { still: true, diffMeanCenti: 1, anchorMeanCenti: 40 },
  });
  const chunks = cut(recording, everySecond(recording));
  for (let second = 0; second < SECONDS; second++) {
    const chunk = chunks[second]!;
    send('frame-features', chunk.programmeId, {
      ...chunk,
      programTimeMs: TINY_START_MS + chunk.basePtsMs,
      programTimeSource: 'pdt',
    });
    for (let viewer = 0; viewer < VIEWERS; viewer++) speak(viewer, second, clock.nowMs(), send);
    await clock.advance(1_000);
  }
  await clock.advance(1_000);
  await clock.run(Promise.all(workers.map((worker) => worker.stop())));

  const all = <T extends TopicName>(topic: T, partitions = TINY_PARTITIONS) =>
    Array.from({ length: partitions }, (_, partition) => cluster.values(topic, partition)).flat();
  const scores = all('qos-scores').filter(({ kind }) => kind === 'window');
  const atMs = TINY_START_MS + FREEZE_FROM_S * 1_000 + BEHIND_MS;
  checkFreeze(scores.filter(({ windowStartMs, windowEndMs }) => windowStartMs <= atMs && atMs < windowEndMs));
  const [firstWindow] = all('cohort-windows');
  assert.deepEqual(
    [firstWindow!.sourcesExpected, firstWindow!.sourcesSealed],
    [TINY_PARTITIONS, TINY_PARTITIONS],
  );
  const counted = all('cohort-windows').reduce((sum, { sessions }) => sum + sessions, 0);
  const windows = new Set(all('cohort-windows').map(({ windowStartMs }) => windowStartMs));
  assert.equal(counted, scores.filter(({ windowStartMs }) => windows.has(windowStartMs)).length);
  checkAlerts(all('qos-alerts', 1));
});

/** A word every five seconds, each viewer at another moment; on CDN a every second viewer stalls for a while. */
function speak(
  viewer: number,
  second: number,
  nowMs: number,
  send: (topic: 'playback-events', key: string, event: ReturnType<typeof playbackEvent>) => void,
): void {
  const cdn = viewer % 2 === 0 ? 'cdn-a' : 'cdn-b';
  const isHit = cdn === 'cdn-a' && viewer % 4 === 0;
  const from = second === 1 ? 'starting' : second === 2 ? 'playing' : null;
  const stall =
    isHit && second === STALLS_FROM_S ? 'rebuffering' : isHit && second === STALLS_TO_S ? 'playing' : null;
  const state = from ?? stall;
  if (state === null && (second < 3 || (second - 3) % 5 !== viewer % 5)) return;
  const key = `viewer-${viewer}`;
  const isStalled = isHit && second >= STALLS_FROM_S && second <= STALLS_TO_S;
  send(
    'playback-events',
    key,
    playbackEvent({
      sessionKey: key,
      sessionId: key,
      programmeId: 'news',
      streamType: 'live',
      event: state === null ? 'time-interval' : 'play-state',
      playerState: state,
      sn: second < 3 ? second - 1 : Math.floor((second - 3) / 5) + 2,
      clientTimeMs: nowMs,
      programTimeMs: isStalled || second < 2 ? null : nowMs - BEHIND_MS,
      programTimeSource: 'player',
      bitrateBps: 6_000_000,
      heightPx: 1_080,
      cdn,
      country: viewer % 3 === 0 ? 'DE' : 'FR',
      deviceClass: viewer % 5 === 0 ? 'tv' : 'phone',
    }),
  );
}

function checkFreeze(scores: readonly QosScore[]): void {
  assert.equal(scores.length, VIEWERS);
  for (const { defectTypes, defectMs, coveragePermille, causes, timeSource } of scores) {
    assert.deepEqual([defectTypes, coveragePermille, timeSource], [['video-freeze'], 1_000, 'player']);
    assert.ok(causes.includes('defect:video-freeze'));
    assert.ok(Math.abs(defectMs[0]! - FREEZE_S * 1_000) <= 300, `charged ${defectMs[0]} ms`);
  }
}

function checkAlerts(alerts: readonly QosAlert[]): void {
  const fired = alerts.filter(({ status, reason }) => status === 'firing' && reason !== 'severity-raised');
  assert.deepEqual(fired.map(({ alertName, cdn }) => `${alertName} ${cdn}`.trim()).toSorted(), [
    'AudienceRebufferingHigh cdn-a',
    'AudienceScoreLow',
    'StreamVideoFreeze',
  ]);
}
