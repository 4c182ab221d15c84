import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOnsets, ONSETS_PER_BLOCK, onsetsOf } from './sound-onsets.ts';

/** Bits of sound, block by block, as one row of 0 and 1. */
function rowOf(samples: Int16Array, sampleRateHz: number, channels: number): string {
  const state = createOnsets(sampleRateHz, channels);
  const perBlock = (sampleRateHz / 10) * channels;
  let row = '';
  for (let at = 0; at + perBlock <= samples.length; at += perBlock) {
    const bits = onsetsOf(state, samples.subarray(at, at + perBlock), perBlock / channels);
    row += bits.toString(2).padStart(ONSETS_PER_BLOCK, '0');
  }
  return row;
}

/** Bursts of a 2 kHz tone over a whisper, each 50 ms long, at these times. */
function bursts(atMs: readonly number[], sampleRateHz: number, channels: number, gain: number): Int16Array {
  const samples = new Int16Array(sampleRateHz * channels);
  for (let i = 0; i < sampleRateHz; i++) {
    const ms = (i * 1_000) / sampleRateHz;
    const isLoud = atMs.some((from) => ms >= from && ms < from + 50);
    const value = Math.sin((2 * Math.PI * 2_000 * i) / sampleRateHz) * (isLoud ? 12_000 : 3) * gain;
    for (let channel = 0; channel < channels; channel++) samples[i * channels + channel] = Math.round(value);
  }
  return samples;
}

const AT_MS = [150, 400, 612, 850];

test('a bit is set from where a burst begins, and not where it ends; a whisper sets none', () => {
  const row = rowOf(bursts(AT_MS, 48_000, 2, 1), 48_000, 2);
  assert.equal(row.length, 160);
  for (const ms of AT_MS) {
    const bit = Math.floor(ms / 6.25);
    assert.equal(row.slice(bit - 2, bit), '00', `${ms}: ${row}`);
    assert.equal(row.slice(bit + 1, bit + 4), '111', `${ms}: ${row}`);
    assert.equal(row.slice(bit + 12, bit + 20), '00000000', `${ms}: ${row}`);
  }
  assert.equal(row.slice(0, 20), '0'.repeat(20));
});

test('level, channels and sampling rate hardly show', () => {
  const row = rowOf(bursts(AT_MS, 48_000, 2, 1), 48_000, 2);
  for (const [rate, channels, gain] of [
    [48_000, 2, 0.25],
    [48_000, 1, 1],
    [44_100, 2, 1],
    [16_000, 1, 0.5],
  ] as const) {
    const other = rowOf(bursts(AT_MS, rate, channels, gain), rate, channels);
    const unlike = [...row].filter((bit, at) => bit !== other[at]).length;
    assert.ok(unlike <= 8, `${rate} Hz, ${channels} channels, ${gain}: ${unlike} of 160 bits differ`);
  }
});

test('silence has no bits, and neither has sound that stays as it is', () => {
  assert.match(rowOf(new Int16Array(48_000), 48_000, 1), /^0+$/);
  const steady = rowOf(bursts([0, 50, 100, 150, 200, 250, 300, 350, 400, 450], 48_000, 1, 1), 48_000, 1);
  assert.match(steady.slice(64, 80), /^0+$/);
});
