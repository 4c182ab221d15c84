/** Where a segment lies on the stream's presentation timeline, and what time of day it is there by the source's word. */
import type { ProgramTime } from './arrival-time.ts';
import type { Place } from './playlist-state.ts';

/** Ties each playlist's own time to the presentation timeline, anew with each pass of the decoder. */
export class PresentationAxis {
  /** Presentation time less the playlist's time, by playlist. */
  readonly #offsets = new Map<string, number>();
  #passPtsMs = 0;
  readonly #begun = new Set<string>();
  #delivered: { readonly id: string; readonly endMs: number } | null = null;
  #slackMs = SLACK_MS;

  /** How far off a place may be. */
  get slackMs(): number {
    return this.#slackMs;
  }

  /** Where the present pass begins. */
  get passPtsMs(): number {
    return this.#passPtsMs;
  }

  beginPass(ptsMs: number): void {
    this.#passPtsMs = ptsMs;
    this.#begun.clear();
    this.#delivered = null;
  }

  /** The decoder asks for a segment: with the first one of each playlist the pass begins. */
  asked(id: string, place: Place): void {
    if (this.#begun.has(id)) return;
    this.#begun.add(id);
    this.#offsets.set(id, this.#passPtsMs - place.atMs);
  }

  /** The decoder got a segment whole. */
  delivered(id: string, { atMs, durationMs }: Place): void {
    this.#delivered = { id, endMs: atMs + durationMs };
  }

  /**
   * The decoder has given out all that it got, up to here: lengths as listed are rounded, and would lead further and further
   * away.
   */
  settle(presentationEndMs: number): void {
    if (this.#delivered === null) return;
    const { id, endMs } = this.#delivered;
    this.#delivered = null;
    const offsetMs = this.#offsets.get(id);
    if (offsetMs === undefined) return;
    const byMs = presentationEndMs - (endMs + offsetMs);
    if (Math.abs(byMs) < SLACK_MS || Math.abs(byMs) > SETTLE_MS_MAX) return;
    this.#slackMs = Math.min(SETTLE_MS_MAX, SLACK_MS + Math.abs(byMs));
    for (const [one, before] of this.#offsets) this.#offsets.set(one, before + byMs);
  }

  /** Null while nothing ties the playlist to the timeline. */
  toPresentation(id: string, playlistMs: number): number | null {
    const offsetMs = this.#offsets.get(id);
    return offsetMs === undefined ? null : playlistMs + offsetMs;
  }
}

type Anchor = {
  readonly ptsMs: number;
  readonly programTimeMs: number;
  readonly source: 'pdt' | 'dash';
  readonly slackMs: number;
};

/** Programme time as the manifest tells it, with an anchor at each segment that says one. */
export class ProgramAnchors {
  #anchors: Anchor[] = [];

  add(ptsMs: number, programTimeMs: number, source: Anchor['source'], slackMs: number): void {
    const same = this.#anchors.at(-1);
    if (same !== undefined && same.ptsMs === ptsMs) this.#anchors.pop();
    this.#anchors.push({ ptsMs, programTimeMs, source, slackMs });
    if (this.#anchors.length > ANCHORS_MAX) this.#anchors.shift();
  }

  /** Null before the first anchor: then something else has to tell. */
  at(ptsMs: number): ProgramTime | null {
    const anchor = this.#anchors.findLast((one) => one.ptsMs <= ptsMs + ANCHOR_EARLY_MS) ?? this.#anchors[0];
    if (anchor === undefined) return null;
    const programTimeMs = Math.round(anchor.programTimeMs + ptsMs - anchor.ptsMs);
    return { programTimeMs, programTimeSource: anchor.source, uncertaintyMs: Math.round(anchor.slackMs) };
  }

  /** The other way round; null where no anchor is near. */
  toPresentation(programTimeMs: number): number | null {
    const anchor = this.#anchors.findLast((one) => one.programTimeMs <= programTimeMs) ?? this.#anchors[0];
    return anchor === undefined ? null : Math.round(anchor.ptsMs + programTimeMs - anchor.programTimeMs);
  }
}

/**
 * So far may a place be off as long as nothing shows by how much: a decoder that waits holds its last pictures back, which
 * is no drift.
 */
const SLACK_MS = 500;
/** What is off by more than this is not off, but something else. */
const SETTLE_MS_MAX = 5_000;
const ANCHORS_MAX = 200;
/** A record may begin a little before the segment that most of it is of. */
const ANCHOR_EARLY_MS = 50;
