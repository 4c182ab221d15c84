/** Video detectors on what ffmpeg makes: a clip for each type, and those that only look like it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { analyse } from '../../cli/analyze/analysis.ts';
import { systemClock } from '../../runtime/system-clock.ts';

const run = promisify(execFile);
const FFMPEG = process.env.FFMPEG_BIN ?? 'ffmpeg';
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everyview-detection-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Moving bars with a tone through a filter of pictures. */
async function clip(name: string, rate: string, filter: string, seconds = 10): Promise<string> {
  const path = join(folder, name);
  const duration = `duration=${seconds}`;
  await run(FFMPEG, [
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', '-y'],
    ...['-f', 'lavfi', '-i', `testsrc2=size=160x90:rate=${rate}:${duration}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=440:${duration}`],
    ...['-vf', filter, '-fps_mode', 'passthrough'],
    ...['-c:v', 'mpeg4', '-q:v', '3', '-g', '25', '-bf', '2', '-c:a', 'aac', path],
  ]);
  return path;
}

async function defectsIn(
  input: string,
): Promise<readonly (readonly [type: string, startMs: number, endMs: number])[]> {
  const { defects } = await analyse({
    streamId: 'clip',
    input,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  return defects.map(({ type, startMs, endMs }) => [type, startMs, endMs] as const);
}

async function finds(input: string, type: string, startMs: number, endMs: number): Promise<void> {
  const found = await defectsIn(input);
  assert.deepEqual(
    found.map(([one]) => one),
    [type],
  );
  const [[, foundStartMs, foundEndMs]] = found as [readonly [string, number, number]];
  assert.ok(Math.abs(foundStartMs - startMs) <= 120, `starts at ${foundStartMs} instead of ${startMs}`);
  assert.ok(Math.abs(foundEndMs - endMs) <= 120, `ends at ${foundEndMs} instead of ${endMs}`);
}

test('video-flat: one grey that carries noise', async () => {
  const grey = "drawbox=color=0x406080:t=fill:enable='gte(t,4)*lt(t,7)',noise=alls=4:allf=t";
  await finds(await clip('flat.mkv', '25', grey), 'video-flat', 4_000, 7_000);
});

test('video-frame-drop: pictures left out at random for 3 s, and one gap', async () => {
  const random = "select='not(gte(t,5)*lt(t,8)*lt(random(3),0.35))'";
  await finds(await clip('drop.mkv', '25', random), 'video-frame-drop', 5_000, 8_000);
  await finds(
    await clip('gap.mkv', '50', "select='not(gte(t,5)*lt(t,5.7))'"),
    'video-frame-drop',
    5_000,
    5_700,
  );
});

test('pulldown on the grid of its container, and a variable rate, are no frame-drop', async () => {
  assert.deepEqual(await defectsIn(await clip('pulldown.mkv', '30000/1001', "select='mod(n,5)'", 20)), []);
  assert.deepEqual(await defectsIn(await clip('vfr.mkv', '30', "select='gt(random(1),0.3)'", 20)), []);
});

test('video-decode-error: a stretch of the stream is overwritten; the rest of it says nothing', async () => {
  const path = await clip('clean.ts', '25', 'null');
  assert.deepEqual(await defectsIn(path), []);
  const bytes = await readFile(path);
  const packets = Math.floor(bytes.length / 188);
  for (let packet = Math.floor(packets * 0.4); packet < packets * 0.6; packet++) {
    const at = packet * 188;
    const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
    const beginsUnit = (bytes[at + 1]! & 0x40) !== 0;
    if (pid !== 256 || beginsUnit || packet % 3 !== 0) continue;
    for (let offset = 40; offset < 180; offset += 3) bytes[at + offset] = (packet * offset) & 0xff;
  }
  const damaged = join(folder, 'damaged.ts');
  await writeFile(damaged, bytes);
  const found = await defectsIn(damaged);
  const errors = found.filter(([type]) => type === 'video-decode-error');
  assert.ok(errors.length >= 1, JSON.stringify(found));
  for (const [, startMs, endMs] of errors) {
    assert.ok(startMs >= 3_300 && endMs <= 7_000, `${startMs} to ${endMs}`);
  }
});

test('sound far ahead of its pictures in a file is where its timestamps say', async () => {
  const black = "drawbox=color=black:t=fill:enable='gte(t,5.99+LEAD)*lt(t,8.99+LEAD)'";
  for (const leadS of [5, 20]) {
    const seconds = leadS + 12;
    const whole = await clip('whole.mkv', '25', black.replaceAll('LEAD', `${leadS}`), seconds);
    const apart = join(folder, 'apart.mkv');
    const copy = join(folder, 'together.mp4');
    const quietly = ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y'];
    // Without its first seconds, the first picture comes when so much of the sound was written.
    await run(FFMPEG, [
      ...[...quietly, '-i', whole, '-vf', `trim=start=${leadS},setpts=PTS-STARTPTS`, '-t', '12'],
      ...['-c:v', 'mpeg4', '-q:v', '3', '-c:a', 'copy', '-max_interleave_delta', '1', apart],
    ]);
    await run(FFMPEG, [...quietly, '-i', apart, '-c', 'copy', '-max_interleave_delta', '0', copy]);
    await finds(apart, 'video-black', 6_000, 9_000);
    await finds(copy, 'video-black', 6_000, 9_000);
  }
});
