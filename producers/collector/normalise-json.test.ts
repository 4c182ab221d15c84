import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeValue } from '../../schemas/codec.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { normaliseJson } from './normalise-json.ts';
import { testContext } from './testing.ts';

const context = testContext();
const one = { sessionId: 's1', event: 'first-frame', clientTimeMs: 1_795_259_050_000, startupMs: 812 };

test('an object, an array and one object per line are the same', () => {
  const two = { ...one, event: 'leave' };
  const forms = [
    `[${JSON.stringify(one)},${JSON.stringify(two)}]`,
    `${JSON.stringify(one)}\n${JSON.stringify(two)}\n`,
    `\uFEFF${JSON.stringify(one)}\r\n${JSON.stringify(two)}`,
  ];
  const results = forms.map((body) => normaliseJson(body, context));
  assert.deepEqual(
    results[0]?.events.map(({ event, startupMs }) => [event, startupMs]),
    [
      ['first-frame', 812],
      ['leave', 812],
    ],
  );
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.equal(normaliseJson(JSON.stringify(one, null, 2), context).events.length, 1);
});

test('fields keep their names; what only the collector knows cannot be set', () => {
  const { events } = normaliseJson(
    JSON.stringify({
      ...one,
      contentId: 'news-live',
      bitrateBps: 2_499_999.6,
      programTimeMs: 1_795_259_040_000,
      deviceClass: 'tv',
      requestHost: 'https://a:b@edge.example/x?y=z',
      tenant: 'other',
      addressHash: 'mine',
    }),
    context,
  );
  const event = events[0] as PlaybackEvent;
  assert.deepEqual(
    [
      event.tenant,
      event.addressHash,
      event.programmeId,
      event.bitrateBps,
      event.programTimeSource,
      event.deviceClass,
      event.requestHost,
    ],
    ['acme', 'address', 'news', 2_500_000, 'player', 'tv', 'edge.example'],
  );
  assert.deepEqual(event.droppedKeys, ['unreadable']);
});

test('a bad value costs its field; null says nothing', () => {
  const { events } = normaliseJson(
    JSON.stringify({
      ...one,
      bufferMs: -1,
      playerState: 'sleeping',
      stallCount: '3',
      errorCodes: ['a?b=c'],
      muted: null,
    }),
    context,
  );
  const event = events[0] as PlaybackEvent;
  assert.deepEqual(event.droppedKeys, ['bufferMs', 'playerState', 'stallCount']);
  assert.deepEqual([event.errorCodes, event.muted, event.startupMs], [['a'], null, 812]);
});

test('whole reports that cannot be used are named with their place', () => {
  const { events, dropped } = normaliseJson(
    JSON.stringify([one, { event: 'leave' }, { sessionId: 's' }, 7, { sessionId: 's', event: 'dance' }]),
    context,
  );
  assert.equal(events.length, 1);
  assert.deepEqual(
    dropped.map(({ reason, index }) => `${index} ${reason}`),
    ['1 no-session-id', '2 no-event', '3 unreadable', '4 no-event'],
  );
  assert.deepEqual(normaliseJson('{"sessionId":', context).dropped, [{ reason: 'unreadable', index: 0 }]);
  assert.deepEqual(normaliseJson(' \n', context), { events: [], dropped: [] });
});

test('any JSON and any text: nothing throws, every report is accounted for, every event can be written', () => {
  const field = fc.constantFrom(
    'sessionId',
    'event',
    'bufferMs',
    'errorCodes',
    'requestHost',
    'asn',
    'sn',
    '__proto__',
    'x',
  );
  const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('s1', 'leave', 5, -1, 1e300, ['a']));
  const report = fc.oneof(fc.dictionary(field, value), fc.jsonValue({ maxDepth: 2 }));
  fc.assert(
    fc.property(fc.array(report, { maxLength: 10 }), fc.string({ unit: 'binary' }), (reports, text) => {
      const { events, dropped } = normaliseJson(JSON.stringify(reports), context);
      assert.equal(events.length + dropped.length, reports.length);
      for (const event of events) assert.ok(encodeValue('playback-events', 1, event).length > 0);
      normaliseJson(text, context);
    }),
    { numRuns: 1_000 },
  );
});
