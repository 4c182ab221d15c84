import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamTimeline } from './stream-timeline.ts';

const VIDEO = { num: 1, den: 90_000 };
const AUDIO = { num: 1, den: 48_000 };

test('0 is the first timestamp of any track, and both tracks share it', () => {
  const timeline = new StreamTimeline();
  assert.equal(timeline.toSample(48_000, AUDIO, 48_000, 21_333), 0);
  assert.equal(timeline.toMs(90_000 + 1890, VIDEO, 40_000), 21);
  assert.equal(timeline.endMs, 61);
});

test('a repetition goes on where the one before ended, on the longer track', () => {
  const timeline = new StreamTimeline();
  timeline.toMs(9_000_000, VIDEO, 40_000);
  timeline.toSample(100 * 48_000, AUDIO, 48_000, 1_000_000);
  timeline.beginPass(0);
  assert.equal(timeline.toMs(9_000_000, VIDEO, 40_000), 1000);
  timeline.beginPass(500);
  assert.equal(timeline.toSample(0, AUDIO, 48_000, 0), 1.54 * 48_000);
});
