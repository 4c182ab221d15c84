/** Where the playhead is, in the ways that players tell it. */
import type { Viewer } from './population.ts';
import type { PlayerEvent } from './viewing.ts';

export type ReportClock = {
  /** Number of the report within the session, from 0. */
  readonly sn: number;
  /** Beginning of the programme's own timeline, Unix ms. */
  readonly mediaOriginMs: number;
};

/** As far as this viewer's player tells it. */
export function shownPosition(
  viewer: Viewer,
  { latencyMs, atMs }: PlayerEvent,
  { mediaOriginMs }: ReportClock,
): { readonly programTimeMs?: number; readonly liveLatencyMs?: number; readonly mediaTimeMs?: number } {
  if (latencyMs === null || viewer.positionTold === 'none') return {};
  const programTimeMs = atMs - latencyMs;
  const mediaTimeMs = Math.max(0, programTimeMs - mediaOriginMs);
  if (viewer.positionTold === 'latency') return { liveLatencyMs: latencyMs, mediaTimeMs };
  return { programTimeMs, mediaTimeMs };
}
