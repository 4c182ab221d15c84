import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { type Ingest, startIngest } from './ingest.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import {
  FFMPEG,
  ffmpeg,
  picturesOf,
  RememberingSink,
  temporaryFolder,
  until,
  watchToEnd,
} from './testing.ts';
import { startTestOrigin, type TestOrigin } from './testing-origin.ts';

const folder = temporaryFolder();
const SEGMENTS = 8;

before(async () => {
  mkdirSync(join(folder.path, 'hls'));
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=8'];
  const sound = ['-f', 'lavfi', '-i', 'sine=sample_rate=48000:duration=8'];
  const coding = ['-c:v', 'mpeg2video', '-g', '25', '-bf', '0', '-pix_fmt', 'yuv420p', '-c:a', 'aac'];
  const cutting = ['-f', 'hls', '-hls_time', '1', '-hls_list_size', '0', '-hls_segment_filename'];
  const target = [join(folder.path, 'hls', '%d.ts'), join(folder.path, 'hls', 'all.m3u8')];
  await ffmpeg(...pictures, ...sound, ...coding, ...cutting, ...target);
});
after(() => folder.remove());

test('a live playlist is followed until it says that it has ended', async () => {
  const origin = await startOrigin();
  const { sink, ingest } = await watch(origin);
  try {
    await until('the first segments', () => picturesOf(sink.records).length > 0);
    origin.listed = SEGMENTS;
    origin.ended = true;
    const [result] = await ingest.done;
    assert.deepEqual(result?.outcome, { kind: 'ended', reason: '' });
    const pts = picturesOf(sink.records).map((picture) => picture.ptsMs);
    assert.equal(pts.length, 200);
    assert.ok(pts.every((ms, i) => i === 0 || ms - pts[i - 1]! === 40));
    assert.deepEqual(eventsOf(sink), ['end']);
  } finally {
    await ingest.stop();
    await origin.stop();
  }
});

test('an origin that goes away is signal-lost, and comes back further up the timeline', async () => {
  const origin = await startOrigin();
  const { sink, ingest } = await watch(origin);
  try {
    await until('the first segments', () => picturesOf(sink.records).length > 0);
    await origin.pause();
    await until('signal-lost', () => eventsOf(sink).includes('signal-lost'));
    const before = picturesOf(sink.records).length;
    const lostAtMs = sink.records.find((record) => record.event === 'signal-lost')!.basePtsMs;
    await origin.resume();
    await until('new pictures', () => picturesOf(sink.records).length > before, 40_000);
    assert.deepEqual(eventsOf(sink).slice(0, 2), ['signal-lost', 'signal-restored']);
    const pts = picturesOf(sink.records).map((picture) => picture.ptsMs);
    assert.ok(
      pts.every((ms, i) => i === 0 || ms > pts[i - 1]!),
      'upwards',
    );
    assert.ok(pts[before]! >= lostAtMs + 900, 'the time without signal has passed on the timeline, too');
    assert.deepEqual(
      sink.records.map((record) => record.seq),
      sink.records.map((_, i) => i),
    );
  } finally {
    await ingest.stop();
    await origin.stop();
  }
});

test('a playlist cannot make the decoder read local files', async () => {
  const origin = await startOrigin();
  origin.segmentUri = () => `file://${join(folder.path, 'hls', '0.ts')}`;
  origin.listed = 3;
  origin.ended = true;
  const { sink, ingest } = await watch(origin);
  try {
    const segments = () => sink.records.flatMap(({ segmentStatus }) => segmentStatus);
    await until('segments that may not be got', () => segments().includes(-6));
    assert.equal(picturesOf(sink.records).length, 0);
  } finally {
    await ingest.stop();
    await origin.stop();
  }
});

test('a local playlist is read with the files of its folder', async () => {
  const { result, records } = await watchToEnd(join(folder.path, 'hls', 'all.m3u8'));
  assert.deepEqual(result.outcome, { kind: 'ended', reason: '' });
  assert.equal(picturesOf(records).length, 200);
  const list = join(folder.path, 'list.m3u8');
  writeFileSync(list, '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n');
  const escaping = await watchToEnd(list);
  assert.equal(escaping.result.outcome.kind, 'failed');
  assert.match(escaping.result.outcome.reason, /\/etc\/passwd is outside the folder of the playlist/);
});

test('an address that is not allowed is not connected to, and the error says what to allow', async () => {
  const origin = await startOrigin();
  const { result } = await watchToEnd(origin.playlist, { pace: 'live' });
  assert.equal(result.outcome.kind, 'failed');
  assert.match(
    result.outcome.reason,
    new RegExp(`a loopback address and not allowed; .* allow ${origin.allow} `),
  );
  assert.equal(origin.connections, 0);
  await origin.stop();
});

type Origin = TestOrigin & {
  readonly playlist: string;
  /** Segments that the playlist lists. */
  listed: number;
  ended: boolean;
  segmentUri: (segment: number) => string;
};

async function startOrigin(): Promise<Origin> {
  const playlist = (): string => {
    const lines = ['#EXTM3U', '#EXT-X-VERSION:3', '#EXT-X-TARGETDURATION:1', '#EXT-X-MEDIA-SEQUENCE:0'];
    for (let i = 0; i < origin.listed; i++) lines.push('#EXTINF:1.0,', origin.segmentUri(i));
    if (origin.ended) lines.push('#EXT-X-ENDLIST');
    return `${lines.join('\n')}\n`;
  };
  const server = await startTestOrigin((path) => {
    if (path === '/live.m3u8') return { body: playlist() };
    const segment = /^\/(\d)\.ts$/.exec(path)?.[1];
    return segment === undefined ? null : { body: readFileSync(join(folder.path, 'hls', `${segment}.ts`)) };
  });
  const origin: Origin = Object.assign(server, {
    playlist: `${server.url}/live.m3u8`,
    listed: 3,
    ended: false,
    segmentUri: (segment: number) => `${segment}.ts`,
  });
  return origin;
}

async function watch({ playlist, allow }: Origin): Promise<{ sink: RememberingSink; ingest: Ingest }> {
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'live', input: playlist, allow: [allow], signalLostMs: 1000 })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  return { sink, ingest };
}

function eventsOf(sink: RememberingSink): string[] {
  const told = sink.records.map(({ event }) => event);
  return told.filter((event) => event !== 'features' && event !== 'transport');
}
