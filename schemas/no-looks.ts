import type { FrameFeatures } from './records.ts';

/** Columns of a feature record of pictures that are whole and that nobody looked at more closely. */
export const NO_LOOKS = {
  keyFramePtsMs: [],
  damagePtsMs: [],
  damageKinds: [],
  lookPtsMs: [],
  lookSharpPermille: [],
  lookMedianSharpPermille: [],
  lookTexturedBlocks: [],
  lookSceneCenti: [],
  lookGridSteps: [],
  lookOtherSteps: [],
} satisfies Partial<FrameFeatures>;
