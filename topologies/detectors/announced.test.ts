import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { StreamDefect } from '../../schemas/records.ts';
import { streamDetectionWith } from '../stream-detection.ts';
import { checkOffAir, type OffAirConfig } from './announced.ts';
import { arrivalMs, cut, draw, eventChunk, everySecond, LOG_START_MS, type Looks } from './drawn-stream.ts';
import { videoBlack } from './video-black.ts';
import { videoBlockCorruption } from './video-block-corruption.ts';

const LOOKS: Looks = { '.': {}, '#': { darkPermille: 1_000 }, x: { damage: 2 } };
const DETECTORS = [videoBlack, videoBlockCorruption];

/** What a manifest announces, and the presentation time that is live when the probe tells of it. */
type Marker = {
  readonly kind: string;
  readonly atMs: number;
  readonly lengthMs?: number;
  readonly toldAtMs: number;
};

function play(drawing: string, markers: readonly Marker[], config: OffAirConfig | null = null) {
  return drive(drawing, markers, config)
    .outputs('stream-defects')
    .map(({ value }) => value)
    .filter(({ event }) => event !== 'anchor');
}

function healthOf(markers: readonly Marker[]): readonly string[] {
  const told = drive(`${SLATE}${'.'.repeat(30)}`, markers, null).outputs('stream-health');
  assert.ok(told.length > 0);
  return [...new Set(told.flatMap(({ value }) => value.defectTypes))];
}

function drive(drawing: string, markers: readonly Marker[], config: OffAirConfig | null) {
  const recording = draw(drawing, LOOKS);
  const told = cut(recording, everySecond(recording)).map((chunk) => ({
    chunk,
    atMs: arrivalMs(chunk.basePtsMs + chunk.durationMs),
  }));
  for (const { kind, atMs, lengthMs = -1, toldAtMs } of markers) {
    const columns = {
      markerKind: [kind],
      markerPtsMs: [atMs - toldAtMs],
      markerDurationMs: [lengthMs],
    };
    const chunk = eventChunk('transport', 0, toldAtMs, { ...columns, manifestStatus: 200 });
    told.push({ chunk, atMs: arrivalMs(toldAtMs) + 1 });
  }
  told.sort((a, b) => a.atMs - b.atMs);
  const driver = new TopologyTestDriver(streamDetectionWith(DETECTORS), { config });
  told.forEach(({ chunk, atMs }, seq) => {
    driver.pipe('frame-features', chunk.programmeId, { ...chunk, seq }, atMs);
  });
  return driver;
}

function tell(defects: readonly StreamDefect[]): string {
  return defects
    .map(({ event, startMs, endMs, announced }) => {
      const at = event === 'open' ? `@${startMs}` : event === 'close' ? `@${endMs}` : '';
      return `${event}${at}${announced === '' ? '' : `(${announced})`}`;
    })
    .join(' ');
}

const CUE_OUT = { kind: 'cue-out', atMs: 2_000, lengthMs: 8_000, toldAtMs: 1_000 };
/** Black from 3 s to 8 s. */
const SLATE = '......##########........';

test('black in an announced break is told with what was announced, and charges nobody', () => {
  const defects = play(SLATE, [CUE_OUT]);
  assert.equal(tell(defects), 'open@3000(cue-out) close@8000(cue-out)');
  assert.ok(defects.every(({ chargeFromMs }) => chargeFromMs === 10_000));
  const unannounced = play(SLATE, []);
  assert.equal(tell(unannounced), 'open@3000 close@8000');
  assert.ok(unannounced[0]!.chargeFromMs < 8_000);
});

test('it may begin a little before the break, and not after it', () => {
  assert.equal(tell(play(SLATE, [{ ...CUE_OUT, atMs: 4_000 }])), 'open@3000(cue-out) close@8000(cue-out)');
  assert.equal(tell(play(SLATE, [{ ...CUE_OUT, atMs: 4_001 }])), 'open@3000 close@8000');
  assert.equal(tell(play(SLATE, [{ ...CUE_OUT, lengthMs: 1_000 }])), 'open@3000 close@8000');
});

test('a slate that outlasts its break becomes an ordinary defect', () => {
  const long = `......${'#'.repeat(30)}....`;
  const defects = play(long, [CUE_OUT]);
  assert.equal(tell(defects.slice(0, 2)), 'open@3000(cue-out) update');
  assert.match(defects[1]!.reason, /outlasts what was announced \(cue-out\)/);
  assert.equal(tell(defects).split(' ').at(-1), 'close@18000');
});

test('an announcement that comes after the defect takes it back', () => {
  const defects = play(SLATE, [{ ...CUE_OUT, toldAtMs: 6_500 }]);
  assert.equal(tell(defects), 'open@3000 update(cue-out) close@8000(cue-out)');
});

test('without a length a break lasts until it is called in', () => {
  const { lengthMs: _, ...open } = CUE_OUT;
  const long = `......${'#'.repeat(60)}....`;
  assert.equal(tell(play(long, [open])).includes('update '), false);
  const cueIn = { kind: 'cue-in', atMs: 12_000, toldAtMs: 11_000 };
  // the first update is the severity's
  assert.equal(tell(play(long, [open, cueIn]).slice(0, 3)), 'open@3000(cue-out) update(cue-out) update');
});

test('SCTE-35 counts with a length, up to a quarter of an hour; other date ranges say nothing', () => {
  assert.equal(tell(play(SLATE, [{ ...CUE_OUT, kind: 'scte35' }]).slice(0, 1)), 'open@3000(scte35)');
  const { lengthMs: _, ...point } = CUE_OUT;
  for (const marker of [
    { ...point, kind: 'scte35' },
    { ...CUE_OUT, kind: 'scte35', lengthMs: 3_600_000 },
    { ...CUE_OUT, kind: 'daterange' },
    { ...CUE_OUT, kind: 'discontinuity' },
  ])
    assert.equal(tell(play(SLATE, [marker])), 'open@3000 close@8000', marker.kind);
});

test('damage is damage in a break too', () => {
  assert.equal(tell(play('......xx..........', [CUE_OUT])).includes('cue-out'), false);
});

test('off the air as declared: everything is expected, up to the minute', () => {
  const iso = (ms: number): string => `${new Date(LOG_START_MS + ms).toISOString().slice(0, 19)}Z`;
  const config = { offAir: { news: [{ from: iso(-60_000), to: iso(60_000) }] } };
  assert.equal(tell(play(SLATE, [], config)), 'open@3000(off-air) close@8000(off-air)');
  assert.ok(tell(play('......xx..........', [], config)).includes('open@3000(off-air)'));
  const ends = { offAir: { 'news/main/origin': [{ from: iso(-60_000), to: iso(6_000) }] } };
  assert.equal(tell(play(`......${'#'.repeat(30)}....`, [], ends).slice(0, 2)), 'open@3000(off-air) update');
  const others = { offAir: { sport: config.offAir.news } };
  assert.equal(tell(play(SLATE, [], others)), 'open@3000 close@8000');
});

test('the health of a stream that shows an announced slate is good', () => {
  assert.deepEqual(healthOf([CUE_OUT]), []);
  assert.deepEqual(healthOf([]), ['video-black']);
});

test('a declared time is checked', () => {
  const from = '2026-11-22T01:00:00Z';
  assert.deepEqual(checkOffAir({ news: [{ from, to: '2026-11-22T05:00Z' }] }), []);
  assert.deepEqual(checkOffAir([]), ['offAir has to be an object by programme']);
  assert.deepEqual(checkOffAir({ news: {} }), ['offAir.news has to be a list of { from, to }']);
  assert.deepEqual(checkOffAir({ news: [{ from, to: from }] }), [
    'offAir.news.0: "to" has to be after "from"',
  ]);
  assert.deepEqual(checkOffAir({ news: [{ from, until: from }] }), [
    'offAir.news.0.until: no such setting; there are from, to',
    'offAir.news.0.to has to be a time as 2026-11-22T01:00:00Z, and is undefined',
  ]);
});
