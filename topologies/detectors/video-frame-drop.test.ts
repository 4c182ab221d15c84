import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cut, defectsOf, draw, eventChunk, everySecond, tell } from './drawn-stream.ts';
import { closeCauseOf } from './stream-step.ts';
import { videoFrameDrop } from './video-frame-drop.ts';

const [picture] = draw('.', { '.': {} }).frames;

/** Pictures at these times, us, and what is said of them. */
function told(timesUs: readonly number[], durationMs: number): string {
  const frames = timesUs.map((us) => ({ ...picture!, ptsMs: Math.round(us / 1_000) }));
  const recording = { frames, blocks: [], durationMs, lost: [] };
  return tell(defectsOf([videoFrameDrop], cut(recording, everySecond(recording))), 'video-frame-drop');
}

/** Times of pictures at a rate of `num / den` per second, us. */
function steady(num: number, den: number, durationMs: number, fromUs = 0): readonly number[] {
  const count = Math.floor(((durationMs - fromUs / 1_000) * num) / den / 1_000);
  return Array.from({ length: count }, (_, i) => fromUs + Math.floor((i * den * 1_000_000) / num));
}

/** Even draws: those of fast-check prefer the edges, and a row of them is no random rate. */
function drawsOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 16;
  };
}

const within =
  (fromMs: number, toMs: number, keep: (index: number) => boolean) => (us: number, index: number) =>
    us < fromMs * 1_000 || us >= toMs * 1_000 || keep(index);

test('every third picture absent for 3 s: from the first absent one to the last one', () => {
  const times = steady(25, 1, 12_000).filter(within(5_000, 8_000, (i) => i % 3 !== 0));
  assert.equal(told(times, 12_000), 'open@5040 close@7960');
});

test('half of the pictures, one in five, and one in ten', () => {
  const one = (among: number) =>
    told(steady(50, 1, 14_000).filter(within(6_000, 9_000, (i) => i % among !== 0)), 14_000);
  assert.equal(one(2), 'open@6000 close@8980');
  assert.equal(one(5), 'open@6000 close@8920');
  assert.equal(one(10), 'open@6000 close@8820');
});

test('less than 2 s of it, or less than 10 %, is none', () => {
  const times = steady(25, 1, 12_000);
  assert.equal(told(times.filter(within(5_000, 6_200, (i) => i % 3 !== 0)), 12_000), '');
  assert.equal(told(times.filter(within(5_000, 9_000, (i) => i % 20 !== 0)), 12_000), '');
});

test('one gap: none at 440 ms, a defect from 500 ms on, missing pictures from 2 s on', () => {
  const gap = (toMs: number) => told(steady(25, 1, 12_000).filter(within(5_000, toMs, () => false)), 12_000);
  assert.equal(gap(5_400), '');
  assert.equal(gap(5_480), 'open@5000 close@5480');
  assert.equal(gap(6_800), 'open@5000 close@6800');
  assert.equal(gap(7_000), '');
});

test('pictures that are absent at random are one defect, though there are clusters and better seconds', () => {
  // At 25 per s from 6 s on; `-` is absent. In each a second has little of it, early, in the middle, or before the end.
  const check = (drawing: string, expected: string) => {
    const times = steady(25, 1, 14_000).filter((_, i) => drawing[i - 150] !== '-');
    assert.equal(told(times, 14_000), expected, drawing);
  };
  check(
    '-..-...--.........-.-..-...-..-.-..-..-.............-...-........-......-.....-.....-',
    'open@6000 close@9400',
  );
  check(
    '-............-......-...-.-..-.-............--....-............................---..--',
    'open@6000 close@9440',
  );
  check(
    '-.-..--............-..........-.-..-..-..-.---....-.-.........................-....---',
    'open@6000 close@9440',
  );
  check('-...---.-.----...-.............--....-...........-...........--....-.-', 'open@6000 close@8800');
});

test('what was held up and then comes in a row was late, and is not absent', () => {
  // Of each second 440 ms without pictures, and what was due meanwhile in the 480 ms after them.
  const jerky = steady(25, 1, 20_000).map((us) => {
    const inSecondUs = us % 1_000_000;
    if (us < 5_000_000 || inSecondUs === 0 || inSecondUs > 920_000) return us;
    return us - inSecondUs + 440_000 + Math.floor((inSecondUs * 480) / 920);
  });
  assert.equal(told(jerky, 20_000), '');
  // One pause of 600 ms is a defect, and its pictures in a row are neither another one nor a new rate.
  const held = steady(25, 1, 20_000).map((us) =>
    us >= 5_000_000 && us < 6_200_000 ? 5_600_000 + Math.floor((us - 5_000_000) / 2) : us,
  );
  assert.equal(told(held, 20_000), 'open@5000 close@5600');
  // After a pause that is another type the same: nothing of it is a drop, and one that comes later is found.
  const late = steady(25, 1, 20_000).map((us) =>
    us >= 5_000_000 && us < 10_000_000 ? 7_500_000 + Math.floor((us - 5_000_000) / 2) : us,
  );
  assert.equal(told(late, 20_000), '');
  assert.equal(
    told(late.filter(within(14_000, 17_000, (i) => i % 3 !== 0)), 20_000),
    'open@14040 close@16960',
  );
});

test('gaps within a second are one defect', () => {
  const times = steady(25, 1, 14_000)
    .filter(within(5_000, 5_600, () => false))
    .filter(within(6_400, 7_000, () => false))
    .filter(within(9_000, 9_600, () => false));
  assert.equal(told(times, 14_000), 'open@5000 close@7000 open@9000 close@9600');
});

test('pulldown is no drop, however the container times it, and a drop in it is one', () => {
  // 24000/1001 pictures on the grid of 30000/1001; as 3:2 fields; with time stamps of its own.
  const grid = steady(30_000, 1_001, 40_000).filter((_, i) => i % 5 !== 4);
  const fields = steady(60_000, 1_001, 40_000).filter((_, i) => i % 5 === 0 || i % 5 === 3);
  const own = steady(24_000, 1_001, 40_000);
  const film25 = steady(30, 1, 40_000).filter((_, i) => i % 6 !== 5);
  for (const times of [grid, fields, own, film25]) {
    assert.equal(told(times, 40_000), '');
    const dropped = times.filter(within(20_000, 23_000, (i) => i % 4 !== 0));
    assert.match(told(dropped, 40_000), /^open@(19[89]|20[01])\d\d close@2(28|29|30)\d\d$/);
  }
});

test('a variable rate is no drop: pictures left out at random, or as content moves', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 40, max: 80 }), (seed, keptPercent) => {
      const draw = drawsOf(seed);
      const times = steady(30, 1, 40_000).filter(() => draw() % 100 < keptPercent);
      assert.equal(told(times, 40_000), '');
    }),
    { numRuns: 60 },
  );
  const alternating = steady(30, 1, 40_000).filter((us, i) => us % 4_000_000 < 2_000_000 || i % 2 === 0);
  assert.equal(told(alternating, 40_000), '');
  const slides = Array.from({ length: 40 }, (_, i) => i * 1_000_000);
  assert.equal(told(slides, 40_000), '');
});

test('another cadence that stays is the new rate; both are known from then on', () => {
  const halved = (us: number, i: number) => Math.floor(us / 40_000_000) % 2 === 0 || i % 2 === 0;
  const times = steady(30, 1, 200_000).filter(halved);
  assert.match(told(times, 200_000), /^open@400\d\d high@\d+ close@70\d\d\d$/);
  const faster = [...steady(25, 1, 10_000), ...steady(50, 1, 30_000, 10_000_000)];
  assert.equal(told(faster, 30_000), '');
});

test('repeated pictures are no drop, nor are lost chunks', () => {
  const looks = { '.': {}, s: { still: true } };
  const recording = {
    ...draw(`${'.'.repeat(10)}${'s'.repeat(10)}${'.'.repeat(10)}`, looks),
    lost: [[8_000, 9_000]] as [number, number][],
  };
  assert.deepEqual(
    defectsOf([videoFrameDrop], cut(recording, everySecond(recording))).filter(
      ({ event }) => event !== 'anchor',
    ),
    [],
  );
});

test('a stream that ends while more of it is waited for ends good', () => {
  const times = steady(25, 1, 7_000).filter(within(5_000, 5_600, () => false));
  const frames = times.map((us) => ({ ...picture!, ptsMs: us / 1_000 }));
  const recording = { frames, blocks: [], durationMs: 7_000, lost: [] };
  const chunks = [...cut(recording, everySecond(recording)), eventChunk('end', 99, 7_000)];
  const last = defectsOf([videoFrameDrop], chunks).findLast(({ event }) => event !== 'anchor')!;
  assert.deepEqual([last.event, last.endMs, closeCauseOf(last.reason)], ['close', 5_600, 'recovered']);
});
