/** Where in the programme a viewer was, and what counts as having seen and heard it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { CLIENT_START_MS, LOG_START_MS, playbackEvent, run, says } from './drawn-session.ts';
import type { RenderedSpan } from './figures.ts';

type Said = readonly [afterMs: number, letter: string, more?: Partial<PlaybackEvent>];

function resultsOf(said: readonly Said[], fields: Partial<PlaybackEvent> = {}) {
  return run(
    said.map(([afterMs, letter, more], sn) => ({
      logMs: LOG_START_MS + afterMs,
      event: playbackEvent({
        sn,
        clientTimeMs: CLIENT_START_MS + afterMs,
        ...fields,
        ...says(letter),
        ...more,
      }),
    })),
  ).results;
}

/** Spans of the windows as text: log time, programme time where it is known, by which source, what was not seen or heard. */
function tell(said: readonly Said[], fields: Partial<PlaybackEvent> = {}): readonly string[] {
  return resultsOf(said, fields).flatMap(({ spans }) => spans.map(wordsOf));
}

function wordsOf(span: RenderedSpan): string {
  const place =
    span.programTimeStartMs === null
      ? ''
      : ` @${span.programTimeStartMs}+-${span.uncertaintyMs} ${span.timeSource}`;
  const unseen = `${span.isVisible ? '' : ' unseen'}${span.isAudible ? '' : ' unheard'}`;
  const rate = span.ratePermille === 1_000 ? '' : ` x${span.ratePermille}`;
  return `${span.startMs - LOG_START_MS}-${span.endMs - LOG_START_MS}${place}${unseen}${rate}`;
}

const player = (programTimeMs: number): Partial<PlaybackEvent> => ({
  programTimeMs,
  programTimeSource: 'player',
});

test('only what is rendered is in a span: no pause, no stall, no seek wait, no ad', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p'],
      [2_000, 'r'],
      [2_500, 'p'],
      [3_500, 'a'],
      [4_000, 'p'],
      [5_000, 'k'],
      [5_500, 'p'],
      [6_500, '['],
      [8_000, ']'],
      [9_000, 'q'],
    ]),
    ['1000-2000', '2500-3500', '4000-5000', '5500-6500', '8000-9000'],
  );
});

test('the programme time that the player tells moves while it plays, and stands still while it does not', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p', player(500_000)],
      [4_000, 'r'],
      [6_000, 'p'],
      [8_000, 'a'],
      [9_000, 'p'],
      [12_000, 'q'],
    ]),
    [
      '1000-4000 @500000+-130 player',
      '6000-8000 @503000+-150 player',
      '9000-10000 @505000+-160 player',
      '10000-12000 @506000+-180 player',
    ],
  );
});

test('media time with an anchor of the same session holds over a seek; without a report after it the place is unknown', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p', { ...player(500_000), mediaTimeMs: 20_000 }],
      [3_000, 'k'],
      [4_000, 'p'],
      [5_000, 't', { mediaTimeMs: 80_000 }],
      [7_000, 'q'],
    ]),
    ['1000-3000 @500000+-120 player', '4000-5000', '5000-7000 @560000+-220 anchor'],
  );
});

test('on demand, media time is programme time; live, it is nothing without an anchor', () => {
  const said: readonly Said[] = [
    [0, 's'],
    [1_000, 'p', { mediaTimeMs: 20_000 }],
    [3_000, 'q'],
  ];
  assert.deepEqual(tell(said, { streamType: 'vod' }), ['1000-3000 @20000+-220 vod']);
  assert.deepEqual(tell(said, { streamType: 'live' }), ['1000-3000']);
});

test('live latency places to a segment at best, and never across a seek or a pause', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p'],
      [2_000, 't', { liveLatencyMs: 8_000 }],
      [4_000, 'a'],
      [5_000, 'p'],
      [6_000, 't', { liveLatencyMs: 9_000 }],
      [7_000, 'k'],
      [7_500, 'p'],
      [8_500, 'q'],
    ]),
    [
      '1000-2000',
      `2000-4000 @${LOG_START_MS - 6_000}+-6020 latency`,
      '5000-6000',
      `6000-7000 @${LOG_START_MS - 3_000}+-6010 latency`,
      '7500-8500',
    ],
  );
});

test('muted, hidden, at another rate, in another rendition', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p', player(500_000)],
      [2_000, 'm'],
      [3_000, 'h'],
      [4_000, 'u'],
      [5_000, 'v', { playbackRatePermille: 2_000 }],
      [6_000, '3'],
      [7_000, 'q'],
    ]),
    [
      '1000-2000 @500000+-110 player',
      '2000-3000 @501000+-120 player unheard',
      '3000-4000 @502000+-130 player unseen unheard',
      '4000-5000 @503000+-140 player unseen',
      '5000-6000 @504000+-150 player x2000',
      '6000-7000 @506000+-160 player x2000',
    ],
  );
});

test('reports that change nothing do not cut a span; a jump of the playhead does', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p', player(500_000)],
      [3_000, 't', player(502_015)],
      [5_000, 't', player(504_000)],
      [6_000, 't', player(900_000)],
      [7_000, 'q'],
    ]),
    ['1000-6000 @500000+-120 player', '6000-7000 @900000+-110 player'],
  );
});

test('figures of a window say how much was rendered, seen and heard, and which programme time', () => {
  const [window] = resultsOf([
    [0, 's'],
    [1_000, 'p', player(500_000)],
    [3_000, 'm'],
    [4_000, 'h'],
    [6_000, 'v'],
    [8_000, 'q'],
  ]);
  const { figures, told } = window!;
  assert.deepEqual(
    [
      figures.playingMs,
      figures.exposedMs,
      figures.audibleMs,
      figures.programTimeStartMs,
      figures.programTimeEndMs,
    ],
    [7_000, 5_000, 2_000, 500_000, 507_000],
  );
  assert.equal(figures.timeSource, 'player');
  assert.equal(told.position, 1_000);
});

test('after an ad the place is what is told next', () => {
  assert.deepEqual(
    tell([
      [0, 's'],
      [1_000, 'p', { ...player(500_000), mediaTimeMs: 20_000 }],
      [2_000, '['],
      [3_000, 't', { mediaTimeMs: 0 }],
      [4_000, ']'],
      [5_000, 't', { mediaTimeMs: 22_000 }],
      [6_000, 'q'],
    ]),
    ['1000-2000 @500000+-110 player', '4000-5000', '5000-6000 @502000+-210 anchor'],
  );
});

test('a player that sends in batches is not placed by its live latency', () => {
  const said: readonly Said[] = [
    [0, 's'],
    [1_000, 'p'],
    [2_000, 't', { liveLatencyMs: 8_000 }],
    [20_000, 'q'],
  ];
  const batched = said.map(([afterMs, letter, more], sn) => ({
    logMs: LOG_START_MS + 20_000,
    event: playbackEvent({ sn, clientTimeMs: CLIENT_START_MS + afterMs, ...says(letter), ...more }),
  }));
  const spans = run(batched).results.flatMap((result) => result.spans);
  assert.ok(spans.length > 0 && spans.every(({ timeSource }) => timeSource === 'unknown'));
});
