import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { DepthGovernor } from './depth-governor.ts';

const FRAMES_MS = Array.from({ length: 25 }, (_, i) => i * 40);

function second(at: number, fields: Partial<FrameFeatures>): FrameFeatures {
  return blankRecord('frame-features', {
    basePtsMs: at * 1_000,
    durationMs: 1_000,
    hasVideo: true,
    hasAudio: true,
    frameIntervalUs: 40_000,
    audioBlocks: 10,
    ...fields,
  });
}

const packets =
  (fields: Partial<FrameFeatures> = {}) =>
  (at: number) =>
    second(at, { depth: 'packets', framePtsMs: FRAMES_MS, videoBytes: 100_000, avSkewMs: -20, ...fields });

const KEY = {
  lumaSpreadCenti: [4_000],
  chromaSpreadCenti: [900],
  darkPermille: [50],
  anchorAgeMs: [0],
};
/** A key picture every other second. */
const keyframes =
  (fields: Partial<FrameFeatures> = {}) =>
  (at: number) =>
    second(at, { depth: 'keyframes', ...(at % 2 === 0 ? { framePtsMs: [0], ...KEY } : {}), ...fields });

type Second = (at: number) => FrameFeatures;

/** Twenty seconds as ever, then `odd` once, then as ever: what it says of the odd one, and when it goes back. */
function watch(usual: Second, odd: Second): string {
  const plan = { depth: usual(0).depth as 'packets' | 'keyframes', deepenForMs: 5_000 };
  const governor = new DepthGovernor(plan);
  let reason = '';
  let deepSeconds = 0;
  for (let at = 0; at < 60; at++) {
    const full: Second = (now) => second(now, { framePtsMs: FRAMES_MS });
    governor.take((at === 20 ? odd : governor.isDeepened ? full : usual)(at));
    if (governor.depth !== 'full') continue;
    reason = governor.reason;
    deepSeconds++;
  }
  assert.equal(governor.depth, plan.depth, 'it goes back');
  return reason === '' ? '' : `${reason}: ${deepSeconds} s`;
}

test('a stream that is as ever stays where it is', () => {
  assert.equal(watch(packets(), packets()), '');
  assert.equal(watch(keyframes(), keyframes()), '');
  // A cut, a scene that takes fewer bytes, sound that comes in larger pieces.
  assert.equal(watch(packets(), packets({ videoBytes: 400_000 })), '');
  assert.equal(watch(packets(), packets({ videoBytes: 40_000 })), '');
  assert.equal(watch(packets(), packets({ avSkewMs: 90 })), '');
});

test('a sign of trouble deepens for a while', () => {
  const odd = (fields: Partial<FrameFeatures>) => watch(packets(), packets(fields));
  assert.equal(odd({ framePtsMs: [] }), 'no picture for 1040 ms: 5 s');
  assert.equal(
    odd({ framePtsMs: [...FRAMES_MS.slice(0, 5), ...FRAMES_MS.slice(20)] }),
    'no picture for 640 ms: 5 s',
  );
  assert.equal(
    odd({ framePtsMs: FRAMES_MS.filter((ms) => ms % 80 === 0) }),
    '13 pictures in a second, 25 are usual: 5 s',
  );
  assert.equal(odd({ audioBlocks: 0 }), 'no sound in a second: 5 s');
  assert.equal(odd({ videoBytes: 20_000 }), '20000 bytes of video in a second, 100000 are usual: 5 s');
  assert.equal(odd({ avSkewMs: -420 }), 'audio less video -420 ms, -20 ms are usual: 5 s');
  assert.equal(odd({ decodeErrors: 2 }), '2 errors of the decoder or demuxer: 5 s');
  assert.equal(odd({ stepPtsMs: [40], stepSizeMs: [9_000] }), "a step of the source's clock: 5 s");
});

test('so does what a key picture shows', () => {
  const odd = (fields: Partial<FrameFeatures>) => watch(keyframes(), keyframes(fields));
  assert.equal(odd({ darkPermille: [980] }), 'a dark picture: 5 s');
  assert.equal(
    odd({ lumaSpreadCenti: [100], chromaSpreadCenti: [50] }),
    'a picture without anything in it: 5 s',
  );
  assert.equal(odd({ anchorAgeMs: [4_000] }), 'pictures that are the same for 4000 ms: 5 s');
});

test('key pictures may be seconds apart, but not for ever', () => {
  const governor = new DepthGovernor({ depth: 'keyframes', deepenForMs: 60_000 });
  const rare = (at: number) =>
    second(at, { depth: 'keyframes', ...(at < 20 && at % 5 === 0 ? { framePtsMs: [0], ...KEY } : {}) });
  for (let at = 0; at < 26; at++) governor.take(rare(at));
  assert.equal(governor.depth, 'keyframes');
  governor.take(rare(26));
  assert.deepEqual([governor.depth, governor.reason], ['full', 'no picture for 12000 ms']);
});

test('a stream that is to be looked at in full is never deepened, and one that is deepened follows its plan', () => {
  const full = new DepthGovernor({ depth: 'full', deepenForMs: 60_000 });
  full.take(second(0, { decodeErrors: 1 }));
  full.take(second(1, { decodeErrors: 1 }));
  assert.deepEqual([full.depth, full.isDeepened], ['full', false]);
  const shallow = new DepthGovernor({ depth: 'packets', deepenForMs: 60_000 });
  shallow.take(packets()(0));
  shallow.take(packets({ decodeErrors: 1 })(1));
  assert.equal(shallow.depth, 'full');
  shallow.plan = { depth: 'keyframes', deepenForMs: 60_000 };
  assert.equal(shallow.depth, 'full');
  for (let at = 2; at < 70; at++) shallow.take(second(at, { framePtsMs: FRAMES_MS }));
  assert.equal(shallow.depth, 'keyframes');
});
