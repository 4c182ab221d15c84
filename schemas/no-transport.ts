import type { FrameFeatures } from './records.ts';

/** Columns of a feature record that tells nothing of its transport. */
export const NO_TRANSPORT = {
  tsErrorPtsMs: [],
  tsErrorKind: [],
  tsErrorCount: [],
  tsChecked: false,
  manifestKind: '',
  manifestIsLive: false,
  manifestStatus: 0,
  targetDurationMs: 0,
  newestSegment: -1,
  ownVariant: -1,
  variantIds: [],
  variantStatus: [],
  variantUnchangedMs: [],
  variantLoadedMs: [],
  variantFailingMs: [],
  variantFailedReloads: [],
  segmentVariant: [],
  segmentPtsMs: [],
  segmentDurationMs: [],
  segmentStatus: [],
  segmentVideoBytes: [],
  markerKind: [],
  markerPtsMs: [],
  markerDurationMs: [],
} satisfies Partial<FrameFeatures>;
