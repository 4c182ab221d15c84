/**
 * Labelled incidents of a simulated audience against the alerts that are said of it: collector, scoring, cohorts and
 * alerting are the real ones, one after the other and without a log; only HTTP and Kafka are left out.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compareAudience } from '../../consumers/summary/audience-comparison.ts';
import { deviceOf } from '../../producers/collector/device.ts';
import { normaliseEventBody, normaliseQuery } from '../../producers/collector/normalise-cmcd.ts';
import { normaliseJson } from '../../producers/collector/normalise-json.ts';
import { testContext } from '../../producers/collector/testing.ts';
import { audience } from '../../producers/simulator/audience.ts';
import { parseScenarioText, type Scenario } from '../../producers/simulator/scenario.ts';
import { scenarioOf } from '../../producers/simulator/testing.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { QosAlert } from '../../schemas/records.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { cohortMerge } from '../../topologies/cohort-merge.ts';
import { qosAlerting } from '../../topologies/qos-alerting.ts';
import { sessionScoring } from '../../topologies/session-scoring.ts';

const START_MS = 1_800_000_000_000;
const READ = { json: normaliseJson, 'cmcd-event': normaliseEventBody, 'cmcd-query': normaliseQuery };
const PROGRAMMES = ['demo-freeze', 'demo-black'].map((id) => ({ programmeId: id, contentId: id, weight: 1 }));

type Row = {
  readonly topic: TopicName;
  readonly key: string;
  readonly value: unknown;
  readonly timeMs: number;
};

/** Pipes rows in order of time, with a seal and a tick each second, and on for as long as windows take to close. */
function through(
  driver: TopologyTestDriver,
  rows: readonly Row[],
  sealed: readonly TopicName[],
  untilMs: number,
  out: TopicName,
): readonly Row[] {
  const sorted = rows.toSorted((a, b) => a.timeMs - b.timeMs);
  let next = 0;
  for (let secondMs = START_MS; secondMs <= untilMs; secondMs += 1_000) {
    for (; next < sorted.length && sorted[next]!.timeMs < secondMs; next++) {
      const { topic, key, value, timeMs } = sorted[next]!;
      driver.pipe(topic, key, value as never, timeMs);
    }
    for (const topic of sealed) driver.pipeSeal(topic, secondMs, secondMs);
    driver.advanceTo(secondMs);
  }
  return driver.outputs(out);
}

/** The comparison with the labels after `lastsMs` of an audience. */
function compared(scenario: Scenario, viewers: number, lastsMs: number, seed = 3) {
  const untilMs = START_MS + lastsMs;
  const made = audience({ seed, viewers, programmes: PROGRAMMES, scenario, startMs: START_MS, untilMs });
  const events = [...made].flatMap(({ form, text, viewer, dueMs }): Row[] => {
    const device = deviceOf(viewer.device.userAgent);
    const context = testContext({ receivedAtMs: dueMs, device, programmeIdOf: (contentId) => contentId });
    return READ[form](text, context).events.map((event) => ({
      topic: 'playback-events',
      key: event.sessionKey,
      value: event,
      timeMs: dueMs,
    }));
  });
  const partials = through(
    new TopologyTestDriver(sessionScoring),
    events,
    ['stream-defects'],
    untilMs,
    'cohort-partials',
  );
  const windows = through(
    new TopologyTestDriver(cohortMerge),
    partials,
    ['cohort-partials'],
    untilMs,
    'cohort-windows',
  );
  const alerts = through(new TopologyTestDriver(qosAlerting), windows, [], untilMs, 'qos-alerts');
  const latest = new Map(alerts.map(({ value }) => [(value as QosAlert).alertId, value as QosAlert]));
  return { ...compareAudience(made.keeper.labels(), [...latest.values()], untilMs), latest };
}

type Found = ReturnType<typeof compared>;

function example(name: string): Scenario {
  const file = new URL(`../../producers/simulator/scenarios/${name}.json`, import.meta.url);
  const scenario = parseScenarioText(readFileSync(file, 'utf8'));
  // Streams, and what is wrong with them, are not in this.
  return { ...scenario, incidents: scenario.incidents.filter(({ kind }) => kind !== 'encoder-freeze') };
}

function checkAllFound({ incidents, falseAlarms }: Found, withinMs: number): void {
  for (const { incidentId, outcome, alertAfterMs, affectedSessions, sessionsAffected } of incidents) {
    assert.equal(outcome, 'found', incidentId);
    assert.ok(alertAfterMs !== null && alertAfterMs <= withinMs, `${incidentId}: after ${alertAfterMs} ms`);
    assert.ok(affectedSessions !== null && affectedSessions <= 2 * sessionsAffected, incidentId);
  }
  assert.deepEqual(
    falseAlarms.map(({ alertName, cdn, asn, playerVersion }) => [alertName, cdn, asn, playerVersion]),
    [],
  );
}

test('an outage of a CDN is told of that CDN, and of nothing else', () => {
  checkAllFound(compared(example('cdn-outage'), 120, 90_000), 35_000);
});

test('a bad release is told of that release', () => {
  checkAllFound(compared(example('bad-player-release'), 150, 110_000), 45_000);
});

test('two incidents that overlap in time and in viewers are told apart', () => {
  const found = compared(example('overlapping'), 220, 120_000);
  assert.equal(found.incidents.length, 2);
  checkAllFound(found, 45_000);
});

test('on a quiet day nobody is told anything', () => {
  assert.deepEqual([...compared(scenarioOf(), 150, 150_000).latest.values()], []);
});
