/**
 * The samples of a chunk, one after the other, as a detector's `judge` sees them: pictures and audio blocks. Each is a view
 * of the chunk's columns that is used again for the next sample; nothing is made for a sample.
 */
import type { FrameFeatures } from '../../schemas/records.ts';
import type { StreamStep } from './stream-step.ts';

/** One picture: its features, with units in their names as in `frame-features.avsc`. Valid while it is judged. */
export type Frame = {
  readonly ptsMs: number;
  readonly lumaMeanCenti: number;
  readonly lumaSpreadCenti: number;
  readonly chromaSpreadCenti: number;
  readonly darkPermille: number;
  readonly diffMeanCenti: number;
  readonly anchorMeanCenti: number;
  readonly anchorPeakCenti: number;
  readonly anchorAgeMs: number;
  /** Nominal time between two pictures, ms; 0 when unknown. */
  readonly intervalMs: number;
  /** Chunks with the pictures before it were lost on the way; the probe had them. */
  readonly afterLoss: boolean;
  /** The decoder told of errors or concealment just before it gave the picture out. */
  readonly isDamaged: boolean;
  /** It was decoded without any other picture. */
  readonly isKey: boolean;
  /** By the decoder's word: 0 none, 1 passing with the picture, 2 lasting up to the next whole key picture. */
  readonly damage: number;
  /** As in `frame-features.avsc`; -1 for a picture that was not looked at more closely. */
  readonly gridSteps: number;
  readonly otherSteps: number;
  readonly sceneCenti: number;
};

/** One audio block, with one level for each channel. Valid while it is judged. */
export type AudioBlock = {
  readonly startMs: number;
  readonly durationMs: number;
  readonly rmsCentiDbfs: readonly number[];
  readonly peakCentiDbfs: readonly number[];
  /** Of each channel's samples, how many are near its peak, thousandths. Empty when it was not measured. */
  readonly clipPermille: readonly number[];
  /** Of the first two channels, thousandths; null when it was not measured. */
  readonly correlationPermille: number | null;
  /** Of this block alone, hundredths of LUFS; null when it was not measured. */
  readonly loudnessCentiLufs: number | null;
};

export type FeaturesStep = StreamStep & { readonly kind: 'features' };

/** Walks the samples of one chunk after the other, by their index. */
export type Samples<Item> = {
  readonly trackId: string;
  /** A sample stands for at most this long, ms, where no next one follows. */
  readonly holdMs: number;
  /** Goes to a chunk; the number of its samples. */
  open(step: FeaturesStep): number;
  /** In order of time, which never goes back within a chunk. */
  startMsAt(index: number): number;
  at(index: number): Item;
  /** Up to here no sample that begins earlier can come any more. */
  readonly settledToMs: number;
};

/** The pictures of a chunk. A detector gets those of the depths that it can judge (`depth-table.ts`). */
export class Frames implements Samples<Frame>, Frame {
  readonly trackId = 'video';
  readonly #frameHoldMs: (intervalMs: number) => number;
  #chunk: FrameFeatures = NO_CHUNK;
  #jumped = false;
  #index = 0;
  intervalMs = 0;
  holdMs = 0;

  constructor(frameHoldMs: (intervalMs: number) => number) {
    this.#frameHoldMs = frameHoldMs;
  }

  open({ chunk, jumped }: FeaturesStep): number {
    this.#chunk = chunk;
    this.#jumped = jumped;
    this.intervalMs = Math.ceil(chunk.frameIntervalUs / 1_000);
    this.holdMs = this.#frameHoldMs(this.intervalMs);
    return chunk.hasVideo ? chunk.framePtsMs.length : 0;
  }

  startMsAt(index: number): number {
    return this.#chunk.basePtsMs + this.#chunk.framePtsMs[index]!;
  }

  at(index: number): Frame {
    this.#index = index;
    return this;
  }

  get settledToMs(): number {
    return this.#chunk.basePtsMs + this.#chunk.durationMs;
  }

  get ptsMs(): number {
    return this.startMsAt(this.#index);
  }

  get lumaMeanCenti(): number {
    return this.#chunk.lumaMeanCenti[this.#index]!;
  }

  get lumaSpreadCenti(): number {
    return this.#chunk.lumaSpreadCenti[this.#index]!;
  }

  get chromaSpreadCenti(): number {
    return this.#chunk.chromaSpreadCenti[this.#index]!;
  }

  get darkPermille(): number {
    return this.#chunk.darkPermille[this.#index]!;
  }

  get diffMeanCenti(): number {
    return this.#chunk.diffMeanCenti[this.#index]!;
  }

  get anchorMeanCenti(): number {
    return this.#chunk.anchorMeanCenti[this.#index]!;
  }

  get anchorPeakCenti(): number {
    return this.#chunk.anchorPeakCenti[this.#index]!;
  }

  get anchorAgeMs(): number {
    return this.#chunk.anchorAgeMs[this.#index]!;
  }

  get afterLoss(): boolean {
    return this.#jumped && this.#index === 0;
  }

  get isDamaged(): boolean {
    const { decodeErrorPtsMs, framePtsMs } = this.#chunk;
    return decodeErrorPtsMs.length > 0 && decodeErrorPtsMs.includes(framePtsMs[this.#index]!);
  }

  get isKey(): boolean {
    const { keyFramePtsMs, framePtsMs } = this.#chunk;
    return keyFramePtsMs.length > 0 && keyFramePtsMs.includes(framePtsMs[this.#index]!);
  }

  get damage(): number {
    const { damagePtsMs, damageKinds, framePtsMs } = this.#chunk;
    if (damagePtsMs.length === 0) return 0;
    return damageKinds[damagePtsMs.indexOf(framePtsMs[this.#index]!)] ?? 0;
  }

  get gridSteps(): number {
    const { lookPtsMs, lookGridSteps, framePtsMs } = this.#chunk;
    return lookGridSteps[lookPtsMs.indexOf(framePtsMs[this.#index]!)] ?? -1;
  }

  get otherSteps(): number {
    const { lookPtsMs, lookOtherSteps, framePtsMs } = this.#chunk;
    return lookOtherSteps[lookPtsMs.indexOf(framePtsMs[this.#index]!)] ?? -1;
  }

  get sceneCenti(): number {
    const { lookPtsMs, lookSceneCenti, framePtsMs } = this.#chunk;
    return lookSceneCenti[lookPtsMs.indexOf(framePtsMs[this.#index]!)] ?? -1;
  }
}

/** Block starts are rounded to milliseconds: so little between two blocks is no gap. */
const BLOCK_SLACK_MS = 2;
/** A block never comes later than this after pictures of its own time. */
const AUDIO_BEHIND_MS_MAX = 1_000;

/** The audio blocks of a chunk. */
export class AudioBlocks implements Samples<AudioBlock>, AudioBlock {
  readonly trackId = 'audio';
  readonly rmsCentiDbfs: number[] = [];
  readonly peakCentiDbfs: number[] = [];
  readonly clipPermille: number[] = [];
  #chunk: FrameFeatures = NO_CHUNK;
  #count = 0;
  #index = 0;

  open({ chunk }: FeaturesStep): number {
    this.#chunk = chunk;
    this.#count = blocksIn(chunk);
    return this.#count;
  }

  startMsAt(index: number): number {
    const { basePtsMs, audioStartMs, audioBlockMs } = this.#chunk;
    return basePtsMs + audioStartMs + index * audioBlockMs;
  }

  at(index: number): AudioBlock {
    const { audioChannels, audioRmsCentiDbfs, audioPeakCentiDbfs, audioClipPermille } = this.#chunk;
    this.#index = index;
    this.rmsCentiDbfs.length = audioChannels;
    this.peakCentiDbfs.length = audioChannels;
    this.clipPermille.length = audioClipPermille.length === 0 ? 0 : audioChannels;
    for (let channel = 0; channel < audioChannels; channel++) {
      this.rmsCentiDbfs[channel] = audioRmsCentiDbfs[index * audioChannels + channel]!;
      this.peakCentiDbfs[channel] = audioPeakCentiDbfs[index * audioChannels + channel]!;
      if (audioClipPermille.length > 0)
        this.clipPermille[channel] = audioClipPermille[index * audioChannels + channel]!;
    }
    return this;
  }

  get holdMs(): number {
    return this.#chunk.audioBlockMs + BLOCK_SLACK_MS;
  }

  /** The next chunk's first block may begin before that chunk's pictures do. */
  get settledToMs(): number {
    const { basePtsMs, durationMs } = this.#chunk;
    const surelyMs = basePtsMs + durationMs - AUDIO_BEHIND_MS_MAX;
    return this.#count > 0 ? Math.max(this.startMsAt(this.#count), surelyMs) : surelyMs;
  }

  get correlationPermille(): number | null {
    return this.#chunk.audioCorrelationPermille[this.#index] ?? null;
  }

  get loudnessCentiLufs(): number | null {
    return this.#chunk.audioLoudnessCentiLufs[this.#index] ?? null;
  }

  get startMs(): number {
    return this.startMsAt(this.#index);
  }

  get durationMs(): number {
    return this.#chunk.audioBlockMs;
  }
}

/** Audio blocks that are there in a chunk, measured or not. */
export function blocksThere(chunk: FrameFeatures): number {
  return chunk.audioChannels === 0 ? chunk.audioBlocks : blocksIn(chunk);
}

/** Measured audio blocks in a chunk. */
export function blocksIn(chunk: FrameFeatures): number {
  return chunk.audioChannels === 0 ? 0 : chunk.audioRmsCentiDbfs.length / chunk.audioChannels;
}

const NO_CHUNK = Object.freeze({}) as FrameFeatures;
