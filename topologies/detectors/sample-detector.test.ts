import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FrameFeatures } from '../../schemas/records.ts';
import { stepContext } from '../../test/support/step-context.ts';
import { DETECTORS } from '../stream-detection.ts';
import { cut, draw } from './drawn-stream.ts';
import type { DetectionConfig } from './settings.ts';

/** An ordinary chunk, to be given other columns. */
const [ORDINARY] = cut(draw('..', { '.': {} }), []) as [FrameFeatures];

/** Figures at and about every threshold, so that short runs of all kinds come about. */
const anyPicture = fc.record({
  stepMs: fc.constantFrom(33, 33, 33, 34, 100, 101, 500, 1_000),
  still: fc.constantFrom(false, true, true),
  diffMeanCenti: fc.constantFrom(0, 4, 5, 19, 20, 150, 150, 450, 25_500),
  darkPermille: fc.constantFrom(0, 939, 940, 949, 950, 951, 1_000),
  isDamaged: fc.constantFrom(false, false, false, true),
  lumaSpreadCenti: fc.constantFrom(20, 200, 201, 240, 241, 4_000),
  isKey: fc.constantFrom(false, false, true),
  damage: fc.constantFrom(0, 0, 0, 0, 1, 2),
  look: fc.option(
    fc.record({
      sharp: fc.constantFrom(500, 450, 120, 90, 30),
      textured: fc.constantFrom(60, 60, 3),
      scene: fc.constantFrom(100, 100, 4_000),
      grid: fc.constantFrom(0, 200, 1_799, 1_950, 6_000),
    }),
  ),
});
const anyLevel = fc.constantFrom(-2_000, -2_000, -4_000, -5_999, -6_000, -6_001, -7_000, -9_000);
const anyChunk = fc.record({
  pictures: fc.array(anyPicture, { maxLength: 30 }),
  channels: fc.constantFrom(0, 1, 2, 2, 6),
  levels: fc.array(anyLevel, { minLength: 60, maxLength: 60 }),
  blocks: fc.nat(10),
  intervalUs: fc.constantFrom(0, 33_333, 40_000),
  clip: fc.constantFrom([0], [4], [30, 31, 90, 5], [60]),
  correlation: fc.constantFrom([700], [-299, -300, 200], [-800, -601], [-1_000], []),
  jumped: fc.constantFrom(false, false, false, true),
  backMs: fc.constantFrom(0, 0, 0, 5, 700),
  /** What the chunk covers after its last picture. */
  tailMs: fc.constantFrom(33, 33, 1_500),
});
/** Rows in which one kind of picture or sound prevails, so that runs last. */
const anyChunks = fc.array(fc.tuple(anyChunk, fc.integer({ min: 1, max: 5 })), {
  minLength: 1,
  maxLength: 12,
});
const anyConfig = fc.constantFrom<DetectionConfig | null>(
  null,
  { detectors: { 'video-freeze': { minMs: 100, repeatPermilleMin: 100, repeatPermilleStay: 900 } } },
  {
    detectors: {
      'video-black': { minMs: 200, joinMs: 300 },
      'video-freeze': { minMs: 200, repeatPermilleMin: 0, motionCentiMin: 0 },
      'video-flat': { minMs: 200, chromaSpreadCentiMax: 1_000, chromaSpreadCentiStay: 1_000 },
      'video-frame-drop': { gapMsMin: 100, absentPermilleMin: 20 },
      'video-decode-error': { minMs: 30, joinMs: 200 },
      'audio-silence': { minMs: 200 },
      'audio-missing': { minMs: 200, expectAudio: 1 },
      'video-missing': { minMs: 200, expectVideo: 1 },
      'audio-clipping': { minMs: 200 },
      'audio-phase-inverted': { minMs: 200, levelCentiDbfsMin: -8_000 },
      'audio-loudness': { minMs: 200, targetCentiLufs: -3_000 },
      'audio-channel-lost': { minMs: 200, joinMs: 100, pairCentiDbfsMin: -9_500 },
    },
  },
);

test('short cuts find what judging every sample finds, and remember the same', () => {
  fc.assert(
    fc.property(anyChunks, anyConfig, (rows, config) => {
      const steps = stepsOf(rows.flatMap(([chunk, times]) => Array.from({ length: times }, () => chunk)));
      for (const { reducer, judging } of DETECTORS) {
        const states = [reducer.init('k'), judging.init('k')];
        for (const value of steps) {
          const input = { kind: 'record', key: 'k', timeMs: 0, value, origin: value.evidence } as const;
          const context = stepContext({ config, configHash: 'c' });
          const told = [reducer, judging].map((one, at) => one.step(states[at], input, context));
          assert.deepEqual(told[0], told[1]);
          assert.deepEqual(reducer.state.encode(states[0]), reducer.state.encode(states[1]));
        }
      }
    }),
    { numRuns: 300 },
  );
});

type AnyChunk = typeof anyChunk extends fc.Arbitrary<infer C> ? C : never;

function stepsOf(chunks: readonly AnyChunk[]) {
  let ptsMs = 0;
  let anchorMs = 0;
  return chunks.map((drawn, seq) => {
    const basePtsMs = Math.max(0, ptsMs - drawn.backMs);
    const times: number[] = [];
    const ages: number[] = [];
    for (const { stepMs, still } of drawn.pictures) {
      ptsMs += stepMs;
      if (!still) anchorMs = ptsMs;
      times.push(ptsMs - basePtsMs);
      ages.push(ptsMs - anchorMs);
    }
    const coveredToMs = ptsMs + drawn.tailMs;
    ptsMs = Math.max(ptsMs, coveredToMs - 33);
    const levels = drawn.levels.slice(0, drawn.blocks * drawn.channels);
    const looked = drawn.pictures.flatMap(({ look }, at) => (look === null ? [] : [{ ...look, at }]));
    const column = (name: 'diffMeanCenti' | 'darkPermille' | 'lumaSpreadCenti') =>
      drawn.pictures.map((picture) => picture[name]);
    const chunk: FrameFeatures = {
      ...ORDINARY,
      seq,
      basePtsMs,
      durationMs: coveredToMs - basePtsMs,
      frameIntervalUs: drawn.intervalUs,
      framePtsMs: times,
      anchorAgeMs: ages,
      anchorMeanCenti: ages.map((age) => age % 7),
      diffMeanCenti: column('diffMeanCenti'),
      darkPermille: column('darkPermille'),
      lumaSpreadCenti: column('lumaSpreadCenti'),
      decodeErrorPtsMs: times.filter((_, at) => drawn.pictures[at]!.isDamaged),
      keyFramePtsMs: times.filter((_, at) => drawn.pictures[at]!.isKey),
      damagePtsMs: times.filter((_, at) => drawn.pictures[at]!.damage !== 0),
      damageKinds: drawn.pictures.map(({ damage }) => damage).filter((damage) => damage !== 0),
      lookPtsMs: looked.map(({ at }) => times[at]!),
      lookSharpPermille: looked.map(({ sharp }) => sharp),
      lookMedianSharpPermille: looked.map(({ sharp, at }) => sharp - (at % 3) * 10),
      lookTexturedBlocks: looked.map(({ textured }) => textured),
      lookSceneCenti: looked.map(({ scene }) => scene),
      lookGridSteps: looked.map(({ grid }) => grid),
      lookOtherSteps: looked.map(({ at }) => 150 + (at % 2)),
      audioChannels: drawn.channels,
      audioRmsCentiDbfs: levels,
      audioPeakCentiDbfs: levels.map((level) => level + 1_800),
      audioClipPermille: levels.map((_, at) => drawn.clip[at % drawn.clip.length]!),
      audioCorrelationPermille:
        drawn.correlation.length === 0 || drawn.channels < 2
          ? []
          : Array.from(
              { length: levels.length / drawn.channels },
              (_, at) => drawn.correlation[at % drawn.correlation.length]!,
            ),
      audioLoudnessCentiLufs: levels.filter((_, at) => at % drawn.channels === 0),
    };
    return {
      kind: 'features',
      scope: chunk,
      probeId: chunk.probeId,
      probeEpochMs: chunk.probeEpochMs,
      coveredToMs,
      decodedAtMs: 0,
      evidence: { topic: 'frame-features', partition: 0, offset: seq },
      chunk,
      jumped: drawn.jumped,
    } as const;
  });
}
