import type { FrameFeatures } from './records.ts';

/** Columns of a feature record of a stream whose packets nobody counted. */
export const NO_PACKETS = {
  audioBlocks: 0,
  videoBytes: null,
  audioBytes: null,
  avSkewMs: null,
} satisfies Partial<FrameFeatures>;
