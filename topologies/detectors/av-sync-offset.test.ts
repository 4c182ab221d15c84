import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { streamDetectionWith } from '../stream-detection.ts';
import { avSyncDetector, avSyncOffset, type SlotTold } from './av-sync-offset.ts';
import { Film, type View } from './drawn-points.ts';
import { LOG_START_MS, tell } from './drawn-stream.ts';
import type { DetectionConfig } from './settings.ts';

const film = new Film(7);
const REFERENCE: DetectionConfig = {
  streams: { 'news/main/origin': { 'av-sync-offset': { isReference: 1 } } },
};
const as = (ms: number) => ms;

/** The reference, which shows the film as it is. */
function reference(seconds: number, view: Partial<View> = {}): readonly FrameFeatures[] {
  return film.seenBy({ fps: 25, seconds, pictureAt: as, soundAt: as, ...view });
}

/** Another point: its sound comes `leadMs(ms)` before its pictures. */
function point(seconds: number, leadMs: (ms: number) => number, view: Partial<View> = {}) {
  const soundAt = (ms: number) => Math.max(0, ms + leadMs(ms));
  return film.seenBy({ fps: 25, seconds, pictureAt: as, soundAt, ...view });
}

type Heard = { readonly atMs: number; readonly chunk: FrameFeatures };

/** Both in the order in which their chunks arrive; the point's come `lateMs` later, where its timeline began so much later. */
function together(
  there: readonly FrameFeatures[],
  here: readonly FrameFeatures[],
  lateMs = 0,
): readonly Heard[] {
  const endOf = ({ basePtsMs, durationMs }: FrameFeatures) => LOG_START_MS + basePtsMs + durationMs;
  return [
    ...there.map((chunk) => ({ atMs: endOf(chunk), chunk })),
    ...here.map((chunk) => ({ atMs: endOf(chunk) + lateMs + 40, chunk: { ...chunk, vantage: 'cdn:a' } })),
  ].sort((a, b) => a.atMs - b.atMs);
}

function judge(heard: readonly Heard[], config: DetectionConfig | null = REFERENCE) {
  const slots: SlotTold[] = [];
  const topology = streamDetectionWith([avSyncDetector((told) => slots.push(told))]);
  const driver = new TopologyTestDriver(topology, { config });
  for (const { atMs, chunk } of heard) driver.pipe('frame-features', 'news', chunk, atMs);
  const defects = driver
    .outputs('stream-defects')
    .map(({ value }) => value)
    .filter(({ type }) => type === 'av-sync-offset');
  return { defects, offsets: slots.map(({ offsetMs }) => offsetMs), driver };
}

const words = (defects: readonly StreamDefect[]) => tell(defects, 'av-sync-offset');

test('the offset is told to 5 ms; to 12 ms where the point has pictures that the reference has not', () => {
  for (const [there, here, withinMs] of [
    [12, 12, 5],
    [24, 24, 5],
    [60, 60, 5],
    [50, 25, 5],
    [25, 50, 12],
  ] as const) {
    for (const leadMs of [-200, 31]) {
      const { offsets } = judge(
        together(
          reference(20, { fps: there }),
          point(20, () => leadMs, { fps: here }),
        ),
      );
      const told = offsets.filter((offset) => offset !== null);
      assert.ok(told.length >= 8, `${here} per s, ${leadMs} ms: ${offsets}`);
      for (const offset of told)
        assert.ok(Math.abs(offset - leadMs) <= withinMs, `${here} per s, ${leadMs} ms: ${offsets}`);
    }
  }
});

test('beyond +40 and -60 ms it is a defect, of the point and not of the reference; severity by how far', () => {
  const check = (leadMs: number, severity: string | null) => {
    const { defects } = judge(
      together(
        reference(20),
        point(20, () => leadMs),
      ),
    );
    assert.deepEqual(
      defects.map(({ event, vantage, severity }) => [event, vantage, severity]),
      severity === null ? [] : [['open', 'cdn:a', severity]],
      `${leadMs} ms`,
    );
    if (severity === null) return;
    assert.equal(defects[0]!.startMs, 0);
    assert.ok(Math.abs(defects[0]!.offsetMs! - leadMs) <= 3);
  };
  for (const leadMs of [0, 20, 36, -40, -56]) check(leadMs, null);
  check(44, 'low');
  check(-64, 'low');
  check(70, 'medium');
  check(-150, 'medium');
  check(120, 'high');
  check(-250, 'high');
});

test('it begins and ends within a second of where the sound was shifted; less than 5 s is none, more than once joins', () => {
  const during = (...spans: readonly (readonly [number, number])[]) => {
    const leadMs = (ms: number) => (spans.some(([from, to]) => ms >= from && ms < to) ? 150 : 0);
    return judge(together(reference(60), point(60, leadMs))).defects;
  };
  const [opened, closed] = during([20_300, 40_700]) as [StreamDefect, StreamDefect];
  assert.deepEqual([opened.event, closed.event], ['open', 'close']);
  assert.ok(Math.abs(opened.startMs - 20_300) <= 1_000, `${opened.startMs}`);
  assert.ok(Math.abs(closed.endMs! - 40_700) <= 1_000, `${closed.endMs}`);
  assert.equal(words(during([20_000, 23_500])), '');
  assert.equal(during([15_000, 25_000], [28_000, 40_000]).length, 2, 'one open, one close');
});

test('an offset that grows makes the defect worse, and is not another one', () => {
  const { defects } = judge(
    together(
      reference(50),
      point(50, (ms) => (ms < 20_000 ? 42 : 160)),
    ),
  );
  assert.deepEqual(
    defects.map(({ event, severity }) => [event, severity]),
    [
      ['open', 'low'],
      ['update', 'high'],
    ],
  );
  assert.ok(Math.abs(defects[1]!.offsetMs! - 160) <= 5);
});

test('timelines of their own: the point came in later, and its stream takes a while to get there', () => {
  const sinceMs = 17_240;
  const later = film.seenBy({
    fps: 25,
    seconds: 40,
    pictureAt: (ms) => ms + sinceMs,
    soundAt: (ms) => ms + sinceMs - 90,
  });
  for (const wayMs of [0, 6_000, 21_000]) {
    const { offsets, defects } = judge(together(reference(90), later, sinceMs + wayMs));
    const told = offsets.filter((offset) => offset !== null);
    assert.ok(told.length >= 20, `${wayMs}: ${offsets}`);
    for (const offset of told) assert.ok(Math.abs(offset + 90) <= 5, `${offsets}`);
    assert.equal(words(defects).split(' ')[0], 'open@0', `${wayMs}`);
  }
});

test('while the reference is behind, seconds are put off and none is left out; from 28 s on they are not judged', () => {
  const judged = (lateMs: number, stalledMs = 0) => {
    // The reference is late throughout, or stops for a while in the middle and catches up at once.
    const heard = together(
      reference(100),
      point(100, () => -130),
      -lateMs,
    ).map(({ atMs, chunk }) => {
      const isHeld = chunk.vantage !== 'cdn:a' && atMs >= LOG_START_MS + 40_000;
      return { atMs: isHeld ? Math.max(atMs, LOG_START_MS + 40_000 + stalledMs) : atMs, chunk };
    });
    return judge(heard.toSorted((a, b) => a.atMs - b.atMs));
  };
  const usual = judged(0);
  assert.ok(
    usual.offsets.length >= 97 && usual.offsets.every((offset) => offset !== null),
    `${usual.offsets}`,
  );
  for (const late of [judged(4_000), judged(18_000), judged(0, 3_000)]) {
    // What is left when the point ends is not waited for.
    assert.deepEqual(late.offsets.slice(0, 80), usual.offsets.slice(0, 80));
    assert.equal(words(late.defects).split(' ')[0], 'open@0');
  }
  const behind = judged(40_000);
  assert.ok(behind.offsets.length >= 65, `${behind.offsets.length}`);
  assert.ok(
    behind.offsets.every((offset) => offset === null),
    `${behind.offsets}`,
  );
  assert.equal(words(behind.defects), '');
});

test('nothing moves, nothing is heard, something else is shown: not judged, and never good', () => {
  const none = (here: readonly FrameFeatures[], what: string) => {
    const { offsets } = judge(together(reference(40), here));
    assert.deepEqual(
      offsets.filter((offset) => offset !== null),
      [],
      what,
    );
  };
  none(
    point(40, () => 0, { pictureAt: () => 5_000 }),
    'a still picture',
  );
  none(
    point(40, () => 0, { pictureAt: () => null }),
    'no picture',
  );
  none(
    point(40, () => 0, { soundAt: () => null }),
    'silence',
  );
  none(new Film(8).seenBy({ fps: 25, seconds: 40, pictureAt: as, soundAt: as }), 'another programme');
  const pictures = new Film(9).seenBy({ fps: 25, seconds: 40, pictureAt: as, soundAt: as });
  const dubbed = reference(40).map((chunk, at) => ({ ...chunk, audioOnsets: pictures[at]!.audioOnsets }));
  none(dubbed, 'another language');
});

/** The same stream with other pictures: of each its mean luma, and its motion with noise of its own encoder. */
function showing(
  chunks: readonly FrameFeatures[],
  lumaAt: (ms: number) => number,
  motionAt: (ms: number) => number,
  noise: number,
  seed: number,
): readonly FrameFeatures[] {
  const random = new SeededRandom(seed);
  return chunks.map((chunk) => {
    const times = chunk.framePtsMs.map((ms) => chunk.basePtsMs + ms);
    return {
      ...chunk,
      lumaMeanCenti: times.map((ms) => Math.round(lumaAt(ms)) + random.between(-3, 4)),
      diffMeanCenti: times.map((ms) =>
        Math.max(0, Math.round(motionAt(ms)) + random.between(-noise, noise + 1)),
      ),
    };
  });
}

test('a slow pan, of which no second is beyond doubt: told when nine seconds in a row say the same', () => {
  const random = new SeededRandom(12);
  const motion = Array.from({ length: 1_500 }, (_, n) => (n % 8 < 4 ? 100 : 50) + random.below(120));
  const lumaAt = (ms: number) => 8_000 + ms / 10;
  const motionAt = (ms: number) => motion[Math.floor(ms / 40)]!;
  for (const leadMs of [0, 130, -240]) {
    const there = showing(reference(40), lumaAt, motionAt, 58, 1);
    const here = showing(
      point(40, () => leadMs),
      lumaAt,
      motionAt,
      58,
      2,
    );
    const { offsets, defects } = judge(together(there, here));
    const sinceS = offsets.findIndex((offset) => offset !== null);
    assert.ok(sinceS >= 8 && sinceS <= 16, `${leadMs} ms: ${offsets}`);
    const told = offsets.slice(sinceS).filter((offset) => offset !== null);
    assert.ok(told.length >= 20, `${leadMs} ms: ${offsets}`);
    for (const offset of told) assert.ok(Math.abs(offset - leadMs) <= 8, `${leadMs} ms: ${offsets}`);
    assert.equal(words(defects).split('@')[0], leadMs === 0 ? '' : 'open', `${leadMs} ms`);
  }
});

test('motion that comes again and again is as alike one period further: it tells no lag, however often', () => {
  for (const [there, here] of [
    [25, 25],
    [25, 30],
    [12, 25],
  ] as const) {
    for (const periodMs of [200, 480, 790, 1_000]) {
      for (const noise of [0, 40]) {
        const phaseOf = (ms: number) => Math.abs(((ms / periodMs) % 1) - 0.5);
        const lumaAt = (ms: number) => 8_000 + ms / 20 + 600 * phaseOf(ms);
        const motionAt = (ms: number) => 60 + 400 * phaseOf(ms) ** 2;
        const { offsets } = judge(
          together(
            showing(reference(20, { fps: there }), lumaAt, motionAt, noise, 3),
            showing(
              point(20, () => 0, { fps: here }),
              lumaAt,
              motionAt,
              noise,
              4,
            ),
          ),
        );
        const told = offsets.filter((offset) => offset !== null);
        assert.deepEqual(told, [], `${periodMs} ms, ${there} and ${here} per s, noise ${noise}`);
      }
    }
  }
});

test('key pictures of two encoders are no content: of a still they tell nothing, with noise or without', () => {
  for (const apartMs of [0, 280, 720, 1_240]) {
    for (const [motion, noise] of [
      [0, 0],
      [5, 5],
      [30, 30],
      [85, 15],
      [260, 60],
    ] as const) {
      const afterKeyMs = (ms: number, phaseMs: number) => (ms + phaseMs) % 2_000;
      const motionOf = (phaseMs: number) => (ms: number) =>
        motion + (afterKeyMs(ms, phaseMs) < 40 ? 360 : afterKeyMs(ms, phaseMs) < 80 ? 200 : 0);
      const lumaOf = (phaseMs: number) => (ms: number) => 9_000 + (afterKeyMs(ms, phaseMs) < 40 ? 6 : 0);
      const { offsets } = judge(
        together(
          showing(reference(30), lumaOf(0), motionOf(0), noise, 5),
          showing(
            point(30, () => 0),
            lumaOf(apartMs),
            motionOf(apartMs),
            noise,
            6,
          ),
        ),
      );
      const told = offsets.filter((offset) => offset !== null);
      assert.deepEqual(told, [], `${apartMs} ms apart, motion ${motion}, noise ${noise}`);
    }
  }
});

test('a pause in what moves neither ends it nor makes another one', () => {
  const held = (ms: number) => (ms >= 20_000 && ms < 28_000 ? 20_000 : ms);
  const there = reference(60, { pictureAt: held });
  const { defects } = judge(
    together(
      there,
      point(60, () => 130, { pictureAt: held }),
    ),
  );
  assert.equal(words(defects), 'open@0');
});

test('about a step of the clock it is not judged', () => {
  const stepped = reference(30).map((chunk) =>
    chunk.basePtsMs === 15_000 ? { ...chunk, stepPtsMs: [300], stepSizeMs: [2_000] } : chunk,
  );
  const { offsets } = judge(
    together(
      stepped,
      point(30, () => 0),
    ),
  );
  assert.ok(offsets.slice(14, 17).every((offset) => offset === null));
  assert.ok(offsets.slice(5, 11).some((offset) => offset !== null));
});

test('a programme that repeats itself is compared with the showing that is on', () => {
  const again = (ms: number) => ms % 11_000;
  const there = reference(40, { pictureAt: again, soundAt: again });
  const here = film.seenBy({
    fps: 25,
    seconds: 40,
    pictureAt: again,
    soundAt: (ms) => again(Math.max(0, ms - 80)),
  });
  const { offsets } = judge(together(there, here));
  const told = offsets.filter((offset) => offset !== null);
  assert.ok(told.length >= 20 && told.every((offset) => Math.abs(offset + 80) <= 8), `${offsets}`);
});

test('without a reference nothing is kept of a stream; with one, a minute of it and no more', () => {
  const heard = together(
    reference(150),
    point(150, () => 0),
  );
  const without = judge(heard, null);
  assert.deepEqual([without.offsets, without.defects], [[], []]);
  assert.equal(without.driver.save().entries.length, 2);
  const { driver } = judge(heard);
  const spans = driver.save().entries.filter(({ key }) => key.split('/').length === 4);
  assert.equal(spans.length, 2 * 32);
  driver.advanceTo(driver.timeMs + 130_000);
  assert.equal(driver.save().entries.filter(({ key }) => key.split('/').length === 4).length, 0);
});

test('a restored task says the same as one that went on', () => {
  const heard = together(
    reference(40),
    point(40, (ms) => (ms > 15_000 ? 130 : 0)),
    3_000,
  );
  const topology = streamDetectionWith([avSyncOffset]);
  const whole = new TopologyTestDriver(topology, { config: REFERENCE });
  for (const { atMs, chunk } of heard) whole.pipe('frame-features', 'news', chunk, atMs);
  const said = whole.outputs('stream-defects');
  assert.ok(said.some(({ value }) => value.type === 'av-sync-offset'));
  for (const at of [9, 30, 57]) {
    let driver = new TopologyTestDriver(topology, { config: REFERENCE });
    const parts = [];
    for (const [i, { atMs, chunk }] of heard.entries()) {
      if (i === at) {
        parts.push(...driver.outputs('stream-defects'));
        driver = new TopologyTestDriver(topology, { config: REFERENCE, restoreFrom: driver.save() });
      }
      driver.pipe('frame-features', 'news', chunk, atMs);
    }
    assert.deepEqual([...parts, ...driver.outputs('stream-defects')], said, `restored before chunk ${at}`);
  }
});
