/** Closer looks at pictures, a few times a second, as a detector's `judge` sees them. A view that is used again, as `Frames`. */
import type { FrameFeatures } from '../../schemas/records.ts';
import type { FeaturesStep, Samples } from './samples.ts';

/** One look, with units in its names as in `frame-features.avsc`. Valid while it is judged. */
export type Look = {
  readonly ptsMs: number;
  readonly sharpPermille: number;
  readonly medianSharpPermille: number;
  readonly texturedBlocks: number;
  readonly sceneCenti: number;
  /** Chunks with the looks before it were lost on the way. */
  readonly afterLoss: boolean;
};

/** A look stands for the pictures up to the next one: this long at most, ms, where pictures come often enough. */
const LOOK_HOLD_MS = 400;

export class Looks implements Samples<Look>, Look {
  readonly trackId = 'video';
  #chunk = Object.freeze({}) as FrameFeatures;
  #jumped = false;
  #index = 0;
  holdMs = LOOK_HOLD_MS;

  open({ chunk, jumped }: FeaturesStep): number {
    this.#chunk = chunk;
    this.#jumped = jumped;
    this.holdMs = Math.max(LOOK_HOLD_MS, Math.ceil((5 * chunk.frameIntervalUs) / 2_000));
    return chunk.hasVideo && chunk.depth === 'full' ? chunk.lookPtsMs.length : 0;
  }

  startMsAt(index: number): number {
    return this.#chunk.basePtsMs + this.#chunk.lookPtsMs[index]!;
  }

  at(index: number): Look {
    this.#index = index;
    return this;
  }

  get settledToMs(): number {
    return this.#chunk.basePtsMs + this.#chunk.durationMs;
  }

  get ptsMs(): number {
    return this.startMsAt(this.#index);
  }

  get sharpPermille(): number {
    return this.#chunk.lookSharpPermille[this.#index]!;
  }

  get medianSharpPermille(): number {
    return this.#chunk.lookMedianSharpPermille[this.#index]!;
  }

  get texturedBlocks(): number {
    return this.#chunk.lookTexturedBlocks[this.#index]!;
  }

  get sceneCenti(): number {
    return this.#chunk.lookSceneCenti[this.#index]!;
  }

  get afterLoss(): boolean {
    return this.#jumped && this.#index === 0;
  }
}
