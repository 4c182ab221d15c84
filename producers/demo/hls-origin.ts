/** A small HTTP origin on the loopback that plays rendered segments as a live HLS stream, again and again. */

import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../runtime/port.ts';

export type HlsSegment = { readonly file: string; readonly durationS: number };

export type HlsOrigin = {
  /** Address of the live playlist. */
  readonly url: string;
  stop(): Promise<void>;
};

/** Segments in the window, as many as the client keeps behind the live edge, so that it begins with the first. */
const LEAD_SEGMENTS = 3;
const WINDOW_SEGMENTS = 6;

/**
 * Serves the segments that `playlistFile` lists (a finished HLS playlist) on a free loopback port. The stream goes live
 * with the first request of its playlist, so whoever watches from the beginning sees it from its first picture.
 */
export async function startHlsOrigin(folder: string, playlistFile: string, clock: Clock): Promise<HlsOrigin> {
  const segments = parseSegments(readFileSync(join(folder, playlistFile), 'utf8'));
  if (segments.length < LEAD_SEGMENTS) {
    throw new Error(
      `${join(folder, playlistFile)} lists ${segments.length} segments, ${LEAD_SEGMENTS} are needed`,
    );
  }
  let liveSinceMs: number | null = null;
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (request.method !== 'GET') return refuse(request, response, 405);
    if (path === '/live.m3u8') {
      liveSinceMs ??= clock.nowMs();
      const body = livePlaylist(segments, clock.nowMs() - liveSinceMs);
      response.writeHead(200, {
        'content-type': 'application/vnd.apple.mpegurl',
        'cache-control': 'no-cache',
      });
      response.end(body);
      return;
    }
    const number = /^\/segment-(\d{1,9})\.ts$/.exec(path)?.[1];
    if (number === undefined) return refuse(request, response, 404);
    const segment = segments[Number(number) % segments.length]!;
    const bytes = createReadStream(join(folder, segment.file));
    bytes.on('error', () => response.destroy());
    response.on('close', () => bytes.destroy());
    response.writeHead(200, { 'content-type': 'video/mp2t' });
    bytes.pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/live.m3u8`,
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/**
 * The playlist `elapsedMs` after the stream went live. The first segments are there at once; each further one appears
 * when it would have been recorded. Every repetition begins with a discontinuity.
 */
export function livePlaylist(segments: readonly HlsSegment[], elapsedMs: number): string {
  const count = segments.length;
  const passMs = segments.reduce((total, segment) => total + segment.durationS * 1000, 0);
  const leadMs = segments
    .slice(0, LEAD_SEGMENTS)
    .reduce((total, segment) => total + segment.durationS * 1000, 0);
  const recordedMs = elapsedMs + leadMs;
  const passes = Math.floor((recordedMs + SLACK_MS) / passMs);
  let available = passes * count;
  let endMs = passes * passMs;
  for (const segment of segments) {
    endMs += segment.durationS * 1000;
    if (endMs > recordedMs + SLACK_MS) break;
    available++;
  }
  const first = Math.max(0, available - WINDOW_SEGMENTS);
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:3',
    `#EXT-X-TARGETDURATION:${Math.ceil(Math.max(...segments.map((segment) => segment.durationS)))}`,
    `#EXT-X-MEDIA-SEQUENCE:${first}`,
    // Discontinuities that have left the window; one that stands before its first segment is still in it.
    `#EXT-X-DISCONTINUITY-SEQUENCE:${Math.max(0, Math.ceil(first / count) - 1)}`,
  ];
  for (let number = first; number < available; number++) {
    const segment = segments[number % count]!;
    if (number > 0 && number % count === 0) lines.push('#EXT-X-DISCONTINUITY');
    lines.push(`#EXTINF:${segment.durationS.toFixed(6)},`, `segment-${number}.ts`);
  }
  return `${lines.join('\n')}\n`;
}

/** The segments of a finished playlist. */
export function parseSegments(playlist: string): HlsSegment[] {
  const segments: HlsSegment[] = [];
  for (const [, duration, file] of playlist.matchAll(/^#EXTINF:([0-9.]+),[^\n]*\n([^#\n]+)$/gm)) {
    segments.push({ file: file!.trim(), durationS: Number(duration) });
  }
  return segments;
}

/** Sums of segment durations are not exact. */
const SLACK_MS = 1;

function refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
  request.resume();
  response.writeHead(status, { 'content-type': 'text/plain' });
  response.end();
}
