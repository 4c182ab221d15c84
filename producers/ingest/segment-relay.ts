/** Segments, initialisation segments and keys on their way from the origin to ffmpeg, told to whoever listens. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/port.ts';
import { boundedBody } from './bounded-body.ts';
import { type FetchEvents, SEGMENT_HEAD_BYTES, type SegmentFetch } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import { type FetchLimits, type OriginClient, shown } from './origin-client.ts';

export type SegmentRequest = Pick<SegmentFetch, 'url' | 'kind' | 'manifestUrl'> & {
  /** `Range` header; null for all of it. */
  readonly range: string | null;
};

export type RelayContext = {
  readonly client: OriginClient;
  readonly limits: FetchLimits;
  readonly events: FetchEvents;
  readonly clock: Clock;
  /** Takes why the last attempt failed, or null. */
  readonly note: (failure: string | null) => void;
};

/**
 * Passes it on. What fails before its first byte is tried once more: origins answer 404 for a segment that they have just
 * listed. Each attempt is one event. Throws {@link FetchFailure}.
 */
export async function relaySegment(
  request: SegmentRequest,
  context: RelayContext,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await relayOnce(request, context, response, signal);
    } catch (error) {
      const mayPass = error instanceof FetchFailure && RETRIED.has(error.outcome);
      if (!mayPass || response.headersSent || attempt === ATTEMPTS) throw error;
      await context.clock.sleep(RETRY_MS, signal);
    }
  }
}

/** Writes, and waits while ffmpeg does not read. Throws `abandoned` when it is gone. */
export async function written(
  response: ServerResponse,
  chunk: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (!signal.aborted && !response.write(chunk)) {
    try {
      await once(response, 'drain', { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
  if (signal.aborted) throw abandoned();
}

const ATTEMPTS = 2;
const RETRY_MS = 300;
const RETRIED: ReadonlySet<string> = new Set(['http-error', 'unreachable', 'timeout']);

async function relayOnce(
  { url, kind, manifestUrl, range }: SegmentRequest,
  { client, limits, events, clock, note }: RelayContext,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const startedAtMs = clock.nowMs();
  let head: Uint8Array = new Uint8Array(0);
  let bytes = 0;
  let status = 0;
  const tell = (failure: FetchFailure | null): void => {
    const atMs = clock.nowMs();
    const { outcome, message: reason } = failure ?? { outcome: 'ok' as const, message: '' };
    if (outcome !== 'abandoned') note(failure === null ? null : reason);
    const what = { url, kind, manifestUrl, range: wantedRange(range), bytes, head };
    const how = { status: failure?.status || status, outcome, reason, atMs, durationMs: atMs - startedAtMs };
    events.onSegment?.({ ...what, ...how });
  };
  try {
    const parsed = URL.parse(url);
    if (parsed === null) throw new FetchFailure('forbidden', `"${url.slice(0, 100)}" is no address`);
    // ffmpeg asks for everything in this way; some origins answer it with 206 and no length.
    const answer = await client.get({ url: parsed, range: range === 'bytes=0-' ? null : range, signal });
    status = answer.status;
    const tap = kind === 'segment' ? (events.tapSegment?.({ url, manifestUrl }) ?? null) : null;
    const bytesMax = kind === 'key' ? limits.keyBytes : limits.segmentBytes;
    const bounds = { bytesMax, idleMs: limits.idleMs, waitMs: limits.bodyMs };
    for await (const chunk of boundedBody(answer.body, bounds, shown(answer.finalUrl))) {
      if (!response.headersSent) response.writeHead(status, answer.headers);
      bytes += chunk.length;
      if (head.length < SEGMENT_HEAD_BYTES)
        head = Buffer.concat([head, chunk]).subarray(0, SEGMENT_HEAD_BYTES);
      tap?.(chunk);
      await written(response, chunk, signal);
    }
    tap?.(null);
    if (!response.headersSent) response.writeHead(status, answer.headers);
    response.end();
    tell(null);
  } catch (error) {
    const failure = signal.aborted ? abandoned() : error;
    if (failure instanceof FetchFailure) tell(failure);
    throw failure;
  }
}

function abandoned(): FetchFailure {
  return new FetchFailure('abandoned', 'nobody waits for it any more');
}

function wantedRange(range: string | null): SegmentFetch['range'] {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(range ?? '');
  if (match === null) return null;
  const start = Number(match[1]);
  return { start, length: Number(match[2]) - start + 1 };
}
