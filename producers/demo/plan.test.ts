import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { DEMO_DURATION_MS_MIN, pictureAtOrAfterMs, planDemo, REPEAT_UNIT_MS, truthOf } from './plan.ts';
import { type Finding, findBlack, findInSound, findStill } from './testing.ts';

const media = (name: string) => fileURLToPath(new URL(`../../test/media/${name}`, import.meta.url));

test('the same seed gives the same plan, another seed another', () => {
  assert.deepEqual(planDemo(60_000, 7), planDemo(60_000, 7));
  assert.notDeepEqual(planDemo(60_000, 7), planDemo(60_000, 8));
});

test('whatever the seed: faults are long enough, apart from each other, inside the stream, and one stream is clean', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: DEMO_DURATION_MS_MIN, max: 300_000 }), (seed, durationMs) => {
      const plan = planDemo(durationMs, seed);
      for (const stream of plan) {
        assert.equal(stream.durationMs % REPEAT_UNIT_MS, 0);
        assert.ok(stream.durationMs <= durationMs);
        let cleanSinceMs = 0;
        for (const fault of stream.faults) {
          assert.ok(fault.endMs - fault.startMs >= 2400, 'beyond doubt longer than 2 s');
          assert.ok(fault.startMs - cleanSinceMs >= 1400, 'clean content before');
          cleanSinceMs = fault.endMs;
        }
        assert.ok(stream.durationMs - cleanSinceMs >= 1400, 'clean content after');
      }
      assert.deepEqual(
        plan.map((stream) => stream.faults.length > 0),
        [false, true, true, true],
      );
    }),
    { numRuns: 50 },
  );
});

test('truth holds what is in the clip by nature, too', () => {
  const trailer = planDemo(60_000, 1).find((stream) => stream.streamId === 'demo-black')!;
  const natural = truthOf(trailer).filter((fault) => fault.origin === 'natural');
  assert.deepEqual(
    natural.map(({ type, startMs, endMs }) => [type, startMs, endMs]),
    [
      ['video-black', 12_542, 16_000],
      ['audio-silence', 12_800, 16_000],
    ],
  );
});

test('a fault of the picture begins and ends with a picture', () => {
  assert.equal(pictureAtOrAfterMs(1000, 24), 1000);
  assert.equal(pictureAtOrAfterMs(1001, 24), 1042);
  assert.equal(pictureAtOrAfterMs(100, 25), 120);
});

test('a demonstration that is too short for a fault is refused', () => {
  assert.throws(() => planDemo(5000, 1), /too short; ask for 16000 or more/);
});

test("ffmpeg's filters find in the committed clips what the table says, and nothing else", async () => {
  const trailer = media('big-buck-bunny-trailer-360p.mp4');
  near(await findBlack(trailer), [{ type: 'video-black', startMs: 51_542, endMs: 55_083 }]);
  near(await findInSound(trailer, 55_083), [{ type: 'audio-silence', startMs: 51_800, endMs: 55_083 }]);
  const still = await findStill(trailer, 55_083);
  assert.ok(still.length === 1 && still[0]!.startMs > 51_542, 'still only where it is black');
  const city = media('city-360p.mp4');
  assert.deepEqual([...(await findBlack(city)), ...(await findStill(city, 7600))], []);
  assert.deepEqual(await findInSound(media('speech-jfk-1961.wav'), 11_000), []);
});

function near(found: readonly Finding[], expected: readonly Finding[]): void {
  assert.equal(found.length, expected.length, JSON.stringify(found));
  for (const [i, one] of found.entries()) {
    const truth = expected[i]!;
    const close = Math.abs(one.startMs - truth.startMs) <= 50 && Math.abs(one.endMs - truth.endMs) <= 50;
    assert.ok(one.type === truth.type && close, `${JSON.stringify(one)} for ${JSON.stringify(truth)}`);
  }
}
