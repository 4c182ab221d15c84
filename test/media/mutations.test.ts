import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runMutations } from './mutation-run.ts';

test('damaged files of many kinds: each ends as data, the supervisor stays and its memory is bounded', async () => {
  const { files, memoryMbMax } = await runMutations({
    ...{ from: 0, to: 12, seed: 7, atOnce: 6 },
    ffmpegPath: process.env.FFMPEG_BIN ?? 'ffmpeg',
  });
  assert.equal(files.length, 12);
  assert.ok(files.filter(({ hasFeatures }) => hasFeatures).length >= 3, 'some of them can be decoded');
  assert.ok(
    files.some(({ decodeErrors }) => decodeErrors > 0),
    'and are damaged',
  );
  assert.ok(memoryMbMax < 400, `${memoryMbMax} MB`);
});
