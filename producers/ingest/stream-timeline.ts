/**
 * Turns the decoder's timestamps into the stream's own timeline: 0 at the smallest first timestamp of any track, and
 * upwards from there through every repetition of a looped input and every reconnection. Where the source's clock leaps
 * ahead in all tracks the timeline goes on without a gap; leaps back were taken out by the decoder already.
 */

import type { ClockStep } from './chunker.ts';

/** A track's clock, as the container names it. */
export type TimeBase = { readonly num: number; readonly den: number };

/** A time without anything in any track is a step from here on (definitions: pts-discontinuity). */
export const STEP_MS_MIN = 500;
/** The same where there is one track alone: a shorter time may as well be pictures that are absent. */
export const LONE_STEP_MS_MIN = 2_000;
/** A track that ended longer ago than this is not one that a step can be seen in. */
const TRACK_BEHIND_US_MAX = 1_000_000;

export class StreamTimeline {
  readonly #removesSteps: boolean;
  #passStartMs = 0;
  #goesOn = false;
  #originUs: number | null = null;
  #endUs = 0;
  #videoEndUs: number | null = null;
  #audioEndUs: number | null = null;
  /** Steps that were taken out of this pass, us. */
  #removedUs = 0;
  #steps: ClockStep[] = [];

  /**
   * `removesSteps`: not for inputs of which parts may be missing for other reasons, as segments of a live playlist that
   * expired: there a leap may be time that has passed.
   */
  constructor(removesSteps = true) {
    this.#removesSteps = removesSteps;
  }

  /** End of the latest picture or sample, in ms of the timeline; the next pass begins here. */
  get endMs(): number {
    return (
      this.#passStartMs + (this.#originUs === null ? 0 : Math.ceil((this.#endUs - this.#originUs) / 1000))
    );
  }

  /** Where this pass begins, ms of the timeline. */
  get passStartMs(): number {
    return this.#passStartMs;
  }

  /** Whatever gap the next pass is begun with: what comes follows at once. */
  goOn(): void {
    this.#goesOn = true;
  }

  /** The next timestamps start anew: the present end plus `gapMs` is where they begin. */
  beginPass(gapMs: number): void {
    this.#passStartMs = this.endMs + (this.#goesOn ? 0 : gapMs);
    this.#goesOn = false;
    this.#originUs = null;
    this.#endUs = 0;
    this.#videoEndUs = null;
    this.#audioEndUs = null;
    this.#removedUs = 0;
  }

  /** The same pass is read from its beginning again. */
  rewind(): void {
    this.#endUs = this.#originUs ?? 0;
    this.#videoEndUs = null;
    this.#audioEndUs = null;
    this.#removedUs = 0;
    this.#steps = [];
  }

  /**
   * Presentation time in ms of a picture's timestamp, which lasts for `durationUs`. The first one of a pass is its origin:
   * the decoder gives out the tracks in the order of their timestamps.
   */
  toMs(pts: number, base: TimeBase, durationUs: number): number {
    const us = this.#place((pts * base.num * 1e6) / base.den);
    this.#videoEndUs = Math.max(this.#videoEndUs ?? us, us + durationUs);
    return this.#passStartMs + Math.round(this.#advance(us, durationUs) / 1000);
  }

  /** The same for sound: the number of samples since 0 ms of the timeline. */
  toSample(pts: number, base: TimeBase, sampleRateHz: number, durationUs: number): number {
    const us = this.#place((pts * base.num * 1e6) / base.den);
    this.#audioEndUs = Math.max(this.#audioEndUs ?? us, us + durationUs);
    const sinceUs = this.#advance(us, durationUs) + this.#passStartMs * 1000;
    return Math.round((sinceUs * sampleRateHz) / 1e6);
  }

  /** Where something lies that is on no track of pictures or sound, ms; null before anything is. */
  placeMs(pts: number, base: TimeBase): number | null {
    if (this.#originUs === null) return null;
    const us = (pts * base.num * 1e6) / base.den - this.#removedUs;
    return this.#passStartMs + Math.round((us - this.#originUs) / 1000);
  }

  /** Leaps ahead that were taken out since they were asked for last. */
  takeSteps(): readonly ClockStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  /** Since timestamps of all tracks come in order, one that lies behind a gap of all tracks shows how far that reaches. */
  #place(us: number): number {
    const placedUs = us - this.#removedUs;
    const leapUs = placedUs - this.#endUs;
    if (!this.#removesSteps || this.#originUs === null || leapUs < this.#stepUsMin()) return placedUs;
    this.#steps.push({ atMs: this.endMs, sizeMs: Math.round(leapUs / 1000) });
    this.#removedUs += leapUs;
    return this.#endUs;
  }

  #stepUsMin(): number {
    const ends = [this.#videoEndUs, this.#audioEndUs];
    const bothRun = ends.every((endUs) => endUs !== null && this.#endUs - endUs <= TRACK_BEHIND_US_MAX);
    return (bothRun ? STEP_MS_MIN : LONE_STEP_MS_MIN) * 1000;
  }

  #advance(us: number, durationUs: number): number {
    this.#originUs ??= us;
    this.#endUs = Math.max(this.#endUs, us + durationUs);
    return us - this.#originUs;
  }
}
