import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TopologyTestDriver } from '../runtime/topology-test-driver.ts';
import type { CohortPartial, CohortWindow } from '../schemas/records.ts';
import { stepContext } from '../test/support/step-context.ts';
import { NEWS } from './alerts/drawn-audience.ts';
import { cohortMerge } from './cohort-merge.ts';
import { type Leaf, leafKeyOf, otherOf } from './cohorts/leaf.ts';
import { capKeyOf, type LeafValue, leafCap } from './cohorts/leaf-cap.ts';
import {
  addSums,
  columnsOf,
  FIGURE_NAMES,
  newSums,
  STARTUP_BOUNDS_MS,
  startupBucketOf,
  sumsOf,
} from './cohorts/sums.ts';

const anyTable = (keys: readonly string[]) =>
  fc
    .uniqueArray(fc.constantFrom(...keys), { maxLength: keys.length })
    .chain((chosen) =>
      fc
        .array(fc.integer({ min: 1, max: 1_000 }), { minLength: chosen.length, maxLength: chosen.length })
        .map((counts) => new Map(chosen.map((key, i) => [key, counts[i]!]))),
    );
const anySums = fc
  .tuple(
    fc.array(fc.integer({ min: -5, max: 1_000_000 }), {
      minLength: FIGURE_NAMES.length,
      maxLength: FIGURE_NAMES.length,
    }),
    anyTable(['0', '3', '12', '20']),
    anyTable(['0', '7', '11', '23']),
    anyTable(['stalls', 'startup', 'defect:video-freeze']),
    anyTable(['video-freeze', 'audio-silence']),
  )
  .map(([figures, scoreBuckets, startupBuckets, causes, types]) => {
    const sums = newSums();
    FIGURE_NAMES.forEach((name, i) => {
      sums[name] = figures[i]!;
    });
    return Object.assign(sums, {
      scoreBuckets,
      startupBuckets,
      causePoints: causes,
      causeSessions: new Map(causes),
      defectMs: types,
      defectSessions: new Map(types),
    });
  });

const partial = (sums = newSums(), changes: Partial<CohortPartial> = {}): CohortPartial => ({
  ...columnsOf(sums),
  ...NEWS,
  tenant: 'acme',
  windowStartMs: 0,
  windowEndMs: 10_000,
  cardinalityCapped: false,
  coveragePermille: 1_000,
  configHash: 'default',
  ...changes,
});

const TOLD_AT_MS = 17_000;

function merge(partials: readonly CohortPartial[], sealAt = TOLD_AT_MS + 500): readonly CohortWindow[] {
  const driver = new TopologyTestDriver(cohortMerge);
  for (const one of partials) driver.pipe('cohort-partials', leafKeyOf(NEWS), one, TOLD_AT_MS);
  if (sealAt > 0) driver.pipeSeal('cohort-partials', sealAt, sealAt);
  for (let atMs = driver.timeMs; atMs < 60_000; atMs += 500) driver.advanceTo(atMs);
  return driver.outputs('cohort-windows').map(({ value }) => value);
}

test('columns are the sums, and back', () => {
  fc.assert(fc.property(anySums, (sums) => assert.deepEqual(sumsOf(columnsOf(sums)), sums)));
});

test('partials add up to the same window in any order and in any grouping', () => {
  fc.assert(
    fc.property(fc.array(anySums, { minLength: 1, maxLength: 6 }), fc.nat(), (all, turn) => {
      const rotated = all.map((_, i) => all[(i + turn) % all.length]!).toReversed();
      const [window, ...more] = merge(all.map((sums) => partial(sums)));
      assert.deepEqual(more, []);
      assert.deepEqual(merge(rotated.map((sums) => partial(sums))), [window]);
      const one = newSums();
      for (const sums of all) addSums(one, sums);
      assert.deepEqual(merge([partial(one)]), [{ ...window!, partials: 1 }]);
      assert.equal(window!.partials, all.length);
    }),
    { numRuns: 100 },
  );
});

test('a window leaves when its sources have sealed past it; without a seal when it has waited long enough, and says so', () => {
  const timeOf = (sealAt: number) => {
    const driver = new TopologyTestDriver(cohortMerge);
    driver.pipe('cohort-partials', leafKeyOf(NEWS), partial(), TOLD_AT_MS);
    for (let atMs = TOLD_AT_MS; atMs < 60_000; atMs += 500) {
      driver.advanceTo(atMs);
      if (atMs === sealAt) driver.pipeSeal('cohort-partials', sealAt, sealAt);
    }
    const [{ timeMs, value } = assert.fail('no window')] = driver.outputs('cohort-windows');
    return [timeMs, value.sourcesSealed, value.sourcesExpected, value.coveragePermille];
  };
  assert.deepEqual(timeOf(18_000), [18_500, 1, 1, 1_000]);
  assert.deepEqual(timeOf(0), [19_500, 0, 1, 0]);
});

test('what comes for a window that has left is late', () => {
  const driver = new TopologyTestDriver(cohortMerge);
  driver.pipe('cohort-partials', leafKeyOf(NEWS), partial(), TOLD_AT_MS);
  driver.pipeSeal('cohort-partials', 18_000, 18_000);
  driver.advanceTo(19_000);
  driver.pipe('cohort-partials', leafKeyOf(NEWS), partial(), 19_000);
  assert.equal(driver.leftOut.get('late window-closed'), 1);
  driver.advanceTo(120_000);
  assert.deepEqual([...driver.graph.walk('windows')], []);
});

test('sessions of two tenants in one cohort are of none', () => {
  assert.equal(merge([partial(), partial(newSums(), { tenant: 'acme' })])[0]!.tenant, 'acme');
  assert.equal(merge([partial(), partial(newSums(), { tenant: 'other' })])[0]!.tenant, '');
});

test('startup buckets hold what their bounds say', () => {
  assert.deepEqual([0, 99, 100, 749, 750, 60_000, 9_999_999].map(startupBucketOf), [0, 0, 1, 5, 6, 23, 23]);
  for (const [bucket, boundMs] of STARTUP_BOUNDS_MS.entries()) assert.equal(startupBucketOf(boundMs), bucket);
});

test('beyond the cap tuples count under other, with their programme and CDN while there is room', () => {
  const state = leafCap.init('cap');
  const context = stepContext({ config: { scoring: { cohortLeavesMax: 128 } } });
  const give = (leaf: Leaf) => {
    const input = leafInput(leaf, 0, 1);
    const [out] = leafCap.step(state, input, context).filter(({ kind }) => kind === 'forward');
    assert.ok(out?.kind === 'forward');
    return `${out.key} ${out.value.isCapped}`;
  };
  const at = (country: string, cdn = 'cdn-a'): Leaf => ({ ...NEWS, country, cdn });
  assert.equal(give(at('DE')), 'news|cdn-a|3320|DE|tv|hls.js 1.7.4 false');
  assert.equal(give(at('FR')), 'news|cdn-a|3320|FR|tv|hls.js 1.7.4 false');
  assert.equal(give(at('IT')), 'news|cdn-a|other|other|other|other true');
  assert.equal(give(at('DE')), 'news|cdn-a|3320|DE|tv|hls.js 1.7.4 false');
  assert.equal(give(at('IT', 'cdn-b')), 'news|cdn-b|other|other|other|other true');
  assert.equal(give(at('IT', 'cdn-c')), 'other|other|other|other|other|other true');
  assert.equal(give(at('ES', 'cdn-b')), 'news|cdn-b|other|other|other|other true');
  assert.equal(leafKeyOf({ ...NEWS, playerVersion: 'a|b%' }), 'news|cdn-a|3320|DE|tv|a%7Cb%25');
  assert.match(capKeyOf({ leafKey: leafKeyOf(otherOf(NEWS)) } as LeafValue), /^cap-\d+$/);
});

test('windows of a bucket that is never quiet are forgotten all the same', () => {
  const state = leafCap.init('cap');
  const told: string[] = [];
  for (let windowStartMs = 0; windowStartMs < 3_600_000; windowStartMs += 10_000) {
    const effects = leafCap.step(
      state,
      leafInput(NEWS, windowStartMs, windowStartMs + 15_000),
      stepContext(),
    );
    for (const effect of effects) if (effect.kind === 'forward') told.push(`${effect.key}`);
  }
  assert.deepEqual(new Set(told), new Set([leafKeyOf(NEWS)]));
  assert.ok(state.windows.length <= 12, `${state.windows.length} windows are kept`);
});

function leafInput(leaf: Leaf, windowStartMs: number, timeMs: number) {
  const value: LeafValue = {
    leaf,
    leafKey: leafKeyOf(leaf),
    tenant: '',
    windowStartMs,
    windowEndMs: windowStartMs + 10_000,
    part: 'told',
    sums: newSums(),
    isCapped: false,
  };
  const origin = { topic: '', partition: 0, offset: 0 };
  return { kind: 'record', key: 'cap', timeMs, value, origin } as const;
}
