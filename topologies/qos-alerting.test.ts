import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TopologyTestDriver } from '../runtime/topology-test-driver.ts';
import type { CohortWindow, QosAlert } from '../schemas/records.ts';
import {
  cohort,
  everyLeaf,
  keyOf,
  MERGED_AFTER_MS,
  NEWS,
  stalled,
  WINDOW_MS,
} from './alerts/drawn-audience.ts';
import type { Leaf } from './cohorts/leaf.ts';
import { qosAlerting } from './qos-alerting.ts';
import { defectRecord } from './scoring/drawn-defects.ts';

type Leaves = readonly Leaf[];

/** A driver that is given window after window; `at` says what is wrong with a leaf in a window. */
class Audience {
  readonly driver: TopologyTestDriver;
  readonly #leaves: Leaves;
  readonly #viewers: number;
  window = 0;

  constructor(leaves: Leaves = everyLeaf(), viewers = 10, config: unknown = null) {
    this.driver = new TopologyTestDriver(qosAlerting, { config });
    this.#leaves = leaves;
    this.#viewers = viewers;
  }

  run(windows: number, wrong: (leaf: Leaf) => Partial<CohortWindow> | null = () => ({})): this {
    for (let i = 0; i < windows; i++) {
      const startMs = this.window * WINDOW_MS;
      const atMs = startMs + WINDOW_MS + MERGED_AFTER_MS;
      for (const leaf of this.#leaves) {
        const changes = wrong(leaf);
        if (changes === null) continue;
        const value = cohort(leaf, startMs, this.#viewers, changes);
        this.driver.pipe('cohort-windows', keyOf(value), value, atMs);
      }
      this.window += 1;
      for (let ms = 1_000; ms <= WINDOW_MS; ms += 1_000)
        this.driver.advanceTo(Math.max(this.driver.timeMs, atMs + ms - 1_000));
    }
    return this;
  }

  get alerts(): readonly QosAlert[] {
    return this.driver.outputs('qos-alerts').map(({ value }) => value);
  }
}

const about = (alert: QosAlert) => {
  const { programmeId, cdn, asn, country, device, playerVersion } = alert;
  return (
    [programmeId, cdn, asn, country, device, playerVersion].filter((one) => one !== '').join('+') || 'all'
  );
};
/** Each change as `alertName about status reason`. */
const tell = (alerts: readonly QosAlert[]) =>
  alerts.map((alert) => `${alert.alertName} ${about(alert)} ${alert.status} ${alert.reason}`);

test('an outage of one CDN is one alert on that CDN, not ten', () => {
  const outage = (leaf: Leaf) => (leaf.cdn === 'cdn-a' ? stalled(10, 800) : {});
  const { alerts } = new Audience().run(6).run(4, outage).run(8);
  assert.deepEqual(tell(alerts), [
    'AudienceRebufferingHigh cdn-a firing threshold-crossed',
    'AudienceRebufferingHigh cdn-a resolved recovered',
  ]);
  const [fired, resolved] = alerts;
  assert.equal(fired!.severity, 'critical');
  assert.equal(fired!.scope, 'audience');
  assert.equal(fired!.verdict, 'delivery');
  assert.deepEqual([fired!.affectedSessions, fired!.affectedSharePermille], [256, 800]);
  assert.match(fired!.summary, /^CDN cdn-a: 80\.0 % of the time is stalled, 256 affected$/);
  assert.match(
    fired!.description,
    /good at its source.*explains 11 more: programme news, programme sports, AS 3215/,
  );
  assert.equal(resolved!.alertId, fired!.alertId);
  assert.deepEqual([fired!.version, resolved!.version], [1, 2]);
});

test('whatever is the cause is named: one programme, provider, country, device or player, two at once, or everybody', () => {
  const check = (isHit: (leaf: Leaf) => boolean, expected: readonly string[]) => {
    const { alerts } = new Audience().run(3).run(2, (leaf) => (isHit(leaf) ? stalled(10, 800) : {}));
    assert.deepEqual(
      alerts
        .filter(({ status }) => status === 'firing')
        .map(about)
        .toSorted(),
      expected,
    );
  };
  check(({ programmeId }) => programmeId === 'sports', ['sports']);
  check(({ asn }) => asn === 3215, ['3215']);
  check(({ country }) => country === 'FR', ['FR']);
  check(({ deviceClass }) => deviceClass === 'phone', ['phone']);
  check(({ playerVersion }) => playerVersion === 'shaka 5.2.12', ['shaka 5.2.12']);
  check(({ cdn, country }) => cdn === 'cdn-b' || country === 'DE', ['DE', 'cdn-b']);
  check(() => true, ['all']);
});

test('trouble everywhere is one alert, also where chance makes a cohort look worse', () => {
  const leaves = everyLeaf().map((leaf, index) =>
    index % 20 === 0 ? { ...leaf, playerVersion: 'old 1.0' } : leaf,
  );
  const chance = ({ playerVersion }: Leaf) => stalled(10, playerVersion === 'old 1.0' ? 300 : 100);
  const { alerts } = new Audience(leaves).run(3).run(3, chance);
  assert.deepEqual(new Set(alerts.map(about)), new Set(['all']));
});

test('a mild trouble has to persist; a hiccup of one window is pending and over', () => {
  const mild = (leaf: Leaf) => (leaf.cdn === 'cdn-b' ? stalled(10, 100) : {});
  assert.deepEqual(tell(new Audience().run(3).run(1, mild).run(2).alerts), [
    'AudienceRebufferingHigh cdn-b pending threshold-crossed',
    'AudienceRebufferingHigh cdn-b resolved recovered-while-pending',
  ]);
  assert.deepEqual(tell(new Audience().run(3).run(3, mild).alerts), [
    'AudienceRebufferingHigh cdn-b pending threshold-crossed',
    'AudienceRebufferingHigh cdn-b firing persisted',
  ]);
});

test('between the thresholds nothing changes; trouble soon after it was resolved is the same alert', () => {
  const bad = () => stalled(10, 200);
  const between = (leaf: Leaf) => (leaf.cdn === 'cdn-b' ? stalled(10, 100) : {});
  const rule = { audienceAlerts: { 'rebuffering-high': { firePermille: 150, resolveHoldMs: 20_000 } } };
  const audience = new Audience(everyLeaf(), 10, rule).run(3).run(2, bad).run(5, between);
  assert.deepEqual(tell(audience.alerts), ['AudienceRebufferingHigh all firing threshold-crossed']);
  audience.run(4).run(1, bad);
  assert.deepEqual(tell(audience.alerts).slice(1), [
    'AudienceRebufferingHigh all resolved recovered',
    'AudienceRebufferingHigh all firing flapping',
  ]);
  assert.equal(new Set(audience.alerts.map(({ alertId }) => alertId)).size, 1);
  assert.equal(audience.alerts.at(-1)!.occurrences, 2);
});

test('an audience that vanishes is an alert, and what nobody can tell any more is stale, then over on good data', () => {
  const outage = (leaf: Leaf) => (leaf.cdn === 'cdn-a' ? stalled(10, 800) : {});
  const gone = (leaf: Leaf) => (leaf.cdn === 'cdn-a' ? null : {});
  const audience = new Audience().run(6).run(2, outage).run(3, gone);
  assert.deepEqual(tell(audience.alerts), [
    'AudienceRebufferingHigh cdn-a firing threshold-crossed',
    'AudienceVanished cdn-a pending threshold-crossed',
    'AudienceVanished cdn-a firing persisted',
  ]);
  audience.run(6, gone);
  assert.deepEqual(tell(audience.alerts).slice(3), ['AudienceRebufferingHigh cdn-a stale lost-sight']);
  audience.run(4);
  assert.deepEqual(tell(audience.alerts).slice(4), [
    'AudienceRebufferingHigh cdn-a resolved recovered',
    'AudienceVanished cdn-a resolved recovered',
  ]);
});

test('who is missing because a scoring task says nothing is not gone', () => {
  const without = (leaf: Leaf) => (leaf.cdn === 'cdn-a' ? null : { sourcesExpected: 6, sourcesSealed: 3 });
  assert.deepEqual(new Audience().run(6).run(6, without).run(2).alerts, []);
});

test('when nobody says anything at all, the audience has vanished', () => {
  const audience = new Audience().run(6);
  for (let ms = 0; ms < 120_000; ms += 1_000) audience.driver.advanceTo(audience.driver.timeMs + 1_000);
  assert.deepEqual(tell(audience.alerts), [
    'AudienceVanished all pending threshold-crossed',
    'AudienceVanished all firing persisted',
  ]);
  for (let minutes = 0; minutes < 300; minutes++) audience.driver.advanceTo(audience.driver.timeMs + 60_000);
  assert.deepEqual([...audience.driver.graph.walk('audience')], []);
});

test('missing reports are an alert of their own, and keep others from being judged', () => {
  const silent = () => ({ eventCount: 0, ...stalled(10, 300) });
  const { alerts } = new Audience().run(6).run(2, silent);
  assert.deepEqual(tell(alerts), ['AudienceTelemetryMissing all firing threshold-crossed']);
  const lossy = (leaf: Leaf) => (leaf.asn === 3215 ? { eventCount: 6, eventsLost: 4 } : {});
  assert.deepEqual(tell(new Audience().run(3).run(2, lossy).alerts), [
    'AudienceTelemetryMissing 3215 pending threshold-crossed',
    'AudienceTelemetryMissing 3215 firing persisted',
  ]);
});

test('failures, slow starts and low scores', () => {
  const check = (changes: Partial<CohortWindow>, expected: string) =>
    assert.deepEqual(
      new Set(
        new Audience([NEWS], 100)
          .run(3)
          .run(2, () => changes)
          .alerts.map(({ alertName }) => alertName),
      ),
      new Set([expected]),
    );
  check({ plays: 80, vsfTechnical: 20 }, 'AudienceStartFailureHigh');
  check({ endedPlays: 20, vpfTechnical: 10 }, 'AudiencePlaybackFailureHigh');
  check({ startupCount: 100, startupBuckets: [8, 17], startupBucketCounts: [50, 50] }, 'AudienceStartupSlow');
  check({ scoreSum: 3_000, scoreBuckets: [6], scoreBucketCounts: [100] }, 'AudienceScoreLow');
});

test('few viewers, or few that are affected, are no alert', () => {
  assert.deepEqual(new Audience([NEWS], 19).run(3).run(3, () => stalled(19, 900)).alerts, []);
  assert.deepEqual(new Audience([NEWS], 20).run(3).run(3, () => stalled(20, 200)).alerts, []);
  assert.equal(new Audience([NEWS], 20).run(3).run(3, () => stalled(20, 250)).alerts.length, 1);
});

test('a defect at the source tells an encoder fault from one of delivery', () => {
  const low = ({ programmeId }: Leaf): Partial<CohortWindow> =>
    programmeId === 'news' ? { scoreSum: 300, scoreBuckets: [6], scoreBucketCounts: [10] } : {};
  const freeze = (audience: Audience) => {
    const { timeMs } = audience.driver;
    audience.driver.pipe(
      'stream-defects',
      'news',
      defectRecord({ event: 'open', defectId: 'freeze-1' }),
      timeMs,
    );
    return audience;
  };
  const audience = freeze(new Audience().run(5)).run(1).run(2, low);
  const [alert] = audience.alerts.filter(({ scope }) => scope === 'audience');
  assert.equal(about(alert!), 'news');
  assert.equal(alert!.verdict, 'source');
  assert.deepEqual(alert!.defectIds, ['freeze-1']);
  const late = freeze(new Audience().run(6)).run(3, low);
  assert.deepEqual(tell(late.alerts.filter(({ scope }) => scope === 'audience')), [
    'AudienceScoreLow news firing threshold-crossed',
    'AudienceScoreLow news firing verdict-changed',
  ]);
  const [delivery] = new Audience().run(6).run(2, low).alerts;
  assert.deepEqual([delivery!.verdict, delivery!.defectIds], ['delivery', []]);
  const blind = (leaf: Leaf) => ({ ...low(leaf), coveredMs: 0 });
  assert.equal(new Audience().run(6).run(2, blind).alerts[0]!.verdict, 'undetermined');
});

test('a defect that others have as well, and do better with, is not what is wrong with a CDN', () => {
  const stalls = ({ cdn }: Leaf): Partial<CohortWindow> => (cdn === 'cdn-a' ? stalled(10, 800) : {});
  const audience = new Audience().run(5);
  const open = defectRecord({ event: 'open', defectId: 'freeze-1' });
  audience.driver.pipe('stream-defects', 'news', open, audience.driver.timeMs);
  const [alert] = audience.run(3, stalls).alerts.filter(({ scope }) => scope === 'audience');
  assert.deepEqual([about(alert!), alert!.verdict, alert!.defectIds], ['cdn-a', 'delivery', []]);
});

test('a rule may be switched off', () => {
  const config = { audienceAlerts: { 'rebuffering-high': { enabled: 0 } } };
  assert.deepEqual(new Audience([NEWS], 100, config).run(3).run(3, () => stalled(100, 900)).alerts, []);
});

const anyTrouble = fc.array(
  fc.record({
    windows: fc.integer({ min: 1, max: 6 }),
    cdn: fc.constantFrom('cdn-a', 'cdn-b', 'none'),
    sharePermille: fc.constantFrom(30, 100, 400, 900),
    isGone: fc.boolean(),
  }),
  { minLength: 1, maxLength: 5 },
);

test('every alert has versions in order, ends as it says, and the same windows give the same alerts in any order', () => {
  fc.assert(
    fc.property(anyTrouble, (troubles) => {
      const run = (leaves: Leaves) => {
        const audience = new Audience(leaves, 10).run(2);
        for (const { windows, cdn, sharePermille, isGone } of troubles) {
          audience.run(windows, (leaf) => {
            if (leaf.cdn !== cdn) return {};
            return isGone ? null : stalled(10, sharePermille);
          });
        }
        return audience.run(3).alerts;
      };
      const alerts = run(everyLeaf());
      assert.deepEqual(run(everyLeaf().toReversed()), alerts);
      for (const versions of Map.groupBy(alerts, ({ alertId }) => alertId).values()) {
        assert.deepEqual(
          versions.map(({ version }) => version),
          versions.map((_, i) => i + 1),
        );
        assert.deepEqual(
          versions.map(({ previousStatus }) => previousStatus),
          ['', ...versions.slice(0, -1).map(({ status }) => status)],
        );
        for (const { status, endsAtMs, firedAtMs } of versions) {
          assert.equal(status === 'resolved', endsAtMs !== null);
          if (status === 'firing') assert.ok(firedAtMs !== null);
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('restored from its changelog at any point, it says the same', () => {
  const leaves = everyLeaf().slice(0, 8);
  const feed = (driver: TopologyTestDriver, from: number, to: number) => {
    for (let i = from; i < to; i++) {
      for (const leaf of leaves) {
        const isHit = i > 4 && i < 9 && leaf.country === 'DE';
        const value = cohort(leaf, i * WINDOW_MS, 10, isHit ? stalled(10, 500) : {});
        driver.pipe('cohort-windows', keyOf(value), value, (i + 1) * WINDOW_MS + MERGED_AFTER_MS);
      }
      driver.advanceTo((i + 2) * WINDOW_MS + MERGED_AFTER_MS - 1);
    }
  };
  const straight = new TopologyTestDriver(qosAlerting);
  feed(straight, 0, 16);
  assert.ok(straight.outputs('qos-alerts').length >= 2);
  for (let stopAt = 0; stopAt <= 16; stopAt++) {
    const before = new TopologyTestDriver(qosAlerting);
    feed(before, 0, stopAt);
    const after = new TopologyTestDriver(qosAlerting, { restoreFrom: before.save() });
    feed(after, stopAt, 16);
    assert.deepEqual(
      [...before.outputs('qos-alerts'), ...after.outputs('qos-alerts')],
      straight.outputs('qos-alerts'),
    );
  }
});
