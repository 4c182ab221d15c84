import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { MODELS } from '../scoring/settings.ts';
import { CLIENT_START_MS, draw, playbackEvent, says } from './drawn-session.ts';
import { foldRecorded } from './recorded-sessions.ts';
import { lineOf } from './score-file.ts';

const score = (events: readonly PlaybackEvent[]) =>
  foldRecorded(events).map((session) => lineOf(session, MODELS[0]!));

function drawn(sessionId: string, drawing: string): readonly PlaybackEvent[] {
  return draw(drawing, { sessionKey: sessionId, sessionId }).map(({ event }) => event);
}

const request = (fields: Partial<PlaybackEvent>) =>
  playbackEvent({
    sessionKey: 'v1',
    sessionId: 'v1',
    event: 'request',
    source: 'cmcd-v1-query',
    requestObjectType: 'video',
    requestObjectMs: 4_000,
    ...fields,
  });

const V1 = [
  request({ requestObjectType: 'manifest', requestObjectMs: null, startupDelayed: true }),
  request({ startupDelayed: true, bitrateBps: 1_000_000 }),
  request({ bitrateBps: 1_000_000, bufferMs: 2_000 }),
  request({ bitrateBps: 3_000_000, bufferMs: 1_000, stalledSinceLast: true, startupDelayed: true }),
  request({ bitrateBps: 3_000_000, bufferMs: 3_000 }),
];

const ALL = [
  ...drawn('a', 's2.p....r..p....4....k.p..e'),
  ...drawn('b', 's...L'),
  ...drawn('c', 's.p...{r..p}...t'),
  ...V1,
];

test('shuffled and repeated reports give the same lines, byte for byte', () => {
  const expected = JSON.stringify(score(ALL));
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...ALL], { minLength: ALL.length }),
      fc.subarray(ALL.filter(({ sn }) => sn !== null)),
      (order, again) => {
        assert.equal(JSON.stringify(score([...order, ...again])), expected);
        assert.equal(JSON.stringify(score([...again, ...order])), expected);
      },
    ),
  );
});

test('one line for each session, by its id, with null for what was not told', () => {
  const lines = score(ALL);
  assert.deepEqual(
    lines.map((line) => [
      line!.sessionId,
      line!.outcome,
      line!.final,
      line!.startupMs,
      line!.stallCount,
      line!.stallMs,
    ]),
    [
      ['a', 'play', true, 1_500, 1, 1_500],
      ['b', 'ebvs', true, null, 0, 0],
      ['c', 'play', false, 1_000, 0, 0],
      ['v1', 'play', false, null, 1, null],
    ],
  );
  assert.ok(lines[0]!.coverage > lines[3]!.coverage);
  assert.ok(lines[0]!.confidence > lines[3]!.confidence);
  for (const line of lines) {
    const lost = line!.causes.reduce((sum, { points }) => sum + points, 0);
    if (line!.score !== null) assert.equal(line!.score, 100 - lost);
  }
});

test('bitrates of CMCD v1 are weighted by the media that was asked for', () => {
  const [session] = foldRecorded(V1);
  const final = session!.results.at(-1)!;
  assert.equal(final.figures.kind, 'final');
  // 4 s of the second at 1 Mbit/s once it had begun, the same of the third at 3; the last one ends the recording
  assert.equal(final.figures.bitrateBps, 2_000_000);
});

test('a session in which playback was never asked for has no line', () => {
  assert.deepEqual(score(drawn('d', 'd....d')), [null]);
});

test('a pause of hours is one session, and unknown time is no playing time', () => {
  const [s, p, q] = drawn('e', 's.p...q');
  const later = { ...q!, clientTimeMs: q!.clientTimeMs! + 7_200_000 };
  const resumed = playbackEvent({
    ...says('p'),
    sessionKey: 'e',
    sessionId: 'e',
    sn: 9,
    clientTimeMs: CLIENT_START_MS + 7_200_000,
  });
  const [session] = foldRecorded([later, resumed, s!, p!]);
  const finals = session!.results.filter(({ figures }) => figures.kind === 'final');
  assert.deepEqual(
    finals.map(({ figures }) => [figures.revision, figures.playingMs]),
    [
      [1, 0],
      [2, 3_000],
    ],
  );
});
