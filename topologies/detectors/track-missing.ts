/**
 * What tells that a track is missing: for sound the pictures that go on without it, for pictures the sound that does
 * (definitions, section 1: `audio-missing`, `video-missing`). Time in which neither comes is nobody's: then the signal is
 * lost, or the log is behind.
 */
import { type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { GOOD, INTERVAL_DEFAULTS, type Judgement, UNKNOWN } from './interval-detector.ts';
import { blocksThere, type FeaturesStep, type Samples } from './samples.ts';

/** A point of one track, and whether the other one is there as well. Valid while it is judged. */
export type TrackSample = {
  readonly atMs: number;
  readonly present: boolean;
  /** Where the other track's last picture or block in this chunk ends, as far as it lies before `atMs`; null: none. */
  readonly presentToMs: number | null;
  /** Chunks before this sample were lost on the way. */
  readonly afterLoss: boolean;
  /** The witness is a black picture. */
  readonly isBlack: boolean;
};

export const MISSING_DEFAULTS = { ...INTERVAL_DEFAULTS, minMs: 2_000, joinMs: 0 } as const;

const MEMO = {
  /** End of what was there last; null as long as nothing was. */
  presentToMs: 'long?',
  /** The sample before was bad. */
  missing: 'bool',
} as const;

export type TrackMemo = StateOf<typeof MEMO>;

export const trackMemo = {
  codec: structCodec({ version: 1, fields: MEMO }),
  init: (): TrackMemo => ({ presentToMs: null, missing: false }),
};

/**
 * `expected`: the track counts as missing although it was never there. `endingMs`: for so long black pictures alone are
 * no witnesses.
 */
export function judgeTrack(sample: TrackSample, expected: boolean, memo: TrackMemo, endingMs = 0): Judgement {
  const { atMs, present, presentToMs, afterLoss } = sample;
  // What was lost on the way may have held the track.
  if (afterLoss && !memo.missing && memo.presentToMs !== null) memo.presentToMs = atMs;
  if (presentToMs !== null) memo.presentToMs = Math.max(memo.presentToMs ?? 0, presentToMs);
  // A block that began in the chunk before reaches into this one.
  if (present || (memo.presentToMs !== null && memo.presentToMs > atMs)) {
    memo.missing = false;
    return GOOD;
  }
  if (memo.presentToMs === null && !expected) return UNKNOWN;
  const begins = !memo.missing;
  if (begins && sample.isBlack && atMs - (memo.presentToMs ?? atMs) < endingMs) return UNKNOWN;
  memo.missing = true;
  const sinceMs = begins && memo.presentToMs !== null ? { sinceMs: memo.presentToMs } : {};
  return { verdict: 'bad', confidencePermille: 1_000, figure: 0, ...sinceMs };
}

/**
 * The samples of a chunk for one track: the points of the other track that lie outside of what is there of it, and one
 * for what is there, from its first point to the end of its last. A gap within that is shorter than a chunk, and so
 * shorter than any defect.
 */
abstract class WitnessedTrack implements Samples<TrackSample>, TrackSample {
  abstract readonly trackId: string;
  protected chunk: FrameFeatures = NO_CHUNK;
  holdMs = 0;
  #jumped = false;
  #isThere = false;
  #fromMs = 0;
  #toMs = 0;
  /** Witnesses before it begins, and the index of the first one after its end. */
  #before = 0;
  #after = 0;
  #index = 0;

  abstract readonly isBlack: boolean;
  protected abstract readonly witnesses: number;
  protected abstract witnessMs(index: number): number;
  protected abstract witnessHoldMs(): number;
  /** First point of the track in the chunk and the end of its last one; null when there is none. */
  protected abstract extent(): readonly [fromMs: number, toMs: number] | null;

  open({ chunk, jumped }: FeaturesStep): number {
    this.chunk = chunk;
    this.#jumped = jumped;
    this.holdMs = this.witnessHoldMs();
    const extent = this.extent();
    const count = this.witnesses;
    this.#isThere = extent !== null;
    this.#before = count;
    this.#after = count;
    if (extent === null) return count;
    // What lags behind is there all the same.
    this.#fromMs = Math.max(chunk.basePtsMs, extent[0]);
    this.#toMs = Math.max(chunk.basePtsMs, extent[1]);
    this.#before = this.#firstWitnessFrom(this.#fromMs);
    this.#after = this.#firstWitnessFrom(this.#toMs);
    return this.#before + 1 + count - this.#after;
  }

  startMsAt(index: number): number {
    if (!this.#isThere || index < this.#before) return this.witnessMs(index);
    return index === this.#before ? this.#fromMs : this.witnessMs(index - this.#before - 1 + this.#after);
  }

  at(index: number): TrackSample {
    this.#index = index;
    return this;
  }

  /** Which witness the sample is; -1 when it stands for the track. */
  protected get witness(): number {
    if (!this.#isThere || this.#index < this.#before) return this.#index;
    return this.#index === this.#before ? -1 : this.#index - this.#before - 1 + this.#after;
  }

  get settledToMs(): number {
    return this.chunk.basePtsMs + this.chunk.durationMs;
  }

  get atMs(): number {
    return this.startMsAt(this.#index);
  }

  get present(): boolean {
    return this.#isThere && this.#index === this.#before;
  }

  get presentToMs(): number | null {
    return this.#isThere && this.#index >= this.#before ? this.#toMs : null;
  }

  get afterLoss(): boolean {
    return this.#jumped && this.#index === 0;
  }

  /** Index of the first witness that is not before `atMs`; they rise. */
  #firstWitnessFrom(atMs: number): number {
    let low = 0;
    let high = this.witnesses;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.witnessMs(middle) < atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Sound, with pictures as its witnesses. */
export class SoundByPictures extends WitnessedTrack {
  readonly trackId = 'audio';

  protected get witnesses(): number {
    return this.chunk.framePtsMs.length;
  }

  protected witnessMs(index: number): number {
    return pictureMs(this.chunk, index);
  }

  protected witnessHoldMs(): number {
    return Math.max(PICTURE_HOLD_MS, 2 * pictureIntervalMs(this.chunk));
  }

  protected extent() {
    const count = blocksThere(this.chunk);
    const endMs = blockMs(this.chunk, count);
    const { basePtsMs, durationMs, audioBlockMs } = this.chunk;
    // A few that come late are the last ones before the sound stopped; sound that lags behind is as long as the chunk.
    const isRemainder = endMs <= basePtsMs && 2 * count * audioBlockMs <= durationMs;
    if (count === 0 || isRemainder) return null;
    return [blockMs(this.chunk, 0), endMs] as const;
  }

  get isBlack(): boolean {
    const { witness } = this;
    return witness >= 0 && this.chunk.darkPermille[witness]! >= BLACK_PERMILLE_MIN;
  }
}

/** Pictures, with audio blocks as their witnesses. */
export class PicturesBySound extends WitnessedTrack {
  readonly trackId = 'video';
  readonly isBlack = false;

  protected get witnesses(): number {
    return blocksThere(this.chunk);
  }

  protected witnessMs(index: number): number {
    return blockMs(this.chunk, index);
  }

  protected witnessHoldMs(): number {
    return this.chunk.audioBlockMs + BLOCK_SLACK_MS;
  }

  protected extent() {
    const count = this.chunk.framePtsMs.length;
    if (count === 0) return null;
    const intervalMs = pictureIntervalMs(this.chunk);
    const endMs = pictureMs(this.chunk, count - 1) + intervalMs;
    // A decoder gives out the last pictures before a gap when the next ones come.
    if (endMs <= this.chunk.basePtsMs && 2 * count * intervalMs <= this.chunk.durationMs) return null;
    return [pictureMs(this.chunk, 0), endMs] as const;
  }
}

const BLACK_PERMILLE_MIN = 950;
const BLOCK_SLACK_MS = 2;
/** A picture is a witness for at most this long, or for two nominal intervals where pictures are rarer. */
const PICTURE_HOLD_MS = 500;
const PICTURE_INTERVAL_MS_MIN = 20;

function pictureIntervalMs({ frameIntervalUs }: FrameFeatures): number {
  return Math.max(PICTURE_INTERVAL_MS_MIN, Math.ceil(frameIntervalUs / 1_000));
}

function pictureMs({ basePtsMs, framePtsMs }: FrameFeatures, index: number): number {
  return basePtsMs + framePtsMs[index]!;
}

function blockMs({ basePtsMs, audioStartMs, audioBlockMs }: FrameFeatures, index: number): number {
  return basePtsMs + audioStartMs + index * audioBlockMs;
}

const NO_CHUNK = Object.freeze({}) as FrameFeatures;
