/** Which types of the transport were judged at all: the rest is not watched, and never good. */
import { inputKindOf } from '../../producers/ingest/stream-spec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

/** Null for types that are no matter of the transport. */
export function isTransportWatched(
  type: string,
  input: string,
  chunks: readonly FrameFeatures[],
): boolean | null {
  const kind = inputKindOf(input);
  const isFile = kind === 'file' || kind === 'playlist';
  const told = chunks.filter(({ event }) => event === 'transport');
  const isTsChecked = chunks.some(({ tsChecked }) => tsChecked);
  switch (type) {
    case 'signal-lost':
      return !isFile;
    case 'manifest-stale':
      return told.some(({ manifestIsLive }) => manifestIsLive);
    case 'rendition-missing':
      return told.some(({ variantIds, manifestStatus }) => variantIds.length > 1 || manifestStatus !== 0);
    case 'segment-error':
      return told.some(({ segmentStatus }) => segmentStatus.length > 0);
    case 'bitrate-drop':
      return countedMs(told) >= BITRATE_MS_MIN;
    case 'ts-error':
      return isTsChecked;
    case 'pts-discontinuity':
      // Of a live stream only segments of a transport stream tell, whose clock is read.
      return kind === 'file' || isTsChecked;
    default:
      return null;
  }
}

/** As much as a median needs, and a drop. */
const BITRATE_MS_MIN = 30_000;

function countedMs(told: readonly FrameFeatures[]): number {
  let countedMs = 0;
  for (const { segmentVideoBytes, segmentDurationMs } of told) {
    for (const [at, bytes] of segmentVideoBytes.entries())
      if (bytes >= 0) countedMs += segmentDurationMs[at]!;
  }
  return countedMs;
}
