/**
 * The transport of one stream that comes by a manifest: listens to what is got for the decoder, asks for what is due beside
 * it, and holds what follows from both for whoever makes the records.
 */
import type { ProgramTime } from './arrival-time.ts';
import { type ArrivalTime, NO_PROGRAM_TIME } from './arrival-time.ts';
import type { ClockStep } from './chunker.ts';
import type { FetchEvents, SegmentTap } from './fetch-events.ts';
import type { Due, TransportFacts } from './manifest-facts.ts';
import { ManifestWatch } from './manifest-watch.ts';
import { SegmentBytes } from './segment-bytes.ts';
import { inputKindOf, type StreamSpec } from './stream-spec.ts';
import type { TsErrorAt } from './ts-check.ts';

/** Null for inputs that come by no manifest. The ladder is watched by the stream that stands for it, and by none of its rungs. */
export function manifestProbeFor(
  { input, renditionId, renditions }: StreamSpec,
  arrival: ArrivalTime | null,
): ManifestProbe | null {
  if (inputKindOf(input) !== 'web') return null;
  const scope = renditions === 'best' ? 'ladder' : 'own';
  return new ManifestProbe(new URL(input).href, renditionId, scope, arrival);
}

/** Asks on its behalf; what came of it is in the events. */
export type AskOrigin = (due: Due) => void;

export class ManifestProbe {
  readonly events: FetchEvents;
  readonly #watch: ManifestWatch;
  readonly #bytes = new SegmentBytes();
  readonly #arrival: ArrivalTime | null;
  #isBetweenPeriods = false;
  #nowMs = 0;
  /** When the present decoder got its first segment; null before. */
  #fedAtMs: number | null = null;

  /**
   * @param ownId names the one playlist of an input without a ladder
   * @param scope `own`: other renditions are not looked at, since they have probes of their own
   * @param arrival tells programme time where the source tells none
   */
  constructor(inputUrl: string, ownId: string, scope: 'ladder' | 'own', arrival: ArrivalTime | null) {
    this.#arrival = arrival;
    this.#watch = new ManifestWatch(inputUrl, ownId, this.#bytes, scope);
    this.events = {
      onManifest: (fetch) => this.#watch.onManifest(fetch),
      onSegment: (fetch) => {
        this.#watch.onSegment(fetch);
        if (fetch.outcome === 'ok') this.#fedAtMs ??= fetch.atMs;
      },
      tapSegment: (segment) => this.#tap(segment),
      onPeriodEnd: () => {
        this.#isBetweenPeriods = true;
      },
    };
  }

  /** Whether the playlist that is decoded can be had. */
  get ownState(): 'unknown' | 'answers' | 'fails' {
    return this.#watch.ownState;
  }

  /** Something may yet be added to what is decoded: its end is not the end of the input. */
  get isLive(): boolean {
    return this.#watch.isLive || this.#isBetweenPeriods;
  }

  /** What was decoded is over, and something follows it without a gap. */
  get isBetweenPeriods(): boolean {
    return this.#isBetweenPeriods;
  }

  /**
   * The playlist answers, and no segment came since: a decoder that is silent has nothing to decode. The same while a decoder
   * has just got its first one, however long nothing had come before.
   */
  isIdleSince(atMs: number): boolean {
    const { ownState, deliveredAtMs } = this.#watch;
    if (this.#isBetweenPeriods || ownState !== 'answers') return false;
    if (this.#fedAtMs === null || this.#nowMs - this.#fedAtMs < FIRST_PICTURE_MS_MAX) return true;
    return deliveredAtMs === null || deliveredAtMs < atMs;
  }

  beginPass(ptsMs: number): void {
    this.#isBetweenPeriods = false;
    this.#fedAtMs = null;
    this.#watch.beginPass(ptsMs);
  }

  /** The decoder has given out all that it got, up to here. */
  settle(presentationEndMs: number): void {
    this.#watch.settle(presentationEndMs);
  }

  /** Asks for what is due, and gives out facts where there are new ones. */
  tend(nowMs: number, ask: AskOrigin): TransportFacts | null {
    this.#nowMs = nowMs;
    for (const due of this.#watch.due(nowMs)) ask(due);
    return this.#watch.takeFacts(nowMs);
  }

  /** Errors of the transport stream since they were taken last; null when segments are none. */
  takeErrors(): readonly TsErrorAt[] | null {
    return this.#bytes.isTransportStream === true ? this.#bytes.takeErrors() : null;
  }

  /** Steps of the clock that neither the playlist nor the transport stream announced. */
  takeSteps(): readonly ClockStep[] {
    return this.#bytes
      .takeSteps()
      .filter(({ isSignalled }) => !isSignalled)
      .map(({ atMs, sizeMs }) => ({ atMs, sizeMs }));
  }

  observe(ptsMs: number, arrivedAtMs: number): void {
    this.#arrival?.observe(ptsMs, arrivedAtMs);
  }

  /** Programme time: by the manifest's word, else by arrival. */
  at(ptsMs: number): ProgramTime {
    return this.#watch.programAnchors.at(ptsMs) ?? this.#arrival?.at(ptsMs) ?? NO_PROGRAM_TIME;
  }

  #tap({ url, manifestUrl }: { readonly url: string; readonly manifestUrl: string }): SegmentTap | null {
    this.#watch.onAsked(url, manifestUrl);
    return this.#bytes.tap(url, manifestUrl, this.#watch.placeOf(url, manifestUrl));
  }
}

/** From its first segment on, a decoder may take so long to give out anything. */
const FIRST_PICTURE_MS_MAX = 15_000;
