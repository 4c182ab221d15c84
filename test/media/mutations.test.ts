import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runMutations } from './mutation-run.ts';

test('damaged files of many kinds: each ends as data, the supervisor stays and its memory is bounded', async () => {
  const run = await runMutations({
    files: 12,
    seed: 7,
    atOnce: 6,
    ffmpegPath: process.env.FFMPEG_BIN ?? 'ffmpeg',
  });
  assert.equal(run.ended + run.failed, 12);
  assert.ok(run.withFeatures >= 3, 'some of them can be decoded');
  assert.ok(run.decodeErrors > 0, 'and are damaged');
  assert.ok(run.memoryMbMax < 400, `${run.memoryMbMax} MB`);
});
