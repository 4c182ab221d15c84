import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { type Ingest, startIngest } from './ingest.ts';
import {
  FFMPEG,
  ffmpeg,
  picturesOf,
  RememberingSink,
  temporaryFolder,
  until,
  watchToEnd,
} from './testing.ts';

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
  const { sink, ingest } = await watch(origin.url);
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
  const { sink, ingest } = await watch(origin.url);
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
  const { sink, ingest } = await watch(origin.url);
  try {
    await until('signal-lost', () => eventsOf(sink).includes('signal-lost'));
    assert.equal(picturesOf(sink.records).length, 0);
  } finally {
    await ingest.stop();
    await origin.stop();
  }
});

test('a local playlist is no media file', async () => {
  const { result } = await watchToEnd(join(folder.path, 'hls', 'all.m3u8'));
  assert.equal(result.outcome.kind, 'failed');
});

type Origin = {
  readonly url: string;
  /** Segments that the playlist lists. */
  listed: number;
  ended: boolean;
  segmentUri: (segment: number) => string;
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
};

async function startOrigin(): Promise<Origin> {
  let server: Server | null = null;
  const answer = (path: string): Buffer | string | null => {
    if (path === '/live.m3u8') return playlist();
    const segment = /^\/(\d)\.ts$/.exec(path)?.[1];
    return segment === undefined ? null : readFileSync(join(folder.path, 'hls', `${segment}.ts`));
  };
  const playlist = (): string => {
    const lines = ['#EXTM3U', '#EXT-X-VERSION:3', '#EXT-X-TARGETDURATION:1', '#EXT-X-MEDIA-SEQUENCE:0'];
    for (let i = 0; i < origin.listed; i++) lines.push('#EXTINF:1.0,', origin.segmentUri(i));
    if (origin.ended) lines.push('#EXT-X-ENDLIST');
    return `${lines.join('\n')}\n`;
  };
  const listen = async (port: number): Promise<number> => {
    server = createServer((request, response) => {
      const body = answer(request.url ?? '');
      response.writeHead(body === null ? 404 : 200);
      response.end(body ?? '');
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const close = async (): Promise<void> => {
    const closing = server;
    server = null;
    if (closing === null) return;
    closing.close();
    closing.closeAllConnections();
    await once(closing, 'close');
  };
  const port = await listen(0);
  const origin: Origin = {
    url: `http://127.0.0.1:${port}/live.m3u8`,
    listed: 3,
    ended: false,
    segmentUri: (segment) => `${segment}.ts`,
    pause: close,
    async resume() {
      await listen(port);
    },
    stop: close,
  };
  return origin;
}

async function watch(input: string): Promise<{ sink: RememberingSink; ingest: Ingest }> {
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [{ programmeId: 'live', input, signalLostMs: 1000 }],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  return { sink, ingest };
}

function eventsOf(sink: RememberingSink): string[] {
  return sink.records.filter((record) => record.event !== 'features').map((record) => record.event);
}
