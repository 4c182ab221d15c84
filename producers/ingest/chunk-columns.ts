/** Columns of a feature record from the pictures and audio blocks that it covers. */
import { AUDIO_BLOCK_MS, type AudioBlock } from './audio-analysis.ts';
import type { PictureFeatures } from './frame-analysis.ts';
import type { PictureLook } from './picture-look.ts';
import type { PictureNotes } from './picture-notes.ts';
import type { TsErrorAt } from './ts-check.ts';

export type TimedPicture = {
  readonly ptsMs: number;
  /** Null for one that was not decoded. */
  readonly features: PictureFeatures | null;
  readonly decodedAtMs: number;
  readonly isDamaged: boolean;
  readonly notes: PictureNotes;
  look: PictureLook | null;
  /** Size of its packet; null when that is not known. */
  readonly bytes: number | null;
};

export type TimedBlock = {
  readonly index: number;
  /** Null for one that was not decoded. */
  readonly measured: AudioBlock | null;
  readonly decodedAtMs: number;
  readonly bytes: number | null;
};

export function pictureColumns(pictures: readonly TimedPicture[]) {
  const measured = pictures.flatMap(({ features }) => features ?? []);
  const column = (pick: (features: PictureFeatures) => number) => measured.map(pick);
  return {
    lumaMeanCenti: column((features) => features.lumaMeanCenti),
    lumaSpreadCenti: column((features) => features.lumaSpreadCenti),
    chromaSpreadCenti: column((features) => features.chromaSpreadCenti),
    darkPermille: column((features) => features.darkPermille),
    diffMeanCenti: column((features) => features.diffMeanCenti),
    anchorMeanCenti: column((features) => features.anchorMeanCenti),
    anchorPeakCenti: column((features) => features.anchorPeakCenti),
    anchorAgeMs: column((features) => features.anchorAgeMs),
  };
}

export function tsErrorColumns(errors: readonly TsErrorAt[], basePtsMs: number) {
  return {
    tsErrorPtsMs: errors.map(({ atMs }) => atMs - basePtsMs),
    tsErrorKind: errors.map(({ kind }) => kind),
    tsErrorCount: errors.map(({ count }) => count),
  };
}

export function noteColumns(pictures: readonly TimedPicture[], basePtsMs: number) {
  const damaged = pictures.filter(({ notes }) => notes.damage !== 0);
  return {
    keyFramePtsMs: pictures.filter(({ notes }) => notes.isKey).map(({ ptsMs }) => ptsMs - basePtsMs),
    damagePtsMs: damaged.map(({ ptsMs }) => ptsMs - basePtsMs),
    damageKinds: damaged.map(({ notes }) => notes.damage),
  };
}

export function lookColumns(pictures: readonly TimedPicture[], basePtsMs: number) {
  const looked = pictures.filter(({ look }) => look !== null);
  const column = (pick: (look: PictureLook) => number) => looked.map(({ look }) => pick(look!));
  return {
    lookPtsMs: looked.map(({ ptsMs }) => ptsMs - basePtsMs),
    lookSharpPermille: column((look) => look.sharpPermille),
    lookMedianSharpPermille: column((look) => look.medianSharpPermille),
    lookTexturedBlocks: column((look) => look.texturedBlocks),
    lookSceneCenti: column((look) => look.sceneCenti),
    lookGridSteps: column((look) => look.gridSteps),
    lookOtherSteps: column((look) => look.otherSteps),
  };
}

/** `blocks` follow each other without gaps, all measured or none. */
export function blockColumns(blocks: readonly TimedBlock[], basePtsMs: number) {
  const [first] = blocks;
  const measured = blocks.flatMap((block) => block.measured ?? []);
  return {
    audioStartMs: first === undefined ? 0 : first.index * AUDIO_BLOCK_MS - basePtsMs,
    audioBlockMs: AUDIO_BLOCK_MS,
    audioChannels: first?.measured?.rmsCentiDbfs.length ?? 0,
    audioRmsCentiDbfs: measured.flatMap((block) => block.rmsCentiDbfs),
    audioPeakCentiDbfs: measured.flatMap((block) => block.peakCentiDbfs),
    audioClipPermille: measured.flatMap((block) => block.clipPermille),
    audioCorrelationPermille: measured.flatMap((block) => block.correlationPermille ?? []),
    audioLoudnessCentiLufs: measured.map((block) => block.loudnessCentiLufs),
    audioOnsets: onsetBytes(measured),
    audioBlocks: blocks.length,
  };
}

/** What packets weigh; null where they were not counted. */
export function packetColumns(
  pictures: readonly TimedPicture[],
  blocks: readonly TimedBlock[],
  skewsMs: readonly number[],
) {
  return {
    videoBytes: sumOf(pictures),
    audioBytes: sumOf(blocks),
    avSkewMs: skewsMs.length === 0 ? null : skewsMs.toSorted((a, b) => a - b)[skewsMs.length >> 1]!,
  };
}

function sumOf(items: readonly { readonly bytes: number | null }[]): number | null {
  if (items.length === 0 || items.some(({ bytes }) => bytes === null)) return null;
  return items.reduce((sum, { bytes }) => sum + bytes!, 0);
}

/** Two bytes for each block, the earlier bits first. */
function onsetBytes(blocks: readonly AudioBlock[]): Uint8Array {
  const bytes = new Uint8Array(2 * blocks.length);
  for (const [at, { onsets }] of blocks.entries()) {
    bytes[2 * at] = onsets >> 8;
    bytes[2 * at + 1] = onsets & 0xff;
  }
  return bytes;
}
