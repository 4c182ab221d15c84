/** The columns in which a record says what was seen of a manifest, entry by entry. */
import type { FrameFeatures } from '../../schemas/records.ts';

/** One playlist of the ladder. */
export type Variant = {
  readonly id: string;
  /** It is the one that is decoded, or the only one. */
  readonly isOwn: boolean;
  /** As `renditionId` of a defect that it shows; null for the stream's own. */
  readonly renditionId: string | null;
  readonly status: number;
  /** Null while unknown, and for one that is not live. */
  readonly unchangedMs: number | null;
  /** So long it is known to have been unchanged: up to its last load. */
  readonly surelyUnchangedMs: number;
  readonly failingMs: number;
  readonly failedReloads: number;
};

export type Segment = {
  readonly variant: Variant;
  /** Presentation time. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly status: number;
  /** Null when they were not counted. */
  readonly videoBytes: number | null;
};

export function variantsIn(chunk: FrameFeatures): readonly Variant[] {
  const alone = chunk.variantIds.length === 1;
  return chunk.variantIds.map((id, at) => {
    const isOwn = alone || at === chunk.ownVariant;
    const unchangedMs = chunk.variantUnchangedMs[at]!;
    return {
      id,
      isOwn,
      renditionId: isOwn ? null : id,
      status: chunk.variantStatus[at]!,
      unchangedMs: unchangedMs < 0 ? null : unchangedMs,
      surelyUnchangedMs: Math.max(0, unchangedMs - Math.max(0, chunk.variantLoadedMs[at]!)),
      failingMs: chunk.variantFailingMs[at]!,
      failedReloads: chunk.variantFailedReloads[at]!,
    };
  });
}

export function segmentsIn(chunk: FrameFeatures): readonly Segment[] {
  if (chunk.segmentVariant.length === 0) return [];
  const variants = variantsIn(chunk);
  return chunk.segmentVariant.map((variant, at) => {
    const videoBytes = chunk.segmentVideoBytes[at]!;
    return {
      variant: variants[variant]!,
      startMs: chunk.basePtsMs + chunk.segmentPtsMs[at]!,
      durationMs: chunk.segmentDurationMs[at]!,
      status: chunk.segmentStatus[at]!,
      videoBytes: videoBytes < 0 ? null : videoBytes,
    };
  });
}

export function isAnswer(status: number): boolean {
  return status >= 200 && status < 300;
}

/** A status in words. */
export function statusText(status: number): string {
  return WORDS.get(status) ?? `HTTP ${status}`;
}

const WORDS: ReadonlyMap<number, string> = new Map([
  [0, 'not asked for yet'],
  [-1, 'no connection'],
  [-2, 'timeout'],
  [-3, 'cut short'],
  [-4, 'garbage'],
  [-5, 'not named by the manifest'],
  [-6, 'forbidden by the network rules of the probe'],
]);

/** What is wrong with these columns, in words; null when nothing is. */
export function transportFaultOf(chunk: FrameFeatures): string | null {
  const errors = chunk.tsErrorPtsMs.length;
  if (chunk.tsErrorKind.length !== errors || chunk.tsErrorCount.length !== errors)
    return 'columns of transport stream errors have different lengths';
  if (chunk.event !== 'transport') return null;
  const variants = chunk.variantIds.length;
  const ofVariants = [
    chunk.variantStatus,
    chunk.variantUnchangedMs,
    chunk.variantLoadedMs,
    chunk.variantFailingMs,
    chunk.variantFailedReloads,
  ];
  if (ofVariants.some(({ length }) => length !== variants))
    return 'columns of variants have different lengths';
  if (chunk.ownVariant >= variants) return `there is no variant ${chunk.ownVariant}`;
  const segments = chunk.segmentVariant.length;
  const ofSegments = [
    chunk.segmentPtsMs,
    chunk.segmentDurationMs,
    chunk.segmentStatus,
    chunk.segmentVideoBytes,
  ];
  if (ofSegments.some(({ length }) => length !== segments))
    return 'columns of segments have different lengths';
  if (chunk.segmentVariant.some((variant) => variant < 0 || variant >= variants))
    return 'a segment is of no variant';
  const markers = chunk.markerKind.length;
  return chunk.markerPtsMs.length === markers && chunk.markerDurationMs.length === markers
    ? null
    : 'columns of announcements have different lengths';
}
