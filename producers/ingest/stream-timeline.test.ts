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

test('where all tracks leap ahead the timeline goes on, and says where and by how much', () => {
  const timeline = new StreamTimeline();
  timeline.toSample(0, AUDIO, 48_000, 1_000_000);
  timeline.toMs(86_400, VIDEO, 40_000);
  assert.equal(timeline.toMs(86_400 + 20 * 90_000, VIDEO, 40_000), 1_000);
  assert.equal(timeline.toSample(48_000 * 21, AUDIO, 48_000, 1_000_000), 1.04 * 48_000);
  assert.deepEqual(timeline.takeSteps(), [{ atMs: 1_000, sizeMs: 19_960 }]);
  assert.deepEqual(timeline.takeSteps(), []);
});

test('a gap in one track is none, and one track alone leaps by 2 s or more', () => {
  const timeline = new StreamTimeline();
  timeline.toMs(0, VIDEO, 40_000);
  for (let second = 0; second < 5; second++) timeline.toSample(second * 48_000, AUDIO, 48_000, 1_000_000);
  assert.equal(timeline.toMs(5 * 90_000, VIDEO, 40_000), 5_000);
  assert.deepEqual(timeline.takeSteps(), []);
  const lone = new StreamTimeline();
  lone.toMs(0, VIDEO, 40_000);
  assert.equal(lone.toMs(171_000, VIDEO, 40_000), 1_900);
  assert.equal(lone.toMs(171_000 + 189_000, VIDEO, 40_000), 1_940);
  assert.equal(lone.takeSteps().length, 1);
});

test('a live playlist keeps its gaps: segments may have expired', () => {
  const timeline = new StreamTimeline(false);
  timeline.toMs(0, VIDEO, 40_000);
  assert.equal(timeline.toMs(20 * 90_000, VIDEO, 40_000), 20_000);
  assert.deepEqual(timeline.takeSteps(), []);
});
