import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TopologyTestDriver } from '../runtime/topology-test-driver.ts';
import type { FrameFeatures, StreamDefect } from '../schemas/records.ts';
import { audioChannelLost } from './detectors/audio-channel-lost.ts';
import { audioMissing } from './detectors/audio-missing.ts';
import {
  arrivalMs,
  CHARACTER_MS,
  cut,
  draw,
  eventChunk,
  everySecond,
  LOG_START_MS,
  type Looks,
  type Recording,
} from './detectors/drawn-stream.ts';
import { checkDetectionConfig } from './detectors/settings.ts';
import { videoMissing } from './detectors/video-missing.ts';
import { DETECTOR_DEFAULTS, streamDetection, streamDetectionWith } from './stream-detection.ts';

const SILENT = { rmsCentiDbfs: [-9_000, -9_500] };
const LOOKS: Looks = {
  '.': {},
  b: { darkPermille: 1_000, still: true, diffMeanCenti: 0 },
  f: { still: true, diffMeanCenti: 1, anchorMeanCenti: 40 },
  p: (index) => ({ still: true, diffMeanCenti: index % 9 === 0 ? 160 : 0, anchorMeanCenti: 160 }),
  g: (index) => ({ still: true, diffMeanCenti: 6 + (index % 5) }),
  s: SILENT,
  x: { darkPermille: 990, ...SILENT },
  m: { diffMeanCenti: 10 },
};
/** Tracks and channels that go. */
const LOSSES: Looks = {
  '.': {},
  l: { rmsCentiDbfs: [-2_000, -12_000] },
  a: { without: 'audio' },
  v: { without: 'video' },
};
const anyDrawing = (looks: Looks) =>
  fc
    .array(fc.tuple(fc.constantFrom(...Object.keys(looks), '_'), fc.integer({ min: 1, max: 12 })), {
      minLength: 1,
      maxLength: 8,
    })
    .map((runs) => draw(runs.map(([character, count]) => character.repeat(count)).join(''), looks));

/** Cuts at least 200 ms and at most a second apart, on any millisecond. */
const cutsFor = (recording: Recording) =>
  fc
    .array(fc.integer({ min: 200, max: 1_000 }), {
      minLength: Math.ceil(recording.durationMs / 200),
      maxLength: Math.ceil(recording.durationMs / 200),
    })
    .map((steps) => {
      const cuts: number[] = [];
      let atMs = 0;
      for (const step of steps) {
        atMs += step;
        if (atMs < recording.durationMs) cuts.push(atMs);
      }
      return cuts;
    });

const anyCutOf = (looks: Looks) =>
  anyDrawing(looks).chain((recording) => cutsFor(recording).map((cuts) => ({ recording, cuts })));
const anyCutRecording = anyCutOf(LOOKS);

function arrive(driver: TopologyTestDriver, chunk: FrameFeatures): void {
  driver.pipe('frame-features', chunk.programmeId, chunk, arrivalMs(chunk.basePtsMs + chunk.durationMs));
}

function run(chunks: readonly FrameFeatures[], topology = streamDetection): TopologyTestDriver {
  const driver = new TopologyTestDriver(topology);
  for (const chunk of chunks) arrive(driver, chunk);
  return driver;
}

function recordsOf(driver: TopologyTestDriver): readonly StreamDefect[] {
  return driver.outputs('stream-defects').map(({ value }) => value);
}

/** Without what depends on when a chunk came, which another cutting changes. */
function mediaOf(records: readonly StreamDefect[]) {
  return records
    .filter(({ event }) => event !== 'anchor')
    .map(
      ({ detectedAtMs, decodedAtMs, chargeFromMs, evidenceFirstOffset, evidenceLastOffset, ...media }) =>
        media,
    );
}

/** The end of the input, after the last chunk. */
function ending(chunks: readonly FrameFeatures[], recording: Recording): readonly FrameFeatures[] {
  return [...chunks, eventChunk('end', chunks.length, recording.durationMs)];
}

test('the same pictures and sound cut into other chunks give the same defects', () => {
  fc.assert(
    fc.property(anyCutRecording, ({ recording, cuts }) => {
      const asCut = run(ending(cut(recording, cuts), recording));
      const bySecond = run(ending(cut(recording, everySecond(recording)), recording));
      const byType = (records: readonly StreamDefect[]) =>
        mediaOf(records).sort((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0));
      assert.deepEqual(byType(recordsOf(asCut)), byType(recordsOf(bySecond)));
    }),
    { numRuns: 150 },
  );
});

test('each detector of what goes missing does not mind either', () => {
  for (const detector of [audioMissing, videoMissing, audioChannelLost]) {
    const alone = streamDetectionWith([detector]);
    fc.assert(
      fc.property(anyCutOf(LOSSES), ({ recording, cuts }) => {
        const asCut = run(ending(cut(recording, cuts), recording), alone);
        const bySecond = run(ending(cut(recording, everySecond(recording)), recording), alone);
        assert.deepEqual(mediaOf(recordsOf(asCut)), mediaOf(recordsOf(bySecond)));
      }),
      { numRuns: 50 },
    );
  }
});

test('restored from its changelog at any point, it says the same', () => {
  fc.assert(
    fc.property(anyCutRecording, fc.nat(20), ({ recording, cuts }, stopAt) => {
      const chunks = ending(cut(recording, cuts), recording);
      const straight = run(chunks);
      const before = run(chunks.slice(0, stopAt));
      const after = new TopologyTestDriver(streamDetection, { restoreFrom: before.save() });
      for (const chunk of chunks.slice(stopAt)) arrive(after, chunk);
      assert.deepEqual([...recordsOf(before), ...recordsOf(after)], recordsOf(straight));
      assert.deepEqual([...after.graph.walk('streams')], [...straight.graph.walk('streams')]);
    }),
    { numRuns: 100 },
  );
});

test('repeated chunks change nothing but the count of what was dropped', () => {
  const withRepeats = anyCutRecording.chain(({ recording, cuts }) => {
    const chunks = cut(recording, cuts);
    return fc
      .array(fc.nat(3), { minLength: chunks.length, maxLength: chunks.length })
      .map((repeats) => ({ chunks, repeats }));
  });
  fc.assert(
    fc.property(withRepeats, ({ chunks, repeats }) => {
      const driver = new TopologyTestDriver(streamDetection);
      let repeated = 0;
      for (const [index, chunk] of chunks.entries()) {
        arrive(driver, chunk);
        for (let back = 0; back < repeats[index]!; back++) {
          driver.pipe('frame-features', 'news', chunks[Math.max(0, index - back)]!, 0);
          repeated += 1;
        }
      }
      const withoutOffsets = (records: readonly StreamDefect[]) =>
        records.map(({ evidenceFirstOffset, evidenceLastOffset, ...rest }) => rest);
      assert.deepEqual(withoutOffsets(recordsOf(driver)), withoutOffsets(recordsOf(run(chunks))));
      const dropped = [...driver.leftOut.values()].reduce((sum, count) => sum + count, 0);
      assert.equal(dropped, repeated);
    }),
    { numRuns: 60 },
  );
});

test('every defect is well formed: opens once, ends once, never before it began, never charged before a seal', () => {
  fc.assert(
    fc.property(anyCutRecording, ({ recording, cuts }) => {
      const records = recordsOf(run(ending(cut(recording, cuts), recording)));
      const byId = Map.groupBy(
        records.filter(({ event }) => event !== 'anchor'),
        ({ defectId }) => defectId,
      );
      for (const steps of byId.values()) {
        assert.deepEqual(
          steps.map(({ revision }) => revision),
          steps.map((_, index) => index + 1),
        );
        assert.equal(steps[0]!.event, 'open');
        const last = steps.at(-1)!;
        assert.equal(last.event, 'close');
        assert.ok(last.endMs! > last.startMs && last.endMs! <= recording.durationMs);
        assert.ok(last.durationMs >= (last.type === 'video-frame-drop' ? 300 : 2_000));
        for (const { chargeFromMs, startMs } of steps) assert.ok(chargeFromMs >= startMs);
      }
    }),
    { numRuns: 100 },
  );
});

test('at live pace a defect is told before its start is sealed, so it is charged from its first picture', () => {
  const recording = draw('....bbbbbb....ffffffff....ssssss..', LOOKS);
  const driver = run(cut(recording, everySecond(recording)));
  const opened = recordsOf(driver).filter(({ event }) => event === 'open');
  assert.equal(opened.length, 3);
  for (const { chargeFromMs, startMs } of opened) assert.equal(chargeFromMs, startMs);
});

test('what is told late is charged from the seal on, not from before it', () => {
  const slow = { detectors: { 'video-black': { minMs: 6_000 } } };
  const recording = draw(`..${'b'.repeat(20)}..`, LOOKS);
  const driver = new TopologyTestDriver(streamDetection, { config: slow });
  for (const chunk of cut(recording, everySecond(recording))) arrive(driver, chunk);
  const [black] = recordsOf(driver).filter(({ event, type }) => event === 'open' && type === 'video-black');
  assert.equal(black!.startMs, 1_000);
  assert.equal(black!.detectedAtMs, arrivalMs(7_000));
  // Log time 7.3 s was sealed up to 4 s when the chunk was stepped; the anchor says 0.3 s of latency.
  assert.equal(black!.chargeFromMs, 4_000);
});

test('two points of one programme are two streams', () => {
  const recording = draw('..bbbb..', LOOKS);
  const chunks = cut(recording, everySecond(recording));
  const driver = run(chunks.flatMap((chunk) => [chunk, { ...chunk, vantage: 'cdn:a/b' }]));
  const opened = recordsOf(driver).filter(({ event }) => event === 'open');
  assert.deepEqual(
    opened.map(({ vantage, startMs }) => `${vantage} ${startMs}`),
    ['origin 1000', 'cdn:a/b 1000'],
  );
  assert.equal(new Set(opened.map(({ defectId }) => defectId)).size, 2);
  assert.deepEqual(
    [...driver.graph.walk('streams')].map(({ key }) => key),
    ['news/main/cdn:a%2Fb', 'news/main/origin'],
  );
});

// A golden trace: every field of a defect's life as subscribers get it. It changes only with intent.
test('golden: a freeze at live pace, field by field', () => {
  const recording = draw('....fffff...', LOOKS);
  const chunks = cut(recording, everySecond(recording)).map((chunk) => ({
    ...chunk,
    programTimeMs: LOG_START_MS - 5_000 + chunk.basePtsMs,
    programTimeSource: 'pdt',
    uncertaintyMs: 120,
  }));
  const [, open, close] = recordsOf(run(chunks));
  const freeze = {
    defectId: '6f653a9e9fdca4ad',
    programmeId: 'news',
    renditionId: 'main',
    trackId: 'video',
    vantage: 'origin',
    probeId: 'probe-1',
    type: 'video-freeze',
    severity: 'medium',
    confidencePermille: 1_000,
    startMs: 2_000,
    chargeFromMs: 2_000,
    programTimeStartMs: LOG_START_MS - 3_000,
    programTimeUncertaintyMs: 120,
    evidenceTopic: 'frame-features',
    evidencePartition: 0,
    offsetMs: null,
    announced: '',
    evidenceFirstOffset: 2,
    configHash: 'default',
  };
  assert.deepEqual(open, {
    ...freeze,
    event: 'open',
    revision: 1,
    reason:
      'no change beyond coding noise for 2000 ms: at most 40 hundredths of a luma step from its first picture',
    endMs: null,
    durationMs: 2_000,
    programTimeEndMs: null,
    detectedAtMs: LOG_START_MS + 4_300,
    decodedAtMs: LOG_START_MS + 4_000,
    evidenceLastOffset: 3,
  });
  assert.deepEqual(close, {
    ...freeze,
    event: 'close',
    revision: 2,
    reason: 'recovered: good again',
    endMs: 4_500,
    durationMs: 2_500,
    programTimeEndMs: LOG_START_MS - 500,
    detectedAtMs: LOG_START_MS + 5_300,
    decodedAtMs: LOG_START_MS + 5_000,
    evidenceLastOffset: 4,
  });
});

test('where programme time stands against log time is said again every minute, moved or not', () => {
  const recording = draw('.'.repeat(260), LOOKS);
  const anchors = recordsOf(run(cut(recording, everySecond(recording)))).filter(
    ({ event }) => event === 'anchor',
  );
  assert.deepEqual(
    anchors.map(({ startMs }) => startMs),
    [1_000, 61_000, 121_000],
  );
});

test('a configuration is checked before it goes into the log: every fault in one sentence', () => {
  const check = (config: unknown) => checkDetectionConfig(config, DETECTOR_DEFAULTS);
  assert.deepEqual(check(null), []);
  assert.deepEqual(check({ streams: { news: { 'video-black': { minMs: 1_000 } } } }), []);
  assert.deepEqual(
    check({
      detectors: { 'video-blak': {}, 'video-black': { minMs: 1.5, minimum: 3 } },
      streams: { news: { 'audio-silence': 7 }, sports: 8 },
    }),
    [
      `detectors.video-blak: no such detector; there are ${Object.keys(DETECTOR_DEFAULTS).join(', ')}`,
      'detectors.video-black.minMs has to be an integer, and is 1.5',
      'detectors.video-black.minimum: no such setting; there are suspendMs, highAfterMs, criticalAfterMs, minMs, ' +
        'joinMs, darkPermilleMin, darkPermilleStay',
      'streams.news.audio-silence has to be an object',
      'streams.sports has to be an object',
    ],
  );
  assert.deepEqual(check([]), ['the configuration of detectors has to be an object']);
});

test('drawings are what the tests say they are', () => {
  const recording = draw('.b_~', LOOKS);
  assert.equal(recording.frames.length, 20);
  assert.equal(recording.blocks.length, 10);
  assert.equal(recording.durationMs, 4 * CHARACTER_MS);
  assert.throws(() => draw('?', LOOKS), /no look for '\?'/);
});
