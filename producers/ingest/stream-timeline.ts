/**
 * Turns the decoder's timestamps into the stream's own timeline: 0 at the smallest first timestamp of any track, and
 * upwards from there through every repetition of a looped input and every reconnection.
 */

/** A track's clock, as the container names it. */
export type TimeBase = { readonly num: number; readonly den: number };

export class StreamTimeline {
  #passStartMs = 0;
  #originUs: number | null = null;
  #endUs = 0;

  /** End of the latest picture or sample, in ms of the timeline; the next pass begins here. */
  get endMs(): number {
    return (
      this.#passStartMs + (this.#originUs === null ? 0 : Math.ceil((this.#endUs - this.#originUs) / 1000))
    );
  }

  /** The next timestamps start anew: the present end plus `gapMs` is where they begin. */
  beginPass(gapMs: number): void {
    this.#passStartMs = this.endMs + gapMs;
    this.#originUs = null;
    this.#endUs = 0;
  }

  /**
   * Presentation time in ms of a timestamp, which lasts for `durationUs`. The first one of a pass is its origin: the
   * decoder gives out the tracks in the order of their timestamps.
   */
  toMs(pts: number, base: TimeBase, durationUs: number): number {
    return this.#passStartMs + Math.round(this.#advance(pts, base, durationUs) / 1000);
  }

  /** The same for sound: the number of samples since 0 ms of the timeline. */
  toSample(pts: number, base: TimeBase, sampleRateHz: number, durationUs: number): number {
    const us = this.#advance(pts, base, durationUs) + this.#passStartMs * 1000;
    return Math.round((us * sampleRateHz) / 1e6);
  }

  #advance(pts: number, base: TimeBase, durationUs: number): number {
    const us = (pts * base.num * 1e6) / base.den;
    this.#originUs ??= us;
    this.#endUs = Math.max(this.#endUs, us + durationUs);
    return us - this.#originUs;
  }
}
