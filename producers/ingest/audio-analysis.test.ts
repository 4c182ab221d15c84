import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AudioBlock,
  analyseSamples,
  createAudioState,
  FLOOR_CENTI_DBFS,
  finishSamples,
  powerCentiDb,
} from './audio-analysis.ts';

test('known levels: full scale, half power, a thousandth, silence', () => {
  assert.equal(powerCentiDb(1), 0);
  assert.equal(powerCentiDb(0.5), -301);
  assert.equal(powerCentiDb(0.001), -3000);
  assert.equal(powerCentiDb(1e-6), -6000);
  assert.equal(powerCentiDb(0), FLOOR_CENTI_DBFS);
  assert.equal(powerCentiDb(1e-13), FLOOR_CENTI_DBFS);
});

test('the table is the logarithm, to the nearest hundredth', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-11, max: 1, noNaN: true }), (ratio) => {
      const exact = 1000 * Math.log10(ratio);
      assert.ok(
        Math.abs(powerCentiDb(ratio) - exact) <= 0.5 + 1e-6,
        `${ratio}: ${powerCentiDb(ratio)} for ${exact}`,
      );
    }),
  );
});

test('a full-scale sine has -301, its peak 0', () => {
  const samples = Int16Array.from({ length: 4800 }, (_, i) =>
    Math.round(32_767 * Math.sin((i * Math.PI) / 24)),
  );
  const [block] = analyseSamples(createAudioState(48_000, 1), samples, 0);
  assert.deepEqual([block?.index, block?.rmsCentiDbfs, block?.peakCentiDbfs], [0, [-301], [0]]);
});

test('channels are measured apart', () => {
  const samples = Int16Array.from({ length: 9600 }, (_, i) => (i % 2 === 0 ? 3277 : 0));
  const [block] = analyseSamples(createAudioState(48_000, 2), samples, 0);
  assert.deepEqual(block?.rmsCentiDbfs, [-2000, FLOOR_CENTI_DBFS]);
});

test('however the sound is cut into pieces, the blocks are the same', () => {
  const samples = Int16Array.from({ length: 3 * 4410 * 2 }, (_, i) => ((i * 7919) % 20_011) - 10_000);
  const whole = measure(44_100, 2, samples, [samples.length / 2]);
  assert.equal(whole.length, 3);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 8 }), (sizes) => {
      assert.deepEqual(measure(44_100, 2, samples, sizes), whole);
    }),
    { numRuns: 50 },
  );
});

test('blocks lie on the timeline, not on the track: one that is mostly missing is left out', () => {
  const state = createAudioState(1000, 1);
  const blocks = analyseSamples(state, new Int16Array(160).fill(100), 60);
  assert.deepEqual(
    blocks.map((block) => block.index),
    [1],
  );
  assert.deepEqual(finishSamples(state), []);
});

test('nothing is measured where sound is missing', () => {
  const state = createAudioState(1000, 1);
  const before = analyseSamples(state, new Int16Array(180).fill(100), 0);
  const after = analyseSamples(state, new Int16Array(200).fill(100), 500);
  assert.deepEqual(
    [...before, ...after, ...finishSamples(state)].map((block) => block.index),
    [0, 1, 5, 6],
  );
});

function measure(
  rateHz: number,
  channels: number,
  samples: Int16Array,
  sizes: readonly number[],
): AudioBlock[] {
  const state = createAudioState(rateHz, channels);
  const blocks: AudioBlock[] = [];
  const count = samples.length / channels;
  for (let done = 0, piece = 0; done < count; piece++) {
    const take = Math.min(sizes[piece % sizes.length]!, count - done);
    blocks.push(...analyseSamples(state, samples.slice(done * channels, (done + take) * channels), done));
    done += take;
  }
  return [...blocks, ...finishSamples(state)];
}
