/**
 * Watches the manifest of one stream: what the decoder's own requests and some further ones bring, put together as facts for
 * the log. A state machine without a clock and without requests of its own: whoever runs it asks for what is `due`, and hands
 * over what came.
 */
import { Announcements } from './announcements.ts';
import { type DashManifest, parseDash } from './dash-manifest.ts';
import type { FetchEvents, ManifestFetch, SegmentFetch } from './fetch-events.ts';
import { type HlsMaster, type HlsMedia, parseHls } from './hls-playlist.ts';
import type { Due, SegmentFact, TransportFacts } from './manifest-facts.ts';
import { OWN_WAIT_FACTOR, type Place, PlaylistState } from './playlist-state.ts';
import { PresentationAxis, ProgramAnchors } from './presentation-axis.ts';
import type { SegmentPlace } from './segment-bytes.ts';
import { isOk, NO_STATUS, type SegmentResult, SegmentResults, statusOf } from './segment-results.ts';

/** What the segments' bytes told; see `segment-bytes.ts`. */
export type SegmentCounts = { videoBytesOf(url: string): number | null };

export class ManifestWatch implements FetchEvents {
  readonly #inputUrl: string;
  readonly #ownId: string;
  readonly #counts: SegmentCounts;
  readonly #scope: 'ladder' | 'own';
  readonly #axis = new PresentationAxis();
  readonly #anchors = new ProgramAnchors();
  readonly #results = new SegmentResults();
  #kind: 'hls' | 'dash' | null = null;
  #master: { status: number; loadedAtMs: number; body: string } | null = null;
  #hasMaster = false;
  #dash: DashManifest | null = null;
  #variants: PlaylistState[] = [];
  /** Playlists that the decoder itself loads. */
  readonly #own = new Set<string>();
  /** Under way by our own request, with the time at which that was made. */
  readonly #asked = new Map<string, number>();
  readonly #checked = new Map<string, string>();
  readonly #announcements = new Announcements();
  #unplaced: SegmentResult[] = [];
  #segments: SegmentFact[] = [];
  #hasNews = false;
  /** When the decoder last got a segment. */
  deliveredAtMs: number | null = null;
  #toldAtMs: number | null = null;

  /** `ownId` names the one playlist of an input that has no ladder; `own`: others of a ladder are no matter of this watch. */
  constructor(inputUrl: string, ownId: string, counts: SegmentCounts, scope: 'ladder' | 'own' = 'ladder') {
    this.#inputUrl = inputUrl;
    this.#ownId = ownId;
    this.#counts = counts;
    this.#scope = scope;
  }

  /** Whether the playlist that is decoded can be had: what a probe without input has to know. */
  get ownState(): 'unknown' | 'answers' | 'fails' {
    const own = this.#ownVariant;
    if (own === null || own.loadedAtMs === null) return 'unknown';
    return own.failingSinceMs === null ? 'answers' : 'fails';
  }

  /** Something may yet be added to what is decoded. */
  get isLive(): boolean {
    return this.#ownVariant?.isLive === true;
  }

  /** The source's own time of day at a place of the presentation timeline. */
  get programAnchors(): ProgramAnchors {
    return this.#anchors;
  }

  onManifest(fetch: ManifestFetch): void {
    if (fetch.outcome === 'abandoned') return;
    const isPolled = this.#asked.delete(fetch.url);
    const status = statusOf(fetch);
    const parsed = isOk(status) ? read(fetch) : null;
    const loaded = isOk(status) && parsed === null ? NO_STATUS.garbage : status;
    const isTop = fetch.url === this.#inputUrl;
    if (parsed?.kind === 'dash' || (isTop && this.#kind === 'dash')) this.#takeDash(parsed, loaded, fetch);
    else if (parsed?.kind === 'master' || (isTop && this.#hasMaster)) this.#takeMaster(parsed, loaded, fetch);
    else if (parsed?.kind === 'media' || !isTop) {
      if (!isPolled) this.#own.add(fetch.url);
      this.#takePlaylist(parsed as HlsMedia | null, loaded, fetch);
    } else this.#takeUnknown(loaded, fetch);
  }

  onSegment(fetch: SegmentFetch): void {
    if (fetch.outcome === 'abandoned') return;
    const isPolled = this.#asked.delete(fetch.url);
    const found = this.#variantOf(fetch.url, fetch.range, fetch.manifestUrl);
    if (fetch.kind !== 'segment') {
      // Without its initialisation or its key nothing of the variant can be played.
      const status = statusOf(fetch);
      if (found !== null && !isOk(status)) this.#failed(found.variant, status, fetch.atMs);
      return;
    }
    if (found === null || found.place === null) return;
    if (!isPolled && isOk(statusOf(fetch))) {
      this.#axis.delivered(found.variant.id, found.place);
      this.deliveredAtMs = fetch.atMs;
    }
    this.#results.take(fetch, found.place.isEncrypted, !isPolled);
  }

  /** The decoder asks for a segment: the first one of a pass is where the pass begins. */
  onAsked(url: string, manifestUrl: string): void {
    const found = this.#variantOf(url, null, manifestUrl);
    if (found === null || found.place === null) return;
    this.#own.add(found.variant.url);
    this.#axis.asked(found.variant.id, found.place);
    this.#anchor(found.variant, found.place);
  }

  /** What is known of a segment before it comes; null for what is not listed. */
  placeOf(url: string, manifestUrl: string): SegmentPlace | null {
    const found = this.#variantOf(url, null, manifestUrl);
    if (found === null || found.place === null) return null;
    return { ...found.place, ptsMs: this.#axis.toPresentation(found.variant.id, found.place.atMs) };
  }

  /** A decoder begins at this place of the presentation timeline. */
  beginPass(ptsMs: number): void {
    this.#axis.beginPass(ptsMs);
  }

  /** The decoder has given out all that it got. */
  settle(presentationEndMs: number): void {
    this.#axis.settle(presentationEndMs);
  }

  /** What should be asked for now; it counts as under way from then on. */
  due(nowMs: number): readonly Due[] {
    for (const [url, atMs] of this.#asked) if (nowMs - atMs > ASKED_MS_MAX) this.#asked.delete(url);
    const due: Due[] = [];
    const want = (kind: Due['kind'], url: string, manifestUrl: string, range: Due['range'] = null): void => {
      if (this.#asked.has(url) || this.#asked.size + due.length >= ASKED_MAX) return;
      due.push({ kind, url, manifestUrl, range });
    };
    if (this.#isTopDue(nowMs)) want('manifest', this.#inputUrl, this.#inputUrl);
    for (const variant of this.#kind === 'dash' ? [] : this.#watched) {
      if (variant.isDue(nowMs, this.#isOwn(variant))) want('manifest', variant.url, variant.url);
    }
    for (const { url, manifestUrl, range } of this.#results.toRetry(nowMs))
      want('segment', url, manifestUrl, range);
    for (const variant of this.#watched) this.#wantCheck(variant, want);
    for (const { url } of due) this.#asked.set(url, nowMs);
    return due;
  }

  /** Facts, when there are new ones or the last ones are a while ago; null otherwise, and before a manifest was seen. */
  takeFacts(nowMs: number): TransportFacts | null {
    if (this.#kind === null || this.#variants.length === 0) return null;
    this.#takeDecided(nowMs);
    const own = this.#ownVariant;
    const isLive = this.#variants.some((one) => one.isLive);
    const isDue = this.#toldAtMs === null || nowMs - this.#toldAtMs >= TELL_EVERY_MS;
    if (!this.#hasNews && !this.#announcements.hasNews && !(isDue && isLive)) return null;
    this.#hasNews = false;
    this.#toldAtMs = nowMs;
    const segments = this.#segments;
    this.#segments = [];
    return {
      atMs: nowMs,
      edgePtsMs: this.#edgeAt(nowMs),
      kind: this.#kind,
      isLive,
      targetDurationMs: own?.targetMs ?? Math.max(0, ...this.#variants.map(({ targetMs }) => targetMs)),
      newestSegment: own?.newest ?? -1,
      masterStatus: this.#master?.status ?? 0,
      own: own === null ? -1 : this.#watched.indexOf(own),
      variants: this.#watched.map((variant) => variant.factAt(nowMs)),
      segments,
      markers: this.#announcements.take(),
    };
  }

  get #ownVariant(): PlaylistState | null {
    const own = this.#variants.filter((one) => this.#isOwn(one));
    return (
      own.find(({ media }) => media === 'video') ??
      own[0] ??
      (this.#variants.length === 1 ? this.#variants[0]! : null)
    );
  }

  /** Those that this watch tells of: while it is not known which one is decoded, all. */
  get #watched(): readonly PlaylistState[] {
    const own = this.#scope === 'own' ? this.#variants.filter((one) => this.#isOwn(one)) : [];
    return own.length > 0 ? own : this.#variants;
  }

  #isOwn({ url }: PlaylistState): boolean {
    return this.#own.has(url);
  }

  #edgeAt(nowMs: number): number | null {
    const own = this.#ownVariant;
    if (own === null || own.newestEndMs === null || own.changedAtMs === null) return null;
    const endMs = this.#axis.toPresentation(own.id, own.newestEndMs);
    return endMs === null ? null : Math.round(endMs + Math.max(0, nowMs - own.changedAtMs));
  }

  #takeUnknown(status: number, { url, atMs }: ManifestFetch): void {
    // It may yet turn out to be any kind of manifest: it is the only one that there is.
    const only = this.#variants[0] ?? this.#add(this.#ownId, 'video', url);
    if (this.#kind === null) this.#kind = 'hls';
    this.#failed(only, status, atMs);
  }

  #takeMaster(
    master: HlsMaster | DashManifest | HlsMedia | null,
    status: number,
    fetch: ManifestFetch,
  ): void {
    this.#kind = 'hls';
    if (!this.#hasMaster) this.#variants = [];
    this.#hasMaster = true;
    if (this.#master?.status !== status) this.#hasNews = true;
    this.#master = { status, loadedAtMs: fetch.atMs, body: fetch.body };
    if (master?.kind !== 'master') return;
    const declared = new Set<PlaylistState>();
    for (const { id, media, url } of master.variants.slice(0, VARIANTS_MAX)) {
      const known =
        this.#variants.find((one) => samePath(one.url, url)) ?? this.#variants.find((one) => one.id === id);
      const variant = known ?? this.#add(id, media, url);
      if (variant.url !== url && this.#own.delete(variant.url)) this.#own.add(url);
      variant.url = url;
      declared.add(variant);
    }
    this.#setDeclared(declared, fetch.atMs);
  }

  #takePlaylist(media: HlsMedia | null, status: number, { url, atMs, durationMs }: ManifestFetch): void {
    this.#kind = 'hls';
    const variant =
      this.#variants.find((one) => one.url === url) ??
      (this.#hasMaster ? null : this.#add(this.#ownId, 'video', url));
    // One that was asked for before the manifest left it out.
    if (variant === null || !variant.isDeclared) return;
    variant.askedAtMs = atMs - durationMs;
    if (media === null) {
      this.#failed(variant, status, atMs);
      return;
    }
    const wasFailing = variant.failingSinceMs !== null;
    const isMoved = variant.takeHls(media, status, atMs);
    if (isMoved || wasFailing) this.#hasNews = true;
    if (isMoved && variant === this.#ownVariant) this.#announce(media, variant);
  }

  #takeDash(
    manifest: HlsMaster | DashManifest | HlsMedia | null,
    status: number,
    { atMs, durationMs }: ManifestFetch,
  ): void {
    this.#kind = 'dash';
    this.#master = { status, loadedAtMs: atMs, body: '' };
    if (manifest?.kind !== 'dash') {
      for (const variant of this.#variants) this.#failed(variant, status, atMs);
      return;
    }
    this.#dash = manifest;
    const last = manifest.representations.filter(
      ({ periodIndex }) => periodIndex === manifest.periodStartsMs.length - 1,
    );
    const declared = new Set<PlaylistState>();
    for (const one of last.slice(0, VARIANTS_MAX)) {
      const variant =
        this.#variants.find(({ id }) => id === one.id) ??
        this.#add(one.id, one.media, `${this.#inputUrl}#${one.id}`);
      declared.add(variant);
      const wasFailing = variant.failingSinceMs !== null;
      variant.askedAtMs = atMs - durationMs;
      if (variant.takeDash(manifest, one, status, atMs) || wasFailing) this.#hasNews = true;
    }
    this.#setDeclared(declared, atMs);
    this.#announcements.takeDash(manifest, (atMs) => this.#dashPts(atMs));
  }

  #dashPts(atMs: number): number | null {
    const own = this.#ownVariant;
    return own === null ? null : this.#axis.toPresentation(own.id, atMs);
  }

  #setDeclared(declared: ReadonlySet<PlaylistState>, atMs: number): void {
    for (const variant of this.#variants) {
      variant.isDeclared = declared.has(variant);
      if (!variant.isDeclared) this.#failed(variant, NO_STATUS.undeclared, atMs);
      else if (variant.status === NO_STATUS.undeclared) variant.status = 0;
    }
  }

  #failed(variant: PlaylistState, status: number, atMs: number): void {
    variant.takeFailure({ status, atMs });
    this.#hasNews = true;
  }

  #add(id: string, media: 'video' | 'audio', url: string): PlaylistState {
    const isTaken = this.#variants.some((one) => one.id === id);
    const variant = new PlaylistState(isTaken ? `${id}-${this.#variants.length}` : id, media, url);
    this.#variants.push(variant);
    return variant;
  }

  #announce(media: HlsMedia, own: PlaylistState): void {
    const ptsAt = (sequence: number): number | null => {
      const place = own.placeAt(sequence);
      return place === null ? null : this.#axis.toPresentation(own.id, place.atMs);
    };
    this.#announcements.takeHls(media, ptsAt, (unixMs) => this.#anchors.toPresentation(unixMs));
  }

  #anchor(variant: PlaylistState, place: Place): void {
    if (place.programTimeMs === null || variant !== this.#ownVariant) return;
    const ptsMs = this.#axis.toPresentation(variant.id, place.atMs);
    if (ptsMs !== null)
      this.#anchors.add(
        ptsMs,
        place.programTimeMs,
        this.#kind === 'dash' ? 'dash' : 'pdt',
        this.#axis.slackMs,
      );
  }

  #takeDecided(nowMs: number): void {
    const decided = [...this.#unplaced, ...this.#results.takeDecided(nowMs)];
    this.#unplaced = [];
    for (const result of decided) {
      const found = this.#variantOf(result.url, result.range, result.manifestUrl);
      if (found === null || found.place === null || !this.#watched.includes(found.variant)) continue;
      const { variant, place } = found;
      const ptsMs = this.#axis.toPresentation(variant.id, place.atMs) ?? this.#alignedTo(variant, place);
      if (ptsMs === null && nowMs - result.atMs < UNPLACED_MS_MAX && this.#unplaced.length < UNPLACED_MAX) {
        this.#unplaced.push(result);
        continue;
      }
      this.#segments.push({
        variant: this.#watched.indexOf(variant),
        ptsMs: Math.max(0, Math.round(ptsMs ?? this.#axis.passPtsMs)),
        durationMs: place.durationMs,
        status: result.status,
        videoBytes: result.isWhole && this.#isOwn(variant) ? this.#counts.videoBytesOf(result.url) : null,
      });
      this.#hasNews = true;
    }
  }

  /** Other variants lie beside the own one: by time of day where both tell it, else by their newest segments. */
  #alignedTo(variant: PlaylistState, place: Place): number | null {
    const own = this.#ownVariant;
    if (own === null || own === variant) return null;
    if (place.programTimeMs !== null) return this.#anchors.toPresentation(place.programTimeMs);
    if (own.newestEndMs === null || variant.newestEndMs === null) return null;
    const ownEndMs = this.#axis.toPresentation(own.id, own.newestEndMs);
    return ownEndMs === null ? null : ownEndMs - (variant.newestEndMs - place.atMs);
  }

  #variantOf(
    url: string,
    range: { readonly start: number } | null,
    manifestUrl: string,
  ): { variant: PlaylistState; place: Place | null } | null {
    for (const variant of this.#variants) {
      if (this.#kind === 'hls' && variant.url !== manifestUrl) continue;
      const place = variant.placeOf(url, range);
      if (place !== null || this.#kind === 'hls') return { variant, place };
    }
    return null;
  }

  #isTopDue(nowMs: number): boolean {
    if (this.#kind === 'dash') {
      const { loadedAtMs, status } = this.#master!;
      const updateMs = this.#dash === null ? 0 : this.#dash.updatePeriodMs;
      if (updateMs === null && isOk(status)) return false;
      const paceMs = Math.max(DASH_UPDATE_MS_MIN, updateMs ?? 0) / (isOk(status) ? 1 : 2);
      // The decoder loads it as well: it is given the first go.
      return nowMs - loadedAtMs >= paceMs * OWN_WAIT_FACTOR;
    }
    if (!this.#hasMaster || this.#master === null) return false;
    if (!this.#variants.some(({ isLive, loadedAtMs }) => isLive || loadedAtMs === null)) return false;
    const paceMs = Math.max(MASTER_RELOAD_MS_MIN, ...this.#variants.map(({ targetMs }) => targetMs));
    return nowMs - this.#master.loadedAtMs >= (isOk(this.#master.status) ? paceMs : paceMs / 2);
  }

  /** The newest segment of what nobody decodes is looked at: its beginning is enough. */
  #wantCheck(
    variant: PlaylistState,
    want: (kind: 'segment', url: string, manifestUrl: string, range: Due['range']) => void,
  ) {
    const { newestUrl, id, url } = variant;
    if (this.#isOwn(variant) || this.#own.size === 0 || newestUrl === null || !variant.isLive) return;
    if (variant.failingSinceMs !== null || this.#checked.get(id) === newestUrl) return;
    this.#checked.set(id, newestUrl);
    want('segment', newestUrl, this.#kind === 'dash' ? this.#inputUrl : url, {
      start: 0,
      length: CHECK_BYTES,
    });
  }
}

/** Facts are told at least so often while the stream is live: the probe is there, and so is its input. */
export const TELL_EVERY_MS = 2_000;
const VARIANTS_MAX = 40;
const UNPLACED_MAX = 100;
/** A segment whose place nobody learns is told all the same after this. */
const UNPLACED_MS_MAX = 6_000;
const ASKED_MAX = 16;
/** An answer that did not come by then is not waited for. */
const ASKED_MS_MAX = 30_000;
const CHECK_BYTES = 1_024;
const MASTER_RELOAD_MS_MIN = 2_000;
const DASH_UPDATE_MS_MIN = 1_000;

function read({ body, finalUrl, kind }: ManifestFetch): HlsMaster | HlsMedia | DashManifest | null {
  return kind === 'dash' ? parseDash(body, finalUrl) : parseHls(body, finalUrl);
}

function samePath(left: string, right: string): boolean {
  return left.split('?', 1)[0] === right.split('?', 1)[0];
}
