/** Chunks as samples, for what a probe tells of a chunk as a whole. */
import type { FrameFeatures } from '../../schemas/records.ts';
import type { FeaturesStep, Samples } from './samples.ts';

/** Every chunk is one sample, and stands for the time that it covers. */
export class WholeChunks implements Samples<FrameFeatures> {
  readonly trackId: string;
  #chunk: FrameFeatures | null = null;

  constructor(trackId: string) {
    this.trackId = trackId;
  }

  open({ chunk }: FeaturesStep): number {
    this.#chunk = chunk;
    return chunk.durationMs > 0 ? 1 : 0;
  }

  startMsAt(): number {
    return this.#chunk!.basePtsMs;
  }

  at(): FrameFeatures {
    return this.#chunk!;
  }

  get holdMs(): number {
    return this.#chunk!.durationMs;
  }

  get settledToMs(): number {
    return this.#chunk!.basePtsMs + this.#chunk!.durationMs;
  }
}
