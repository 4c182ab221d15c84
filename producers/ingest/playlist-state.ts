/**
 * What reloading tells about one playlist (HLS) or one representation (DASH): whether it answers, since when it is unchanged,
 * and at which place of its own time each segment lies. Pure: times come in, nothing is asked for here.
 */
import type { DashManifest, DashRepresentation } from './dash-manifest.ts';
import type { HlsMedia, HlsSegment } from './hls-playlist.ts';
import type { VariantFact } from './manifest-facts.ts';

/** A segment's place on its playlist's own time, ms, which goes upwards without end. */
export type Place = {
  readonly atMs: number;
  readonly durationMs: number;
  /** Unix time in ms at which it begins; null where the source tells none. */
  readonly programTimeMs: number | null;
  /** Its timestamps need not go on from those of the segment before. */
  readonly isDiscontinuity: boolean;
  readonly isEncrypted: boolean;
  /** Number in its row; the next one has the next number. */
  readonly index: number;
};

/** How a load ended that did not give a playlist; see {@link statusOf} for the numbers. */
export type LoadFailure = { readonly status: number; readonly atMs: number };

export class PlaylistState {
  readonly id: string;
  readonly media: 'video' | 'audio';
  url: string;
  /** Declared by the manifest above it, when that was loaded last. */
  isDeclared = true;
  /** HTTP status of the last load, below 0 for what is none; 0 before the first. */
  status = 0;
  loadedAtMs: number | null = null;
  /** When that was asked for: what came may be as old. */
  askedAtMs: number | null = null;
  failingSinceMs: number | null = null;
  failedReloads = 0;
  /** When a load last showed something new. */
  changedAtMs: number | null = null;
  /** The last load showed something new. */
  isMoving = false;
  targetMs = 0;
  isLive = false;
  /** Number of the newest segment as the source counts: media sequence, or the end of what is listed in ms. */
  newest = -1;
  /** Where what is listed ends, on the playlist's own time. */
  newestEndMs: number | null = null;
  newestUrl: string | null = null;
  readonly #places = new Map<string, Place>();
  readonly #rows = new Map<number, Place & { readonly path: string }>();
  #lastIndex = -1;
  #offset = 0;
  #parts = 0;
  #isEnded = false;
  /** The same representation in each period, the last one first. */
  #dash: readonly DashRepresentation[] = [];
  #dashStartMs: number | null = null;

  constructor(id: string, media: 'video' | 'audio', url: string) {
    this.id = id;
    this.media = media;
    this.url = url;
  }

  /** How long after the last load the next one is due: RFC 8216, 6.3.4; null when it will not change any more. */
  get reloadMs(): number | null {
    if (this.failingSinceMs !== null || this.loadedAtMs === null)
      return Math.max(RELOAD_MS_MIN, this.#paceMs / 2);
    if (!this.isLive) return null;
    return Math.max(RELOAD_MS_MIN, this.isMoving ? this.#paceMs : this.#paceMs / 2);
  }

  get #paceMs(): number {
    return this.targetMs === 0 ? TARGET_MS_UNTOLD : this.targetMs;
  }

  /** `isOwn`: the decoder loads it, too, and is given the first go. */
  isDue(nowMs: number, isOwn: boolean): boolean {
    const { loadedAtMs, reloadMs } = this;
    if (reloadMs === null || !this.isDeclared) return false;
    if (loadedAtMs === null) return !isOwn;
    return nowMs - loadedAtMs >= (isOwn ? reloadMs * OWN_WAIT_FACTOR + OWN_WAIT_MS : reloadMs);
  }

  factAt(nowMs: number): VariantFact {
    const { id, status, failingSinceMs, failedReloads, changedAtMs, askedAtMs } = this;
    const unchangedMs = changedAtMs === null || !this.isLive ? null : Math.max(0, nowMs - changedAtMs);
    const failingMs = failingSinceMs === null ? 0 : Math.max(1, nowMs - failingSinceMs);
    const loadedMs = askedAtMs === null ? null : Math.max(0, nowMs - askedAtMs);
    return { id, status, unchangedMs, loadedMs, failingMs, failedReloads };
  }

  takeFailure({ status, atMs }: LoadFailure): void {
    this.status = status;
    this.loadedAtMs = atMs;
    this.failingSinceMs ??= atMs;
    this.failedReloads++;
    this.isMoving = false;
  }

  /** True when it showed something new. */
  takeHls(media: HlsMedia, status: number, atMs: number): boolean {
    this.#answered(status, atMs);
    this.targetMs = media.targetDurationMs;
    const isNew = this.#takeSegments(media.segments);
    const isChanged = isNew || media.trailingParts > this.#parts || media.isEnded !== this.#isEnded;
    this.#parts = isNew ? media.trailingParts : Math.max(this.#parts, media.trailingParts);
    this.#isEnded = media.isEnded;
    this.isLive = !media.isEnded;
    return this.#moved(isChanged, atMs);
  }

  /** The same for a representation of a manifest's last period, or of an earlier one when it is not in the last. */
  takeDash(manifest: DashManifest, one: DashRepresentation, status: number, atMs: number): boolean {
    this.#answered(status, atMs);
    const same = manifest.representations.filter(({ id }) => id === one.id && id === this.id);
    this.#dash = [one, ...same.filter((other) => other !== one).toReversed()];
    this.#dashStartMs = manifest.availabilityStartMs;
    this.targetMs = one.segmentMsMax;
    const wasLive = this.isLive;
    this.isLive = manifest.isLive;
    // Where a formula tells, time itself brings new segments.
    const endMs =
      one.newestEndMs ?? (manifest.availabilityStartMs === null ? 0 : atMs - manifest.availabilityStartMs);
    const isChanged = this.newestEndMs === null || endMs > this.newestEndMs || (wasLive && !this.isLive);
    this.newestEndMs = Math.max(this.newestEndMs ?? endMs, endMs);
    this.newest = this.newestEndMs;
    this.newestUrl = one.newestUrl(atMs);
    return this.#moved(isChanged, atMs);
  }

  /** Null for what is not one of its segments. */
  placeOf(url: string, range: { readonly start: number } | null): Place | null {
    const known = this.#places.get(keyOf(url, range?.start ?? 0));
    if (known !== undefined) return known;
    const place = this.#dash.map((one) => one.placeOf(url)).find((found) => found !== null);
    if (place === undefined) return null;
    const programTimeMs = this.#dashStartMs === null ? null : this.#dashStartMs + place.atMs;
    return { ...place, programTimeMs, isDiscontinuity: false, isEncrypted: false, index: -1 };
  }

  /** Place of the segment with this number; null when it is not listed, or no longer. */
  placeAt(sequence: number): Place | null {
    return this.#rows.get(sequence + this.#offset) ?? null;
  }

  #answered(status: number, atMs: number): void {
    this.status = status;
    this.loadedAtMs = atMs;
    this.failingSinceMs = null;
    this.failedReloads = 0;
  }

  #moved(isChanged: boolean, atMs: number): boolean {
    this.isMoving = isChanged;
    if (isChanged) this.changedAtMs = atMs;
    return isChanged;
  }

  #takeSegments(segments: readonly HlsSegment[]): boolean {
    const first = segments[0];
    if (first === undefined) return false;
    if (this.#beganAnew(first)) this.#offset = this.#lastIndex + 1 - first.sequence;
    let isNew = false;
    for (const segment of segments) {
      const index = segment.sequence + this.#offset;
      if (index <= this.#lastIndex) continue;
      this.#add(segment, index);
      isNew = true;
    }
    return isNew;
  }

  #add(segment: HlsSegment, index: number): void {
    const skipped = this.#lastIndex === -1 ? 0 : index - this.#lastIndex - 1;
    // What left the list before it was seen was about as long as others are.
    const atMs = (this.newestEndMs ?? 0) + skipped * this.targetMs;
    const { durationMs, programTimeMs, isDiscontinuity, isEncrypted, url, range } = segment;
    const place = { atMs, durationMs, programTimeMs, isDiscontinuity, isEncrypted, index };
    this.#places.set(keyOf(url, range?.start ?? 0), place);
    this.#rows.set(index, { ...place, path: pathOf(url) });
    this.#lastIndex = index;
    this.newest = segment.sequence;
    this.newestEndMs = atMs + durationMs;
    this.newestUrl = url;
    forgetOldest(this.#places);
    forgetOldest(this.#rows);
  }

  /** A number that another segment had: the source counts from another beginning. */
  #beganAnew(first: HlsSegment): boolean {
    if (this.#lastIndex === -1) return false;
    const index = first.sequence + this.#offset;
    const known = this.#rows.get(index);
    if (known !== undefined) return known.path !== pathOf(first.url);
    return index < this.#lastIndex && !this.#places.has(keyOf(first.url, first.range?.start ?? 0));
  }
}

/** What the decoder loads by itself is asked for only when it has not done so for this much longer than it should. */
export const OWN_WAIT_FACTOR = 1.5;
const OWN_WAIT_MS = 500;
const RELOAD_MS_MIN = 500;
/** Before a playlist has told its target duration. */
const TARGET_MS_UNTOLD = 4_000;
const PLACES_MAX = 4_000;

function keyOf(url: string, start: number): string {
  return start === 0 ? url : `${url}\n${start}`;
}

/** Signed addresses change with each reload, and name the same segment. */
function pathOf(url: string): string {
  return url.split('?', 1)[0]!;
}

function forgetOldest(map: Map<unknown, unknown>): void {
  if (map.size <= PLACES_MAX) return;
  map.delete(map.keys().next().value);
}
