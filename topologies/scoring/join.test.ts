import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RenderedSpan } from '../sessions/figures.ts';
import { DEFECTS_MAX, type DefectTable } from './defect-table.ts';
import {
  anchor,
  atMs,
  defectRecord,
  LOG_START_MS,
  type Logged,
  PROGRAM_START_MS,
  tableOf,
} from './drawn-defects.ts';
import { span } from './drawn-session.ts';
import { coverageOf, type DefectExposure } from './exposure.ts';
import { joinDefects, neededSealMs } from './join.ts';

const HORIZON_MS = 600_000;
/** Far enough for all that the tests render. */
const SEALED_MS = LOG_START_MS + 500_000;

/** A freeze of 6 s from 20 s on, as a probe tells it at live pace. */
const FREEZE: readonly Logged[] = [
  atMs(1_000, anchor(1_000)),
  atMs(22_300, defectRecord({ event: 'open', startMs: 20_000 })),
  atMs(27_300, defectRecord({ event: 'close', startMs: 20_000, endMs: 26_000 })),
  ...[60_000, 120_000, 180_000, 240_000, 300_000, 360_000, 420_000, 480_000].map((ms) =>
    atMs(ms, anchor(ms)),
  ),
];

/** Ten seconds that show the programme from `from` on. */
const watching = (from: number, changes: Partial<RenderedSpan> = {}) =>
  span({
    startMs: LOG_START_MS + 100_000,
    endMs: LOG_START_MS + 110_000,
    programTimeStartMs: PROGRAM_START_MS + from,
    ...changes,
  });

const join = (spans: readonly RenderedSpan[], logged = FREEZE, sealedMs = SEALED_MS) =>
  joinDefects(tableOf(logged).table, spans, sealedMs, HORIZON_MS);

const tell = (exposure: DefectExposure) => {
  const types = exposure.byType.map(({ type, ms, defectIds }) => `${type} ${ms} ${defectIds.join()}`);
  const possible = exposure.possibleMs > 0 ? [`possible ${exposure.possibleMs}`] : [];
  return [...types, ...possible, `coverage ${coverageOf(exposure)}`].join(', ');
};

test('who is charged for a freeze of 6 s', () => {
  const check = (spans: readonly RenderedSpan[], expected: string) =>
    assert.equal(tell(join(spans)), expected);
  check([watching(15_000)], 'video-freeze 5000 defect-1, coverage 1000');
  check([watching(18_000)], 'video-freeze 6000 defect-1, coverage 1000');
  check([watching(26_000)], 'coverage 1000');
  check([watching(10_000)], 'coverage 1000');
  check([], 'coverage 1000');
  check([watching(18_000, { isVisible: false })], 'coverage 1000');
  check([watching(18_000, { isVisible: false, isAudible: false })], 'coverage 1000');
  check([watching(18_000, { isAudible: false })], 'video-freeze 6000 defect-1, coverage 1000');
});

test('several intervals, another speed, and backwards', () => {
  const first = watching(19_000, { endMs: LOG_START_MS + 103_000 });
  const again = watching(23_000, { startMs: LOG_START_MS + 104_000 });
  assert.equal(tell(join([first, again])), 'video-freeze 5000 defect-1, coverage 1000');
  assert.equal(
    tell(join([watching(10_000, { ratePermille: 2_000 })])),
    'video-freeze 3000 defect-1, coverage 1000',
  );
  assert.equal(
    tell(join([watching(30_000, { ratePermille: -1_000 })])),
    'video-freeze 6000 defect-1, coverage 1000',
  );
  assert.equal(
    tell(join([watching(18_000, { ratePermille: 500 })])),
    'video-freeze 6000 defect-1, coverage 1000',
  );
});

test('an unknown place: nothing charged, nothing covered, possibly affected when it ran at that log time', () => {
  const lost = { programTimeStartMs: null, timeSource: 'unknown' };
  const then = { startMs: LOG_START_MS + 20_000, endMs: LOG_START_MS + 30_000 };
  assert.equal(tell(join([watching(0, { ...lost, ...then })])), 'possible 6000, coverage 0');
  assert.equal(tell(join([watching(0, lost)])), 'coverage 0');
});

test('a place less certain than the defect is long is possible, not charged', () => {
  assert.equal(
    tell(join([watching(18_000, { uncertaintyMs: 6_000 })])),
    'video-freeze 6000 defect-1, coverage 1000',
  );
  assert.equal(tell(join([watching(18_000, { uncertaintyMs: 6_001 })])), 'possible 10000, coverage 1000');
  assert.equal(tell(join([watching(30_000, { uncertaintyMs: 7_000 })])), 'possible 3000, coverage 1000');
});

test("the stream's own uncertainty counts as well", () => {
  const unsure = FREEZE.map(({ record, ...rest }) => ({
    ...rest,
    record: { ...record, programTimeUncertaintyMs: 4_000 },
  }));
  const at = (uncertaintyMs: number) => tell(join([watching(18_000, { uncertaintyMs })], unsure));
  assert.equal(at(2_000), 'video-freeze 6000 defect-1, coverage 1000');
  assert.equal(at(2_001), 'possible 10000, coverage 1000');
  const { table } = tableOf(unsure.slice(0, 2));
  assert.equal(neededSealMs(table, [watching(18_000)]), LOG_START_MS + 32_000);
});

test("a rendition's defect is charged to those who rendered it, a CDN's to those on it", () => {
  const at = (changes: object) =>
    FREEZE.map(({ record, ...rest }) => ({ ...rest, record: { ...record, ...changes } }));
  const high = at({ renditionId: '1080p' });
  assert.equal(
    tell(join([watching(18_000, { renditionId: '1080p' })], high)),
    'video-freeze 6000 defect-1, coverage 1000',
  );
  assert.equal(tell(join([watching(18_000, { renditionId: '360p' })], high)), 'coverage 1000');
  assert.equal(tell(join([watching(18_000)], high)), 'possible 6000, coverage 1000');
  const cdn = at({ vantage: 'cdn:cdn-b' });
  assert.equal(
    tell(join([watching(18_000, { cdn: 'cdn-b' })], cdn)),
    'video-freeze 6000 defect-1, coverage 1000',
  );
  assert.equal(tell(join([watching(18_000)], cdn)), 'coverage 0');
  const both = [...FREEZE, ...at({ vantage: 'cdn:cdn-b', defectId: 'defect-2' })].toSorted(
    (a, b) => a.timeMs - b.timeMs,
  );
  const seen = join([watching(18_000, { cdn: 'cdn-b' })], both);
  assert.equal(tell(seen), 'video-freeze 6000 defect-1,defect-2, coverage 1000');
  assert.equal(seen.vantage, 'cdn:cdn-b');
});

test('sound is charged to those who hear it; what nobody perceives by itself to nobody', () => {
  const silence = FREEZE.map(({ record, ...rest }) => ({
    ...rest,
    record: record.type === '' ? record : { ...record, type: 'audio-silence' },
  }));
  assert.equal(tell(join([watching(18_000, { isAudible: false })], silence)), 'coverage 1000');
  assert.equal(
    tell(join([watching(18_000, { isVisible: false })], silence)),
    'audio-silence 6000 defect-1, coverage 1000',
  );
  const segments = silence.map(({ record, ...rest }) => ({
    ...rest,
    record: record.type === '' ? record : { ...record, type: 'segment-error' },
  }));
  assert.equal(tell(join([watching(18_000)], segments)), 'coverage 1000');
});

test('what nobody looked at is not covered: before the probe, beyond the horizon, while it is blind, after it fell silent', () => {
  const late = FREEZE.map(({ record, ...rest }) => ({
    ...rest,
    record: record.type === '' && record.startMs === 1_000 ? anchor(23_000) : record,
  }));
  assert.equal(coverageOf(join([watching(18_000)], late)), 500);
  const old = join([watching(18_000)], FREEZE, LOG_START_MS + 622_000);
  assert.deepEqual([coverageOf(old), old.beyondHorizon], [600, true]);
  const blind = FREEZE.map(({ record, ...rest }) => ({
    ...rest,
    record: record.type === '' ? record : { ...record, type: 'probe-lost' },
  }));
  assert.equal(tell(join([watching(18_000)], blind)), 'coverage 400');
  assert.equal(coverageOf(join([watching(182_000)], FREEZE.slice(0, 4), LOG_START_MS + 300_000)), 1_000);
  assert.equal(coverageOf(join([watching(235_000)], FREEZE.slice(0, 4), LOG_START_MS + 300_000)), 500);
  assert.equal(joinDefects(undefined, [watching(0)], SEALED_MS, HORIZON_MS).coveredMs, 0);
});

test('nothing beyond the seal is used', () => {
  const open = FREEZE.slice(0, 2);
  const seal = LOG_START_MS + 24_000;
  assert.equal(tell(join([watching(18_000)], open, seal)), 'video-freeze 4000 defect-1, coverage 600');
  const { table } = tableOf(open);
  assert.equal(neededSealMs(table, [watching(18_000)]), LOG_START_MS + 28_000);
  assert.equal(neededSealMs(table, [watching(18_000, { uncertaintyMs: 500 })]), LOG_START_MS + 28_500);
  assert.equal(neededSealMs(table, [watching(0, { programTimeStartMs: null })]), LOG_START_MS + 110_000);
  assert.equal(neededSealMs(table, [watching(18_000, { timeSource: 'vod' })]), null);
  assert.equal(neededSealMs(undefined, [watching(18_000)]), null);
});

test('video on demand goes by the timeline of the stream itself, whenever it is watched', () => {
  const film = FREEZE.slice(0, 3).map(({ record, ...rest }) => ({
    ...rest,
    record: { ...record, programTimeStartMs: null, programTimeEndMs: null },
  }));
  const media = watching(0, { programTimeStartMs: 18_000, timeSource: 'vod' });
  assert.equal(tell(join([media], film)), 'video-freeze 6000 defect-1, coverage 1000');
  assert.equal(tell(join([{ ...media, programTimeStartMs: 0 }], film)), 'coverage 1000');
});

test('what is told late begins at the seal, what is closed late ends there', () => {
  const told = [
    atMs(1_000, anchor(1_000)),
    atMs(30_000, defectRecord({ event: 'open', startMs: 20_000, chargeFromMs: 20_000 })),
    atMs(40_000, defectRecord({ event: 'close', startMs: 20_000, endMs: 31_000 })),
  ];
  assert.equal(tell(join([watching(20_000)], told)), 'video-freeze 3000 defect-1, coverage 1000');
  assert.equal(tell(join([watching(30_000)], told)), 'video-freeze 7000 defect-1, coverage 1000');
});

test('what was sealed stays sealed when the stream falls behind, unless its time jumped back beyond the horizon', () => {
  const told = [
    atMs(1_000, anchor(1_000)),
    atMs(20_000, anchor(26_000)),
    atMs(21_000, anchor(21_000)),
    atMs(22_000, defectRecord({ event: 'open', startMs: 19_000 })),
  ];
  // at 21 s of log time 18 s were sealed under an anchor that was 6 s ahead
  assert.equal(tell(join([watching(18_000)], told)), 'video-freeze 4000 defect-1, coverage 1000');
  const anew = [
    atMs(1_000_000, anchor(1_000_000)),
    atMs(1_001_000, anchor(10_000)),
    atMs(1_012_000, defectRecord({ event: 'open', startMs: 19_000 })),
  ];
  const seen = join([watching(18_000)], anew, LOG_START_MS + 1_030_000);
  assert.equal(tell(seen), 'video-freeze 9000 defect-1, coverage 1000');
});

test('records that make no sense are left out with a reason', () => {
  const twice = [...FREEZE.slice(0, 2), ...FREEZE.slice(1, 2)];
  assert.deepEqual(tableOf(twice).leftOut, ['older-revision']);
  assert.deepEqual(tableOf(FREEZE.slice(1, 2)).leftOut, ['stream-without-anchor']);
  assert.deepEqual(tableOf([FREEZE[0]!, FREEZE[2]!]).leftOut, ['step-of-unknown-defect']);
});

test('the table is bounded: the oldest defects go, and what they covered is not known any more', () => {
  const many = Array.from({ length: DEFECTS_MAX + 3 }, (_, index) => [
    atMs(
      3_000 + index * 1_000,
      defectRecord({ event: 'open', startMs: index * 1_000 + 2_000, defectId: `d${index}` }),
    ),
    atMs(
      3_400 + index * 1_000,
      defectRecord({
        event: 'close',
        startMs: index * 1_000 + 2_000,
        endMs: index * 1_000 + 2_500,
        defectId: `d${index}`,
      }),
    ),
  ]).flat();
  const { table } = tableOf([atMs(1_000, anchor(1_000)), ...many]);
  assert.equal(table.defects.length, DEFECTS_MAX);
  assert.equal(coverageOf(joinDefects(table, [watching(0)], SEALED_MS, HORIZON_MS)), 550);
});

/** Defects on one stream as a detector with a delay tells them, each in order; the seal is 3 s behind. */
const anyLives = fc
  .array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: 20_000 }),
      lengthMs: fc.integer({ min: 100, max: 30_000 }),
      tellMs: fc.integer({ min: 0, max: 9_000 }),
      closeMs: fc.integer({ min: 0, max: 9_000 }),
      type: fc.constantFrom('video-freeze', 'audio-silence', 'av-sync-offset'),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((lives) => {
    const logged: Logged[] = [];
    let at = 2_000;
    for (const [index, { gapMs, lengthMs, tellMs, closeMs, type }] of lives.entries()) {
      const startMs = at + gapMs;
      const endMs = startMs + lengthMs;
      const base = { startMs, type, defectId: `d${index}` };
      logged.push(
        atMs(
          startMs + tellMs,
          defectRecord({ ...base, event: 'open', chargeFromMs: Math.max(startMs, startMs + tellMs - 3_000) }),
        ),
      );
      logged.push(
        atMs(Math.max(endMs, startMs + tellMs) + closeMs, defectRecord({ ...base, event: 'close', endMs })),
      );
      at = endMs;
    }
    return logged;
  });
/** And how the probe's delay moves from anchor to anchor. */
const anyLife = fc
  .tuple(anyLives, fc.array(fc.integer({ min: -6_000, max: 6_000 }), { minLength: 30, maxLength: 30 }))
  .map(([logged, moves]) =>
    [
      atMs(1_000, anchor(1_000)),
      ...logged,
      ...moves.map((move, index) => atMs(10_000 + index * 13_000, anchor(10_000 + index * 13_000 + move))),
    ].toSorted((a, b) => a.timeMs - b.timeMs),
  );

test('once sealed, what is charged never changes again, whatever is told later', () => {
  const anySpan = fc.record({
    from: fc.integer({ min: 0, max: 200_000 }),
    ratePermille: fc.constantFrom(1_000, 1_000, 500, 1_500, -1_000),
    uncertaintyMs: fc.constantFrom(0, 0, 1_000, 6_000),
    isAudible: fc.boolean(),
    isKnown: fc.boolean(),
  });
  const charged = (table: DefectTable, one: RenderedSpan, sealedMs: number) => {
    const { byType, possibleMs } = joinDefects(table, [one], sealedMs, HORIZON_MS);
    return { byType, possibleMs };
  };
  fc.assert(
    fc.property(anyLife, anySpan, (logged, { from, isKnown, ...rest }) => {
      const place = isKnown
        ? {}
        : { programTimeStartMs: null, startMs: LOG_START_MS + from, endMs: LOG_START_MS + from + 10_000 };
      const one = watching(from, { ...rest, ...place });
      let first: unknown = null;
      for (let ms = 5_000; ms < 400_000; ms += 9_000) {
        const timeMs = LOG_START_MS + ms;
        const { table } = tableOf(logged.filter((logs) => logs.timeMs <= timeMs));
        const needed = neededSealMs(table, [one]);
        if (needed === null || needed > timeMs - 3_000) continue;
        const now = charged(table, one, timeMs - 3_000);
        first ??= now;
        assert.deepEqual(now, first, `at ${ms}`);
      }
    }),
    { numRuns: 300 },
  );
});
