/**
 * What an input is compared with: another file or stream of the same programme, as if it were watched at another point of
 * it. Sound and pictures of both are aligned (`topologies/detectors/av-sync-offset.ts`).
 */
import type { FrameFeatures } from '../../schemas/records.ts';
import { AV_SYNC_OFFSET } from '../../topologies/detectors/av-reference.ts';
import { avSyncDetector, type SlotTold } from '../../topologies/detectors/av-sync-offset.ts';
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';
import { streamKeyOf } from '../../topologies/detectors/stream-step.ts';
import { DETECTORS, streamDetectionWith } from '../../topologies/stream-detection.ts';

/** By this the reference is told from the input in what the detectors say. */
export const REFERENCE_RENDITION = 'reference';

/** Seconds of an input without which it counts as not compared. */
const SECONDS_MIN = 5;
/** The reference is read so much further than the input, ms: what the detector puts off for it. */
const BEYOND_MS = 28_000;

/** Settings under which the reference is one. */
export function withReference(config: DetectionConfig | null, streamId: string): DetectionConfig {
  const key = streamKeyOf({ programmeId: streamId, renditionId: REFERENCE_RENDITION, vantage: 'origin' });
  return {
    ...config,
    streams: { ...config?.streams, [key]: { [AV_SYNC_OFFSET]: { isReference: 1 } } },
  };
}

/**
 * Stream detection, and whether enough of the input could be compared to say anything about it.
 *
 * @param tell told of every second what was found in it
 */
export function comparingDetection(tell: (told: SlotTold) => void = () => {}) {
  let judged = 0;
  const avSync = avSyncDetector((told) => {
    if (told.offsetMs !== null) judged += 1;
    tell(told);
  });
  const detectors = DETECTORS.map((one) => (one.type === AV_SYNC_OFFSET ? avSync : one));
  return { topology: streamDetectionWith(detectors), isCompared: () => judged >= SECONDS_MIN };
}

/** A chunk, and when a log would have it, ms from its beginning. */
export type LoggedChunk = { readonly chunk: FrameFeatures; readonly atMs: number };

/** Chunks of both in the order of their time, as a log would have them; the input's end is last. */
export function inOrder(
  input: readonly FrameFeatures[],
  reference: readonly FrameFeatures[],
): readonly LoggedChunk[] {
  const logged = loggedAt(input);
  const lastMs = logged.at(-1)?.atMs ?? 0;
  const events = logged.findIndex(({ chunk, atMs }) => !CONTENT.has(chunk.event) && atMs >= lastMs);
  const before = events === -1 ? logged : logged.slice(0, events);
  const there = loggedAt(reference).filter(({ atMs }) => atMs <= lastMs + BEYOND_MS);
  const both = [...there, ...before].sort((a, b) => a.atMs - b.atMs);
  return events === -1 ? both : [...both, ...logged.slice(events)];
}

const CONTENT: ReadonlySet<string> = new Set(['features', 'transport']);

/** What is seen of a manifest comes between the chunks, and is of no time of theirs. */
function loggedAt(chunks: readonly FrameFeatures[]): readonly LoggedChunk[] {
  let atMs = 0;
  return chunks.map((chunk) => {
    if (chunk.event !== 'transport') atMs = Math.max(atMs, chunk.basePtsMs + chunk.durationMs);
    return { chunk, atMs };
  });
}
