import assert from 'node:assert/strict';
import { test } from 'node:test';
import { audioMissing } from './audio-missing.ts';
import { cut, defectsOf, draw, everySecond, type Looks, type Recording, tell } from './drawn-stream.ts';
import { ptsDiscontinuity } from './pts-discontinuity.ts';
import { videoFrameDrop } from './video-frame-drop.ts';
import { videoMissing } from './video-missing.ts';

const LOOKS: Looks = { '.': {}, v: { without: 'video' }, a: { without: 'audio' } };
const DETECTORS = [videoMissing, ptsDiscontinuity, audioMissing, videoFrameDrop];

function recordsOf(drawing: string, steps: NonNullable<Recording['steps']>) {
  const recording = { ...draw(drawing, LOOKS), steps };
  return defectsOf(DETECTORS, cut(recording, everySecond(recording))).filter(
    ({ event }) => event !== 'anchor',
  );
}

const told = (drawing: string, ...steps: (readonly [number, number])[]) =>
  tell(recordsOf(drawing, steps), 'pts-discontinuity');

test('a step is a point: one record, which starts and ends at once', () => {
  const [one, ...more] = recordsOf('..........', [[2_300, -8_000]]);
  assert.equal(more.length, 0);
  const { event, type, startMs, endMs, durationMs, revision, severity, reason } = one!;
  assert.deepEqual(
    { event, type, startMs, endMs, durationMs, revision, severity },
    {
      event: 'point',
      type: 'pts-discontinuity',
      startMs: 2_300,
      endMs: 2_300,
      durationMs: 0,
      revision: 1,
      severity: 'medium',
    },
  );
  assert.equal(reason, 'the clock of all tracks stepped back by 8000 ms without a signal');
});

test('of 500 ms or more, either way; what follows within 2 s is the same trouble', () => {
  assert.equal(told('............', [1_000, 499]), '');
  assert.equal(told('............', [1_000, 500], [2_900, -600], [4_800, 700]), 'point@1000');
  assert.equal(told('............', [1_000, 500], [3_000, -500]), 'point@1000 point@3000');
});

test('a gap of pictures and a track that is missing about a step are the step; elsewhere they are what they are', () => {
  const drop = `${'.'.repeat(12)}v${'.'.repeat(8)}`;
  assert.equal(told(drop), 'video-frame-drop:open@6000 video-frame-drop:close@6500');
  assert.equal(told(drop, [6_400, 900]), 'point@6400');
  assert.equal(told(drop, [4_000, 900]), 'point@4000 video-frame-drop:open@6000 video-frame-drop:close@6500');
  const missing = `${'.'.repeat(12)}aaaaaa${'.'.repeat(8)}`;
  assert.match(told(missing), /^audio-missing:open@6000 audio-missing:close@9000$/);
  assert.equal(told(missing, [6_000, 900]), 'point@6000');
});

test('what outlasts the reach of a step is reported from there on', () => {
  const missing = `${'.'.repeat(12)}${'a'.repeat(10)}${'.'.repeat(8)}`;
  assert.equal(told(missing, [6_000, 900]), 'point@6000 audio-missing:open@7500 audio-missing:close@11000');
});

test('what began long before goes on', () => {
  const missing = `${'.'.repeat(12)}${'a'.repeat(10)}${'.'.repeat(8)}`;
  assert.equal(told(missing, [9_000, 900]), 'audio-missing:open@6000 point@9000 audio-missing:close@11000');
});
