/** Sums and extremes of a stream's chunks over one window of `stream-health`. Integers; floors, not roundings. */
import type { StateOf } from '../../runtime/struct-codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

export const FIGURES = {
  probeId: 'string',
  depth: 'string',
  chunks: 'int',
  frames: 'int',
  /** Those of them that were decoded. */
  framesDecoded: 'int',
  /** Null once the rate of any chunk was not known. */
  framesExpected: 'int?',
  mediaMs: 'long',
  /** Presentation time from the first chunk's start to the furthest chunk's end. */
  fromMs: 'long',
  toMs: 'long',
  lumaMeanSum: 'long',
  lumaSpreadSum: 'long',
  darkPermilleMax: 'int',
  diffSum: 'long',
  stillMsMax: 'int',
  blocks: 'int',
  rmsSum: 'long',
  peakMax: 'int',
  silentMs: 'int',
  decodeErrors: 'int',
  ptsGaps: 'int',
  lastFrameMs: 'long?',
  programLagMs: 'long?',
  decodeToLogMsMax: 'long',
  /** Bytes of packets, and presentation time of the chunks that they are of. */
  packetBytes: 'long',
  packetMs: 'long',
  avSkewMs: 'int?',
} as const;

export type Figures = StateOf<typeof FIGURES>;

export function newFigures(): Figures {
  return {
    probeId: '',
    depth: '',
    chunks: 0,
    frames: 0,
    framesDecoded: 0,
    framesExpected: 0,
    mediaMs: 0,
    fromMs: 0,
    toMs: 0,
    lumaMeanSum: 0,
    lumaSpreadSum: 0,
    darkPermilleMax: 0,
    diffSum: 0,
    stillMsMax: 0,
    blocks: 0,
    rmsSum: 0,
    peakMax: -12_000,
    silentMs: 0,
    decodeErrors: 0,
    ptsGaps: 0,
    lastFrameMs: null,
    programLagMs: null,
    decodeToLogMsMax: 0,
    packetBytes: 0,
    packetMs: 0,
    avSkewMs: null,
  };
}

/** Adds a chunk that came at log time `timeMs`. */
export function addChunk(figures: Figures, chunk: FrameFeatures, timeMs: number): void {
  const endMs = chunk.basePtsMs + chunk.durationMs;
  figures.fromMs = figures.chunks === 0 ? chunk.basePtsMs : Math.min(figures.fromMs, chunk.basePtsMs);
  figures.toMs = figures.chunks === 0 ? endMs : Math.max(figures.toMs, endMs);
  figures.chunks += 1;
  figures.probeId = chunk.probeId;
  figures.depth = chunk.depth;
  figures.mediaMs += chunk.durationMs;
  figures.decodeErrors += chunk.decodeErrors;
  figures.decodeToLogMsMax = Math.max(figures.decodeToLogMsMax, timeMs - chunk.decodedAtMs);
  figures.programLagMs =
    chunk.programTimeMs === null ? null : timeMs - (chunk.programTimeMs + chunk.durationMs);
  if (chunk.videoBytes !== null || chunk.audioBytes !== null) {
    figures.packetBytes += (chunk.videoBytes ?? 0) + (chunk.audioBytes ?? 0);
    figures.packetMs += chunk.durationMs;
  }
  figures.avSkewMs = chunk.avSkewMs ?? figures.avSkewMs;
  if (chunk.hasVideo) addPictures(figures, chunk);
  if (chunk.audioChannels > 0) addSound(figures, chunk);
}

/** The figures of pictures and sound as `stream-health` has them; null where there were none. */
export function pictureAndSound(figures: Figures) {
  const { framesDecoded: frames, blocks } = figures;
  const mean = (sum: number, count: number) => (count === 0 ? null : Math.floor(sum / count));
  return {
    lumaMeanCenti: mean(figures.lumaMeanSum, frames),
    lumaSpreadCenti: mean(figures.lumaSpreadSum, frames),
    darkPermilleMax: frames === 0 ? null : figures.darkPermilleMax,
    diffMeanCenti: mean(figures.diffSum, frames),
    stillMsMax: frames === 0 ? null : figures.stillMsMax,
    audioRmsCentiDbfsMax: mean(figures.rmsSum, blocks),
    audioPeakCentiDbfsMax: blocks === 0 ? null : figures.peakMax,
    silentMs: blocks === 0 ? null : figures.silentMs,
  };
}

/** From this gap between two pictures on presentation time has a gap (definitions: video-frame-drop). */
const GAP_MS = 500;
/** Under this level of every channel a block is silent, hundredths of dBFS (definitions: audio-silence). */
const SILENT_CENTI_DBFS = -6_000;

function addPictures(figures: Figures, chunk: FrameFeatures): void {
  const pictures = chunk.framePtsMs.length;
  figures.frames += pictures;
  const { frameIntervalUs } = chunk;
  if (frameIntervalUs === 0 || chunk.depth === 'keyframes') figures.framesExpected = null;
  else if (figures.framesExpected !== null) {
    figures.framesExpected += Math.floor(
      (chunk.durationMs * 1_000 + Math.floor(frameIntervalUs / 2)) / frameIntervalUs,
    );
  }
  const gapMs = Math.max(GAP_MS, Math.ceil((2 * frameIntervalUs) / 1_000));
  const { basePtsMs, framePtsMs, lumaMeanCenti, lumaSpreadCenti, diffMeanCenti, darkPermille, anchorAgeMs } =
    chunk;
  // sums in locals, because this is most of what a stream without defects costs
  const isDecoded = lumaMeanCenti.length === pictures;
  let lastMs = figures.lastFrameMs ?? Number.POSITIVE_INFINITY;
  let gaps = 0;
  let meanSum = 0;
  let spreadSum = 0;
  let diffSum = 0;
  let darkMax = figures.darkPermilleMax;
  let stillMax = figures.stillMsMax;
  for (let i = 0; i < pictures; i++) {
    const ptsMs = basePtsMs + framePtsMs[i]!;
    if (ptsMs - lastMs >= gapMs) gaps += 1;
    lastMs = ptsMs;
    if (!isDecoded) continue;
    meanSum += lumaMeanCenti[i]!;
    spreadSum += lumaSpreadCenti[i]!;
    diffSum += diffMeanCenti[i]!;
    if (darkPermille[i]! > darkMax) darkMax = darkPermille[i]!;
    if (anchorAgeMs[i]! > stillMax) stillMax = anchorAgeMs[i]!;
  }
  if (pictures > 0) figures.lastFrameMs = lastMs;
  if (isDecoded) figures.framesDecoded += pictures;
  if (chunk.depth !== 'keyframes') figures.ptsGaps += gaps;
  figures.lumaMeanSum += meanSum;
  figures.lumaSpreadSum += spreadSum;
  figures.diffSum += diffSum;
  figures.darkPermilleMax = darkMax;
  figures.stillMsMax = stillMax;
}

function addSound(figures: Figures, chunk: FrameFeatures): void {
  const { audioChannels: channels, audioRmsCentiDbfs: levels, audioPeakCentiDbfs: peaks } = chunk;
  let { peakMax } = figures;
  let rmsSum = 0;
  let silentBlocks = 0;
  for (let from = 0; from < levels.length; from += channels) {
    let loudest = levels[from]!;
    for (let at = from; at < from + channels; at++) {
      if (levels[at]! > loudest) loudest = levels[at]!;
      if (peaks[at]! > peakMax) peakMax = peaks[at]!;
    }
    rmsSum += loudest;
    if (loudest < SILENT_CENTI_DBFS) silentBlocks += 1;
  }
  figures.peakMax = peakMax;
  figures.blocks += levels.length / channels;
  figures.rmsSum += rmsSum;
  figures.silentMs += silentBlocks * chunk.audioBlockMs;
}
