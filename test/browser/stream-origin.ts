/**
 * An origin on the loopback that a script can slow down and cut off: the page, the player, and a stream with two
 * renditions. It passes the CMCD of media requests on, as a CDN's log would.
 */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { runCommand } from '../../local/run-command.ts';
import { systemClock } from '../../runtime/system-clock.ts';

export type StreamOrigin = {
  readonly url: string;
  /** No byte of the stream leaves until it is false again; requests are held, not refused. */
  cut(isCut: boolean): void;
  /** Bytes per second for each request of a segment; null for as fast as it goes. */
  slow(bytesPerSecond: number | null): void;
  stop(): Promise<void>;
};

export type Rendition = { readonly name: string; readonly heightPx: number; readonly kbps: number };

const RENDITIONS: readonly Rendition[] = [
  { name: 'low', heightPx: 180, kbps: 300 },
  { name: 'high', heightPx: 360, kbps: 1_500 },
];

/** Renders `durationMs` of moving, noisy picture and a tone as an HLS stream with programme date and time. */
export async function renderStream(ffmpegPath: string, folder: string, durationMs: number): Promise<void> {
  const seconds = String(durationMs / 1000);
  const inputs = [
    '-f',
    'lavfi',
    '-i',
    `testsrc2=s=640x360:r=25:d=${seconds}`,
    '-f',
    'lavfi',
    '-i',
    `sine=f=440:d=${seconds}`,
  ];
  const outputs = RENDITIONS.flatMap(({ name, heightPx, kbps }) => [
    ...['-map', '0:v', '-map', '1:a', '-vf', `scale=-2:${heightPx},noise=alls=12:allf=t`],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p'],
    ...['-b:v', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`, '-g', '25', '-sc_threshold', '0'],
    ...['-c:a', 'aac', '-b:a', '64k', '-ar', '48000', '-f', 'hls', '-hls_time', '1', '-hls_list_size', '0'],
    ...['-hls_playlist_type', 'vod', '-hls_flags', 'program_date_time'],
    ...['-hls_segment_filename', path.join(folder, `${name}-%03d.ts`), path.join(folder, `${name}.m3u8`)],
  ]);
  const flags = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error', '-y'];
  const { code, lines } = await runCommand(ffmpegPath, [...flags, ...inputs, ...outputs]);
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}: ${lines.slice(-5).join(' | ')}`);
}

/** `onMediaRequest` is told of each request that carries CMCD, with its query as it came. */
export async function startStreamOrigin(
  folder: string,
  onMediaRequest: (cmcd: string, userAgent: string) => void,
): Promise<StreamOrigin> {
  let isCut = false;
  let bytesPerSecond: number | null = null;
  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy());
  });
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const page = PAGE.get(pathname);
    if (page !== undefined) return answer(response, page.type, readFileSync(page.file));
    const cmcd = searchParams.get('CMCD');
    if (cmcd !== null) onMediaRequest(cmcd, request.headers['user-agent'] ?? '');
    if (pathname === '/master.m3u8') return answer(response, PLAYLIST, Buffer.from(masterPlaylist()));
    const file = path.join(folder, path.basename(pathname));
    if (!/^\/[a-z]+(-\d{3}\.ts|\.m3u8)$/.test(pathname) || !existsSync(file))
      return void response.writeHead(404).end();
    const bytes = readFileSync(file);
    if (!pathname.endsWith('.ts')) return answer(response, PLAYLIST, bytes);
    response.writeHead(200, { 'content-type': 'video/mp2t', 'content-length': bytes.length });
    for (let at = 0; at < bytes.length && !response.destroyed; ) {
      while (isCut && !response.destroyed) await systemClock.sleep(SLICE_MS);
      const size = bytesPerSecond === null ? bytes.length : Math.ceil((bytesPerSecond * SLICE_MS) / 1000);
      response.write(bytes.subarray(at, at + size));
      at += size;
      if (bytesPerSecond !== null) await systemClock.sleep(SLICE_MS);
    }
    response.end();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: (value) => {
      isCut = value;
    },
    slow: (value) => {
      bytesPerSecond = value;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const SLICE_MS = 20;
const PLAYLIST = 'application/vnd.apple.mpegurl';
const SCRIPT = 'text/javascript';
const hlsPackage = path.dirname(createRequire(import.meta.url).resolve('hls.js/package.json'));
const PAGE: ReadonlyMap<string, { readonly file: string; readonly type: string }> = new Map([
  ['/', { file: path.join(import.meta.dirname, 'player.html'), type: 'text/html; charset=utf-8' }],
  ['/player.js', { file: path.join(import.meta.dirname, 'player.js'), type: SCRIPT }],
  ['/hls.js', { file: path.join(hlsPackage, 'dist', 'hls.min.js'), type: SCRIPT }],
]);

function answer(response: ServerResponse, type: string, bytes: Buffer): void {
  response.writeHead(200, {
    'content-type': type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
  });
  response.end(bytes);
}

function masterPlaylist(): string {
  const lines = RENDITIONS.map(({ name, heightPx, kbps }) => {
    const size = `${Math.round((heightPx * 16) / 9)}x${heightPx}`;
    return `#EXT-X-STREAM-INF:BANDWIDTH=${(kbps + 100) * 1000},RESOLUTION=${size},CODECS="avc1.42c01e,mp4a.40.2"\n${name}.m3u8`;
  });
  return `#EXTM3U\n#EXT-X-VERSION:6\n${lines.join('\n')}\n`;
}
