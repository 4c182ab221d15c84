import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SessionFigures, SessionResult } from '../sessions/figures.ts';
import { ALL_TOLD, figures, NONE_TOLD, windowResult } from './drawn-session.ts';
import { coverageOf, type DefectExposure, nothingKnown } from './exposure.ts';
import { qualityLeftPpm, stallLeftPpm, startupLeftPpm } from './impairments.ts';
import { iqx1 } from './iqx-1.ts';
import { columnOf, type Judgement, newMemory } from './model.ts';

const COVERED: DefectExposure = { ...nothingKnown(10_000), coveredMs: 10_000, vantage: 'origin' };

const under = (type: string, ms: number): DefectExposure => ({
  ...COVERED,
  byType: [{ type, ms, defectIds: [`${type}-1`] }],
});

const judge = (result: SessionResult, exposure: DefectExposure = COVERED) =>
  iqx1.score(result, exposure, newMemory());

/** Windows one after the other, with the session's sums. */
function sessionOf(windows: readonly { changes: Partial<SessionFigures>; exposure: DefectExposure }[]) {
  const memory = newMemory();
  const sums = { playingMs: 0, stallMs: 0, stallCount: 0, switchesUp: 0, switchesDown: 0 };
  return windows.map(({ changes, exposure }) => {
    const result = windowResult(changes);
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += result.figures[name];
    return iqx1.score({ ...result, soFar: { ...result.figures, ...sums } }, exposure, memory);
  });
}

const show = ({ score, causes }: Judgement) =>
  [score, ...causes.map(({ cause, points }) => `${cause} ${points}`)].join(', ');

test('what each impairment costs a window', () => {
  const told = (changes: Partial<SessionFigures>, exposure = COVERED) =>
    show(judge(windowResult(changes), exposure).window);
  assert.equal(told({}), '100');
  assert.equal(told({ playingMs: 7_000, stallMs: 3_000, stallCount: 1 }), '59, stalls 41');
  assert.equal(told({ bitrateBps: 800_000, heightPx: 360 }), '67, quality 33');
  assert.equal(told({ bitrateBps: 2_500_000, heightPx: 720 }), '92, quality 8');
  assert.equal(told({ switchesDown: 3 }), '95, switches 5');
  assert.equal(told({}, under('video-freeze', 6_000)), '39, defect:video-freeze 61');
  assert.equal(told({}, under('segment-error', 6_000)), '100');
  assert.equal(told({ outcome: 'vsf-technical', contentStarted: false, playingMs: 0 }), '0, failure 100');
  assert.equal(
    told(
      { playingMs: 7_000, stallMs: 3_000, stallCount: 1, bitrateBps: 800_000 },
      under('audio-silence', 2_000),
    ),
    '36, stalls 31, defect:audio-silence 17, quality 16',
  );
});

test('the startup is charged where the content began, and the wait before it where it was waited', () => {
  const starting = {
    attempted: true,
    outcome: 'pending',
    contentStarted: false,
    ended: false,
    playbackFailure: '',
  };
  const began = windowResult({ contentStartupMs: 10_000 }, { before: starting });
  assert.equal(show(judge(began).window), '87, startup 13');
  assert.equal(show(judge(windowResult({ contentStartupMs: 10_000 })).window), '100');
  const waiting = windowResult(
    { contentStarted: false, playingMs: 0, contentStartupMs: null, outcome: 'pending' },
    { before: starting, sums: { startupWaitMs: 4_000 } },
  );
  assert.equal(show(judge(waiting).window), '93, startup 7');
});

test('a failure is told once, and a business one is no matter of quality', () => {
  const nothing = { contentStarted: false, playingMs: 0, contentStartupMs: null } as const;
  const failed = {
    attempted: true,
    outcome: 'vsf-technical',
    contentStarted: false,
    ended: true,
    playbackFailure: '',
  };
  const again = judge(windowResult({ ...nothing, outcome: 'vsf-technical' }, { before: failed }));
  assert.equal(again.window.score, null);
  assert.equal(again.session.score, 0);
  const business = judge(windowResult({ ...nothing, outcome: 'vsf-business' }));
  assert.deepEqual([business.window.score, business.session.score], [null, null]);
  const broken = judge(windowResult({ playbackFailure: 'technical' }));
  assert.equal(show(broken.window), '40, failure 60');
});

test('nothing judged is null, never perfect', () => {
  assert.equal(judge(windowResult({ playingMs: 0 })).window.score, null);
  assert.equal(judge(windowResult({}, { told: NONE_TOLD })).window.score, null);
});

test('what was not told costs a little, widens the interval and lowers the confidence', () => {
  const quiet = judge(
    windowResult({ bitrateBps: null, heightPx: null }, { told: { ...ALL_TOLD, bitrate: 0 } }),
  );
  assert.equal(show(quiet.window), '85, not-told 15');
  assert.deepEqual([quiet.window.scoreMin, quiet.window.scoreMax], [50, 100]);
  assert.equal(quiet.window.confidencePermille, 750);
  const unknown = judge(windowResult(), nothingKnown(10_000));
  assert.equal(show(unknown.window), '99, not-told 1');
  assert.deepEqual([unknown.window.scoreMin, unknown.window.confidencePermille], [70, 850]);
  const possible = judge(windowResult(), { ...COVERED, possibleMs: 6_000 });
  assert.deepEqual(
    [possible.window.score, possible.window.scoreMin, possible.window.scoreMax],
    [100, 39, 100],
  );
});

test('the session remembers its worst window and forgets its recent ones slowly', () => {
  const good = { changes: {}, exposure: COVERED };
  const bad = { changes: { playingMs: 4_000, stallMs: 6_000, stallCount: 1 }, exposure: COVERED };
  const scores = sessionOf([good, bad, ...Array.from({ length: 30 }, () => good)]).map(
    ({ session }) => session.score!,
  );
  assert.deepEqual(scores.slice(0, 4), [99, 57, 57, 57]);
  assert.ok(scores[31]! > 80 && scores[31]! < 95, `after five good minutes ${scores[31]}`);
  assert.deepEqual(
    scores.slice(1).toSorted((a, b) => a - b),
    scores.slice(1),
  );
});

const anyWindow = fc.record({
  playingMs: fc.integer({ min: 0, max: 10_000 }),
  stallMs: fc.integer({ min: 0, max: 10_000 }),
  stallCount: fc.integer({ min: 0, max: 20 }),
  bitrateBps: fc.option(fc.integer({ min: 0, max: 10_000_000 })),
  heightPx: fc.option(fc.integer({ min: 0, max: 2_160 })),
  switchesUp: fc.nat(20),
  switchesDown: fc.nat(20),
  contentStartupMs: fc.option(fc.nat(100_000)),
  outcome: fc.constantFrom('play', 'pending', 'vsf-technical', 'vsf-business', 'ebvs', 'unknown'),
  playbackFailure: fc.constantFrom('', '', '', 'technical', 'business'),
  contentStarted: fc.boolean(),
});
const permille = fc.oneof(fc.constantFrom(0, 1_000), fc.nat(1_000));
const anyTold = fc.record({
  startup: permille,
  states: permille,
  bitrate: permille,
  position: permille,
  events: permille,
});
const anyExposure = fc
  .record({
    types: fc.uniqueArray(
      fc.constantFrom('video-freeze', 'audio-silence', 'video-blur', 'segment-error', 'new'),
      {
        maxLength: 4,
      },
    ),
    ms: fc.integer({ min: 1, max: 10_000 }),
    possibleMs: fc.nat(10_000),
    coveredMs: fc.nat(10_000),
  })
  .map(({ types, ms, possibleMs, coveredMs }) => ({
    ...COVERED,
    possibleMs,
    coveredMs,
    byType: types.toSorted().map((type) => ({ type, ms, defectIds: [type] })),
  }));

function assertAddsUp(judgement: Judgement): void {
  const { score, mosCenti, scoreMin, scoreMax, causes } = judgement;
  if (score === null) {
    assert.deepEqual([mosCenti, scoreMin, scoreMax, causes.length], [null, null, null, 0]);
    return;
  }
  assert.ok(Number.isInteger(score) && score >= 0 && score <= 100, `score ${score}`);
  assert.equal(mosCenti, 100 + 4 * score);
  assert.ok(scoreMin! >= 0 && scoreMin! <= score && scoreMax! >= score && scoreMax! <= 100);
  for (const { points } of causes) assert.ok(Number.isInteger(points) && points > 0);
  assert.equal(
    causes.reduce((sum, { points }) => sum + points, 0),
    100 - score,
  );
  assert.equal(new Set(causes.map(({ cause }) => cause)).size, causes.length);
}

test('causes are never negative and add up to what is missing, in every window and for every session so far', () => {
  const anyStep = fc.record({
    changes: anyWindow,
    told: anyTold,
    exposure: anyExposure,
    began: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 12 }), (steps) => {
      const memory = newMemory();
      for (const { changes, told, exposure, began } of steps) {
        const result = windowResult(changes, {
          told,
          before: {
            attempted: began,
            outcome: 'pending',
            contentStarted: began,
            ended: false,
            playbackFailure: '',
          },
        });
        const { window, session } = iqx1.score(result, exposure, memory);
        assertAddsUp(window);
        assertAddsUp(session);
      }
    }),
    { numRuns: 400 },
  );
});

test('more stall time, a later start, a lower bitrate, a longer defect never raise a score', () => {
  const worse: { readonly [what: string]: (one: SessionFigures, by: number) => Partial<SessionFigures> } = {
    stall: (one, by) => ({ stallMs: one.stallMs + by }),
    stalls: (one, by) => ({ stallCount: one.stallCount + (by % 5) }),
    start: (one, by) => ({ contentStartupMs: (one.contentStartupMs ?? 0) + by }),
    bitrate: (one, by) => ({ bitrateBps: Math.max(0, one.bitrateBps! - by * 100) }),
    height: (one, by) => ({ heightPx: Math.max(0, one.heightPx! - (by % 500)) }),
    switches: (one, by) => ({ switchesDown: one.switchesDown + (by % 5) }),
  };
  const anyTold = anyWindow.map((one) => ({
    ...one,
    bitrateBps: one.bitrateBps ?? 3_000_000,
    heightPx: one.heightPx ?? 480,
    contentStartupMs: one.contentStartupMs ?? 1_000,
    playingMs: Math.max(1, one.playingMs),
  }));
  fc.assert(
    fc.property(
      fc.array(anyTold, { minLength: 1, maxLength: 6 }),
      fc.nat(5),
      fc.constantFrom(...Object.keys(worse)),
      fc.integer({ min: 1, max: 20_000 }),
      anyExposure,
      (windows, which, what, by, exposure) => {
        const at = which % windows.length;
        const run = (changed: boolean) =>
          sessionOf(
            windows.map((one, index) => {
              const changes = figures(one);
              return {
                changes: changed && index === at ? { ...changes, ...worse[what]!(changes, by) } : changes,
                exposure,
              };
            }),
          );
        const [before, after] = [run(false), run(true)];
        for (const [index, { window, session }] of after.entries()) {
          assert.ok((window.score ?? 0) <= (before[index]!.window.score ?? 100), `${what}: window ${index}`);
          assert.ok(
            (session.score ?? 0) <= (before[index]!.session.score ?? 100),
            `${what}: session ${index}`,
          );
        }
      },
    ),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), (a, b) => {
      const score = (ms: number) => judge(windowResult(), under('video-black', ms)).session.score!;
      assert.ok(score(Math.max(a, b)) <= score(Math.min(a, b)));
    }),
  );
});

test('the impairments are the published ones', () => {
  const mos = (ppm: number) => 1 + (4 * ppm) / 1_000_000;
  const near = (actual: number, exact: number) =>
    assert.ok(Math.abs(actual - exact) < 0.001, `${actual} is to be ${exact}`);
  for (const [count, seconds] of [
    [0, 0],
    [1, 1],
    [2, 3],
    [6, 2],
  ] as const) {
    near(
      mos(stallLeftPpm(count * seconds * 1_000, count, 30_000)),
      3.5 * Math.exp(-(0.15 * seconds + 0.19) * count) + 1.5,
    );
  }
  const opinion = (seconds: number) => 5 - 0.963 * Math.log10(seconds + 5.381);
  for (const seconds of [0, 1, 8, 32])
    near(mos(startupLeftPpm(seconds * 1_000)), 1 + (4 * (opinion(seconds) - 1)) / (opinion(0) - 1));
  near(qualityLeftPpm(900_000, null) / 1_000_000, 1 - 0.5 * Math.exp(-1));
});

test('a cause belongs to one column of the record', () => {
  assert.deepEqual(
    ['startup', 'stalls', 'quality', 'switches', 'defect:video-freeze', 'failure', 'not-told'].map(columnOf),
    [
      'startupPoints',
      'stallPoints',
      'qualityPoints',
      'switchPoints',
      'defectPoints',
      'failurePoints',
      'otherPoints',
    ],
  );
  assert.equal(coverageOf(nothingKnown(0)), 1_000);
});
