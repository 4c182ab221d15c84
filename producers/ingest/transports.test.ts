/** Streams as senders send them over RTMP, SRT, UDP and RTP: ffmpeg sends on the loopback, dies, and sends again. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { ffmpegAbilities } from './ffmpeg-abilities.ts';
import { startIngest } from './ingest.ts';
import { protocolOf } from './input-arguments.ts';
import { parseStreamSpec, type StreamSpecInput } from './parse-stream-spec.ts';
import {
  assertGoesOn,
  FFMPEG,
  ffmpeg,
  picturesOf,
  RememberingSink,
  temporaryFolder,
  until,
} from './testing.ts';
import { freePort, startSender } from './testing-sender.ts';

const folder = temporaryFolder();
const CLIP = join(folder.path, 'clip.flv');
const abilities = await ffmpegAbilities(FFMPEG);

before(async () => {
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=10'];
  const sound = ['-f', 'lavfi', '-i', 'sine=sample_rate=44100:duration=10'];
  const coding = ['-pix_fmt', 'yuv420p', '-g', '25', '-c:v', 'flv', '-c:a', 'aac'];
  await ffmpeg(...pictures, ...sound, ...coding, CLIP);
  await ffmpeg('-i', CLIP, '-c:v', 'mpeg2video', '-g', '25', '-c:a', 'copy', '-f', 'mpegts', `${CLIP}.ts`);
});
after(() => folder.remove());

const FLV = ['-re', '-stream_loop', '-1', '-i', CLIP, '-c', 'copy', '-f', 'flv'];
const TS = ['-re', '-stream_loop', '-1', '-i', `${CLIP}.ts`, '-c', 'copy'];

/** Watches, and takes the sender away once: what was sent before and after is in the log, and the loss between. */
async function survives(
  stream: Omit<StreamSpecInput, 'programmeId'>,
  sender: readonly string[],
): Promise<void> {
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'sent', signalLostMs: 1_500, ...stream })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  let sending = startSender(sender, true);
  const eventsAfter = (at: number) => sink.records.slice(at).map(({ event }) => event);
  try {
    await until('the first pictures', () => picturesOf(sink.records).length >= 10, 60_000);
    await sending.stop();
    await until('word of the loss', () => sink.records.at(-1)?.event === 'signal-lost', 60_000);
    const lostAt = sink.records.length;
    sending = startSender(sender, true);
    const after = () => picturesOf(sink.records.slice(lostAt)).length;
    await until('pictures of the second sender', () => after() >= 10, 60_000);
    assert.equal(eventsAfter(lostAt)[0], 'signal-restored');
    assert.ok(!sink.records.some(({ event }) => event === 'probe-lost'));
    assertGoesOn(sink.records);
    assert.ok(sink.records.some(({ audioChannels }) => audioChannels > 0));
  } finally {
    await ingest.stop();
    await sending.stop();
  }
}

/** Null when this ffmpeg has the protocol; else why the test is left out. */
function lacks(input: string): string | false {
  const protocol = protocolOf(input)!;
  return abilities.protocols.has(protocol) ? false : `this ffmpeg (${abilities.build}) has no ${protocol}`;
}

suite('transports, side by side: they wait more than they work', { concurrency: true }, () => {
  test('RTMP, waiting for a sender', { skip: lacks('rtmp://x/') }, async () => {
    const input = `rtmp://127.0.0.1:${await freePort('tcp')}/live/x`;
    await survives({ input, listen: true }, [...FLV, input]);
  });

  test('RTMP, asking a server', { skip: lacks('rtmp://x/') }, async () => {
    const input = `rtmp://127.0.0.1:${await freePort('tcp')}/live/x`;
    await survives({ input }, [...FLV, '-listen', '1', input]);
  });

  test('SRT, waiting for a sender', { skip: lacks('srt://x/') }, async () => {
    const input = `srt://127.0.0.1:${await freePort('udp')}`;
    await survives({ input, listen: true }, [...TS, '-f', 'mpegts', input]);
  });

  test('SRT, asking a sender', { skip: lacks('srt://x/') }, async () => {
    const input = `srt://127.0.0.1:${await freePort('udp')}`;
    await survives({ input }, [...TS, '-f', 'mpegts', `${input}?mode=listener`]);
  });

  test('a transport stream over UDP', { skip: lacks('udp://x/') }, async () => {
    const input = `udp://127.0.0.1:${await freePort('udp')}`;
    await survives({ input }, [...TS, '-f', 'mpegts', `${input}?pkt_size=1316`]);
  });

  test('a transport stream over RTP', { skip: lacks('rtp://x/') }, async () => {
    const input = `rtp://127.0.0.1:${await freePort('udp')}`;
    await survives({ input }, [...TS, '-f', 'rtp_mpegts', input]);
  });
});
