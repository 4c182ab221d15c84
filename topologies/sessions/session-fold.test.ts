import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLIENT_START_MS,
  check,
  draw,
  finalsOf,
  LOG_START_MS,
  playbackEvent,
  run,
  tell,
} from './drawn-session.ts';
import { SESSION_DEFAULTS } from './session-settings.ts';

test('startup is from intent to the first frame; null where one of them was not told', () => {
  check('s..p...q', 'play join=1500 playing=2000');
  check('d...s..p...q', 'play join=1500 playing=2000');
  check('p...q', 'play playing=2000');
  check('dp...q', 'play playing=2000');
  check('I.F.C...q', 'play join=1000 startup=2000 playing=3000');
});

test('rebuffering before the first frame is waiting for the start, not a stall', () => {
  check('s.r..p...q', 'play join=2500 playing=2000');
});

test('pauses by the user and ads are no startup', () => {
  check('s.a...s.p..q', 'play join=4000 startup=2000 playing=1500 paused=2000');
  check('s.[p....]..q', 'play join=1500 preroll=2500 playing=1500 ads=2500');
  check('s.[p..r..p.].p..q', 'play join=1500 preroll=4000 playing=2500 ads=2500 ad-stalls=1/1500');
});

test('a stall is from rebuffering to the next play, pause or end', () => {
  check('s.p....r..p...q', 'play join=1000 playing=4500 stalls=1/1500');
  check('s.p....r..a..p..q', 'play join=1000 playing=4000 paused=1500 stalls=1/1500');
  check('s.p....r..q', 'play join=1000 playing=2500 stalls=1/1500');
  check('s.p..r.trt.p.q', 'play join=1000 playing=2500 stalls=1/3000');
});

test('a response is stamped with its request, and tells the state of its end', () => {
  const arrivals = draw('s.p....r..p...q');
  const response = (timeToLastByteMs: number | null) => {
    const event = playbackEvent({
      ...arrivals[1]!.event,
      event: 'response-received',
      sn: null,
      clientTimeMs: CLIENT_START_MS + 2_000,
      playerState: 'rebuffering',
      timeToLastByteMs,
    });
    return { logMs: LOG_START_MS + 4_950, event };
  };
  for (const timeToLastByteMs of [2_900, null]) {
    const all = [...arrivals, response(timeToLastByteMs)].toSorted((a, b) => a.logMs - b.logMs);
    const [final] = finalsOf(run(all).results);
    assert.equal(tell(final!.figures), 'play join=1000 playing=4500 stalls=1/1500');
  }
});

test('an interruption under 100 ms is a micro stall', () => {
  const at = (afterMs: number, playerState: string, sn: number) => ({
    logMs: LOG_START_MS + afterMs,
    event: playbackEvent({ event: 'play-state', playerState, sn, clientTimeMs: CLIENT_START_MS + afterMs }),
  });
  const [final] = finalsOf(
    run([
      at(0, 'starting', 0),
      at(500, 'playing', 1),
      at(2_000, 'rebuffering', 2),
      at(2_099, 'playing', 3),
      at(3_000, 'rebuffering', 4),
      at(3_100, 'playing', 5),
      at(4_000, 'quit', 6),
    ]).results,
  );
  assert.equal(tell(final!.figures), 'play join=500 playing=3301 stalls=1/100 micro=1');
});

test('what follows a seek up to the next play is seek wait; a stall within 2 s of it is counted apart', () => {
  check('s.p..k.r..p....q', 'play join=1000 playing=4000 seek=2500');
  check('s.p..k.w..p....q', 'play join=1000 playing=4000 seek=2500');
  check('s.p..k.p..r.p..q', 'play join=1000 playing=4500 seek=1000 stalls=1/1000 after-seek=1/1000');
  check('s.p..k.p....r.p..q', 'play join=1000 playing=5500 seek=1000 stalls=1/1000');
});

test('outcomes: exactly one, by evidence', () => {
  check('s...f', 'vsf-technical');
  check('s...x', 'vsf-technical');
  check('s...B', 'vsf-business');
  check('s...L', 'ebvs');
  check('s...q', 'ebvs');
  check('s.!.q', 'ebvs');
  check('s...', 'unknown');
  check('s.p..x', 'play+technical join=1000 playing=1500');
  check('s.p..B', 'play+business join=1000 playing=1500');
  check('s.p..!..q', 'play join=1000 playing=3000');
  check('s..xq', 'vsf-technical');
});

test('a retry in the same session makes a failure a play', () => {
  check('s..f..s..p...q', 'play join=4500 playing=2000');
});

test('preload and refused autoplay are no attempts: nothing is told of them', () => {
  assert.deepEqual(run(draw('d......t......t')).results, []);
  assert.deepEqual(run(draw('d.a.')).results, []);
  assert.deepEqual(run(draw('d...q')).results, []);
});

test('bitrates are weighted by playing time, and switches count once playback has begun', () => {
  const { figures } = check('s12p...1...2.....q', 'play join=1500 playing=7000 switches=1/1');
  assert.equal(figures.bitrateBps, Math.round(((2 * 2_000 + 1 * 2_000 + 2 * 3_000) / 7) * 1_000));
});

test('a bitrate that is on screen counts at once, one that was decided for when the buffer was played', () => {
  const meanOf = (renditionShown: boolean) => {
    const fields = { playerName: 'hls.js', bufferMs: 3_000, renditionShown };
    return finalsOf(run(draw('2s.p...4...q', fields)).results)[0]!.figures.bitrateBps;
  };
  assert.equal(meanOf(false), 2_000_000);
  assert.equal(meanOf(true), 3_000_000);
});

test('a request without a time of its own does not say what is on screen where events do', () => {
  const arrivals = draw('2s.p...4...q', { renditionShown: true });
  const request = playbackEvent({
    ...arrivals[0]!.event,
    event: 'request',
    sn: null,
    clientTimeMs: null,
    bitrateBps: 1_000_000,
    renditionShown: false,
  });
  const late = [...arrivals, { logMs: LOG_START_MS + 2_700, event: request }].toSorted(
    (a, b) => a.logMs - b.logMs,
  );
  assert.equal(finalsOf(run(late).results)[0]!.figures.bitrateBps, 3_000_000);
});

test('lost reports are counted from the gaps in their numbers', () => {
  const final = check('s.p..{r..p}...tq', 'play join=1000 playing=5500 lost=2');
  assert.equal(final.told.events, Math.round(4_000 / 6));
});

test('cumulative figures repair what was lost, once', () => {
  const arrivals = draw('s.p..{r..p}...tt.q').map(({ logMs, event }) => ({
    logMs,
    event: event.event === 'time-interval' ? { ...event, stallCount: 1, stallMs: 1_500 } : event,
  }));
  const { results } = run(arrivals);
  const [final] = finalsOf(results);
  assert.equal(tell(final!.figures), 'play join=1000 playing=5000 stalls=1/1500 lost=2');
  const windows = results.filter(({ figures }) => figures.kind === 'window');
  assert.deepEqual(
    windows.map(({ figures }) => figures.stallCount),
    [1],
  );
});

test('windows are told with their grace, one after the other, and add up to the final', () => {
  const { results } = run(draw(`s.p${'.'.repeat(16)}r...p${'.'.repeat(30)}q`));
  const windows = results.filter(({ figures }) => figures.kind === 'window');
  assert.deepEqual(
    windows.map(({ figures }) => [
      figures.windowStartMs - LOG_START_MS,
      figures.playingMs,
      figures.stallCount,
      figures.stallMs,
    ]),
    [
      [0, 8_500, 1, 500],
      [10_000, 8_500, 0, 1_500],
      [20_000, 7_000, 0, 0],
    ],
  );
  const [final] = finalsOf(results);
  assert.equal(tell(final!.figures), 'play join=1000 playing=24000 stalls=1/2000');
  assert.equal(windows.at(-1)!.soFar.playingMs, 24_000);
});

test('a player that falls silent: windows hold its state, the final ends at its last word', () => {
  const { results } = run(draw('s.p...t'));
  const windows = results.filter(({ figures }) => figures.kind === 'window');
  assert.equal(windows.length, 10);
  assert.equal(windows[5]!.figures.playingMs, 10_000);
  assert.equal(windows.at(-1)!.figures.playingMs, 3_000);
  const finals = finalsOf(results);
  assert.equal(finals.length, 1);
  assert.equal(finals[0]!.figures.provisional, true);
  assert.equal(finals[0]!.figures.windowEndMs, LOG_START_MS + 3_000);
  assert.equal(tell(finals[0]!.figures), 'play join=1000 playing=2000');
});

test('heard again within ten minutes it is another revision; what lies between is unknown', () => {
  const silent = '.'.repeat(400);
  const { results, offered } = run(draw(`s.p...t${silent}t...t...q`));
  const finals = finalsOf(results);
  assert.deepEqual(
    finals.map(({ figures }) => [figures.revision, figures.provisional, figures.playingMs]),
    [
      [1, true, 2_000],
      [2, false, 6_000],
    ],
  );
  assert.ok(finals[1]!.sums.unknownMs > 190_000);
  assert.ok(offered.every((one) => one === 'taken'));
});

test('reports that were held up for longer than the heartbeat timeout reopen it and are folded at their time', () => {
  const arrivals = draw(`s.p...t${'.'.repeat(20)}r...p`);
  const delayed = arrivals.map((arrival, index) =>
    index < 3 ? arrival : { ...arrival, logMs: arrival.logMs + 200_000 },
  );
  const { results, offered } = run(delayed);
  assert.ok(offered.every((one) => one === 'taken'));
  const finals = finalsOf(results);
  assert.equal(tell(finals[0]!.figures), 'play join=1000 playing=2000');
  assert.equal(tell(finals[1]!.figures), 'play join=1000 playing=12500 stalls=1/2000');
});

test('past reopening it is another session, whose attempt was counted', () => {
  const { results } = run(draw(`s.p...t${'.'.repeat(1_600)}tp...q`));
  const finals = finalsOf(results);
  assert.deepEqual(
    finals.map(({ figures }) => [figures.revision, figures.windowStartMs - LOG_START_MS]),
    [
      [1, 0],
      [1, 804_000],
    ],
  );
});

test('a report whose window is closed is late; if it is news the session learns from it all the same', () => {
  const arrivals = draw(`s.p.......r...p${'.'.repeat(60)}t...q`);
  const held = (index: number, byMs: number) =>
    arrivals
      .map((arrival, at) => (at === index ? { ...arrival, logMs: arrival.logMs + byMs } : arrival))
      .sort((a, b) => a.logMs - b.logMs);
  // both the stall and its end come 15 s late
  const both = arrivals
    .map((arrival, at) => (at === 2 || at === 3 ? { ...arrival, logMs: arrival.logMs + 15_000 } : arrival))
    .sort((a, b) => a.logMs - b.logMs);
  const learnt = run(both);
  assert.deepEqual(learnt.offered[2], { late: 'window-closed' });
  const [final] = finalsOf(learnt.results);
  assert.equal(tell(final!.figures), 'play join=1000 playing=36500 stalls=1/2000');
  const windows = learnt.results.filter(({ figures }) => figures.kind === 'window');
  assert.deepEqual(
    windows.map(({ figures }) => figures.stallCount),
    [0, 1, 0, 0],
  );
  // only its beginning does: by then its end is known, and nobody can put it in its place any more
  assert.deepEqual(run(held(2, 15_000)).offered[3], { late: 'behind' });
});

test('a session that ends goes on when its viewer plays it again; a heartbeat after the end does not', () => {
  const { results } = run(draw(`s.p....e${'.'.repeat(60)}t${'.'.repeat(60)}t..p....q`));
  assert.deepEqual(
    finalsOf(results).map(({ figures }) => [figures.revision, figures.provisional, tell(figures)]),
    [
      [1, false, 'play join=1000 playing=2500'],
      [2, false, 'play join=1000 playing=5000'],
    ],
  );
});

test('a report of playing after the end means that it plays again, after a failure only a new state does', () => {
  const beat = (drawing: string) =>
    run(
      draw(drawing).map(({ logMs, event }) => ({
        logMs,
        event: event.event === 'time-interval' ? { ...event, playerState: 'playing' } : event,
      })),
    ).results;
  assert.equal(tell(finalsOf(beat('s.p....e..t....q')).at(-1)!.figures), 'play join=1000 playing=5000');
  assert.equal(
    tell(finalsOf(beat('s.p....f..t....q')).at(-1)!.figures),
    'play+technical join=1000 playing=2500',
  );
});

test('a session that lasts longer than the rollover is told as several, with one attempt', () => {
  const first = draw('s.p');
  const beats = Array.from({ length: 30 }, (_, index) => {
    const afterMs = (index + 1) * 30_000;
    return {
      logMs: LOG_START_MS + afterMs,
      event: playbackEvent({
        sn: index + 2,
        clientTimeMs: CLIENT_START_MS + afterMs,
        playerState: 'playing',
      }),
    };
  });
  const { results } = run([...first, ...beats], { ...SESSION_DEFAULTS, rolloverMs: 600_000 });
  const finals = finalsOf(results);
  assert.deepEqual(
    finals.map(({ figures }) => [
      figures.windowStartMs - LOG_START_MS,
      figures.provisional,
      figures.playingMs,
    ]),
    [
      [0, false, 600_000 - 1_000],
      [600_000, true, 300_000],
    ],
  );
  assert.equal(results.filter(({ before }) => !before.attempted).length, 1);
});

test('a clock that is wrong by hours, or jumps, changes no duration by more than the gap', () => {
  const arrivals = draw(`s.p....r..p${'.'.repeat(50)}t${'.'.repeat(50)}t${'.'.repeat(20)}q`);
  for (const jumpMs of [7_200_000, -7_200_000]) {
    const jumped = arrivals.map(({ logMs, event }, index) => ({
      logMs,
      event: index < 4 ? event : { ...event, clientTimeMs: event.clientTimeMs! + jumpMs },
    }));
    const [final] = finalsOf(run(jumped).results);
    assert.equal(final!.figures.stallMs, 1_500);
    assert.equal(final!.figures.ended, true);
    assert.equal(final!.figures.windowEndMs, arrivals.at(-1)!.logMs);
  }
});

test('state is small while nothing happens, and bounded when everything does', () => {
  const quiet = run(draw(`s.p${`${'.'.repeat(59)}t`.repeat(20)}`));
  assert.ok(quiet.bytesMax < 700, `${quiet.bytesMax} bytes`);
  const storm = run(
    Array.from({ length: 400 }, (_, sn) => ({
      logMs: LOG_START_MS + sn,
      event: playbackEvent({
        sn,
        clientTimeMs: CLIENT_START_MS + sn,
        target: `t${sn % 50}`,
        cdn: `cdn-${sn % 50}`,
      }),
    })),
  );
  assert.ok(storm.bytesMax < 40_000, `${storm.bytesMax} bytes`);
  assert.ok(
    storm.offered.some((one) => typeof one === 'object' && 'drop' in one && one.drop === 'too-many-events'),
  );
});

test('a duplicate is left out, whenever it comes', () => {
  const arrivals = draw(`s.p....r..p${'.'.repeat(60)}q`);
  const last = arrivals.at(-1)!;
  const again = [...arrivals.slice(0, -1), { ...arrivals[2]!, logMs: last.logMs - 1 }, last];
  const { results, offered } = run(again);
  assert.deepEqual(offered[4], { drop: 'duplicate' });
  const [final] = finalsOf(results);
  assert.equal(tell(final!.figures), tell(finalsOf(run(arrivals).results)[0]!.figures));
  assert.equal(final!.figures.duplicateCount, 1);
});

test('a player that sends in batches is put off by one batch, and none of its reports is late', () => {
  const arrivals = draw(`s.p${'.'.repeat(40)}r...p${'.'.repeat(70)}t${'.'.repeat(80)}t${'.'.repeat(30)}q`);
  const batched = arrivals.map(({ logMs, event }) => ({
    logMs: LOG_START_MS + Math.ceil((logMs - LOG_START_MS + 1) / 60_000) * 60_000,
    event,
  }));
  const { results, offered } = run(batched);
  assert.ok(offered.every((one) => one === 'taken'));
  assert.equal(tell(finalsOf(results)[0]!.figures), tell(finalsOf(run(arrivals).results)[0]!.figures));
});

test('a first report that comes late moves the session by that much, and changes no duration', () => {
  const arrivals = draw(`s.p....r..p${'.'.repeat(60)}q`);
  const late = arrivals
    .map((arrival, at) => (at === 0 ? { ...arrival, logMs: arrival.logMs + 3_000 } : arrival))
    .sort((a, b) => a.logMs - b.logMs);
  const { results, offered } = run(late);
  assert.ok(offered.every((one) => one === 'taken'));
  assert.equal(tell(finalsOf(results)[0]!.figures), 'play join=1000 playing=33000 stalls=1/1500');
});

test('a batch within grace lands in the window in which it happened', () => {
  const arrivals = draw(`s.p${'.'.repeat(15)}r...p${'.'.repeat(30)}q`);
  const held = arrivals.map((arrival, at) =>
    at === 2 || at === 3 ? { ...arrival, logMs: LOG_START_MS + 14_000 } : arrival,
  );
  const tellWindows = (run_: ReturnType<typeof run>) =>
    run_.results.map(({ figures }) => [figures.kind, figures.windowStartMs, tell(figures)]);
  assert.deepEqual(tellWindows(run(held)), tellWindows(run(arrivals)));
});
