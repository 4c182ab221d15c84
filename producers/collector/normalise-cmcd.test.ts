import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeValue } from '../../schemas/codec.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { FIX_OF_REASON } from './normalise.ts';
import { normaliseEventBody, normaliseHeaders, normaliseQuery } from './normalise-cmcd.ts';
import { RECEIVED_AT_MS, testContext } from './testing.ts';

const context = testContext();

/** The one event of an event-mode line, reduced to the fields named in `expected`. */
function check(line: string, expected: Partial<PlaybackEvent>): void {
  const { events, dropped } = normaliseEventBody(line, context);
  assert.deepEqual(dropped, [], line);
  const event = events[0] as PlaybackEvent;
  const shown = Object.fromEntries(
    Object.keys(expected).map((name) => [name, event[name as keyof PlaybackEvent]]),
  );
  assert.deepEqual(shown, expected, line);
}

test('an hls.js play-state event, field by field', () => {
  const body =
    'bl=(7500),br=(2856),cid="news-live",e=ps,ltc=4200,mtp=(500),pr=1,pt=12040,sf=h,sid="s1",sn=4,st=l,sta=r,ts=1795259050000,v=2\n';
  const { events } = normaliseEventBody(body, context);
  assert.deepEqual(events, [
    {
      ...(events[0] as PlaybackEvent),
      sessionKey: 'key-of-s1',
      tenant: 'acme',
      sessionId: 's1',
      contentId: 'news-live',
      programmeId: 'news',
      event: 'play-state',
      source: 'cmcd-v2-event',
      sn: 4,
      clientTimeMs: 1795259050000,
      receivedAtMs: RECEIVED_AT_MS,
      playerState: 'rebuffering',
      mediaTimeMs: 12040,
      liveLatencyMs: 4200,
      playbackRatePermille: 1000,
      bufferMs: 7500,
      bitrateBps: 2_856_000,
      throughputBps: 500_000,
      streamingFormat: 'hls',
      streamType: 'live',
      addressHash: 'address',
      droppedKeys: [],
    },
  ]);
});

test('lines: a last line feed, CRLF, none, empty ones, a byte order mark', () => {
  const one = 'e=t,sid="a",ts=1,v=2';
  for (const [body, count] of [
    [`${one}\n`, 1],
    [`${one}\r\n${one}\r\n`, 2],
    [one, 1],
    [`\n${one}\n \n\n${one}`, 2],
    [`\uFEFF${one}`, 1],
    ['\n', 0],
  ] as const) {
    const { events, dropped } = normaliseEventBody(body, context);
    assert.deepEqual(
      [events.length, dropped.length, events.flatMap((event) => event.droppedKeys)],
      [count, 0, []],
      body,
    );
  }
});

test('lists by type of track', () => {
  check('br=(2500;v 96;a),e=ps,sid="a"', { bitrateBps: 2_596_000 });
  check('br=(2596),e=bc,sid="a"', { bitrateBps: 2_596_000 });
  check('br=2500,e=bc,sid="a"', { bitrateBps: 2_500_000 });
  check('br=(2500;v 96;a),e=rr,ot=a,sid="a"', { bitrateBps: 96_000, requestObjectType: 'audio' });
  check('br=(2600;av 2500;v 100;a),e=ps,sid="a"', { bitrateBps: 2_600_000 });
  check('ab=(900),tab=(3000),e=ps,sid="a"', { bitrateBps: 900_000, topBitrateBps: 3_000_000 });
  check('br=(765.6),tb=(2855.64),e=ps,sid="a"', { bitrateBps: 765_600, topBitrateBps: 2_855_640 });
  check('bl=(0;v 3900;a),e=ps,sid="a"', { bufferMs: 0 });
  check('bsa=(2;v 1;a),bsda=(4058;v 10;a),bsd=(900;v 4058;v),e=t,sid="a"', {
    stallCount: 2,
    stallMs: 4058,
    lastStallMs: 4058,
  });
  check('mtp=(3000;a 8000;v),e=t,sid="a"', { throughputBps: 8_000_000 });
});

test('what is on screen goes before what was chosen', () => {
  check('br=(400),com.everyview-shown-br=1600,e=ce,sid="a"', { bitrateBps: 1_600_000, renditionShown: true });
  check('br=(96;a),ot=a,pb=(2500;v 96;a),e=rr,sid="a"', { bitrateBps: 2_596_000, renditionShown: true });
  check('br=(400),e=bc,sid="a"', { bitrateBps: 400_000, renditionShown: false });
  check('br=(400),e=t,pb=x,sid="a"', { bitrateBps: 400_000, renditionShown: false, droppedKeys: ['pb'] });
});

test('values that cannot be: the value is lost, its name is told', () => {
  check('e=rr,rc=200,sid="a",ttfb=1795259051201,ttlb=120', {
    timeToFirstByteMs: null,
    timeToLastByteMs: 120,
    responseCode: 200,
    droppedKeys: ['ttfb'],
  });
  check('bl=(-1),br=(x),e=ps,pr=fast,sid="a",sta=z', {
    bufferMs: null,
    bitrateBps: null,
    playerState: null,
    droppedKeys: ['bl', 'br', 'pr', 'sta'],
  });
  check('e=zz,sid="a",sta=p', { event: 'time-interval', playerState: 'playing', droppedKeys: ['e'] });
  check('sid="a",sta=p', { event: 'time-interval', droppedKeys: ['e'] });
  check('br=(,e=ps,sid="a",sta=p', { playerState: 'playing', droppedKeys: ['br'] });
});

test('error codes as a list and as one bare integer; an error alone is not fatal', () => {
  check('e=e,ec=("manifestLoadError" "http 404"),sid="a"', {
    errorCodes: ['manifestLoadError', 'http 404'],
    errorFatal: null,
  });
  check('e=e,ec=27,sid="a",sta=p', { event: 'error', errorCodes: ['27'], errorFatal: null });
  check('e=ps,sid="a",sta=f', { playerState: 'fatal-error', errorFatal: true });
});

test('what an event says by its name', () => {
  check('e=m,sid="a"', { event: 'mute', muted: true });
  check('e=um,sid="a"', { event: 'unmute', muted: false });
  check('bg,e=b,sid="a"', { event: 'background', hidden: true });
  check('e=b,sid="a"', { hidden: false });
  check('e=as,sid="a"', { event: 'ad-start', adPlaying: null });
  check('e=t,sid="a"', {
    muted: null,
    hidden: null,
    adPlaying: null,
    stalledSinceLast: null,
    startupDelayed: null,
  });
});

test("the player's own UTC playhead, and the player's name, from custom keys", () => {
  check('com.everyview-pdt=1795259050123,e=t,sid="a"', {
    programTimeMs: 1795259050123,
    programTimeSource: 'custom-key',
  });
  check('com.everyview-pdt="2026-11-21T14:24:10.123Z",e=t,sid="a"', {
    programTimeMs: Date.UTC(2026, 10, 21, 14, 24, 10, 123),
  });
  check('com.everyview-pdt="today",e=t,sid="a"', {
    programTimeMs: null,
    programTimeSource: 'none',
    droppedKeys: ['com.everyview-pdt'],
  });
  check('com.everyview-player="hls.js/1.7.4",e=t,sid="a"', { playerName: 'hls.js', playerVersion: '1.7.4' });
  check('com.everyview-country="de",com.everyview-asn=3320,com.everyview-height=720,e=t,sid="a"', {
    country: 'DE',
    asn: 3320,
    heightPx: 720,
  });
});

test('a report without a session id is dropped, counted and explained', () => {
  const { events, dropped } = normaliseEventBody(
    'e=ps,ts=1795259050000,v=2\ne=t,sid="a"\nnonsense!!\n',
    context,
  );
  assert.equal(events.length, 1);
  assert.deepEqual(dropped, [
    { reason: 'no-session-id', index: 0 },
    { reason: 'unreadable', index: 2 },
  ]);
  assert.match(FIX_OF_REASON['no-session-id'], /enabledKeys/);
});

test('no URL path, query, credentials or address gets into a record', () => {
  const secretive = testContext({ forbidden: ['198.51.100.23', 'tenant-token-0123456789'] });
  const { events } = normaliseEventBody(
    [
      'e=rr',
      'url="https://user:pw@edge7.cdn.example:8443/secret/path/seg.m4s?sig=SECRET#frag=SECRET"',
      'nor="..%2Fpath%3Fsig%3DSECRET"',
      'sid="a"',
      'cid="https://origin.example/live.m3u8?token=SECRET"',
      'ec=("fragLoadError https://x:y@a.example/b?sig=SECRET" "from 198.51.100.23" "tenant-token-0123456789")',
      'com.everyview-rendition="v1.m3u8?k=SECRET"',
      'com.everyview-prev="%3Fa%3DSECRET"',
    ].join(','),
    secretive,
  );
  const event = events[0] as PlaybackEvent;
  assert.equal(event.requestHost, 'edge7.cdn.example');
  assert.equal(event.contentId, 'https://origin.example/live.m3u8');
  assert.deepEqual(event.errorCodes, ['fragLoadError https://a.example/b', 'from ***', '***']);
  assert.doesNotMatch(JSON.stringify(event), /SECRET|198\.51|user:pw|secret\/path|tenant-token/);
});

test('request mode: version 1 and 2 in the URL parameter', () => {
  const v1 = normaliseQuery(
    'bl=21300,br=3200,bs,cid="news-live",d=4004,mtp=25400,nor="..%2F300kbps%2Ftrack.m4v",ot=v,sf=h,sid="s9",st=v,su,tb=6000',
    context,
  );
  assert.deepEqual(v1.dropped, []);
  const event = v1.events[0] as PlaybackEvent;
  assert.deepEqual(
    [
      event.source,
      event.event,
      event.bitrateBps,
      event.topBitrateBps,
      event.stalledSinceLast,
      event.startupDelayed,
    ],
    ['cmcd-v1-query', 'request', 3_200_000, 6_000_000, true, true],
  );
  assert.deepEqual(
    [event.playerState, event.clientTimeMs, event.sn, event.stallMs, event.startupMs],
    [null, null, null, null, null],
  );
  const v2 = normaliseQuery('br=(2500;v),bsd=(4058;v),ot=v,sid="s9",sn=1,sta=p,v=2', context)
    .events[0] as PlaybackEvent;
  assert.deepEqual([v2.source, v2.lastStallMs, v2.playerState], ['cmcd-v2-request', 4058, 'playing']);
});

test('a parameter that was encoded twice as a whole is read', () => {
  const { events } = normaliseQuery(encodeURIComponent('br=3200,sid="s9"'), context);
  assert.equal(events[0]?.bitrateBps, 3_200_000);
  assert.deepEqual(normaliseQuery('%E0%A4%A%3D', context).dropped, [{ reason: 'unreadable', index: 0 }]);
});

test('request mode: up to four headers, merged, each salvaged by itself', () => {
  const { events } = normaliseHeaders(
    {
      'cmcd-object': 'br=3200,d=4004,ot=v,tb=6000',
      'cmcd-request': 'bl=21300,mtp=(((',
      'cmcd-session': 'cid="news-live",sf=h,sid="s9"',
      'cmcd-status': 'bs',
      cookie: 'sid="other"',
    },
    context,
  );
  const event = events[0] as PlaybackEvent;
  assert.deepEqual(
    [
      event.source,
      event.sessionId,
      event.bufferMs,
      event.requestObjectMs,
      event.stalledSinceLast,
      event.droppedKeys,
    ],
    ['cmcd-v1-header', 's9', 21_300, 4_004, true, ['mtp']],
  );
  assert.deepEqual(normaliseHeaders({ 'cmcd-object': 'br=1' }, context).dropped, [
    { reason: 'no-session-id', index: 0 },
  ]);
});

test('limits: long lines and many lines', () => {
  const many = normaliseEventBody('e=t,sid="a"\n'.repeat(1_003), context);
  assert.deepEqual(
    [many.events.length, many.dropped.length, many.dropped[0]],
    [1_000, 3, { reason: 'too-many', index: 1_000 }],
  );
  const long = normaliseEventBody(`e=t,sid="a",x="${'y'.repeat(20_000)}"\ne=t,sid="b"`, context);
  assert.deepEqual([long.events.length, long.dropped], [1, [{ reason: 'too-long', index: 0 }]]);
});

test('any bytes: nothing throws, every line is accounted for, every event can be written', () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
    fc.constantFrom(
      'e=ps',
      'sid="s"',
      ',',
      '\n',
      '\r\n',
      '"',
      '(',
      ')',
      'br=',
      'ts=1795259051201',
      'sta=r',
      ';v',
      'com.everyview-pdt=',
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
      const body = chunks.join('');
      const lines = body
        .replace(/^\uFEFF/, '')
        .split(/[\r\n]+/)
        .filter((line) => line.trim() !== '').length;
      const { events, dropped } = normaliseEventBody(body, context);
      assert.equal(events.length + dropped.length, lines);
      for (const event of events) assert.ok(encodeValue('playback-events', 1, event).length > 0);
      const one = normaliseQuery(body, context);
      assert.equal(one.events.length + one.dropped.length, 1);
    }),
    { numRuns: 1_000 },
  );
});
