import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordOf, TopicName } from '../../schemas/topics.ts';
import { controlGist, gistOf, isoTime, mediaTime, seconds, streamLabel } from './record-line.ts';

/** Only the fields that the line shows are given. */
function check<T extends TopicName>(topic: T, value: Partial<RecordOf[T]>, expected: string): void {
  assert.equal(gistOf(topic, value as RecordOf[T]), expected);
}

const STREAM = { programmeId: 'city', renditionId: 'main', vantage: 'origin' };

test('a chunk of features: where in the stream, what was in it', () => {
  const chunk = {
    ...STREAM,
    seq: 412,
    event: 'features',
    basePtsMs: 411_960,
    durationMs: 1000,
    hasVideo: true,
    framePtsMs: [0, 40, 80],
    lumaMeanCenti: [6000, 7000, 8000],
    anchorAgeMs: [0, 40, 2080],
    audioRmsCentiDbfs: [-2200, -2400],
    decodeErrors: 2,
  };
  check(
    'frame-features',
    chunk,
    'city #412 06:51.960 + 1 s, 3 pictures, luma 70.0, still 2.08 s, audio -23.0 dBFS, 2 decode errors',
  );
  check(
    'frame-features',
    {
      ...chunk,
      hasVideo: false,
      framePtsMs: [],
      lumaMeanCenti: [],
      anchorAgeMs: [],
      audioRmsCentiDbfs: [],
      decodeErrors: 0,
    },
    'city #412 06:51.960 + 1 s, no video, no audio',
  );
  check(
    'frame-features',
    { ...chunk, event: 'signal-lost', eventReason: 'no input for 5 s' },
    'city #412 signal-lost: no input for 5 s',
  );
});

test('a defect: what changed, from when to when, why', () => {
  const defect = {
    ...STREAM,
    event: 'open',
    defectId: 'd1',
    revision: 1,
    type: 'video-freeze',
    severity: 'high',
    reason: 'no change for 2000 ms',
    startMs: 12_480,
    endMs: null,
    durationMs: 2040,
  };
  check(
    'stream-defects',
    defect,
    'open video-freeze (high) city from 00:12.480, 2.04 s so far: no change for 2000 ms [d1 r1]',
  );
  check(
    'stream-defects',
    { ...defect, event: 'close', revision: 2, endMs: 16_480, durationMs: 4000, reason: 'it moves again' },
    'close video-freeze (high) city 00:12.480 to 00:16.480, 4 s: it moves again [d1 r2]',
  );
  check(
    'stream-defects',
    { ...STREAM, event: 'anchor', reason: 'moved by 2 s' },
    'anchor city: moved by 2 s',
  );
});

test('the other topics with a form of their own', () => {
  check(
    'qos-alerts',
    {
      ...STREAM,
      renditionId: '720p',
      vantage: 'cdn:a',
      status: 'firing',
      severity: 'critical',
      alertName: 'StreamVideoBlack',
      summary: 'black for 4 s',
      reason: 'persisted',
      alertId: 'a1',
      version: 2,
      affectedSessions: 12,
    },
    'firing critical StreamVideoBlack city/720p @cdn:a, 12 sessions: black for 4 s (persisted) [a1 v2]',
  );
  check(
    'stream-health',
    {
      ...STREAM,
      status: 'defective',
      statusReason: 'video-black',
      frames: 250,
      coveragePermille: 995,
      defectTypes: ['video-black'],
    },
    'city defective (video-black): 250 pictures, coverage 99.5 %, video-black',
  );
  check(
    'dead-letters',
    {
      topology: 'stream-detection',
      node: '',
      code: 'truncated',
      reason: 'ends too early',
      sourceTopic: 'frame-features',
      sourcePartition: 2,
      sourceOffset: 7,
      recordValue: new Uint8Array(9),
    },
    'truncated in stream-detection: ends too early (frame-features-2@7, 9 bytes)',
  );
  check(
    'late-records',
    {
      topology: 'session-scoring',
      node: 'session',
      reason: 'session-expired',
      lateByMs: 1500,
      sourceTopic: 'playback-events',
      sourcePartition: 0,
      sourceOffset: 3,
      recordValue: null,
    },
    'late by 1.5 s for session-scoring/session (session-expired): playback-events-0@3, no value',
  );
});

test('topics without a form of their own list the fields that are not empty', () => {
  check(
    'playback-events',
    {
      a: 1,
      b: '',
      c: null,
      d: [],
      e: 'two words',
      f: [1, 2, 3, 4, 5],
      g: [1],
      h: new Uint8Array(3),
    } as never,
    'a=1 e="two words" f=[5 values] g=[1] h=3 bytes',
  );
});

test('control records', () => {
  assert.equal(controlGist({ kind: 'tick' }), 'tick');
  assert.equal(controlGist({ kind: 'seal', sealedUpToMs: 0 }), 'seal up to 1970-01-01T00:00:00.000Z');
  assert.equal(controlGist({ kind: 'config-effective', configHash: 'ab' }), 'configuration ab takes effect');
  assert.equal(controlGist('unknown'), 'control record of an unknown kind');
});

test('times and labels', () => {
  assert.equal(mediaTime(0), '00:00.000');
  assert.equal(mediaTime(3_723_004), '1:02:03.004');
  assert.equal(mediaTime(-40), '-00:00.040');
  assert.equal(seconds(1234), '1.23 s');
  assert.equal(isoTime(-1), '1969-12-31T23:59:59.999Z');
  assert.equal(isoTime(9e15), '9000000000000000 ms');
  assert.equal(streamLabel({ ...STREAM, renditionId: '', vantage: '' }), 'city');
});
