import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { IsoSampleReader } from './iso-samples.ts';
import { FFMPEG, ffmpeg, temporaryFolder } from './testing.ts';

const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at);
  return bytes;
};
const box = (type: string, ...payload: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(payload);
  return Buffer.concat([words(8 + body.length), Buffer.from(type), body]);
};
/** A box whose size takes 64 bits. */
const longBox = (type: string, body: Buffer): Buffer =>
  Buffer.concat([words(1), Buffer.from(type), words(0, 16 + body.length), body]);

const track = (id: number, handler: string): Buffer =>
  box('trak', box('tkhd', words(0, 0, 0, id)), box('mdia', box('hdlr', words(0, 0), Buffer.from(handler))));
const TRACKS = box('moov', box('mvhd', words(0)), track(1, 'vide'), track(2, 'soun'));

/** Each sample with duration, size and flags. */
const sizes = (...each: number[]): Buffer =>
  box('trun', words(0x701, each.length, 0), ...each.map((size) => words(40, size, 0)));
const fragment = (id: number, ...runs: readonly Buffer[]): Buffer =>
  box('traf', box('tfhd', words(0x20_000, id)), ...runs);
const usual = (id: number, size: number, count: number): Buffer =>
  box('traf', box('tfhd', words(0x18, id, 40, size)), box('trun', words(0x1, count, 0)));

function videoBytes(bytes: Buffer, known: readonly number[] = [], partBytes = bytes.length): number {
  const reader = new IsoSampleReader(new Set(known));
  for (let at = 0; at < bytes.length; at += partBytes) reader.push(bytes.subarray(at, at + partBytes));
  return reader.videoBytes;
}

test('samples of tracks with pictures are added up, by their own sizes or by the usual one', () => {
  const two = box('moof', fragment(1, sizes(100, 20), sizes(3)), fragment(2, sizes(7_000)));
  assert.equal(videoBytes(Buffer.concat([TRACKS, two])), 123);
  assert.equal(videoBytes(Buffer.concat([TRACKS, box('moof', usual(1, 50, 4), usual(2, 9, 9))])), 200);
  assert.equal(videoBytes(two, [2]), 7_000, 'the initialisation told of the tracks');
  assert.equal(videoBytes(two), 7_123, 'nobody told of the tracks');
});

test('what lies between is skipped, however large, small or long its head is; parts may be cut anywhere', () => {
  const moof = box('moof', fragment(1, sizes(10, 20)));
  const bytes = Buffer.concat([
    ...[box('styp', Buffer.from('msdhmsdh')), TRACKS, box('free'), moof, box('mdat', Buffer.alloc(5_000, 1))],
    ...[
      box('mdat'),
      longBox('mdat', Buffer.alloc(300)),
      longBox('free', Buffer.alloc(0)),
      longBox('moof', moof.subarray(8)),
    ],
    ...[moof, words(0), Buffer.from('mdat'), moof],
  ]);
  assert.equal(videoBytes(bytes), 90);
  fc.assert(fc.property(fc.integer({ min: 1, max: 400 }), (part) => videoBytes(bytes, [], part) === 90));
});

test('damage does no harm: a reader of anything counts something, and ends', () => {
  const whole = Buffer.concat([TRACKS, box('moof', fragment(1, sizes(10, 20)))]);
  const place = fc.nat(whole.length - 1);
  fc.assert(
    fc.property(fc.array(fc.tuple(place, fc.nat(255)), { maxLength: 20 }), fc.nat(400), (changes, cut) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      assert.ok(Number.isFinite(videoBytes(bytes.subarray(0, cut))));
    }),
  );
  assert.equal(
    videoBytes(Buffer.concat([words(3), Buffer.from('moof'), TRACKS])),
    0,
    'a size that cannot be',
  );
});

test('the bytes of pictures of a real file are those of its packets', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'x.mp4');
  const sources = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=2'];
  const sound = ['-f', 'lavfi', '-i', 'sine=duration=2'];
  const coding = [
    '-c:v',
    'mpeg4',
    '-g',
    '12',
    '-c:a',
    'aac',
    '-movflags',
    'frag_keyframe+empty_moov+default_base_moof',
  ];
  await ffmpeg(...sources, ...sound, ...coding, file);
  const listing = ['-nostdin', '-loglevel', 'error', '-i', file, '-c', 'copy', '-f', 'framecrc', '-'];
  const { stdout } = await promisify(execFile)(FFMPEG, listing);
  const ofPictures = [...stdout.matchAll(/^0,(?:[^,]*,){3}\s*(\d+),/gm)].map(([, size]) => Number(size));
  assert.equal(ofPictures.length, 50);
  const total = ofPictures.reduce((sum, size) => sum + size, 0);
  assert.equal(videoBytes(readFileSync(file), [], 1_000), total);
});
