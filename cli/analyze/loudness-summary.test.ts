import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { FFMPEG, watchToEnd } from '../../producers/ingest/testing.ts';
import { loudnessOf } from './loudness-summary.ts';

const run = promisify(execFile);

test('integrated loudness, range and peak agree with the ebur128 filter of ffmpeg', async () => {
  const speech = path.join(import.meta.dirname, '../../test/media/speech-jfk-1961.wav');
  const { records } = await watchToEnd(speech);
  const ours = loudnessOf(records)!;
  const filter = ['-af', 'ebur128=peak=sample', '-f', 'null', '-'];
  const { stderr } = await run(FFMPEG, ['-hide_banner', '-nostdin', '-i', speech, ...filter]);
  const summary = stderr.slice(stderr.indexOf('Summary:'));
  const theirs = (pattern: RegExp): number => Number(pattern.exec(summary)![1]);
  const near = (value: number | null, other: number, within: number) =>
    assert.ok(value !== null && Math.abs(value - other) <= within, `${value} for ${other}`);
  near(ours.integratedLufs, theirs(/I:\s+(-?[\d.]+) LUFS/), 0.2);
  near(ours.rangeLu, theirs(/LRA:\s+([\d.]+) LU/), 0.5);
  near(ours.samplePeakDbfs, theirs(/Peak:\s+(-?[\d.]+) dBFS/), 0.1);
  assert.ok(ours.momentaryLufsMax! >= ours.shortTermLufsMax!);
});

test('no sound, no figures', () => {
  assert.equal(loudnessOf([]), null);
});
