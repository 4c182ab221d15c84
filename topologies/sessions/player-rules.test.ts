/**
 * What hls.js, dash.js and Shaka were seen to send in headless Chromium, with what the media element itself said
 * (hls.js 1.7.4, dash.js 5.2.1, Shaka 5.2.12).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlaybackEvent } from '../../schemas/records.ts';
import {
  type Arrival,
  CLIENT_START_MS,
  finalsOf,
  LOG_START_MS,
  playbackEvent,
  run,
  says,
  tell,
} from './drawn-session.ts';
import { rulesFor } from './player-rules.ts';

type Said = readonly [afterMs: number, letter: string, more?: Partial<PlaybackEvent>];

function arrivalsOf(playerName: string, said: readonly Said[]): readonly Arrival[] {
  return said.map(([afterMs, letter, more], sn) => ({
    logMs: LOG_START_MS + afterMs,
    event: playbackEvent({
      playerName,
      sn,
      clientTimeMs: CLIENT_START_MS + afterMs,
      ...says(letter),
      ...more,
    }),
  }));
}

function finalOf(playerName: string, said: readonly Said[]) {
  const final = finalsOf(run(arrivalsOf(playerName, said)).results).at(-1);
  assert.ok(final !== undefined);
  return final;
}

function check(playerName: string, said: readonly Said[], expected: string) {
  const final = finalOf(playerName, said);
  assert.equal(tell(final.figures), expected);
  return final;
}

const at = (playerState: string): Partial<PlaybackEvent> => ({ playerState });

test('names are known however they are written', () => {
  assert.equal(rulesFor('hls.js').player, 'hls.js');
  assert.equal(rulesFor('Hls.JS').player, 'hls.js');
  assert.equal(rulesFor('dashjs').player, 'dash.js');
  assert.equal(rulesFor('Shaka Player').player, 'shaka');
  assert.equal(rulesFor('my-player').player, '');
});

test('hls.js: preload, start, two stalls, a seek with rebuffering in it, end', () => {
  check(
    'hls.js',
    [
      [0, 't'],
      [5, 'd'],
      [300, 's'],
      [750, 'p'],
      [9_000, 'r'],
      [13_057, 'p'],
      [20_000, 'r'],
      [21_000, 'p'],
      [30_000, 'k'],
      [30_040, 'r'],
      [31_200, 'p'],
      [40_000, 'a'],
      [42_000, 'p'],
      [50_000, 'e'],
    ],
    'play join=450 playing=40993 paused=2000 seek=1200 stalls=2/5057',
  );
});

test('hls.js: sn 1 before sn 0 while preflights are under way', () => {
  const [first, second, ...rest] = arrivalsOf('hls.js', [
    [0, 's'],
    [5, 't', at('starting')],
    [600, 'p'],
    [5_000, 'q'],
  ]);
  const swapped = [
    { ...second!, logMs: LOG_START_MS + 80 },
    { ...first!, logMs: LOG_START_MS + 120 },
    ...rest,
  ];
  const [final] = finalsOf(run(swapped).results);
  assert.equal(tell(final!.figures), 'play join=600 playing=4400');
});

test('hls.js: a bitrate is told at the decision, seconds before it is rendered, and for levels that never are', () => {
  const final = check(
    'hls.js',
    [
      [0, 's'],
      [100, '1'],
      [500, 'p'],
      // decided with 4 s in the buffer, then taken back before it came on screen
      [2_000, '6', { bufferMs: 4_000 }],
      [3_000, '1', { bufferMs: 4_000 }],
      // decided with 4 s in the buffer: on screen from 10 s on
      [6_000, '3', { bufferMs: 4_000 }],
      [7_000, 't', { playerState: 'playing', bitrateBps: 3_000_000, bufferMs: 4_000 }],
      [20_500, 'q'],
    ],
    'play join=500 playing=20000 switches=1/0',
  );
  assert.equal(final.figures.bitrateBps, Math.round((1_000 * 9_500 + 3_000 * 10_500) / 20_000) * 1_000);
});

test('hls.js: a fatal error in mid-play is told as rebuffering for ever: a stall, no failure', () => {
  check(
    'hls.js',
    [
      [0, 's'],
      [500, 'p'],
      [5_000, 'r'],
      [30_000, 't', at('rebuffering')],
      [60_000, 't', at('rebuffering')],
    ],
    'play join=500 playing=4500 stalls=1/55000',
  );
});

test('hls.js: fatal at the start', () => {
  check(
    'hls.js',
    [
      [0, 's'],
      [900, 'f'],
      [901, '!', { errorCodes: ['manifestLoadError'] }],
    ],
    'vsf-technical',
  );
});

test('hls.js: after a 503 everything comes again, in any order', () => {
  const arrivals = arrivalsOf('hls.js', [
    [0, 's'],
    [500, 'p'],
    [3_000, 'r'],
    [4_500, 'p'],
    [9_000, 't', at('playing')],
    [14_000, 'a'],
  ]);
  const order = [0, 1, 2, 1, 0, 3, 2, 1, 0, 4, 3, 2, 1, 0, 5, 4, 5, 4, 3, 0, 1, 2];
  const storm = order.map((index, place) => ({
    event: arrivals[index]!.event,
    logMs: Math.max(arrivals[index]!.logMs, LOG_START_MS + place * 700),
  }));
  storm.sort((a, b) => a.logMs - b.logMs);
  const [final] = finalsOf(run(storm).results);
  assert.equal(tell(final!.figures), 'play join=500 playing=12000 stalls=1/1500');
  assert.equal(final!.figures.duplicateCount, order.length - arrivals.length);
});

test('dash.js: start buffering is told as rebuffering, and is no stall; waiting after a seek is seek wait', () => {
  check(
    'dash.js',
    [
      [0, 's'],
      [20, 'r'],
      [450, 'p'],
      [10_000, 'k'],
      [10_030, 'w'],
      [10_800, 'p'],
      [20_000, 'r'],
      [24_057, 'p'],
      [30_000, 'a'],
      [30_000, 'e'],
    ],
    'play join=450 playing=24693 seek=800 stalls=1/4057',
  );
});

test('dash.js: its startup time is not believed', () => {
  const final = check(
    'dash.js',
    [
      [0, 'p', { startupMs: 12 }],
      [5_000, 'q'],
    ],
    'play playing=5000',
  );
  assert.equal(final.told.startup, 0);
});

test('dash.js: an error in mid-play is fatal only if it does not go on, whatever its state says', () => {
  const error = { errorCodes: ['27'], playerState: 'playing' };
  check(
    'dash.js',
    [
      [0, 's'],
      [450, 'p'],
      [10_000, '!', error],
      [30_000, 't', error],
      [60_000, 't', error],
    ],
    'play+technical join=450 playing=9550',
  );
  check(
    'dash.js',
    [
      [0, 's'],
      [450, 'p'],
      [10_000, '!', error],
      [12_000, 'r'],
      [13_000, 'p'],
      [30_000, 't', error],
    ],
    'play join=450 playing=26550 stalls=1/1000',
  );
});

test('dash.js: the manifest cannot be had at the start', () => {
  check(
    'dash.js',
    [
      [0, 's'],
      [3_000, '!', { errorCodes: ['25'] }],
      [30_000, 't', { errorCodes: ['25'], playerState: 'starting' }],
    ],
    'vsf-technical',
  );
});

test('dash.js: bitrates of requests are those of what is played when the buffer is used up', () => {
  const request = { event: 'request', source: 'cmcd-v2-request', requestObjectType: 'video' };
  const final = finalOf('dash.js', [
    [0, 's'],
    [50, '1', request],
    [450, 'p'],
    [2_450, '3', { ...request, bufferMs: 4_000 }],
    [3_000, '9', { ...request, requestObjectType: 'audio', bufferMs: 4_000 }],
    [10_450, 'q'],
  ]);
  assert.equal(final.figures.bitrateBps, Math.round((1 * 6_000 + 3 * 4_000) / 10) * 1_000);
  assert.equal(final.figures.switchesUp, 1);
});

test('Shaka: no state is ever told, so that nothing is claimed to play or to stall', () => {
  const final = finalOf('shaka', [
    [0, 't'],
    [900, 't', { startupMs: 300, bitrateBps: 2_596_000 }],
    [10_000, 't', { bitrateBps: 2_596_000, mediaTimeMs: 8_000 }],
    [20_000, 't', { bitrateBps: 2_596_000, mediaTimeMs: 18_000 }],
  ]);
  const { figures, told } = final;
  assert.equal(tell(figures), 'play');
  assert.equal(figures.rebufferingWatchPermille, null);
  assert.equal(figures.contentStartupMs, null);
  assert.equal(figures.playerState, 'unknown');
  assert.deepEqual(told, { startup: 0, states: 0, bitrate: 1_000, position: 0, events: 1_000 });
});

test('Shaka: an error for every retry is not fatal, and silence after the first report is unknown', () => {
  check(
    'shaka',
    [[0, 't'], ...[1, 2, 3, 4].map((second): Said => [second * 1_000, '!', { errorCodes: [] }])],
    'unknown',
  );
});

test('CMCD v1: a lower bound on stalls, and null for all that it cannot tell', () => {
  const request = (afterMs: number, more: Partial<PlaybackEvent>): Arrival => ({
    logMs: LOG_START_MS + afterMs,
    event: playbackEvent({ event: 'request', source: 'cmcd-v1-query', requestObjectType: 'video', ...more }),
  });
  const { results } = run([
    request(0, { requestObjectType: 'manifest', startupDelayed: true }),
    request(300, { startupDelayed: true, bitrateBps: 1_000_000 }),
    request(2_000, { bitrateBps: 1_000_000, bufferMs: 3_000 }),
    request(6_000, { bitrateBps: 1_000_000, stalledSinceLast: true }),
    request(6_010, { requestObjectType: 'audio', stalledSinceLast: true }),
    request(12_000, { bitrateBps: 1_000_000, stalledSinceLast: true }),
    request(18_000, { bitrateBps: 1_000_000 }),
  ]);
  const [final] = finalsOf(results);
  const { figures, told } = final!;
  assert.equal(tell(figures), 'play stalls=2/0');
  assert.equal(figures.eventsLost, null);
  assert.equal(figures.joinTimeMs, null);
  assert.equal(figures.rebufferingPlayingPermille, null);
  assert.equal(figures.bitrateBps, 1_000_000);
  assert.equal(told.states, 0);
  assert.equal(told.startup, 0);
  assert.ok(results.every((result) => result.spans.length === 0));
});
