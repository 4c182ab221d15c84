import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { sharePermille } from './arrivals.ts';
import { placeFreezes } from './freezes.ts';
import { conditionsAt, ORDINARY, placeIncidents, strengthPermille } from './incidents.ts';
import { DEFAULT_POPULATION, playerVersionOf } from './population.ts';
import { parseScenario, parseScenarioText, ScenarioError } from './scenario.ts';
import { START_MS, scenarioOf, someAudience } from './testing.ts';

const EXAMPLES = fileURLToPath(new URL('./scenarios/', import.meta.url));
const outage = {
  id: 'a',
  kind: 'cdn-outage',
  startMs: 1_000,
  durationMs: 10_000,
  rampMs: 2_000,
  cohort: { cdn: 'cdn-a' },
  effect: { throughputPermille: 200 },
} as const;

test('the examples can be read, each incident has a cohort that exists, and affects some of it', () => {
  const files = readdirSync(EXAMPLES);
  assert.ok(files.length >= 5);
  const known = new Set<string | number>([
    ...DEFAULT_POPULATION.cdns.map(({ name }) => name),
    ...DEFAULT_POPULATION.isps.map(({ asn }) => asn),
    ...DEFAULT_POPULATION.players.map(playerVersionOf),
  ]);
  for (const file of files) {
    const scenario = parseScenarioText(readFileSync(`${EXAMPLES}${file}`, 'utf8'));
    assert.equal(`${scenario.name}.json`, file);
    for (const { cohort } of scenario.incidents) {
      const { programmeId: _, ...others } = cohort;
      for (const value of Object.values(others)) assert.ok(known.has(value!), `${file}: ${value}`);
    }
    const endMs = Math.max(...scenario.incidents.map((one) => one.startMs + one.durationMs));
    const programmes = ['demo-freeze', 'demo-black'].map((id) => ({
      programmeId: id,
      contentId: id,
      weight: 1,
    }));
    const made = someAudience({ viewers: 70, scenario, programmes, untilMs: START_MS + endMs + 10_000 });
    for (const _ of made) {
      // Only what it leaves in the labels is looked at.
    }
    for (const { incidentId, sessionsAffected, sessionsInCohort } of made.keeper.labels()) {
      assert.ok(sessionsInCohort >= 5, `${file} ${incidentId}: ${sessionsInCohort} sessions`);
      assert.ok(
        sessionsAffected * 4 >= sessionsInCohort,
        `${file} ${incidentId}: ${sessionsAffected} of ${sessionsInCohort}`,
      );
      assert.ok(sessionsAffected <= sessionsInCohort);
    }
  }
});

test('what cannot be is refused with the field and what to write', () => {
  const refusedBy = (change: object, message: RegExp) => {
    const value = { version: 1, name: 'x', incidents: [{ ...outage, ...change }] };
    assert.throws(
      () => parseScenario(value),
      (error: unknown) => error instanceof ScenarioError && message.test(error.message),
      String(message),
    );
  };
  refusedBy({ cohort: {} }, /^incidents\.0\.cohort\.cdn: .*has to say which/);
  refusedBy({ kind: 'flood' }, /^incidents\.0\.kind: .*encoder-freeze/);
  refusedBy({ rampMs: 6_000 }, /^incidents\.0\.rampMs: the two ramps/);
  refusedBy({ effect: {} }, /^incidents\.0\.effect: has to change something/);
  refusedBy(
    { kind: 'encoder-freeze', cohort: { programmeId: 'p' } },
    /changes nothing that players can tell/,
  );
  refusedBy(
    { kind: 'encoder-freeze', cohort: { programmeId: 'p', cdn: 'x' }, effect: undefined },
    /cohort\.cdn: a stream that freezes does so for all/,
  );
  refusedBy({ cohort: { cdn: 'x', city: 'y' } }, /city/);
  assert.throws(() => parseScenarioText('{'), /no JSON/);
  assert.throws(() => scenarioOf(outage, outage), /two incidents are called a/);
  assert.throws(() => parseScenario({ version: 1, name: 'x', shape: [1, 2] }), /shape/);
});

test('an incident grows over its ramp, holds, and goes back; outside it there is none', () => {
  const [placed] = placeIncidents(scenarioOf(outage).incidents, START_MS);
  const at = (ms: number) => strengthPermille(placed!, START_MS + ms);
  assert.deepEqual(
    [at(999), at(1_000), at(2_000), at(3_000), at(8_999), at(10_000), at(11_000)],
    [0, 0, 500, 1000, 1000, 500, 0],
  );
  assert.equal(conditionsAt([placed!], START_MS + 5_000).throughputPermille, 200);
  assert.equal(conditionsAt([placed!], START_MS + 2_000).throughputPermille, 600);
  assert.equal(conditionsAt([placed!], START_MS), ORDINARY);
});

test('incidents together are at least as bad as each of them', () => {
  const effect = fc.record({
    throughputPermille: fc.nat(1000),
    responseDelayMs: fc.nat(5_000),
    requestFailPermille: fc.nat(1000),
    startFailPermille: fc.nat(1000),
    bufferMsMax: fc.nat(10_000),
  });
  fc.assert(
    fc.property(effect, effect, (one, other) => {
      const base = { ...outage, rampMs: 0 };
      const placed = placeIncidents(
        scenarioOf({ ...base, id: 'a', effect: one }, { ...base, id: 'b', effect: other }).incidents,
        START_MS,
      );
      const both = conditionsAt(placed, START_MS + 5_000);
      for (const alone of placed.map((incident) => conditionsAt([incident], START_MS + 5_000))) {
        assert.ok(both.throughputPermille <= alone.throughputPermille);
        assert.ok(both.responseDelayMs >= alone.responseDelayMs);
        assert.ok(both.requestFailPermille >= alone.requestFailPermille);
        assert.ok(both.startFailPermille >= alone.startFailPermille);
        assert.ok(both.bufferMsMax <= alone.bufferMsMax);
      }
    }),
  );
});

test('the evening has more viewers than the night, and no steps', () => {
  const dayMs = START_MS - (START_MS % 86_400_000);
  const at = (hour: number) => sharePermille('evening', dayMs + hour * 3_600_000);
  assert.equal(at(20), 1000);
  assert.ok(at(4) < 100);
  for (let hour = 0; hour < 24; hour += 0.1)
    assert.ok(Math.abs(at(hour + 0.1) - at(hour)) <= 60, `at ${hour.toFixed(1)} h`);
  const came = (startMs: number) => {
    const scenario = parseScenario({ version: 1, name: 'x', shape: 'evening' });
    const made = someAudience({ viewers: 60, scenario, startMs, untilMs: startMs + 60_000 });
    return [...made].length;
  };
  assert.ok(came(dayMs + 20 * 3_600_000) > 5 * came(dayMs + 4 * 3_600_000));
});

test('a frozen picture is labelled where the stream has it, each one once', () => {
  const freeze = (id: string, startMs: number) =>
    ({ id, kind: 'encoder-freeze', startMs, durationMs: 1, cohort: { programmeId: 'news' } }) as const;
  const scenario = scenarioOf(freeze('first', 5_000), outage, freeze('second', 5_000));
  const at = (programmeId: string, startMs: number, endMs: number) => ({
    programmeId,
    startMs: START_MS + startMs,
    endMs: START_MS + endMs,
  });
  const freezes = [at('news', 60_000, 66_000), at('news', 4_000, 8_000), at('sports', 9_000, 12_000)];
  assert.throws(
    () => placeFreezes(scenario, START_MS, freezes),
    /second: news does not freeze from 5000 ms on/,
  );
  const placed = placeFreezes(scenario, START_MS, [...freezes, at('news', 30_000, 33_000)]);
  assert.deepEqual(
    placed.incidents.map(({ id, startMs, durationMs }) => `${id} ${startMs} ${durationMs}`),
    ['first 30000 3000', 'a 1000 10000', 'second 60000 6000'],
  );
});
