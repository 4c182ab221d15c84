import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { QosScore } from '../../schemas/records.ts';
import { AudienceRecord } from './audience-record.ts';

const score = (fields: Partial<QosScore>): QosScore =>
  blankRecord('qos-scores', {
    kind: 'window',
    revision: 1,
    outcome: 'play',
    sessionScore: 90,
    score: 90,
    ...fields,
  });

test('sessions, outcomes and causes; the latest score of each counts, a final before a window', () => {
  const record = new AudienceRecord();
  record.score(score({ sessionKey: 'a', sessionScore: 80, causes: ['stalls'], causePoints: [20] }), 0);
  record.score(score({ sessionKey: 'a', kind: 'final', score: 70, causes: ['stalls'], defectIds: ['d'] }), 0);
  record.score(score({ sessionKey: 'a', sessionScore: 10 }), 0);
  record.score(score({ sessionKey: 'b', outcome: 'pending', score: null, sessionScore: null }), 0);
  const { beaconToScore, ...said } = record.summary();
  assert.deepEqual(said, {
    beacons: 0,
    sessions: 2,
    finals: 1,
    windows: 3,
    windowsUnscored: 1,
    outcomes: { pending: 1, play: 1 },
    meanScoreCenti: 7_000,
    causes: [{ cause: 'stalls', sessions: 1 }],
    sessionsWithDefects: 1,
    sessionsPossiblyAffected: 0,
  });
  assert.equal(beaconToScore.count, 0);
});

test('how long from the last report of a window to its score', () => {
  const record = new AudienceRecord();
  for (const at of [11_000, 18_000, 21_000]) record.beacon('a', at);
  record.score(score({ sessionKey: 'a', windowStartMs: 10_000, windowEndMs: 20_000 }), 25_000);
  record.score(score({ sessionKey: 'a', windowStartMs: 30_000, windowEndMs: 40_000 }), 45_000);
  const { beacons, beaconToScore } = record.summary();
  assert.equal(beacons, 3);
  assert.deepEqual([beaconToScore.count, beaconToScore.p50Ms], [1, 7_000]);
});
