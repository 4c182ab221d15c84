import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { NutError, NutReader } from './nut-reader.ts';
import { ffmpeg, temporaryFolder } from './testing.ts';

const folder = temporaryFolder();
let nut: Buffer;

before(async () => {
  const file = join(folder.path, 'small.nut');
  const pictures = ['-f', 'lavfi', '-i', 'testsrc=size=16x16:rate=25:duration=2'];
  const sound = ['-f', 'lavfi', '-i', 'sine=sample_rate=8000:duration=2'];
  const coding = [
    '-pix_fmt',
    'yuv420p',
    '-c:v',
    'rawvideo',
    '-c:a',
    'pcm_s16le',
    '-enc_time_base:v',
    '1:90000',
  ];
  await ffmpeg(...pictures, ...sound, ...coding, '-output_ts_offset', '100', '-f', 'nut', file);
  nut = readFileSync(file);
});
after(() => folder.remove());

test('tracks and exact timestamps of what ffmpeg writes', () => {
  const reader = new NutReader();
  const packets = readAll(reader, [nut]);
  const [video, audio] = reader.tracks;
  assert.deepEqual(
    [video?.kind, video?.timeBase.den, video?.widthPx, video?.heightPx, video?.frameIntervalUs],
    ['video', 90_000, 16, 16, 40_000],
  );
  assert.deepEqual([audio?.kind, audio?.sampleRateHz, audio?.channels], ['audio', 8000, 1]);
  const pictures = packets.filter((packet) => packet.track === 0);
  assert.deepEqual(
    pictures.map((picture) => picture.pts),
    Array.from({ length: 50 }, (_, i) => 9_000_000 + i * 3600),
  );
  assert.ok(pictures.every((picture) => picture.bytes === 16 * 16 * 1.5));
  const sound = packets.filter((packet) => packet.track === 1);
  assert.equal(
    sound.reduce((total, packet) => total + packet.bytes, 0),
    2 * 2 * 8000,
  );
  assert.equal(sound[0]?.pts, 800_000);
});

test('however the pipe cuts the bytes, the packets are the same', () => {
  const whole = readAll(new NutReader(), [nut]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 6 }), (sizes) => {
      const pieces: Buffer[] = [];
      for (let at = 0, i = 0; at < nut.length; i++) {
        const size = sizes[i % sizes.length]!;
        pieces.push(nut.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(readAll(new NutReader(), pieces), whole);
    }),
    { numRuns: 15 },
  );
});

test('what is not NUT is refused, what is cut short just ends', () => {
  assert.throws(() => readAll(new NutReader(), [Buffer.alloc(100)]), NutError);
  assert.deepEqual(readAll(new NutReader(), [nut.subarray(0, 60)]), []);
});

test('damaged bytes give packets or a NutError, and an end', () => {
  fc.assert(
    fc.property(fc.nat(nut.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
      const damaged = Buffer.from(nut);
      damaged[at] = value;
      try {
        readAll(new NutReader(), [damaged]);
      } catch (error) {
        assert.ok(error instanceof NutError, String(error));
      }
    }),
    { numRuns: 200 },
  );
});

function readAll(reader: NutReader, pieces: readonly Uint8Array[]) {
  const packets: { track: number; pts: number; bytes: number; first: number | undefined }[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let packet = reader.next(); packet !== null; packet = reader.next()) {
      const { track, pts, payload } = packet;
      packets.push({ track, pts, bytes: payload.length, first: payload[0] });
    }
  }
  return packets;
}
