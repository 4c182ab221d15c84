/** Steps of a source's clock that nothing announced, on the stream's timeline. */
import type { ClockStep } from './chunker.ts';
import type { ManifestProbe } from './manifest-probe.ts';
import { filePathOf, inputKindOf } from './stream-spec.ts';
import type { StreamTimeline } from './stream-timeline.ts';
import type { TsErrorAt } from './ts-check.ts';
import { TsClock } from './ts-clock.ts';

/** How often a transport stream is read on, ms of the timeline. */
const ASK_EVERY_MS = 1_000;

/**
 * A transport stream's own timestamps tell its steps and whether they were signalled; in other files the timeline sees
 * leaps ahead, which these formats have no signal for. Of HLS and DASH the segments tell, and the manifest says what it announced.
 */
export class SourceSteps {
  /** Null for what is no file. */
  readonly #path: string | null;
  readonly #timeline: StreamTimeline;
  readonly #manifest: ManifestProbe | null;
  #clock: TsClock | null = null;
  #isOpen = false;
  #askAtMs = 0;

  constructor(input: string, timeline: StreamTimeline, manifest: ManifestProbe | null = null) {
    this.#path = inputKindOf(input) === 'file' ? filePathOf(input) : null;
    this.#timeline = timeline;
    this.#manifest = manifest;
  }

  /** Steps that are known when something of this time has come: all up to it, and perhaps some after it. */
  async upTo(ptsMs: number): Promise<readonly ClockStep[]> {
    if (this.#manifest !== null) {
      this.#timeline.takeSteps();
      return this.#manifest.takeSteps();
    }
    if (this.#path === null) return NONE;
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#clock = await TsClock.open(this.#path);
    }
    if (this.#clock === null) return this.#timeline.takeSteps();
    if (ptsMs < this.#askAtMs) return NONE;
    this.#askAtMs = ptsMs + ASK_EVERY_MS;
    this.#timeline.takeSteps();
    const { passStartMs } = this.#timeline;
    const steps = await this.#clock.stepsUpTo(this.#askAtMs - passStartMs);
    return steps
      .filter(({ isSignalled }) => !isSignalled)
      .map(({ atMs, sizeMs }) => ({ atMs: atMs + passStartMs, sizeMs }));
  }

  /** Errors of the transport stream that are known since they were asked for last; null where the input is none. */
  takeErrors(): readonly TsErrorAt[] | null {
    if (this.#manifest !== null) return this.#manifest.takeErrors();
    if (this.#clock === null) return null;
    const { passStartMs } = this.#timeline;
    return this.#clock.takeErrors().map((error) => ({ ...error, atMs: error.atMs + passStartMs }));
  }

  /** The input is read from its beginning again, or no more. */
  async rewind(): Promise<void> {
    if (this.#manifest?.isBetweenPeriods === true) this.#timeline.goOn();
    await this.#clock?.close();
    this.#clock = null;
    this.#isOpen = false;
    this.#askAtMs = 0;
  }
}

const NONE: readonly ClockStep[] = [];
