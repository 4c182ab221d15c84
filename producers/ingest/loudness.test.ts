import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { type AudioBlock, analyseSamples, createAudioState, powerCentiDb } from './audio-analysis.ts';
import { channelWeights, kWeighting } from './loudness.ts';
import { FFMPEG, ffmpeg, temporaryFolder } from './testing.ts';

const run = promisify(execFile);
const folder = temporaryFolder();
after(() => folder.remove());

test('at 48 kHz the coefficients are those of the recommendation', () => {
  const printed = [
    [1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585],
    [1, -2, 1, -1.99004745483398, 0.99007225036621],
  ];
  for (const [stage, biquad] of kWeighting(48_000).entries()) {
    for (const [at, value] of biquad.entries())
      assert.ok(Math.abs(value - printed[stage]![at]!) < 1e-7, `${stage} ${at}: ${value}`);
  }
});

test('a 997 Hz sine at full scale in one channel is -3.01 LUFS at every usual rate', () => {
  for (const rateHz of [8_000, 22_050, 32_000, 44_100, 48_000, 96_000]) {
    const samples = Int16Array.from({ length: rateHz }, (_, i) =>
      Math.round(32_767 * Math.sin((2 * Math.PI * 997 * i) / rateHz)),
    );
    const blocks = analyseSamples(createAudioState(rateHz, 1), samples, 0);
    const loudness = blocks.at(-1)!.loudnessCentiLufs;
    assert.ok(Math.abs(loudness + 301) <= 5, `${rateHz} Hz: ${loudness}`);
  }
});

test('LFE counts for nothing, surrounds for 1.41', () => {
  assert.deepEqual(channelWeights(1), [1]);
  assert.deepEqual(channelWeights(6), [1, 1, 1, 0, 1.41, 1.41]);
  const of = (channel: number) => {
    const samples = new Int16Array(6 * 4_800);
    for (let i = 0; i < 4_800; i++) samples[6 * i + channel] = i % 8 < 4 ? 8_000 : -8_000;
    return analyseSamples(createAudioState(48_000, 6), samples, 0)[0]!.loudnessCentiLufs;
  };
  assert.equal(of(3), -12_000);
  assert.ok(Math.abs(of(4) - of(0) - 149) <= 1);
});

test('momentary and short-term loudness agree with the ebur128 filter of ffmpeg, in speech and in a mix', async () => {
  const speech = path.join(import.meta.dirname, '../../test/media/speech-jfk-1961.wav');
  const mix = path.join(folder.path, 'mix.wav');
  // Tones and noise that come and go, each to its own side.
  await ffmpeg(
    ...['-f', 'lavfi', '-i', 'sine=f=180:r=44100:d=8,volume=0.5+0.4*sin(2*PI*t/3):eval=frame'],
    ...[
      '-f',
      'lavfi',
      '-i',
      'anoisesrc=c=pink:r=44100:d=8:seed=3:a=0.4,volume=lt(mod(t\\,2)\\,1.3):eval=frame',
    ],
    ...['-filter_complex', '[0][1]amerge=inputs=2', '-c:a', 'pcm_s16le', mix],
  );
  for (const file of [speech, mix]) {
    const theirs = await ebur128(file);
    const blocks = measured(file);
    assert.ok(theirs.length > 50 && Math.abs(theirs.length - blocks.length) <= 1, file);
    let compared = 0;
    for (const { block, momentary, shortTerm } of theirs) {
      for (const [count, lufs] of [
        [4, momentary],
        [30, shortTerm],
      ] as const) {
        // The filter says -120.7 for nothing, and both are rough where there is almost nothing.
        if (block + 1 < count || lufs < -60) continue;
        const ours = loudnessOf(blocks.slice(block + 1 - count, block + 1));
        assert.ok(Math.abs(ours - lufs) <= 0.2, `${file} block ${block}: ${ours} for ${lufs}`);
        compared += 1;
      }
    }
    assert.ok(compared > 80, `${file}: ${compared} compared`);
  }
});

function loudnessOf(blocks: readonly AudioBlock[]): number {
  const power = blocks.reduce((sum, { loudnessCentiLufs }) => sum + 10 ** (loudnessCentiLufs / 1_000), 0);
  return powerCentiDb(power / blocks.length) / 100;
}

/** What the filter logs for each 100 ms: the block that ends there. */
async function ebur128(file: string) {
  const filter = ['-af', 'ebur128=framelog=verbose', '-f', 'null', '-'];
  const { stderr } = await run(FFMPEG, [
    '-hide_banner',
    '-nostdin',
    '-loglevel',
    'verbose',
    '-i',
    file,
    ...filter,
  ]);
  const rows = stderr.matchAll(/ t: ([\d.]+)\s+TARGET:.*?M:\s*(-?[\d.]+)\s+S:\s*(-?[\d.]+)/g);
  return [...rows].map(([, t, m, s]) => ({
    block: Math.round(Number(t) * 10) - 1,
    momentary: Number(m),
    shortTerm: Number(s),
  }));
}

/** Blocks of a WAV file with 16-bit samples. */
function measured(file: string): readonly AudioBlock[] {
  const bytes = readFileSync(file);
  const channels = bytes.readUInt16LE(22);
  const data = bytes.indexOf('data') + 8;
  const samples = new Int16Array(Uint8Array.from(bytes.subarray(data)).buffer);
  return analyseSamples(createAudioState(bytes.readUInt32LE(24), channels), samples, 0);
}
