import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ffmpeg, temporaryFolder, watchToEnd } from './testing.ts';
import { TsClock, TsStepFinder } from './ts-clock.ts';

const folder = temporaryFolder();
after(() => folder.remove());

const VIDEO_PID = 256;
const AUDIO_PID = 257;
const WRAP = 2 ** 33;

/** A packet that begins a PES packet with this presentation time, in ticks of 90 kHz. */
function packet(pid: number, ticks: number, isSignalled = false): Uint8Array {
  const bytes = new Uint8Array(188).fill(0xff);
  const adaptation = isSignalled ? [1, 0x80] : [];
  const pts = ((ticks % WRAP) + WRAP) % WRAP;
  const high = Math.floor(pts / 2 ** 30);
  const [middle, low] = [Math.floor(pts / 2 ** 15) % 2 ** 15, pts % 2 ** 15];
  const stamp = [
    0x21 | (high << 1),
    middle >> 7,
    ((middle << 1) & 0xff) | 1,
    low >> 7,
    ((low << 1) & 0xff) | 1,
  ];
  const streamId = pid === VIDEO_PID ? 0xe0 : 0xc0;
  const head = [0x47, 0x40 | (pid >> 8), pid & 0xff, isSignalled ? 0x30 : 0x10];
  bytes.set([...head, ...adaptation, 0, 0, 1, streamId, 0, 0, 0x80, 0x80, 5, ...stamp]);
  return bytes;
}

/** Two tracks over 20 s, in whose clock `leapMsAt` is added at each time. */
function packets(
  leapMsAt: (ms: number, pid: number) => number,
  signalledAtMs = -1,
  pids = [VIDEO_PID, AUDIO_PID],
) {
  const rows: Uint8Array[] = [];
  for (let ms = 0; ms < 20_000; ms += 40) {
    for (const pid of pids) {
      if (pid === AUDIO_PID && ms % 320 !== 0) continue;
      rows.push(packet(pid, (ms + leapMsAt(ms, pid)) * 90, ms === signalledAtMs && pid === VIDEO_PID));
    }
  }
  return rows;
}

function stepsIn(rows: readonly Uint8Array[]) {
  const finder = new TsStepFinder();
  for (const bytes of rows) finder.push(bytes, 0);
  return finder.takeSteps();
}

test('a step of all tracks, ahead or back, is found where its first picture or sound is', () => {
  const ahead = stepsIn(packets((ms) => (ms >= 8_000 ? 20_000 : 0)));
  assert.deepEqual(ahead, [{ atMs: 8_000, sizeMs: 20_000, isSignalled: false }]);
  const back = stepsIn(packets((ms) => (ms >= 8_000 ? -7_000 : 0) + (ms >= 14_000 ? 600 : 0)));
  assert.deepEqual(back, [
    { atMs: 8_000, sizeMs: -7_000, isSignalled: false },
    { atMs: 14_000, sizeMs: 600, isSignalled: false },
  ]);
});

test('a step that is signalled is told as such; the wrap after 33 bits is no step', () => {
  const leap = (ms: number) => (ms >= 8_000 ? 20_000 : 0);
  assert.equal(stepsIn(packets(leap, 8_000))[0]!.isSignalled, true);
  assert.equal(stepsIn(packets(leap, 7_000))[0]!.isSignalled, false);
  const wrapsMs = WRAP / 90 - 10_000;
  assert.deepEqual(stepsIn(packets(() => Math.floor(wrapsMs))), []);
});

test('sound in a private stream, as AC-3 is, shows that a gap in the pictures is none; so do no subtitles', () => {
  const rows = packets((ms, pid) => (pid === VIDEO_PID && ms >= 8_000 ? 4_000 : 0)).map((row) => {
    if ((((row[1]! & 0x1f) << 8) | row[2]!) === AUDIO_PID) row[row.indexOf(0xc0, 4)] = 0xbd;
    return row;
  });
  assert.deepEqual(stepsIn(rows), []);
  const subtitles = (ms: number, pid: number) =>
    pid === AUDIO_PID ? (ms % 3_200) * 4 : ms >= 8_000 ? 9_000 : 0;
  assert.equal(stepsIn(packets(subtitles, -1, [VIDEO_PID])).length, 1);
});

test('a gap in one track is none; nor are small steps, nor half a second that one lone track has nothing', () => {
  const gapOf = (pid: number) => (ms: number, own: number) => (own === pid && ms >= 8_000 ? 3_000 : 0);
  assert.deepEqual(stepsIn(packets(gapOf(VIDEO_PID))), []);
  assert.deepEqual(stepsIn(packets(gapOf(AUDIO_PID))), []);
  assert.deepEqual(stepsIn(packets((ms) => (ms >= 8_000 ? 400 : 0))), []);
  const lone = (leapMs: number) =>
    stepsIn(packets((ms) => (ms >= 8_000 ? leapMs : 0), -1, [VIDEO_PID])).length;
  assert.deepEqual([600, 1_900, 2_100, -600].map(lone), [0, 0, 1, 1]);
});

test('what was held back for a step that was none catches up, and that is told: no time passed', () => {
  const finder = new TsStepFinder();
  let catchUps = 0;
  for (const bytes of packets((ms, pid) => (pid === VIDEO_PID && ms >= 8_000 ? 1_600 : 0))) {
    const beforeMs = finder.endMs;
    finder.push(bytes, 0);
    if (finder.takeCatchUp()) catchUps += 1;
    else assert.ok(finder.endMs - beforeMs <= 320, `from ${beforeMs} to ${finder.endMs} ms`);
  }
  assert.equal(catchUps, 1);
});

test('a file is read block by block, past damage; one that is no transport stream is left alone', async () => {
  const path = join(folder.path, 'clock.ts');
  const rows = packets((ms) => (ms >= 8_000 ? 20_000 : 0));
  const junk = new Uint8Array(100).fill(3);
  await writeFile(path, Buffer.concat([...rows.slice(0, 99), junk, ...rows.slice(99)]));
  const clock = (await TsClock.open(path))!;
  assert.equal((await clock.stepsUpTo(10_000)).length, 1);
  assert.deepEqual(await clock.stepsUpTo(60_000), []);
  await clock.close();
  await writeFile(path, 'no packets at all'.repeat(100));
  assert.equal(await TsClock.open(path), null);
});

test('steps that ffmpeg takes out or leaves in are out of the timeline, and in the features', async () => {
  const part = (name: string, offsetS: number) =>
    ffmpeg(
      ...['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=3'],
      ...['-f', 'lavfi', '-i', 'sine=frequency=440:duration=3', '-c:v', 'mpeg2video', '-c:a', 'mp2'],
      ...['-output_ts_offset', String(offsetS), '-f', 'mpegts', join(folder.path, name)],
    );
  await part('a.ts', 50);
  await part('ahead.ts', 73);
  await part('back.ts', 45);
  for (const [name, sizeMs] of [
    ['ahead.ts', 20_000],
    ['back.ts', -8_000],
  ] as const) {
    const both = await Promise.all(['a.ts', name].map((one) => readFile(join(folder.path, one))));
    await writeFile(join(folder.path, 'both.ts'), Buffer.concat(both));
    const { records } = await watchToEnd(join(folder.path, 'both.ts'));
    const found = records.flatMap(({ basePtsMs, stepPtsMs, stepSizeMs }) =>
      stepPtsMs.map((ms, at) => [basePtsMs + ms, stepSizeMs[at]!] as const),
    );
    assert.equal(found.length, 1, name);
    const [[atMs, foundMs]] = found as [readonly [number, number]];
    assert.ok(Math.abs(atMs - 3_000) <= 100, `${name} at ${atMs}`);
    assert.ok(Math.abs(foundMs - sizeMs) <= 200, `${name} by ${foundMs}`);
    const pictures = records.flatMap(({ basePtsMs, framePtsMs }) => framePtsMs.map((ms) => basePtsMs + ms));
    assert.equal(pictures.length, 150);
    for (const [at, ptsMs] of pictures.entries())
      assert.ok(at === 0 || ptsMs - pictures[at - 1]! <= 120, `a gap at ${ptsMs}`);
  }
});
