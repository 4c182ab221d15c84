/** What the watch over a manifest tells: facts for the log, which detectors judge. */
import type { FrameFeatures } from '../../schemas/records.ts';
import type { MarkerKind } from './hls-playlist.ts';

/** One playlist of a ladder, or one representation. */
export type VariantFact = {
  readonly id: string;
  /** HTTP status of its last load, or one of NO_STATUS; 0 before the first. */
  readonly status: number;
  /** For how long it shows nothing new; null while that is unknown, and for one that is not live. */
  readonly unchangedMs: number | null;
  /** Since its last load; null before the first. */
  readonly loadedMs: number | null;
  readonly failingMs: number;
  readonly failedReloads: number;
};

export type SegmentFact = {
  /** Which of the variants. */
  readonly variant: number;
  /** Place on the stream's presentation timeline, ms. */
  readonly ptsMs: number;
  readonly durationMs: number;
  readonly status: number;
  /** Bytes of its pictures; null when they were not counted. */
  readonly videoBytes: number | null;
};

export type MarkerFact = {
  readonly ptsMs: number;
  readonly kind: MarkerKind;
  /** Null when it is not told. */
  readonly durationMs: number | null;
};

export type TransportFacts = {
  readonly atMs: number;
  /** Presentation time of what is live at `atMs`; null while nothing ties the two. */
  readonly edgePtsMs: number | null;
  readonly kind: 'hls' | 'dash';
  readonly isLive: boolean;
  readonly targetDurationMs: number;
  readonly newestSegment: number;
  /** Status of the manifest that names the variants; 0 where there is none above them. */
  readonly masterStatus: number;
  /** Index of the variant that is decoded; -1 while that is unknown. */
  readonly own: number;
  readonly variants: readonly VariantFact[];
  readonly segments: readonly SegmentFact[];
  readonly markers: readonly MarkerFact[];
};

/** Something that whoever runs the watch should get. */
export type Due = {
  readonly kind: 'manifest' | 'segment';
  readonly url: string;
  readonly manifestUrl: string;
  /** First byte and length; null for all of it. */
  readonly range: { readonly start: number; readonly length: number } | null;
};

type TransportColumns = Pick<
  FrameFeatures,
  | 'basePtsMs'
  | 'decodedAtMs'
  | 'manifestKind'
  | 'manifestIsLive'
  | 'manifestStatus'
  | 'targetDurationMs'
  | 'newestSegment'
  | 'ownVariant'
  | 'variantIds'
  | 'variantStatus'
  | 'variantUnchangedMs'
  | 'variantLoadedMs'
  | 'variantFailingMs'
  | 'variantFailedReloads'
  | 'segmentVariant'
  | 'segmentPtsMs'
  | 'segmentDurationMs'
  | 'segmentStatus'
  | 'segmentVideoBytes'
  | 'markerKind'
  | 'markerPtsMs'
  | 'markerDurationMs'
>;

/** The facts as columns of a record; times of day become spans, places count from `basePtsMs`. */
export function transportColumns(facts: TransportFacts, basePtsMs: number): TransportColumns {
  const { variants, segments, markers } = facts;
  return {
    basePtsMs,
    decodedAtMs: facts.atMs,
    manifestKind: facts.kind,
    manifestIsLive: facts.isLive,
    manifestStatus: facts.masterStatus,
    targetDurationMs: facts.targetDurationMs,
    newestSegment: facts.newestSegment,
    ownVariant: facts.own,
    variantIds: variants.map(({ id }) => id),
    variantStatus: variants.map(({ status }) => status),
    variantUnchangedMs: variants.map(({ unchangedMs }) => bounded(unchangedMs ?? -1)),
    variantLoadedMs: variants.map(({ loadedMs }) => bounded(loadedMs ?? -1)),
    variantFailingMs: variants.map(({ failingMs }) => bounded(failingMs)),
    variantFailedReloads: variants.map(({ failedReloads }) => failedReloads),
    segmentVariant: segments.map(({ variant }) => variant),
    segmentPtsMs: segments.map(({ ptsMs }) => bounded(ptsMs - basePtsMs)),
    segmentDurationMs: segments.map(({ durationMs }) => bounded(durationMs)),
    segmentStatus: segments.map(({ status }) => status),
    segmentVideoBytes: segments.map(({ videoBytes }) => bounded(videoBytes ?? -1)),
    markerKind: markers.map(({ kind }) => kind),
    markerPtsMs: markers.map(({ ptsMs }) => bounded(ptsMs - basePtsMs)),
    markerDurationMs: markers.map(({ durationMs }) => bounded(durationMs ?? -1)),
  };
}

/** Columns hold 32 bits, 24 days of milliseconds. */
function bounded(value: number): number {
  return Math.max(-INT_MAX, Math.min(INT_MAX, Math.round(value)));
}

const INT_MAX = 2 ** 31 - 1;
