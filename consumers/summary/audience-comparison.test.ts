import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaText } from '../../schemas/avsc-files.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { QosAlert } from '../../schemas/records.ts';
import { AFTERMATH_MS, compareAudience, type LabelledIncident } from './audience-comparison.ts';

const START_MS = 1_800_000_000_000;

const incident = (changes: Partial<LabelledIncident> = {}): LabelledIncident => ({
  incidentId: 'outage',
  kind: 'cdn-outage',
  startMs: START_MS + 20_000,
  endMs: START_MS + 50_000,
  expectedAlert: { scope: 'audience', labels: { cdn: 'cdn-b' } },
  sessionsAffected: 12,
  ...changes,
});

/** An audience alert that fired so many ms after the start of the run. */
const fired = (atMs: number, changes: Partial<QosAlert> = {}): QosAlert =>
  alertOf({ startsAtMs: START_MS + atMs - 5_000, firedAtMs: START_MS + atMs, cdn: 'cdn-b', ...changes });

const END_MS = START_MS + 300_000;
const outcomesOf = (incidents: readonly LabelledIncident[], alerts: readonly QosAlert[], endMs = END_MS) => {
  const { incidents: results, falseAlarms } = compareAudience(incidents, alerts, endMs);
  const told = results.map(
    ({ incidentId, outcome, alertId }) => `${incidentId} ${outcome} ${alertId ?? '-'}`,
  );
  return [...told, ...falseAlarms.map(({ alertId }) => `false ${alertId}`)];
};

test('an incident is found by the first alert about exactly its cohort, and told how long it took', () => {
  const alerts = [
    fired(40_000, { alertId: 'b' }),
    fired(31_500, { alertId: 'a', alertName: 'AudienceStalls', affectedSessions: 11 }),
  ];
  const { incidents, falseAlarms, incidentToAlert } = compareAudience([incident()], alerts, END_MS);
  const [found] = incidents;
  assert.equal(found!.outcome, 'found');
  assert.deepEqual(
    [found!.alertId, found!.alertName, found!.alertAfterMs, found!.affectedSessions],
    ['a', 'AudienceStalls', 11_500, 11],
  );
  assert.deepEqual(falseAlarms, []);
  assert.deepEqual(incidentToAlert, { count: 1, p50Ms: 11_500, p99Ms: 11_500, maxMs: 11_500 });
});

test('wider and narrower cohorts are related, others are false alarms', () => {
  const alerts = [
    fired(30_000, { alertId: 'wider', cdn: '' }),
    fired(30_000, { alertId: 'narrower', country: 'DE' }),
    fired(30_000, { alertId: 'other-cdn', cdn: 'cdn-a' }),
    fired(30_000, { alertId: 'crossing', cdn: '', country: 'DE' }),
  ];
  const { incidents, falseAlarms } = compareAudience([incident()], alerts, END_MS);
  assert.equal(incidents[0]!.outcome, 'missed');
  assert.deepEqual(incidents[0]!.relatedAlertIds, ['narrower', 'wider']);
  assert.deepEqual(
    falseAlarms.map(({ alertId }) => alertId),
    ['crossing', 'other-cdn'],
  );
});

test('an alert counts from the start of the incident to some time after its end', () => {
  const lastMs = 50_000 + AFTERMATH_MS;
  assert.deepEqual(outcomesOf([incident()], [fired(19_999)]), ['outage missed -', 'false alert']);
  assert.deepEqual(outcomesOf([incident()], [fired(20_000)]), ['outage found alert']);
  assert.deepEqual(outcomesOf([incident()], [fired(lastMs - 1)]), ['outage found alert']);
  assert.deepEqual(outcomesOf([incident()], [fired(lastMs)]), ['outage missed -', 'false alert']);
});

test('what never fired is no alert; what was cut off by the end is not finished', () => {
  assert.deepEqual(outcomesOf([incident()], [fired(30_000, { firedAtMs: null })]), ['outage missed -']);
  assert.deepEqual(outcomesOf([incident()], [], START_MS + 49_999), ['outage not-finished -']);
  assert.deepEqual(outcomesOf([incident()], [fired(30_000)], START_MS + 49_999), ['outage found alert']);
});

test('overlapping incidents each have their own alert', () => {
  const congestion = incident({
    incidentId: 'congestion',
    startMs: START_MS + 30_000,
    endMs: START_MS + 90_000,
    expectedAlert: { scope: 'audience', labels: { asn: '64496' } },
  });
  const alerts = [
    fired(28_000, { alertId: 'cdn' }),
    fired(55_000, { alertId: 'asn', cdn: '', asn: '64496' }),
    fired(56_000, { alertId: 'both', asn: '64496' }),
  ];
  assert.deepEqual(outcomesOf([congestion, incident()], alerts), [
    'outage found cdn',
    'congestion found asn',
  ]);
});

test('a frozen picture is found by a stream alert of its programme, also one that was open already', () => {
  const freeze = incident({
    incidentId: 'freeze',
    expectedAlert: { scope: 'stream', labels: { programmeId: 'news', defectType: 'video-freeze' } },
  });
  const stream = { scope: 'stream', programmeId: 'news', defectType: 'video-freeze', cdn: '' };
  assert.deepEqual(outcomesOf([freeze], [fired(24_000, stream)]), ['freeze found alert']);
  const early = compareAudience([freeze], [fired(10_000, stream)], END_MS).incidents[0]!;
  assert.deepEqual([early.outcome, early.alertAfterMs], ['found', null]);
  for (const change of [
    { defectType: 'video-black' },
    { programmeId: 'sports' },
    { endsAtMs: START_MS + 15_000 },
  ]) {
    assert.deepEqual(outcomesOf([freeze], [fired(10_000, { ...stream, ...change })]), ['freeze missed -']);
  }
});

/** An audience alert of which nothing is told that a test does not tell. */
function alertOf(changes: Partial<QosAlert>): QosAlert {
  const { fields } = JSON.parse(schemaText('qos-alerts')) as {
    readonly fields: readonly { readonly name: string; readonly type: unknown }[];
  };
  const empty = fields.map(({ name, type }) => [
    name,
    Array.isArray(type) ? null : type === 'string' ? '' : 0,
  ]);
  const usual = { alertId: 'alert', version: 1, alertName: 'Test', scope: 'audience', status: 'firing' };
  return { ...(Object.fromEntries(empty) as QosAlert), ...usual, ...changes };
}

test('an alert about a programme that cites a defect of its stream is about that defect', () => {
  const of = (fields: Partial<QosAlert>) =>
    blankRecord('qos-alerts', { alertId: 'x', scope: 'audience', firedAtMs: END_MS - 1, ...fields });
  const cited = { verdict: 'source', defectIds: ['freeze-1'] };
  const falseOnes = (alert: QosAlert) => compareAudience([], [alert], END_MS).falseAlarms.length;
  assert.equal(falseOnes(of({ programmeId: 'news', ...cited })), 0);
  assert.equal(falseOnes(of({ programmeId: 'news' })), 1);
  assert.equal(falseOnes(of({ cdn: 'cdn-b', ...cited })), 1);
});
