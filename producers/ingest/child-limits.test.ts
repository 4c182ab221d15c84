import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { startDecoder } from './decoder.ts';
import { startIngest } from './ingest.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { FFMPEG, ffmpeg, isAlive, picturesOf, RememberingSink, temporaryFolder, until } from './testing.ts';
import { startTestOrigin } from './testing-origin.ts';

const folder = temporaryFolder();
const small = join(folder.path, 'small.ts');
const large = join(folder.path, 'large.ts');
const PICTURES = 50;
/** Less than ffmpeg holds with a few pictures of `large`. */
const MEMORY_MB = 64;

before(async () => {
  const coding = ['-c:v', 'mpeg2video', '-pix_fmt', 'yuv420p'];
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=2', ...coding, small);
  await ffmpeg('-f', 'lavfi', '-i', 'color=gray:size=3072x2048:rate=25:duration=1', ...coding, large);
});
after(() => folder.remove());

test('a decoder that holds too much memory is ended and told of; its stream goes on, others are not disturbed', async () => {
  let segment = large;
  let isOver = false;
  const origin = await startTestOrigin((path) => {
    if (path.endsWith('.ts')) return { body: readFileSync(segment) };
    const end = isOver ? '#EXT-X-ENDLIST\n' : '';
    return { body: `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n0.ts\n${end}` };
  });
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [
      parseStreamSpec({
        ...{ programmeId: 'large', input: `${origin.url}/live.m3u8`, allow: [origin.allow] },
        limits: { memoryMb: MEMORY_MB },
      }),
      parseStreamSpec({ programmeId: 'small', input: small }),
    ],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  const of = (name: string) => sink.records.filter(({ programmeId }) => programmeId === name);
  const lost = () => of('large').find(({ event }) => event === 'probe-lost');
  try {
    await until('the limit to be broken', () => lost() !== undefined, 60_000);
    assert.equal(lost()!.eventReason, `the decoder holds more than ${MEMORY_MB} MB of memory`);
    [segment, isOver] = [small, true];
    await until(
      'the end of what is small now',
      () => of('large').some(({ event }) => event === 'end'),
      60_000,
    );
    assert.equal(picturesOf(of('large').slice(of('large').indexOf(lost()!))).length, PICTURES);
    assert.ok(ingest.stats()[0]!.restarts > 0);
    await until('the other stream', () => of('small').some(({ event }) => event === 'end'), 60_000);
    assert.equal(picturesOf(of('small')).length, PICTURES);
    assert.ok(of('small').every(({ event }) => event === 'features' || event === 'end'));
  } finally {
    await ingest.stop();
    await origin.stop();
  }
});

test('a decoder that works and gives out nothing is ended by its CPU time, one that stands still by the clock', async () => {
  const check = async (filter: string, limits: { busyMs: number; stalledMs: number | null }, why: RegExp) => {
    const decoder = startDecoder({
      ffmpegPath: FFMPEG,
      input: { isLive: false, arguments: ['-f', 'lavfi', '-i', `testsrc2=rate=25,${filter}`] },
      choice: 'video',
      limits: { memoryMb: 1_000, ...limits },
      clock: systemClock,
    });
    decoder.output.resume();
    const exit = await decoder.exited;
    assert.equal(exit.signal, 'SIGKILL');
    assert.match(decoder.brokenLimit ?? '', why);
    assert.ok(!isAlive(decoder.pid!));
  };
  await check('select=0', { busyMs: 300, stalledMs: null }, /used 300 ms of CPU time and nothing came of it/);
  await check(
    'realtime=speed=0.001',
    { busyMs: 60_000, stalledMs: 500 },
    /nothing has come out .* for 500 ms/,
  );
});
