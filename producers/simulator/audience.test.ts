import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Beacon } from './audience.ts';
import { LADDER } from './download.ts';
import { START_MS, scenarioOf, someAudience, toldBy } from './testing.ts';

const OUTAGE = {
  id: 'outage',
  kind: 'cdn-outage',
  startMs: 30_000,
  durationMs: 40_000,
  rampMs: 2_000,
  cohort: { cdn: 'cdn-b' },
  effect: { throughputPermille: 0 },
} as const;

const textOf = (beacon: Beacon) =>
  `${beacon.dueMs} ${beacon.viewer.index} ${beacon.sessionId} ${beacon.form} ${beacon.text}`;

test('a seed gives the same beacons twice, byte for byte, and another seed gives others', () => {
  const linesOf = (seed: number) =>
    [...someAudience({ seed, scenario: scenarioOf(OUTAGE) })].map(textOf).join('\n');
  const first = linesOf(7);
  assert.ok(first.length > 100_000, `${first.length} characters`);
  assert.equal(linesOf(7), first);
  assert.notEqual(linesOf(8), first);
});

test('beacons come in order of time, within the span', () => {
  const beacons = [...someAudience()];
  assert.ok(beacons.every(({ dueMs }, i) => i === 0 || dueMs >= beacons[i - 1]!.dueMs));
  assert.ok(beacons.every(({ dueMs }) => dueMs >= START_MS && dueMs < START_MS + 120_000));
});

test('every report is accounted for, whatever the seed, size and span', () => {
  const property = fc.property(
    fc.nat(),
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1, max: 60_000 }),
    (seed, viewers, spanMs) => {
      const made = someAudience({ seed, viewers, untilMs: START_MS + spanMs });
      const given = [...made].length;
      const { reports, duplicated, sent, lost, afterEnd, sessions } = made.counts;
      assert.equal(given, sent);
      assert.equal(reports + duplicated, sent + lost + afterEnd);
      assert.ok(sessions <= reports || sessions === 0 || reports === 0);
    },
  );
  fc.assert(property, { numRuns: 25 });
});

test('within a session numbers have no gaps beyond what was lost, and repeated ones say the same', () => {
  const texts = new Map<string, string>();
  const numbers = new Map<string, Set<number>>();
  const made = someAudience({ untilMs: START_MS + 600_000, viewers: 20 });
  for (const beacon of made) {
    if (beacon.form !== 'json') continue;
    const { sessionId, sn } = JSON.parse(beacon.text) as { sessionId: string; sn: number };
    const name = `${sessionId} ${sn}`;
    assert.equal(texts.get(name) ?? beacon.text, beacon.text);
    texts.set(name, beacon.text);
    numbers.set(sessionId, (numbers.get(sessionId) ?? new Set()).add(sn));
  }
  const missing = [...numbers.values()].reduce((sum, seen) => sum + Math.max(...seen) + 1 - seen.size, 0);
  const { lost, afterEnd } = made.counts;
  assert.ok(missing <= lost + afterEnd, `${missing} missing, ${lost} lost, ${afterEnd} after the end`);
  assert.ok(lost > 0 && made.counts.duplicated > 0 && made.counts.late > 0);
});

test('all forms and cohorts are there, about as often as their weights say', () => {
  const viewers = new Map<number, Beacon['viewer']>();
  const forms = new Set<string>();
  for (const { viewer, form } of someAudience({ viewers: 1_000, untilMs: START_MS + 12_000 })) {
    viewers.set(viewer.index, viewer);
    forms.add(form);
  }
  assert.deepEqual([...forms].sort(), ['cmcd-event', 'cmcd-query', 'json']);
  const share = (isOne: (viewer: Beacon['viewer']) => boolean) =>
    [...viewers.values()].filter(isOne).length / viewers.size;
  assert.ok(viewers.size > 950, `${viewers.size}`);
  near(
    share(({ cdn }) => cdn === 'cdn-a'),
    0.5,
  );
  near(
    share(({ isp }) => isp.asn === 64497),
    0.2,
  );
  near(
    share(({ programme }) => programme.programmeId === 'news'),
    0.75,
  );
  near(
    share(({ player }) => player.dialect === 'json'),
    0.45,
  );
  near(
    share(({ positionTold }) => positionTold === 'program-time'),
    0.7,
  );
});

test('an audience keeps about its size', () => {
  const lastSeen = new Map<string, { first: number; last: number }>();
  for (const { sessionId, dueMs } of someAudience({ viewers: 150, untilMs: START_MS + 300_000 })) {
    const seen = lastSeen.get(sessionId) ?? { first: dueMs, last: dueMs };
    lastSeen.set(sessionId, { first: seen.first, last: Math.max(seen.last, dueMs) });
  }
  for (const atMs of [20_000, 120_000, 260_000]) {
    const there = [...lastSeen.values()].filter(
      ({ first, last }) => first <= START_MS + atMs && last >= START_MS + atMs,
    );
    assert.ok(there.length > 100 && there.length < 200, `${there.length} at ${atMs} ms`);
  }
});

test('an outage stalls its cohort and nobody else: everybody else says the same, byte for byte', () => {
  const options = { viewers: 200 };
  const ordinary = [...someAudience(options)];
  const troubled = [...someAudience({ ...options, scenario: scenarioOf(OUTAGE) })];
  const othersOf = (beacons: readonly Beacon[]) =>
    beacons.filter(({ viewer }) => viewer.cdn !== 'cdn-b').map(textOf);
  assert.deepEqual(othersOf(troubled), othersOf(ordinary));
  const troubles = (beacons: readonly Beacon[]) =>
    toldBy(beacons).filter(({ beacon, told }) => {
      const sinceMs = beacon.dueMs - START_MS - OUTAGE.startMs;
      const isTrouble = told.playerState === 'rebuffering' || told.playerState === 'fatal-error';
      return told.event === 'play-state' && isTrouble && sinceMs >= 0 && sinceMs < OUTAGE.durationMs;
    }).length;
  const cohort = (beacons: readonly Beacon[]) => beacons.filter(({ viewer }) => viewer.cdn === 'cdn-b');
  assert.ok(troubles(cohort(troubled)) >= 10, `${troubles(cohort(troubled))} troubles in the cohort`);
  assert.ok(troubles(cohort(ordinary)) <= 1, `${troubles(cohort(ordinary))} on an ordinary day`);
});

test('a frozen picture changes no report, and is labelled with those who had it on screen', () => {
  const freeze = {
    id: 'freeze',
    kind: 'encoder-freeze',
    startMs: 60_000,
    durationMs: 6_000,
    cohort: { programmeId: 'sports' },
  } as const;
  const frozen = someAudience({ scenario: scenarioOf(freeze) });
  assert.deepEqual([...frozen].map(textOf), [...someAudience()].map(textOf));
  const [label] = frozen.keeper.labels();
  assert.ok(label!.sessionsAffected >= 5 && label!.sessionsAffected <= 25, `${label!.sessionsAffected}`);
  assert.deepEqual(label!.expectedAlert, {
    scope: 'stream',
    labels: { programmeId: 'sports', defectType: 'video-freeze' },
  });
});

test('no report names an incident or its scenario', () => {
  const named = scenarioOf({ ...OUTAGE, id: 'the-named-incident' });
  for (const { text } of someAudience({ scenario: { ...named, name: 'the-named-scenario' } }))
    assert.doesNotMatch(text, /the-named/);
});

test('before an incident its own cohort says the same as on an ordinary day', () => {
  const before = (beacons: Iterable<Beacon>) =>
    [...beacons].filter(({ dueMs }) => dueMs < START_MS + OUTAGE.startMs).map(textOf);
  assert.deepEqual(before(someAudience({ scenario: scenarioOf(OUTAGE) })), before(someAudience()));
});

test('congestion lowers bitrates, a broken release fails at the start, and a slow origin makes starts slow', () => {
  const during = (kind: Parameters<typeof scenarioOf>[0]) =>
    toldBy(someAudience({ viewers: 200, untilMs: START_MS + 60_000, scenario: scenarioOf(kind) }));
  const span = { startMs: 0, durationMs: 60_000 };
  const slow = during({
    id: 'isp',
    kind: 'isp-congestion',
    ...span,
    cohort: { asn: 64496 },
    effect: { throughputPermille: 60 },
  });
  const bitrate = (asn: (asn: number) => boolean) =>
    mean(
      slow
        .filter(({ told }) => asn(told.asn) && told.event === 'time-interval')
        .map(({ told }) => told.bitrateBps ?? 0),
    );
  assert.ok(
    bitrate((asn) => asn === 64496) * 2 < bitrate((asn) => asn !== 64496),
    'bitrate of the congested provider',
  );
  const broken = during({
    id: 'release',
    kind: 'bad-player-release',
    ...span,
    cohort: { playerVersion: 'everyview-player 4.3.0' },
    effect: { startFailPermille: 1000 },
  });
  const failed = broken.filter(({ told }) => told.event === 'error');
  assert.ok(failed.length > 5);
  assert.ok(failed.every(({ beacon }) => beacon.viewer.player.version === '4.3.0'));
  assert.ok(
    !broken.some(
      ({ beacon, told }) => beacon.viewer.player.version === '4.3.0' && told.event === 'content-frame',
    ),
  );
  assert.ok(
    broken.some(({ told }) => told.previousSessionId !== undefined),
    'some try again, and say so',
  );
  const startupOf = (told: typeof slow) =>
    mean(
      told
        .filter(({ told: { event } }) => event === 'first-frame')
        .map(({ told: { startupMs } }) => startupMs!),
    );
  const origin = during({
    id: 'origin',
    kind: 'origin-overload',
    ...span,
    effect: { responseDelayMs: 1_500 },
  });
  const good = startupOf(toldBy(someAudience({ viewers: 200, untilMs: START_MS + 60_000 })));
  assert.ok(startupOf(origin) > good + 1_500, `${startupOf(origin)} ms against ${good} ms`);
});

test('what a session tells holds together', () => {
  const rungs = new Set(LADDER.map(({ bitrateBps }) => bitrateBps));
  const last = new Map<string, { stallMs: number; stallCount: number }>();
  for (const { beacon, told } of toldBy(someAudience({ viewers: 100, scenario: scenarioOf(OUTAGE) }))) {
    const { viewer } = beacon;
    const before = last.get(told.sessionId) ?? { stallMs: 0, stallCount: 0 };
    assert.ok(told.stallMs >= before.stallMs && told.stallCount >= before.stallCount);
    last.set(told.sessionId, told);
    assert.ok(told.bufferMs >= 0 && told.bufferMs <= 32_000, `${told.bufferMs}`);
    assert.ok(told.bitrateBps === undefined || rungs.has(told.bitrateBps));
    const trueMs = told.clientTimeMs - viewer.clockSkewMs;
    if (told.programTimeMs !== undefined) {
      assert.equal(viewer.positionTold, 'program-time');
      assert.ok(told.programTimeMs <= trueMs - viewer.latencyMs, 'never ahead of the live edge');
    }
    if (told.liveLatencyMs !== undefined) assert.ok(told.liveLatencyMs >= viewer.latencyMs);
  }
});

test('a session begins with the intent, and tells each of its states once', () => {
  const bySession = Map.groupBy(
    toldBy(someAudience({ viewers: 80 })).map(({ told }) => told),
    ({ sessionId }) => sessionId,
  );
  for (const told of bySession.values()) {
    assert.ok(told[0]!.sn > 0 || told[0]!.event === 'intent');
    const states = told.filter(({ event }) => event === 'play-state');
    for (const [i, one] of states.entries()) {
      const next = states[i + 1];
      if (next === undefined || next.sn !== one.sn + 1) continue;
      assert.notEqual(next.playerState, one.playerState, one.sessionId);
    }
  }
});

test('an empty audience says nothing', () => {
  assert.deepEqual([...someAudience({ viewers: 0 })], []);
});

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 0.05, `${actual} is not near ${expected}`);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
