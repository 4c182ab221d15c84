/** A segment that is asked for only to see whether it is there: nobody decodes it. */
import type { Clock } from '../../runtime/port.ts';
import { boundedBody } from './bounded-body.ts';
import { type FetchEvents, SEGMENT_HEAD_BYTES, type SegmentFetch } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import { type FetchLimits, type OriginClient, shown } from './origin-client.ts';

export type SegmentQuestion = Pick<SegmentFetch, 'url' | 'manifestUrl' | 'range'>;

export type QuestionContext = {
  readonly client: OriginClient;
  readonly limits: FetchLimits;
  readonly events: FetchEvents;
  readonly clock: Clock;
};

/** Gets its beginning, no more, and tells whoever listens. Rejects for nothing but a mistake in this program. */
export async function askForSegment(
  { url, manifestUrl, range }: SegmentQuestion,
  { client, limits, events, clock }: QuestionContext,
  signal: AbortSignal,
): Promise<void> {
  const startedAtMs = clock.nowMs();
  let head: Uint8Array = new Uint8Array(0);
  let status = 0;
  let failure: FetchFailure | null = null;
  try {
    const parsed = URL.parse(url);
    if (parsed === null) throw new FetchFailure('forbidden', `"${url.slice(0, 100)}" is no address`);
    const start = range?.start ?? 0;
    const answer = await client.get({
      url: parsed,
      range: `bytes=${start}-${start + SEGMENT_HEAD_BYTES - 1}`,
      signal,
    });
    status = answer.status;
    const bounds = { bytesMax: limits.segmentBytes, idleMs: limits.idleMs, waitMs: limits.answerMs };
    for await (const chunk of boundedBody(answer.body, bounds, shown(answer.finalUrl))) {
      head = Buffer.concat([head, chunk]).subarray(0, SEGMENT_HEAD_BYTES);
      // Origins that know no ranges send all of it.
      if (head.length >= SEGMENT_HEAD_BYTES) break;
    }
  } catch (error) {
    if (!(error instanceof FetchFailure)) throw error;
    failure = error;
  }
  if (signal.aborted) return;
  const atMs = clock.nowMs();
  events.onSegment?.({
    kind: 'segment',
    url,
    manifestUrl,
    range,
    bytes: head.length,
    head,
    status: failure?.status || status,
    outcome: failure?.outcome ?? 'ok',
    reason: failure?.message ?? '',
    atMs,
    durationMs: atMs - startedAtMs,
  });
}
