import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dashDurationMs, parseDash } from './dash-manifest.ts';
import { type HlsMaster, type HlsMedia, parseHls } from './hls-playlist.ts';
import { parseXml } from './xml-elements.ts';

const BASE = 'http://origin/live/index.m3u8';

test('a media playlist: numbers, places, discontinuities and programme time that runs on', () => {
  const media = parseHls(
    [
      ...['#EXTM3U', '#EXT-X-TARGETDURATION:6', '#EXT-X-MEDIA-SEQUENCE:41'],
      ...['#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z', '#EXTINF:6.0,', 'a.ts', '#EXTINF:5.5,', 'b.ts'],
      ...['#EXT-X-DISCONTINUITY', '#EXT-X-CUE-OUT:DURATION=30', '#EXTINF:4,', '/other/c.ts?x=1'],
      ...['#EXT-X-GAP', '#EXTINF:6,', 'd.ts', '#EXT-X-PART:DURATION=1,URI="e.1.mp4"'],
    ].join('\r\n'),
    BASE,
  ) as HlsMedia;
  const startMs = Date.UTC(2026, 0, 1);
  assert.deepEqual(
    media.segments.map((one) => [
      one.sequence,
      one.url,
      one.durationMs,
      one.isDiscontinuity,
      one.programTimeMs,
    ]),
    [
      [41, 'http://origin/live/a.ts', 6_000, false, startMs],
      [42, 'http://origin/live/b.ts', 5_500, false, startMs + 6_000],
      [43, 'http://origin/other/c.ts?x=1', 4_000, true, null],
      [44, 'http://origin/live/d.ts', 6_000, false, null],
    ],
  );
  assert.equal(media.segments[3]?.isGap, true);
  assert.equal(media.trailingParts, 1);
  assert.equal(media.targetDurationMs, 6_000);
  assert.equal(media.isEnded, false);
  assert.deepEqual(media.markers, [
    { kind: 'cue-out', sequence: 43, programTimeMs: null, durationMs: 30_000, id: '' },
  ]);
});

test('byte ranges go on where the one before ended', () => {
  const media = parseHls(
    '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@0\nall.ts\n#EXTINF:2,\n#EXT-X-BYTERANGE:50\nall.ts\n#EXT-X-ENDLIST',
    BASE,
  ) as HlsMedia;
  assert.deepEqual(
    media.segments.map(({ range }) => range),
    [
      { start: 0, length: 100 },
      { start: 100, length: 50 },
    ],
  );
  assert.equal(media.isEnded, true);
});

test('a master playlist: names by height, by bitrate where several have it, sounds by language', () => {
  const master = parseHls(
    [
      ...['#EXTM3U', '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",LANGUAGE="de",NAME="Ton, klar",URI="de.m3u8"'],
      ...['#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,CODECS="avc1.4d,mp4a.40.2"', 'hi.m3u8'],
      ...['#EXT-X-STREAM-INF:BANDWIDTH=1500000,RESOLUTION=1280x720', 'lo.m3u8'],
      ...['#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"', 'sound.m3u8'],
    ].join('\n'),
    BASE,
  ) as HlsMaster;
  assert.deepEqual(
    master.variants.map(({ id, media, url }) => [id, media, url.split('/').at(-1)]),
    [
      ['audio-de-Ton, klar', 'audio', 'de.m3u8'],
      ['720p-2', 'video', 'hi.m3u8'],
      ['720p', 'video', 'lo.m3u8'],
      ['audio', 'audio', 'sound.m3u8'],
    ],
  );
});

test('what is no playlist is none', () => {
  for (const text of ['', '<html>', '#EXTM3U', '{"error":1}']) assert.equal(parseHls(text, BASE), null);
});

const TIMELINE = `<?xml version="1.0"?><!-- made by hand -->
<MPD type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z" minimumUpdatePeriod="PT2S" xmlns="urn:mpeg:dash:schema:mpd:2011">
  <Period id="p0" start="PT10S">
    <EventStream schemeIdUri="urn:scte:scte35:2013:bin" timescale="1000"><Event presentationTime="4000" duration="2000" id="7"/></EventStream>
    <AdaptationSet contentType="video">
      <SegmentTemplate timescale="1000" media="v-$RepresentationID$-$Number%05d$.m4s" startNumber="3" presentationTimeOffset="1000">
        <SegmentTimeline><S t="4000" d="2000" r="2"/><S d="1500"/></SegmentTimeline>
      </SegmentTemplate>
      <Representation id="0" height="720" bandwidth="5"/><Representation id="1" height="360" bandwidth="2"/>
    </AdaptationSet>
    <AdaptationSet mimeType="audio/mp4" lang="en">
      <Representation id="2"><BaseURL>sound/</BaseURL><SegmentTemplate timescale="10" duration="20" media="$Time$.m4s"/></Representation>
    </AdaptationSet>
  </Period>
</MPD>`;

test('a DASH timeline: where what is listed ends, and which segment an address is', () => {
  const mpd = parseDash(TIMELINE, 'http://origin/d/live.mpd')!;
  assert.equal(mpd.isLive, true);
  assert.equal(mpd.updatePeriodMs, 2_000);
  assert.equal(mpd.availabilityStartMs, Date.UTC(2026, 0, 1));
  const [video, small, sound] = mpd.representations;
  assert.deepEqual([video?.id, small?.id, sound?.id], ['720p', '360p', 'audio-en']);
  assert.equal(video?.newestEndMs, 10_000 + 10_500);
  assert.equal(video?.segmentMsMax, 2_000);
  assert.equal(video?.newestUrl(0), 'http://origin/d/v-0-00006.m4s');
  assert.deepEqual(video?.placeOf('http://origin/d/v-0-00004.m4s'), { atMs: 15_000, durationMs: 2_000 });
  assert.equal(video?.placeOf('http://origin/d/v-1-00004.m4s'), null);
  assert.equal(sound?.newestEndMs, null);
  assert.deepEqual(mpd.markers, [{ atMs: 14_000, durationMs: 2_000, id: '7' }]);
});

test('a DASH formula: the clock tells the newest segment', () => {
  const text = TIMELINE.replace(/<SegmentTimeline>.*<\/SegmentTimeline>/, '').replace(
    'startNumber="3"',
    'startNumber="3" duration="2000"',
  );
  const [video] = parseDash(text, 'http://origin/d/live.mpd')!.representations;
  assert.equal(video?.newestEndMs, null);
  const nowMs = Date.UTC(2026, 0, 1) + 10_000 + 7_000;
  assert.equal(video?.newestUrl(nowMs), 'http://origin/d/v-0-00005.m4s');
  assert.deepEqual(video?.placeOf('http://origin/d/v-0-00005.m4s'), { atMs: 14_000, durationMs: 2_000 });
});

test('durations of ISO 8601', () => {
  assert.equal(dashDurationMs('PT1H2M3.5S'), 3_723_500);
  assert.equal(dashDurationMs('P1DT1S'), 86_401_000);
  assert.equal(dashDurationMs('2 s'), null);
});

test('XML that is not well-formed is none, and no entity of its own is filled in', () => {
  for (const text of ['', '<a>', '<a></b>', '<a/><b/>', 'text', '<a', '<!-- <a/>'])
    assert.equal(parseXml(text), null);
  const root = parseXml('<!DOCTYPE a [<!ENTITY x "y">]><a b="&lt;&amp;"/>');
  assert.equal(root === null || root.attributes.get('b') === '<&', true);
  assert.equal(parseXml('<a c="1"><![CDATA[<x>]]>&amp;</a>')?.text, '<x>&');
  assert.equal(parseXml(`${'<a>'.repeat(100)}${'</a>'.repeat(100)}`), null);
});
