import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareAudience } from '../consumers/summary/audience-comparison.ts';
import { AudienceRecord } from '../consumers/summary/audience-record.ts';
import type { RunSummary } from '../consumers/summary/summary.ts';
import { blankRecord } from '../schemas/blank-record.ts';
import { firstRecordLine, summaryLines } from './summary-text.ts';
import type { Terminal } from './terminal.ts';

const plain: Terminal = { isTty: false, hasColour: false, columns: 80, write: () => {} };

const SUMMARY: RunSummary = {
  version: 1,
  audience: null,
  timing: { setupMs: 11_200, firstRecordMs: 12_840, watchedMs: 20_000 },
  streams: [
    stream('demo-city', 500, 'features'),
    { ...stream('demo-bunny', 480, 'probe-lost'), renditionId: '720p', vantage: 'cdn:a', decodeErrors: 3 },
  ],
  totals: { streams: 2, frames: 980, chunks: 40, repeatedChunks: 0, mediaMs: 40_000 },
  defects: { total: 3, open: 1, closed: 2, byType: { 'video-black': 1, 'video-freeze': 2 }, carriedOver: 1 },
  alerts: { total: 2, versions: 5, byStatus: { firing: 1, resolved: 1 }, carriedOver: 0 },
  latency: {
    decodedToLog: { defect: figures(3, 12, 31), alert: figures(2, 400, 700), firing: figures(1, 1400, 1400) },
    decodedToSubscriber: {
      defect: figures(3, 160, 190),
      alert: { count: 0, p50Ms: null, p99Ms: null, maxMs: null },
      firing: figures(1, 1500, 1500),
    },
  },
  comparison: {
    found: 1,
    missed: 1,
    notFinished: 1,
    falseAlarms: [
      { defectId: 'd9', programmeId: 'demo-city', type: 'video-black', startMs: 1000, endMs: null },
    ],
    faults: [
      fault('video-freeze', 4000, 8000, 'found', 'd1', -40, 80, 'resolved'),
      fault('video-black', 9000, 12_500, 'missed', null, null, null, ''),
      fault('audio-silence', 18_000, 24_000, 'not-finished', 'd2', 0, null, 'firing'),
    ],
  },
};

test('the account of a run reads like this', () => {
  assert.deepEqual(summaryLines(SUMMARY, plain), [
    'Watched',
    '  2 streams, 980 pictures in 40 chunks over 20 s; first record after 12.84 s (set-up 11.2 s, decoding 1.64 s)',
    '  demo-city               500 pictures  20 chunks  20 s of media',
    '  demo-bunny/720p @cdn:a  480 pictures  20 chunks  20 s of media  3 decode errors  last said: probe-lost',
    'Found',
    '  3 defects: 1 video-black, 2 video-freeze; 1 still open',
    '  2 alerts: 1 firing, 1 resolved',
    '  1 defect and 0 alerts of an earlier run changed too; they are not counted',
    'Latency (ms)',
    '                                                                         p50     p99     max      of',
    '  frame decoded -> defect, by the records                                 12      31      31       3',
    '  frame decoded -> alert, by the records                                 400     700     700       2',
    '  frame decoded -> alert firing (rule holds it back), by the records    1400    1400    1400       1',
    '  frame decoded -> defect seen by a read_committed subscriber            160     190     190       3',
    '  frame decoded -> alert seen by a read_committed subscriber               -       -       -       0',
    '  frame decoded -> alert firing, seen by that subscriber                1500    1500    1500       1',
    'Compared with the faults that were put in (the pipeline never saw this list)',
    '  stream     fault          from       to         result        start error  end error  alert',
    '  demo-city  video-freeze   00:04.000  00:08.000  found         -40 ms       +80 ms     resolved',
    '  demo-city  video-black    00:09.000  00:12.500  missed        -            -          -',
    '  demo-city  audio-silence  00:18.000  00:24.000  not finished  0 ms         open       firing',
    '  false alarm: demo-city video-black 00:01.000 to now',
    '  1 found, 1 missed, 1 not finished, 1 false alarm',
  ]);
});

test('colours are only where they are shown', () => {
  const colourful = summaryLines(SUMMARY, { ...plain, hasColour: true }).join('\n');
  assert.ok(colourful.includes('\x1b[31m1 found, 1 missed'));
  assert.ok(!summaryLines(SUMMARY, plain).join('\n').includes('\x1b'));
});

test('without a list of faults nothing is compared', () => {
  const lines = summaryLines({ ...SUMMARY, comparison: null }, plain);
  assert.ok(!lines.some((line) => line.includes('Compared')));
});

test('a run without a record says so', () => {
  const timing = { setupMs: 2000, firstRecordMs: null, watchedMs: 0 };
  assert.equal(firstRecordLine({ timing }), 'no record came (set-up 2 s)');
});

function stream(programmeId: string, frames: number, lastEvent: string) {
  const rest = { renditionId: 'main', vantage: 'origin', chunks: 20, mediaMs: 20_000, decodeErrors: 0 };
  return { programmeId, frames, lastEvent, ...rest };
}

function figures(count: number, p50Ms: number, p99Ms: number) {
  return { count, p50Ms, p99Ms, maxMs: p99Ms };
}

function fault(
  type: string,
  startMs: number,
  endMs: number,
  outcome: 'found' | 'missed' | 'not-finished',
  defectId: string | null,
  startErrorMs: number | null,
  endErrorMs: number | null,
  alertStatus: string,
) {
  const alertId = alertStatus === '' ? null : 'a1';
  return {
    programmeId: 'demo-city',
    type,
    startMs,
    endMs,
    outcome,
    defectId,
    startErrorMs,
    endErrorMs,
    alertId,
    alertStatus,
  };
}

test('viewers: sessions, causes, and what was found of the incidents that were put in', () => {
  const record = new AudienceRecord();
  record.beacon('a', 11_000);
  const window = {
    sessionKey: 'a',
    kind: 'window',
    windowStartMs: 10_000,
    windowEndMs: 20_000,
    outcome: 'play',
  };
  record.score(
    blankRecord('qos-scores', {
      ...window,
      score: 80,
      sessionScore: 80,
      causes: ['stalls'],
      causePoints: [20],
    }),
    24_000,
  );
  const incident = {
    incidentId: 'cdn-b-outage',
    kind: 'cdn-outage',
    startMs: 12_000,
    endMs: 20_000,
    expectedAlert: { scope: 'audience', labels: { cdn: 'cdn-b' } },
    sessionsAffected: 7,
  } as const;
  const alert = blankRecord('qos-alerts', {
    alertId: 'x',
    alertName: 'AudienceScoreLow',
    scope: 'audience',
    cdn: 'cdn-b',
    startsAtMs: 20_000,
    firedAtMs: 30_000,
    affectedSessions: 6,
  });
  const comparison = compareAudience([incident], [alert], 90_000);
  const audience = { ...record.summary(), comparison };
  const text = summaryLines({ ...SUMMARY, audience }, plain).join('\n');
  assert.match(text, /Viewers\n {2}1 reports of 1 sessions \(1 play\)/);
  assert.match(text, /mean score 80\.0; lost to stalls \(1\)/);
  assert.match(text, /p50 13000 ms/);
  assert.match(text, /cdn-b-outage +00:00:12 +7 sessions +found +AudienceScoreLow +18000 ms +6 sessions/);
  assert.match(text, /1 found, 0 missed, 0 not finished, 0 false audience alarms/);
});
