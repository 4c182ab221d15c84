/**
 * Which period of a DASH manifest the decoder is given. ffmpeg reads one period only, and asks on for ever where one that was
 * live is over: so it gets one at a time, whole where another one follows it, and the next one with the next decoder.
 */
import { type DashManifest, type DashRepresentation, dashDurationMs } from './dash-manifest.ts';
import { childrenOf, type XmlElement } from './xml-elements.ts';

/** A manifest as it was loaded last. */
export type LoadedDash = { readonly mpd: XmlElement; readonly facts: DashManifest };

/** What of a manifest is handed out. */
export type HandedPeriod = {
  readonly element: XmlElement;
  /** Length of a period that is handed out as something that has an end; null for the manifest's own word. */
  readonly closedMs: number | null;
};

export class DashPeriods {
  /** The one that is handed out. */
  #key: string | null = null;
  #beganClosed = false;
  #isOver = false;
  #loaded: LoadedDash | null = null;

  /** A decoder is about to begin: it is given the next period where the one before is over. */
  begin(loaded: LoadedDash, nowMs: number): void {
    const periods = childrenOf(loaded.mpd, 'Period');
    const at = this.#indexIn(loaded.mpd);
    const first = loaded.facts.isLive ? newestBegun(loaded.facts, nowMs) : 0;
    const index = at === -1 ? first : this.#isOver ? Math.min(at + 1, periods.length - 1) : at;
    // After a loss, what is live by now.
    const chosen = loaded.facts.isLive && !this.#isOver ? Math.max(index, first) : index;
    this.#key = periods[chosen] === undefined ? null : keyOf(periods[chosen], chosen);
    this.#isOver = false;
    this.#loaded = loaded;
    this.#beganClosed = periods.length > 1 && (this.#isNextOn(nowMs) || !loaded.facts.isLive);
  }

  /** The same manifest, loaded again or not: null where the period is not listed any more. */
  handOut(loaded: LoadedDash): HandedPeriod | null {
    this.#loaded = loaded;
    const index = this.#indexIn(loaded.mpd);
    const element = childrenOf(loaded.mpd, 'Period')[index];
    if (element === undefined) return null;
    const endMs = this.#endMs();
    const closedMs = this.#beganClosed && endMs !== null ? endMs - loaded.facts.periodStartsMs[index]! : null;
    return { element, closedMs };
  }

  /** Whether a period that another one follows is over, so that this segment will never be there. */
  isPastEnd(url: string, nowMs: number): boolean {
    const isPast = this.#isNextOn(nowMs) && this.#isBehindEnd(url);
    if (isPast) this.#isOver = true;
    return isPast;
  }

  /** The decoder got this one whole; true where it is the last one of a period that another one follows. */
  delivered(url: string, nowMs: number): boolean {
    if (this.#isOver || !this.#isNextOn(nowMs)) return false;
    const representations = this.#representations();
    const isListed = representations.some((one) => one.segmentMsMax > 0);
    this.#isOver = !isListed || representations.some((one) => this.#isLastOf(one, url));
    return this.#isOver;
  }

  /** Another period follows the one that is handed out, and has begun: nothing is added to this one any more. */
  #isNextOn(nowMs: number): boolean {
    if (this.#loaded === null || this.#key === null) return false;
    const { mpd, facts } = this.#loaded;
    const index = this.#indexIn(mpd);
    const startMs = facts.periodStartsMs[index + 1];
    if (index === -1) return true;
    if (startMs === undefined) return false;
    if (!facts.isLive) return true;
    const next = facts.representations.filter(({ periodIndex }) => periodIndex === index + 1);
    if (next.some(({ newestEndMs }) => newestEndMs !== null)) {
      return next.some(({ newestEndMs }) => newestEndMs !== null && newestEndMs > startMs);
    }
    const segmentMs = Math.max(0, ...next.map(({ segmentMsMax }) => segmentMsMax));
    return facts.availabilityStartMs === null || facts.availabilityStartMs + startMs + segmentMs <= nowMs;
  }

  #isBehindEnd(url: string): boolean {
    const representations = this.#representations();
    const endMs = this.#endMs();
    const place = representations.map((one) => one.placeOf(url)).find((one) => one !== null);
    if (place !== undefined) return endMs !== null && place.atMs >= endMs;
    // No list has it: one behind its end. Where there are no lists nobody can tell.
    return representations.length === 0 || representations.some(({ newestEndMs }) => newestEndMs !== null);
  }

  #isLastOf(one: DashRepresentation, url: string): boolean {
    const place = one.placeOf(url);
    const endMs = one.newestEndMs ?? this.#endMs();
    return place !== null && endMs !== null && place.atMs + place.durationMs >= endMs;
  }

  #representations(): readonly DashRepresentation[] {
    const loaded = this.#loaded;
    if (loaded === null) return [];
    const index = this.#indexIn(loaded.mpd);
    return loaded.facts.representations.filter(({ periodIndex }) => periodIndex === index);
  }

  /** Media time of the manifest; null while nothing tells. */
  #endMs(): number | null {
    const { mpd, facts } = this.#loaded!;
    const index = this.#indexIn(mpd);
    const nextMs = facts.periodStartsMs[index + 1];
    if (index === -1 || nextMs !== undefined) return nextMs ?? null;
    const lengthMs = dashDurationMs(childrenOf(mpd, 'Period')[index]!.attributes.get('duration'));
    if (lengthMs !== null) return facts.periodStartsMs[index]! + lengthMs;
    return dashDurationMs(mpd.attributes.get('mediaPresentationDuration'));
  }

  /** -1 where it is not listed. */
  #indexIn(mpd: XmlElement): number {
    return childrenOf(mpd, 'Period').findIndex((period, index) => keyOf(period, index) === this.#key);
  }
}

/** Old periods leave the list at its beginning, so that their number tells nothing where anything else does. */
function keyOf({ attributes }: XmlElement, index: number): string {
  return attributes.get('id') ?? attributes.get('start') ?? `${index}`;
}

function newestBegun({ periodStartsMs, availabilityStartMs }: DashManifest, nowMs: number): number {
  if (availabilityStartMs === null) return periodStartsMs.length - 1;
  return Math.max(
    0,
    periodStartsMs.findLastIndex((startMs) => availabilityStartMs + startMs <= nowMs),
  );
}
