/** Captions from end to end: CEA-608 in the pictures of H.264, and a track of subtitles. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { ffmpeg, temporaryFolder, watchToEnd } from '../../producers/ingest/testing.ts';

const folder = temporaryFolder();
after(() => folder.remove());

const at = (name: string) => `${folder.path}/${name}`;
const FPS = 25;
const SECONDS = 4;

/** Pictures in which the first `captioned` have characters of CEA-608, and the others padding. */
async function pictures(name: string, captioned: number, ...encoding: readonly string[]): Promise<string> {
  const bare = at(`${name}.bare.h264`);
  const source = `testsrc2=size=160x90:rate=${FPS}:duration=${SECONDS}`;
  await ffmpeg('-f', 'lavfi', '-i', source, ...encoding, '-f', 'h264', bare);
  const path = at(`${name}.h264`);
  writeFileSync(path, withCaptions(readFileSync(bare), captioned));
  return path;
}

function withCaptions(stream: Buffer, captioned: number): Buffer {
  const parts: Uint8Array[] = [];
  let picture = 0;
  for (const unit of unitsOf(stream)) {
    const type = unit[3]! & 0x1f;
    const beginsPicture = (type === 1 || type === 5) && (unit[4]! & 0x80) !== 0;
    if (beginsPicture) parts.push(userData(picture++ < captioned ? [0xfc, 0xc8, 0xe9] : [0xfc, 0x80, 0x80]));
    parts.push(Uint8Array.of(0), unit);
  }
  assert.equal(picture, FPS * SECONDS);
  return Buffer.concat(parts);
}

/** From one start code to the next. */
function unitsOf(stream: Buffer): Buffer[] {
  const starts: number[] = [];
  for (let i = stream.indexOf('000001', 0, 'hex'); i >= 0; i = stream.indexOf('000001', i + 3, 'hex'))
    starts.push(i);
  return starts.map((start, i) => stream.subarray(start, starts[i + 1]));
}

/** An SEI message with one triplet. */
function userData(triplet: readonly number[]): Uint8Array {
  const body = [0xb5, 0, 0x31, 0x47, 0x41, 0x39, 0x34, 3, 0x41, 0xff, ...triplet, 0xff];
  return Uint8Array.from([0, 0, 0, 1, 6, 4, body.length, ...body, 0x80]);
}

/** A transport stream of it, with sound; its clock has 90,000 ticks a second. */
async function transportStream(pictures: string): Promise<string> {
  const path = `${pictures}.ts`;
  const tone = `sine=frequency=440:duration=${SECONDS}`;
  const times = ['-c:v', 'copy', '-bsf:v', `setts=ts=N*${90_000 / FPS}`];
  await ffmpeg('-r', String(FPS), '-i', pictures, '-f', 'lavfi', '-i', tone, ...times, path);
  return path;
}

async function unitsIn(path: string, captions = true): Promise<readonly (number | null)[]> {
  const { records, result } = await watchToEnd(path, { captions });
  assert.equal(result.outcome.kind, 'ended', result.outcome.reason);
  assert.equal(records.flatMap(({ framePtsMs }) => framePtsMs).length, FPS * SECONDS);
  return records
    .filter(({ event, durationMs }) => event === 'features' && durationMs > 500)
    .map((one) => one.captionUnits);
}

test('characters count, padding does not; in a transport stream and in MP4', async () => {
  const stream = await pictures('h264', 50, '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0');
  const transport = await transportStream(stream);
  const file = at('clip.mp4');
  await ffmpeg('-i', transport, '-c', 'copy', file);
  for (const path of [transport, file]) {
    assert.deepEqual(await unitsIn(path), [25, 25, 0, 0], path);
    assert.deepEqual(await unitsIn(path, false), [null, null, null, null], 'nobody looks');
  }
});

test('a track of subtitles', async () => {
  const lines = at('lines.vtt');
  writeFileSync(
    lines,
    'WEBVTT\n\n00:00.500 --> 00:01.500\none\n\n00:02.100 --> 00:02.500\ntwo\n\n00:02.600 --> 00:02.900\nthree\n',
  );
  const source = `testsrc2=size=160x90:rate=${FPS}:duration=${SECONDS}`;
  const path = at('lines.mkv');
  await ffmpeg(
    '-f',
    'lavfi',
    '-i',
    source,
    '-i',
    lines,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-c:s',
    'webvtt',
    path,
  );
  assert.deepEqual(await unitsIn(path), [1, 0, 2, 0]);
});

test('a codec whose user data ffmpeg does not give out is watched all the same, and its captions are not', async () => {
  const path = at('other.mkv');
  await ffmpeg(
    '-f',
    'lavfi',
    '-i',
    `testsrc2=size=160x90:rate=${FPS}:duration=${SECONDS}`,
    '-c:v',
    'mpeg4',
    path,
  );
  assert.deepEqual(await unitsIn(path), [null, null, null, null]);
});
