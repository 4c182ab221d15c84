import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDash } from './dash-manifest.ts';
import { DashPeriods, type LoadedDash } from './dash-periods.ts';
import { parseMpd, rewriteDash } from './dash-rewrite.ts';

const URL_OF_MANIFEST = 'http://origin/live.mpd';
const START = '2026-01-01T00:00:00Z';
const START_MS = Date.parse(START);

/** Two segments of 2 s. */
const TIMELINE = '<SegmentTimeline><S t="0" d="2000" r="1"/></SegmentTimeline>';
const period = (id: string, attributes: string, listing = TIMELINE): string =>
  `<Period id="${id}" ${attributes}><AdaptationSet contentType="video"><SegmentTemplate timescale="1000" ${listing === '' ? 'duration="2000"' : ''} media="${id}-$Number$.m4s">${listing}</SegmentTemplate><Representation id="v" height="90" bandwidth="1"/></AdaptationSet></Period>`;

function load(attributes: string, ...periods: readonly string[]): LoadedDash {
  const body = `<MPD ${attributes}>${periods.join('')}</MPD>`;
  return { mpd: parseMpd(body)!, facts: parseDash(body, URL_OF_MANIFEST)! };
}

const live = (...periods: readonly string[]) =>
  load(`type="dynamic" availabilityStartTime="${START}" minimumUpdatePeriod="PT2S"`, ...periods);
const whole = (...periods: readonly string[]) =>
  load('type="static" mediaPresentationDuration="PT9S"', ...periods);
const segment = (name: string) => `http://origin/${name}.m4s`;

function handed(
  periods: DashPeriods,
  loaded: LoadedDash,
): readonly [id: string, closedMs: number | null] | null {
  const one = periods.handOut(loaded);
  return one === null ? null : [one.element.attributes.get('id')!, one.closedMs];
}

test('what is whole is handed out period by period, each with its end', () => {
  const b = period('b', 'start="PT3S" duration="PT1S"');
  const manifest = whole(period('a', 'start="PT0S"'), b, period('c', 'start="PT4S"', ''));
  const periods = new DashPeriods();
  periods.begin(manifest, START_MS);
  assert.deepEqual(handed(periods, manifest), ['a', 3_000]);
  assert.equal(periods.delivered(segment('a-1'), START_MS), false);
  periods.begin(manifest, START_MS);
  assert.deepEqual(handed(periods, manifest), ['a', 3_000], 'a decoder that died in it begins it again');
  assert.equal(periods.delivered(segment('a-2'), START_MS), true);
  periods.begin(manifest, START_MS);
  assert.deepEqual(handed(periods, manifest), ['b', 1_000]);
  assert.equal(periods.delivered(segment('b-2'), START_MS), true);
  periods.begin(manifest, START_MS);
  assert.deepEqual(handed(periods, manifest), ['c', 5_000]);
  assert.equal(periods.delivered(segment('c-3'), START_MS), false, 'nothing follows it');
});

test('a live one is followed from the period that is on; a period is over when another one is listed', () => {
  const periods = new DashPeriods();
  const later = period('c', 'start="PT60S"', '<SegmentTimeline/>');
  const before = live(period('a', 'start="PT0S"'), period('b', 'start="PT4S"'), later);
  periods.begin(before, START_MS + 10_000);
  assert.deepEqual(handed(periods, before), ['b', null], 'a is over, and c is yet to come');
  assert.equal(periods.isPastEnd(segment('b-3'), START_MS + 10_000), false, 'it may yet be listed');
  assert.equal(periods.delivered(segment('b-2'), START_MS + 10_000), false);
  const alone = live(period('b', 'start="PT4S"'));
  assert.deepEqual(handed(periods, alone), ['b', null]);
  assert.equal(periods.isPastEnd(segment('b-3'), START_MS + 20_000), false, 'it may yet be listed');
  const after = live(period('b', 'start="PT4S"'), period('c', 'start="PT8S"'), period('d', 'start="PT12S"'));
  assert.deepEqual(handed(periods, after), ['b', null]);
  assert.equal(periods.isPastEnd(segment('b-2'), START_MS + 20_000), false);
  assert.equal(periods.isPastEnd(segment('b-3'), START_MS + 20_000), true);
  periods.begin(after, START_MS + 30_000);
  assert.deepEqual(handed(periods, after), ['c', 4_000], 'the next one, though another one is on');
  assert.equal(handed(periods, live(period('d', 'start="PT12S"'))), null);
  assert.equal(periods.isPastEnd(segment('c-2'), START_MS + 20_000), true, 'it is not listed any more');
});

test('after a loss, what is live by then; where the clock tells, the end is that of the period', () => {
  const periods = new DashPeriods();
  const first = live(period('a', 'start="PT0S"', ''));
  periods.begin(first, START_MS + 1_000);
  const later = live(period('a', 'start="PT0S"', ''), period('b', 'start="PT8S"', ''));
  assert.deepEqual(handed(periods, later), ['a', null]);
  assert.equal(periods.isPastEnd(segment('a-4'), START_MS + 10_000), false);
  assert.equal(
    periods.isPastEnd(segment('a-5'), START_MS + 9_000),
    false,
    'nothing can be in the next one yet',
  );
  assert.equal(periods.isPastEnd(segment('a-5'), START_MS + 10_000), true);
  const lost = new DashPeriods();
  lost.begin(first, START_MS + 1_000);
  lost.begin(later, START_MS + 60_000);
  assert.deepEqual(handed(lost, later), ['b', null]);
});

test('ffmpeg gets one period, and of one that is over its length', () => {
  const manifest = live(period('a', 'start="PT2S"'), period('b', 'start="PT6S"'));
  const rewrite = { base: (url: string) => `${url}#/`, child: (reference: string) => reference };
  const textOf = (index: number, closedMs: number | null) => {
    const element = manifest.mpd.children.filter(({ name }) => name === 'Period')[index]!;
    return rewriteDash(manifest.mpd, { element, closedMs }, URL_OF_MANIFEST, null, rewrite);
  };
  const open = textOf(1, null);
  assert.deepEqual(open.match(/<Period [^>]*>/g), ['<Period id="b" start="PT6S">']);
  assert.match(open, /<MPD type="dynamic" availabilityStartTime/);
  const closed = textOf(0, 4_000);
  assert.deepEqual(closed.match(/<Period [^>]*>/g), ['<Period id="a" start="PT0S" duration="PT4.000S">']);
  assert.match(closed, /<MPD type="static" mediaPresentationDuration="PT4.000S">/);
});
