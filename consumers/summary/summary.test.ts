import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameFeatures, QosAlert, StreamDefect } from '../../schemas/records.ts';
import { RunRecord } from './run-record.ts';
import { type RunTiming, summarise } from './summary.ts';

const TIMING: RunTiming = { setupMs: 900, firstRecordMs: 1000, watchedMs: 20_000 };

test('chunks that come twice count once', () => {
  const run = newRun();
  run.takeFeatures(chunk(0), 50_000);
  run.takeFeatures(chunk(1), 51_000);
  run.takeFeatures(chunk(1), 51_100);
  run.takeFeatures(chunk(0), 51_200);
  run.takeFeatures(chunk(0, { programmeId: 'other' }), 51_300);
  const { totals, streams } = summarise(run, null, TIMING);
  assert.deepEqual(totals, { streams: 2, frames: 6, chunks: 3, repeatedChunks: 2, mediaMs: 3000 });
  assert.deepEqual(
    streams.map(({ programmeId, frames }) => [programmeId, frames]),
    [
      ['one', 4],
      ['other', 2],
    ],
  );
  assert.equal(run.firstRecordAtMs, 50_000);
});

test('a new epoch of the probe goes on counting, and says what it ended with', () => {
  const run = newRun();
  run.takeFeatures(chunk(7), 0);
  run.takeFeatures(chunk(0, { probeEpochMs: 2 }), 0);
  run.takeFeatures(chunk(1, { probeEpochMs: 2, event: 'end', framePtsMs: [], durationMs: 0 }), 0);
  const { streams, totals } = summarise(run, null, TIMING);
  assert.deepEqual([totals.chunks, totals.mediaMs, streams[0]?.lastEvent], [3, 2000, 'end']);
});

test('a defect counts once, by its latest revision', () => {
  const run = newRun();
  run.takeDefect(defect('a', 'open', 1, null), 2_700);
  run.takeDefect(defect('b', 'open', 1, null), 2_800);
  run.takeDefect(defect('a', 'close', 3, 5000), 9_000);
  run.takeDefect(defect('a', 'update', 2, null), 9_100);
  const { defects, latency } = summarise(run, null, TIMING);
  assert.deepEqual(defects, { total: 2, open: 1, closed: 1, byType: { 'video-freeze': 2 }, carriedOver: 0 });
  assert.deepEqual(latency.decodedToLog.defect, { count: 2, p50Ms: 500, p99Ms: 500, maxMs: 500 });
  assert.deepEqual(latency.decodedToSubscriber.defect, { count: 2, p50Ms: 700, p99Ms: 800, maxMs: 800 });
});

test('what began in an earlier run is counted apart', () => {
  const run = newRun();
  run.takeDefect(defect('old', 'close', 2, 5000, { evidenceFirstOffset: 99 }), 0);
  run.takeDefect(defect('lost', 'open', 1, null, { evidenceFirstOffset: 99, decodedAtMs: 0 }), 0);
  run.takeAlert(alert('old', 3, 'resolved', { defectIds: ['old'] }), 0);
  run.takeAlert(alert('lost', 1, 'firing', { defectIds: ['lost'] }), 0);
  run.takeAlert(alert('lost', 2, 'resolved', { defectIds: ['lost'] }), 0);
  const { defects, alerts } = summarise(run, [], TIMING);
  assert.deepEqual([defects.total, defects.carriedOver], [0, 2]);
  assert.deepEqual([alerts.total, alerts.versions, alerts.carriedOver], [0, 0, 2]);
});

test('that streams fall silent when their ingest ends is no finding', () => {
  const run = newRun();
  run.takeDefect(defect('real', 'open', 1, null, { decodedAtMs: 0, detectedAtMs: 8000 }), 0);
  run.endIngest(10_000);
  run.takeDefect(defect('last', 'open', 1, null, { decodedAtMs: 9_900, detectedAtMs: 10_050 }), 0);
  run.takeDefect(defect('silence', 'open', 1, null, { decodedAtMs: 0, detectedAtMs: 15_000 }), 0);
  run.takeDefect(defect('silence', 'update', 2, null, { decodedAtMs: 0, detectedAtMs: 16_000 }), 0);
  run.takeAlert(alert('s', 1, 'firing', { decodedAtMs: 0, defectIds: ['silence'] }), 0);
  const { defects, alerts } = summarise(run, [], TIMING);
  assert.deepEqual([...run.defects.keys()], ['real', 'last']);
  assert.deepEqual([defects.total, alerts.total, alerts.carriedOver], [2, 0, 0]);
});

test('alerts are measured when they are raised and when they fire, each time, and not in between', () => {
  const run = newRun();
  run.takeDefect(defect('a', 'open', 1, null), 0);
  const step = (
    version: number,
    status: string,
    previousStatus: string,
    updatedAtMs: number,
    decodedAtMs = 0,
  ) =>
    run.takeAlert(
      alert('x', version, status, { previousStatus, updatedAtMs, decodedAtMs }),
      updatedAtMs + 100,
    );
  step(1, 'pending', '', 2_500, 2_000);
  step(2, 'firing', 'pending', 3_500);
  step(3, 'firing', 'firing', 9_000, 8_900);
  step(4, 'resolved', 'firing', 12_000);
  step(5, 'firing', 'resolved', 20_300, 20_000);
  run.takeAlert(alert('y', 1, 'firing', { defectIds: ['unknown'] }), 4_100);
  const { alerts, latency } = summarise(run, null, TIMING);
  assert.deepEqual(alerts, { total: 1, versions: 5, byStatus: { firing: 1 }, carriedOver: 1 });
  assert.deepEqual(latency.decodedToLog.alert, { count: 2, p50Ms: 300, p99Ms: 500, maxMs: 500 });
  assert.deepEqual(latency.decodedToLog.firing, { count: 2, p50Ms: 300, p99Ms: 1500, maxMs: 1500 });
  assert.deepEqual(latency.decodedToSubscriber.firing, { count: 2, p50Ms: 400, p99Ms: 1600, maxMs: 1600 });
});

test('an alert of an earlier run that a defect of this one brings back is one of this run', () => {
  const run = newRun();
  run.takeDefect(defect('a', 'open', 1, null), 0);
  run.takeAlert(alert('x', 7, 'firing', { previousStatus: 'resolved', defectIds: ['old', 'a'] }), 2_600);
  const { alerts, latency } = summarise(run, null, TIMING);
  assert.deepEqual(alerts, { total: 1, versions: 1, byStatus: { firing: 1 }, carriedOver: 0 });
  assert.equal(latency.decodedToSubscriber.alert.p50Ms, 600);
});

test('versions of an alert that come twice or too late change nothing', () => {
  const run = newRun();
  run.takeDefect(defect('a', 'open', 1, null), 0);
  run.takeAlert(alert('x', 1, 'firing'), 0);
  run.takeAlert(alert('x', 2, 'resolved'), 0);
  run.takeAlert(alert('x', 2, 'resolved'), 0);
  run.takeAlert(alert('x', 1, 'firing'), 0);
  assert.deepEqual(summarise(run, null, TIMING).alerts.byStatus, { resolved: 1 });
  assert.equal(summarise(run, null, TIMING).alerts.versions, 2);
});

test('the comparison says which alert tells of each fault, and counts by result', () => {
  const run = newRun();
  for (let seq = 0; seq < 10; seq++) run.takeFeatures(chunk(seq), 0);
  run.takeDefect(defect('a', 'open', 1, null), 0);
  run.takeDefect(defect('a', 'close', 2, 5000), 0);
  run.takeDefect(defect('b', 'open', 1, null, { startMs: 8000 }), 0);
  run.takeAlert(alert('x', 1, 'firing'), 0);
  const fault = { programmeId: 'one', type: 'video-freeze' };
  const { comparison } = summarise(
    run,
    [
      { ...fault, startMs: 1040, endMs: 4960 },
      { ...fault, type: 'video-black', startMs: 5000, endMs: 7000 },
      { ...fault, startMs: 9000, endMs: 12_000 },
    ],
    TIMING,
  );
  assert.deepEqual(
    comparison?.faults.map((one) => [one.outcome, one.startErrorMs, one.endErrorMs, one.alertStatus]),
    [
      ['found', -40, 40, 'firing'],
      ['missed', null, null, ''],
      ['not-finished', null, null, ''],
    ],
  );
  assert.deepEqual([comparison?.found, comparison?.missed, comparison?.notFinished], [1, 1, 1]);
  assert.deepEqual(
    comparison?.falseAlarms.map(({ defectId }) => defectId),
    ['b'],
  );
});

/** The run begins at offset 100 of every partition. */
function newRun(): RunRecord {
  return new RunRecord(new Map([[0, 100]]));
}

/** One second with two pictures; the columns that the summary does not read are left out. */
function chunk(seq: number, changes: Partial<FrameFeatures> = {}): FrameFeatures {
  return {
    programmeId: 'one',
    renditionId: 'main',
    vantage: 'origin',
    probeId: 'probe',
    probeEpochMs: 1,
    seq,
    event: 'features',
    basePtsMs: seq * 1000,
    durationMs: 1000,
    framePtsMs: [0, 500],
    decodeErrors: 0,
    ...changes,
  } as FrameFeatures;
}

/** A freeze from 1000 ms; decoded at 2000, in the log at 2500. */
function defect(
  defectId: string,
  event: string,
  revision: number,
  endMs: number | null,
  changes: Partial<StreamDefect> = {},
): StreamDefect {
  return {
    event,
    defectId,
    revision,
    programmeId: 'one',
    type: 'video-freeze',
    startMs: 1000,
    endMs,
    decodedAtMs: 2000,
    detectedAtMs: 2500,
    evidencePartition: 0,
    evidenceFirstOffset: 100,
    ...changes,
  } as StreamDefect;
}

function alert(alertId: string, version: number, status: string, changes: Partial<QosAlert> = {}): QosAlert {
  return {
    alertId,
    version,
    status,
    previousStatus: '',
    decodedAtMs: 2000,
    updatedAtMs: 2500,
    defectIds: ['a'],
    ...changes,
  } as QosAlert;
}
