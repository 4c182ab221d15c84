/**
 * Programme time of an input that names none: when its pictures came. What is decoded late (the rest of a segment came
 * with it, the machine was busy) says nothing about the stream, so the earliest arrivals of the last minute decide, and
 * the mapping from presentation time stands still until it is off by more than {@link MOVE_MS}.
 */
import type { FrameFeatures } from '../../schemas/records.ts';

/** The mapping moves when it is off by more than this. */
export const MOVE_MS = 250;
/** The earliest arrivals of one to two of these, wall time, are what the mapping is held to. */
export const WINDOW_MS = 30_000;
/** Presentation time that steps by more than this against the picture before begins a mapping of its own. */
const LEAP_MS = 5_000;
/** A live playlist begins with some segments of the past; an input that runs further ahead of the wall is not live. */
const BACKLOG_MS_MAX = 60_000;

export type ProgramTime = Pick<FrameFeatures, 'programTimeMs' | 'programTimeSource' | 'uncertaintyMs'>;

export const NO_PROGRAM_TIME: ProgramTime = {
  programTimeMs: null,
  programTimeSource: 'none',
  uncertaintyMs: 0,
};

/** Wall time less presentation time, ms: the smallest and the greatest since `sinceMs`. */
type Window = { readonly sinceMs: number; lowestMs: number; highestMs: number };

/** The mapping of one run of a probe. */
export class ArrivalTime {
  #heldMs: number | null = null;
  #firstMs = 0;
  #lastPtsMs = 0;
  #window: Window = { sinceMs: 0, lowestMs: 0, highestMs: 0 };
  #before: Window | null = null;

  /** What is shown at `ptsMs` of the stream's timeline was decoded at `arrivedAtMs`, Unix ms. */
  observe(ptsMs: number, arrivedAtMs: number): void {
    const offsetMs = arrivedAtMs - ptsMs;
    const leaps = Math.abs(ptsMs - this.#lastPtsMs) > LEAP_MS;
    this.#lastPtsMs = ptsMs;
    if (this.#heldMs === null || leaps) {
      this.#firstMs = offsetMs;
      this.#hold(offsetMs, arrivedAtMs);
      return;
    }
    if (arrivedAtMs - this.#window.sinceMs >= WINDOW_MS) {
      this.#before = this.#window;
      this.#window = { sinceMs: arrivedAtMs, lowestMs: offsetMs, highestMs: offsetMs };
    }
    this.#window.lowestMs = Math.min(this.#window.lowestMs, offsetMs);
    this.#window.highestMs = Math.max(this.#window.highestMs, offsetMs);
    const earliestMs = Math.min(this.#window.lowestMs, this.#before?.lowestMs ?? offsetMs);
    const isEarlier = earliestMs < this.#heldMs - MOVE_MS;
    // Later arrivals count once a whole window has seen nothing earlier.
    const isLater = this.#before !== null && earliestMs > this.#heldMs + MOVE_MS;
    if (isEarlier || isLater) this.#hold(earliestMs, arrivedAtMs);
  }

  /** Programme time of `ptsMs` by what was observed so far. */
  at(ptsMs: number): ProgramTime {
    if (this.#heldMs === null || this.#firstMs - this.#heldMs > BACKLOG_MS_MAX) return NO_PROGRAM_TIME;
    const highestMs = Math.max(this.#window.highestMs, this.#before?.highestMs ?? this.#window.highestMs);
    return {
      programTimeMs: ptsMs + this.#heldMs,
      programTimeSource: 'arrival',
      uncertaintyMs: MOVE_MS + Math.max(0, highestMs - this.#heldMs),
    };
  }

  #hold(offsetMs: number, arrivedAtMs: number): void {
    this.#heldMs = offsetMs;
    this.#window = { sinceMs: arrivedAtMs, lowestMs: offsetMs, highestMs: offsetMs };
    this.#before = null;
  }
}
