import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, play, type Script } from './scripted-origin.ts';

const SEGMENT_MS = 2_000;
const BEFORE = 10;

/** A live manifest with a timeline, two representations, segments of 2 s. */
function live(
  encoderMs: (atMs: number) => number,
  names: (atMs: number) => readonly string[] = () => ['720', '360'],
): Script {
  const manifest = (atMs: number): string => {
    const newest = BEFORE + Math.floor(encoderMs(atMs) / SEGMENT_MS) - 1;
    const rows = names(atMs)
      .map((height) => `<Representation id="${height}" height="${height}" bandwidth="${height}000"/>`)
      .join('');
    return `<MPD type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z" minimumUpdatePeriod="PT2S"><Period id="p" start="PT0S"><AdaptationSet contentType="video"><SegmentTemplate timescale="1000" media="$RepresentationID$-$Time$.m4s"><SegmentTimeline><S t="${(newest - 4) * SEGMENT_MS}" d="${SEGMENT_MS}" r="4"/></SegmentTimeline></SegmentTemplate>${rows}</AdaptationSet></Period></MPD>`;
  };
  return {
    input: 'live.mpd',
    decoded: 'live.mpd',
    answer: (path, atMs) => (path === 'live.mpd' ? { body: manifest(atMs) } : {}),
  };
}

test('a DASH origin that does as it should shows nothing', () => {
  check(
    live((ms) => ms),
    60_000,
    '',
  );
});

test('without a new segment a DASH manifest is stale, though it changes', () => {
  const encoderMs = (ms: number) => (ms < 20_000 ? ms : Math.max(20_000, ms - 16_000));
  check(live(encoderMs), 60_000, 'manifest-stale open@26000, manifest-stale close@44000');
});

test('a representation that is not named any more is missing', () => {
  const names = (ms: number) => (ms >= 20_000 && ms < 40_000 ? ['720'] : ['720', '360']);
  check(
    live((ms) => ms, names),
    60_000,
    'rendition-missing[360p] open@26000, rendition-missing[360p] close@46000',
  );
});

test('a segment of a period that is over is one of its representation, also while the next period is listed', () => {
  const manifest = live((ms) => ms);
  const told = play(
    {
      ...manifest,
      answer(path, atMs) {
        const { body, ...rest } = manifest.answer(path, atMs);
        const next =
          '<Period id="q" start="PT600S"><AdaptationSet contentType="video"><SegmentTemplate timescale="1000" media="q-$RepresentationID$-$Time$.m4s"><SegmentTimeline/></SegmentTemplate><Representation id="720" height="720" bandwidth="720000"/><Representation id="360" height="360" bandwidth="360000"/></AdaptationSet></Period></MPD>';
        return body === undefined ? rest : { ...rest, body: body.replace('</MPD>', next) };
      },
    },
    30_000,
  );
  const segments = told.records.flatMap(({ segmentStatus }) => segmentStatus);
  assert.ok(segments.length >= 10 && segments.every((status) => status === 200), segments.join());
});
