import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TopologyTestDriver } from '../runtime/topology-test-driver.ts';
import type { CohortPartial, QosScore } from '../schemas/records.ts';
import {
  events,
  finalOf,
  PLAYS,
  PROGRAM_MS,
  play,
  probe,
  probeMs,
  run,
  type Step,
  scoresOf,
  told,
  viewer,
  windowAt,
} from './scoring/drawn-viewers.ts';
import { sessionScoring } from './session-scoring.ts';
import { draw, LOG_START_MS } from './sessions/drawn-session.ts';

test('a viewer of a stream that freezes for 6 s loses points for it, by the name of the defect', () => {
  const driver = run(probe(), viewer('watcher', PLAYS));
  const window = windowAt(driver, 'watcher', 20_000);
  assert.equal(told(window), 'video-freeze 6000 freeze-1, coverage 1000');
  assert.deepEqual(window.causes, ['defect:video-freeze']);
  assert.equal(window.defectPoints, 100 - window.score!);
  assert.equal(window.score, 39);
  assert.equal(window.vantage, 'origin');
  assert.equal(told(windowAt(driver, 'watcher', 10_000)), 'coverage 1000');
  assert.equal(told(windowAt(driver, 'watcher', 30_000)), 'coverage 1000');
  const final = finalOf(driver, 'watcher');
  assert.equal(told(final), 'video-freeze 6000 freeze-1, coverage 1000');
  assert.ok(final.causes.includes('defect:video-freeze'));
  assert.equal(
    final.causePoints.reduce((sum, points) => sum + points, 0),
    100 - final.score!,
  );
});

test('a viewer who was paused, on another stream, elsewhere in it, or looking away loses none', () => {
  const driver = run(
    probe(),
    // paused from 20 s to 30 s, and then further behind: the picture of 20 s is on screen when it goes on
    viewer('paused', `s.p${'.......t..'.repeat(3)}.......a${'.'.repeat(19)}p${'.......t..'.repeat(2)}e`, {}),
    viewer('other', PLAYS, { programmeId: 'sports', contentId: 'sports' }),
    viewer('hidden', `s.ph${'.......t..'.repeat(12)}e`),
    viewer('on-demand', PLAYS, { streamType: 'vod', programTimeMs: null, mediaTimeMs: 500_000 }),
  );
  for (const sid of ['other', 'hidden', 'on-demand'])
    for (const score of scoresOf(driver, sid))
      assert.deepEqual([sid, score.defectTypes, score.defectPossibleMs], [sid, [], 0]);
  const paused = windowAt(driver, 'paused', 20_000);
  assert.deepEqual([paused.defectTypes, paused.playingMs], [[], 0]);
  assert.equal(windowAt(driver, 'other', 20_000).coveragePermille, 0);
  assert.equal(windowAt(driver, 'hidden', 20_000).coveragePermille, 1_000);
});

test('a viewer two minutes further back sees the freeze two minutes later', () => {
  const late = draw(PLAYS, { sessionKey: 'key-late', sessionId: 'late', streamType: 'live' }).map(
    ({ logMs, event }) => ({
      logMs,
      event: {
        ...event,
        programTimeMs: PROGRAM_MS - 120_000 + (logMs - LOG_START_MS),
        programTimeSource: 'player',
      },
    }),
  );
  const driver = run(probe(), events(late));
  for (const score of scoresOf(driver, 'late'))
    assert.deepEqual([score.defectTypes, score.defectPossibleMs], [[], 0]);
});

test('a viewer whose place is unknown loses none, has lower coverage, and counts as possibly affected', () => {
  const driver = run(probe(), viewer('lost', PLAYS, { programTimeMs: null }));
  const scores = scoresOf(driver, 'lost');
  assert.deepEqual(
    scores.flatMap(({ defectTypes }) => defectTypes),
    [],
  );
  // The freeze came in from the probe from 12 s to 18 s of the drawing.
  assert.equal(told(windowAt(driver, 'lost', 10_000)), 'possible 6000, coverage 0');
  assert.equal(told(windowAt(driver, 'lost', 20_000)), 'coverage 0');
  const seen = windowAt(run(probe(), viewer('watcher', PLAYS)), 'watcher', 10_000);
  const lost = windowAt(driver, 'lost', 10_000);
  assert.ok(lost.confidencePermille < seen.confidencePermille);
  assert.ok(lost.scoreMin! < seen.scoreMin!);
  const partials = driver.outputs('cohort-partials').map(({ value }) => value);
  assert.equal(
    partials.find(({ windowStartMs }) => windowStartMs === LOG_START_MS + 10_000)?.defectPossibleSessions,
    1,
  );
});

test('a window waits for the seal of its programme, and no longer than it may', () => {
  const steps = [...probe(), ...viewer('watcher', PLAYS)].toSorted((a, b) => a.atMs - b.atMs);
  const timeOf = (driver: TopologyTestDriver, ms: number) =>
    driver.outputs('qos-scores').find(({ value }) => value.windowStartMs === LOG_START_MS + ms)!.timeMs -
    LOG_START_MS;
  assert.equal(timeOf(play(steps), 20_000), 35_000);
  const sealedTo = probeMs(24_500);
  const stuck = [...probe(true, 0), ...viewer('watcher', PLAYS)];
  const seal: Step = {
    atMs: probeMs(25_000),
    run: (driver) => driver.pipeSeal('stream-defects', sealedTo, probeMs(25_000)),
  };
  const ticks = Array.from(
    { length: 80 },
    (_, i): Step => ({
      atMs: LOG_START_MS + i * 1_000,
      run: (driver) => driver.advanceTo(Math.max(driver.timeMs, LOG_START_MS + i * 1_000)),
    }),
  );
  const waiting = play([...stuck, seal, ...ticks].toSorted((a, b) => a.atMs - b.atMs));
  assert.equal(timeOf(waiting, 20_000), 45_000);
  assert.equal(told(windowAt(waiting, 'watcher', 20_000)), 'video-freeze 2500 freeze-1, coverage 450');
  assert.equal(told(windowAt(waiting, 'watcher', 30_000)), 'coverage 0');
  assert.equal(waiting.leftOut.get('drop score-after-cohort-window'), 5);
});

/** What a run says, apart from the order in which sessions of one moment come. */
const saidBy = (driver: TopologyTestDriver) => ({
  scores: driver.outputs('qos-scores').map(({ value }) => value),
  partials: driver.outputs('cohort-partials').map(({ key, value }) => ({ key, value })),
});

const anyDrawing = fc
  .array(
    fc.tuple(
      fc.constantFrom('p', 'r', 'a', 'k', 'w', 't', '3', '1', 'x', 'm', 'h', 'v'),
      fc.integer({ min: 1, max: 14 }),
    ),
    {
      minLength: 1,
      maxLength: 10,
    },
  )
  .map((words) => `s.p${words.map(([word, length]) => word + '.'.repeat(length)).join('')}`);

test('arrival order within grace and duplicates change nothing', () => {
  const anyDelays = fc.array(fc.integer({ min: 0, max: 4_000 }), { minLength: 200, maxLength: 200 });
  fc.assert(
    fc.property(
      anyDrawing,
      anyDelays,
      fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
      (drawing, delays, again) => {
        // what decides a player's clock comes on time, so that only the order of the others differs
        const own = viewer('one', drawing);
        const shuffled = own.flatMap((step, index) => {
          const atMs = index < 2 ? step.atMs : step.atMs + delays[index]!;
          const moved: Step = {
            atMs,
            run: (driver) => driver.advanceTo(Math.max(driver.timeMs, atMs)),
          };
          const piped: Step = { atMs, run: (driver) => step.run(driver) };
          return again[index] && index >= 2 ? [moved, piped, { ...piped, atMs: atMs + 300 }] : [moved, piped];
        });
        const straight = saidBy(run(probe(), own));
        const other = saidBy(run(probe(), shuffled));
        const plain = ({ duplicateCount, configHash, ...rest }: QosScore) => rest;
        assert.deepEqual(other.scores.map(plain), straight.scores.map(plain));
        assert.deepEqual(other.partials, straight.partials);
      },
    ),
    { numRuns: 60 },
  );
});

/** Several viewers at once, on several leaves, some of which fail or leave. */
const anyAudience = fc.array(
  fc.record({
    drawing: fc.oneof(
      anyDrawing,
      fc.constantFrom('s...f', 'd..s..B', 's..L', 'I.....', 's..x', 's.p....q', 's.p....x', 'd....'),
    ),
    cdn: fc.constantFrom('cdn-a', 'cdn-b'),
    country: fc.constantFrom('DE', 'FR'),
  }),
  { minLength: 1, maxLength: 8 },
);

const audienceOf = (viewers: readonly { drawing: string; cdn: string; country: string }[]) =>
  viewers.flatMap(({ drawing, ...fields }, index) => viewer(`v${index}`, drawing, fields));

test('attempts = plays + failures + exits + unknown + pending, after every window', () => {
  fc.assert(
    fc.property(anyAudience, (viewers) => {
      const driver = run(probe(), audienceOf(viewers));
      const byWindow = Map.groupBy(
        driver.outputs('cohort-partials').map(({ value }) => value),
        ({ windowStartMs }) => windowStartMs,
      );
      const sum = { attempts: 0, decided: 0 };
      for (const [, partials] of [...byWindow].toSorted(([a], [b]) => a - b)) {
        const total = (of: (one: CohortPartial) => number) => partials.reduce((all, one) => all + of(one), 0);
        sum.attempts += total(({ attempts }) => attempts);
        sum.decided += total(
          ({ plays, vsfTechnical, vsfBusiness, ebvs, unknownOutcomes }) =>
            plays + vsfTechnical + vsfBusiness + ebvs + unknownOutcomes,
        );
        assert.equal(sum.attempts, sum.decided + total(({ pendingOutcomes }) => pendingOutcomes));
      }
    }),
    { numRuns: 100 },
  );
});

test('every score adds up, and cohorts add up to the sessions in them', () => {
  fc.assert(
    fc.property(anyAudience, (viewers) => {
      const driver = run(probe(), audienceOf(viewers));
      const scores = driver.outputs('qos-scores').map(({ value }) => value);
      for (const score of scores) {
        for (const points of score.causePoints) assert.ok(points > 0);
        const lost = score.causePoints.reduce((all, points) => all + points, 0);
        if (score.score === null) assert.deepEqual([score.causes, score.scoreMin], [[], null]);
        else assert.equal(lost, 100 - score.score);
        const {
          startupPoints,
          stallPoints,
          qualityPoints,
          switchPoints,
          defectPoints,
          failurePoints,
          otherPoints,
        } = score;
        assert.equal(
          lost,
          startupPoints +
            stallPoints +
            qualityPoints +
            switchPoints +
            defectPoints +
            failurePoints +
            otherPoints,
        );
      }
      const windows = scores.filter(({ kind }) => kind === 'window');
      const partials = driver.outputs('cohort-partials').map(({ value }) => value);
      const total = <T>(rows: readonly T[], of: (row: T) => number) =>
        rows.reduce((all, row) => all + of(row), 0);
      assert.equal(
        total(partials, ({ sessions }) => sessions),
        windows.length,
      );
      assert.equal(
        total(partials, ({ playingMs }) => playingMs),
        total(windows, ({ playingMs }) => playingMs),
      );
      assert.equal(
        total(partials, ({ stallMs }) => stallMs),
        total(windows, ({ stallMs }) => stallMs),
      );
      assert.equal(
        total(partials, ({ scoreSum }) => scoreSum),
        total(windows, ({ score }) => score ?? 0),
      );
      assert.equal(
        total(partials, ({ defectMs }) => total(defectMs, (ms) => ms)),
        total(windows, ({ defectMs }) => total(defectMs, (ms) => ms)),
      );
    }),
    { numRuns: 100 },
  );
});

test('restored from its changelog at any point, it says the same', () => {
  fc.assert(
    fc.property(anyAudience, fc.nat(200), (viewers, at) => {
      const steps = [...probe(), ...audienceOf(viewers)].toSorted((a, b) => a.atMs - b.atMs);
      const stopAt = at % (steps.length + 1);
      const before = new TopologyTestDriver(sessionScoring);
      for (const { run: step } of steps.slice(0, stopAt)) step(before);
      const after = new TopologyTestDriver(sessionScoring, { restoreFrom: before.save() });
      play(steps.slice(stopAt), after);
      const straight = play(steps);
      for (const topic of ['qos-scores', 'cohort-partials'] as const)
        assert.deepEqual([...before.outputs(topic), ...after.outputs(topic)], straight.outputs(topic));
    }),
    { numRuns: 60 },
  );
});

test('nothing is left of what is over', () => {
  fc.assert(
    fc.property(anyAudience, (viewers) => {
      const driver = run(probe(), audienceOf(viewers));
      driver.advanceTo(LOG_START_MS + 2 * 3_600_000);
      for (const store of ['defects', 'sessions', 'leaves', 'cohorts'])
        assert.deepEqual(
          [...driver.graph.walk(store)].map(({ key }) => key),
          [],
          store,
        );
    }),
    { numRuns: 40 },
  );
});

// A golden trace: a window's record field by field, as subscribers get it. It changes only with intent.
test('golden: the window of the freeze', () => {
  const { configHash, ...window } = windowAt(run(probe(), viewer('watcher', PLAYS)), 'watcher', 20_000);
  assert.equal(configHash, 'default');
  assert.deepEqual(window, {
    sessionKey: 'key-watcher',
    tenant: 'acme',
    sessionId: 'watcher',
    kind: 'window',
    revision: 1,
    windowStartMs: LOG_START_MS + 20_000,
    windowEndMs: LOG_START_MS + 30_000,
    provisional: false,
    partial: false,
    programmeId: 'news',
    contentId: 'news',
    streamType: 'live',
    cdn: 'cdn-a',
    asn: null,
    country: 'DE',
    deviceClass: 'desktop',
    playerVersion: '',
    renditionId: '',
    vantage: 'origin',
    model: 'iqx-1',
    score: 39,
    mosCenti: 256,
    sessionScore: 54,
    sessionMosCenti: 316,
    scoreMin: 39,
    scoreMax: 39,
    confidencePermille: 1_000,
    coveragePermille: 1_000,
    startupPoints: 0,
    stallPoints: 0,
    qualityPoints: 0,
    switchPoints: 0,
    defectPoints: 61,
    failurePoints: 0,
    otherPoints: 0,
    causes: ['defect:video-freeze'],
    causePoints: [61],
    outcome: 'play',
    playbackFailure: '',
    contentStarted: true,
    ended: false,
    playerState: 'playing',
    joinTimeMs: 1_000,
    prerollMs: null,
    contentStartupMs: 1_000,
    playingMs: 10_000,
    watchedMs: 10_000,
    pausedMs: 0,
    seekWaitMs: 0,
    stallCount: 0,
    stallMs: 0,
    stallCountSeek: 0,
    stallMsSeek: 0,
    microStallCount: 0,
    rebufferingPlayingPermille: 0,
    rebufferingWatchPermille: 0,
    rebufferingSessionPermille: 0,
    connectionRebufferingPermille: 0,
    adPlayingMs: 0,
    adStallCount: 0,
    adStallMs: 0,
    bitrateBps: 6_000_000,
    heightPx: 1_080,
    switchesUp: 0,
    switchesDown: 0,
    droppedFrames: null,
    liveLatencyMs: null,
    playbackRatePermille: null,
    errorCodes: [],
    eventCount: 2,
    eventsLost: 0,
    duplicateCount: 0,
    defectTypes: ['video-freeze'],
    defectMs: [6_000],
    defectIds: ['freeze-1'],
    defectPossibleMs: 0,
    exposedMs: 10_000,
    audibleMs: 10_000,
    timeSource: 'player',
    beyondHorizon: false,
    programTimeStartMs: PROGRAM_MS + 20_000,
    programTimeEndMs: PROGRAM_MS + 30_000,
    previousSessionId: '',
  });
});
