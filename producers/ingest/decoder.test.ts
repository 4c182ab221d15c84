import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DecoderMessages } from './decoder.ts';

const MARK = '[info] 734002.000000\n';

test('errors are counted for the picture that they came before', async () => {
  const messages = new DecoderMessages();
  messages.push(`${MARK}[h264 @ 0x1] [error] corrupted macroblock 3 4\n`);
  messages.push(`[h264 @ 0x1] [info] concealing 12 DC, 12 AC, 12 MV errors in P frame\n${MARK.slice(0, 12)}`);
  assert.equal(messages.hasMark(1), false);
  const waiting = messages.waitForMark(1);
  messages.push(`${MARK.slice(12)}[mpegts @ 0x1] [warning] Packet corrupt\n${MARK}`);
  await waiting;
  assert.deepEqual(
    [0, 1, 2].map((picture) => messages.takeErrorsBefore(picture)),
    [0, 2, 0],
  );
});

test('a picture of which packets were lost, or that is given out as corrupt, is damaged; lost sound damages none', () => {
  const messages = new DecoderMessages();
  const damaged: boolean[] = [];
  const picture = (...told: readonly string[]) => {
    for (const line of told) messages.push(`${line}\n`);
    messages.push(MARK);
    damaged.push(messages.takeDamageBefore(damaged.length));
  };
  messages.push("[info] Input #0, mpegts, from 'x.ts':\n[info]   Stream #0:0[0x101]: Audio: aac, 48000 Hz\n");
  messages.push('[info]   Stream #0:1[0x100]: Video: h264 (High), yuv420p, 640x360\n');
  picture('[warning] x.ts: corrupt input packet in stream 1');
  picture();
  picture('[warning] x.ts: corrupt input packet in stream 1');
  picture('[warning] x.ts: corrupt decoded frame in stream 1');
  picture('[warning] x.ts: corrupt input packet in stream 0', '[mpegts @ 0x1] [warning] Packet corrupt');
  picture('[aac @ 0x1] [error] channel element 2.0 is not allocated');
  picture('[h264 @ 0x1] [info] concealing 12 DC, 12 AC, 12 MV errors in P frame');
  // What is told before the first picture is of what came before the stream was joined.
  assert.deepEqual(damaged, [false, false, true, true, false, false, true]);
  // Nor are lost packets errors of a decoder: there they count by what came of them.
  assert.equal(messages.takeErrors(), 2);
});

test('when the messages end nobody waits for a picture any more', async () => {
  const messages = new DecoderMessages();
  const waiting = messages.waitForMark(7);
  messages.end();
  await waiting;
  assert.equal(messages.takeErrorsBefore(7), 0);
});

test('what the input declares is read from its description, not from the output', () => {
  const messages = new DecoderMessages();
  messages.push("[info] Input #0, mov, from 'x':\n[info]   Stream #0:0: Video: h264, 640x360\n");
  messages.push('[info]   Stream #0:1: Video: mjpeg (attached pic)\n');
  messages.push("[info] Output #0, nut, to 'pipe:1':\n[info]   Stream #0:1: Audio: pcm_s16le\n");
  assert.deepEqual(messages.declared, { video: true, audio: false });
});

test('memory is bounded, whatever is said', () => {
  const messages = new DecoderMessages();
  for (let i = 0; i < 500; i++) messages.push(`[h264 @ 0x1] [error] ${'x'.repeat(3000)}\n`);
  messages.push('y'.repeat(100_000));
  assert.equal(messages.recent.length, 30);
  assert.ok(messages.recent.every((line) => line.length <= 1000));
});

test('a playlist that cannot be had is a failure of the input, not an error of the decoder', () => {
  const messages = new DecoderMessages();
  messages.push('[hls @ 0x1] [warning] Failed to reload playlist 0\n');
  assert.equal(messages.inputFailing, true);
  assert.equal(messages.takeErrors(), 0);
  messages.push("[http @ 0x1] [info] Opening 'http://127.0.0.1/1.ts' for reading\n");
  assert.equal(messages.inputFailing, false);
});
