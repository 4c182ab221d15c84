import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { prepareDemo } from './prepare-demo.ts';
import { chooseEncoder, runFfmpeg } from './render.ts';
import { FFMPEG, type Finding, findBlack, findHolds, findInSound, findStill } from './testing.ts';
import { occurrencesUntil } from './truth.ts';

const DURATION_MS = 24_000;
const dataDir = mkdtempSync(join(tmpdir(), 'everyview-demo-'));
after(() => rmSync(dataDir, { recursive: true, force: true }));

test("the truth is what ffmpeg's own filters find in the rendered streams", async () => {
  const messages: string[] = [];
  const demo = await prepareDemo({
    dataDir,
    ffmpegPath: FFMPEG,
    durationMs: DURATION_MS,
    seed: 11,
    onProgress: (message) => messages.push(message),
  });
  try {
    assert.equal(demo.streams.length, 4);
    assert.ok(messages.some((message) => message.startsWith('rendering demo-clean')));
    const folder = dirname(demo.streams.find((stream) => stream.loop)!.input);
    for (const { programmeId, input } of demo.streams) {
      // The live stream is measured in its finished form.
      const file = input.startsWith('http') ? join(folder, programmeId, 'vod.m3u8') : input;
      const repeatMs = programmeId === 'demo-black' ? 16_000 : DURATION_MS;
      const moving = programmeId === 'demo-freeze' || programmeId === 'demo-live';
      const found = await findAll(file, repeatMs, moving);
      const expected = occurrencesUntil(demo.truth, programmeId, repeatMs);
      assert.deepEqual(
        found.map((one) => one.type),
        expected.map((one) => one.type),
        `${programmeId}: ${JSON.stringify(found)} for ${JSON.stringify(expected)}`,
      );
      for (const [i, one] of found.entries()) {
        assert.ok(
          Math.abs(one.startMs - expected[i]!.startMs) <= 150,
          `${programmeId}: start ${JSON.stringify(one)}`,
        );
        assert.ok(
          Math.abs(one.endMs - expected[i]!.endMs) <= 150,
          `${programmeId}: end ${JSON.stringify(one)}`,
        );
      }
    }
  } finally {
    await demo.stop();
  }
});

test('what was rendered before is found again, with nothing left of unfinished work', async () => {
  const messages: string[] = [];
  const onProgress = (message: string) => messages.push(message);
  const demo = await prepareDemo({
    dataDir,
    ffmpegPath: FFMPEG,
    durationMs: DURATION_MS,
    seed: 11,
    onProgress,
  });
  await demo.stop();
  assert.deepEqual(messages, ['4 demonstration streams are there from an earlier start']);
  assert.equal(readdirSync(join(dataDir, 'demo')).length, 1);
});

test('a missing clip is named, with what to do', async () => {
  const prepared = prepareDemo({
    dataDir,
    ffmpegPath: FFMPEG,
    durationMs: DURATION_MS,
    seed: 1,
    mediaDir: dataDir,
  });
  await assert.rejects(prepared, /cannot be read; get the repository's test\/media folder again/);
});

test('an interrupted rendering leaves nothing behind', async () => {
  const interrupted = join(dataDir, 'interrupted');
  const abort = new AbortController();
  const prepared = prepareDemo({
    dataDir: interrupted,
    ffmpegPath: FFMPEG,
    durationMs: DURATION_MS,
    seed: 1,
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await assert.rejects(prepared);
  assert.deepEqual(readdirSync(join(interrupted, 'demo')), []);
});

test('this build of ffmpeg has an encoder for it, and its complaints are told in one line', async () => {
  assert.notEqual(await chooseEncoder(FFMPEG), null);
  await assert.rejects(runFfmpeg(FFMPEG, ['-hide_banner', '-i', '/nowhere.mp4']), (error: Error) => {
    return /failed: /.test(error.message) && !error.message.includes('\n');
  });
});

/** Everything that the three types mean, in order of start; black covers freeze. */
async function findAll(file: string, durationMs: number, moving: boolean): Promise<Finding[]> {
  const black = await findBlack(file);
  const still = await (moving ? findHolds : findStill)(file, durationMs);
  const isBlack = (one: Finding) => black.some((b) => b.startMs < one.endMs && one.startMs < b.endMs);
  const found = [...black, ...still.filter((one) => !isBlack(one)), ...(await findInSound(file, durationMs))];
  return found.sort((a, b) => a.startMs - b.startMs);
}
