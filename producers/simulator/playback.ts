/**
 * One attempt to watch: buffer, playhead, stalls and startup follow from what the downloads bring and from what the
 * person does. Nothing of it is drawn, except what a start with a broken player comes to.
 */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { Downloader, type Finished, LADDER, SEGMENT_MS } from './download.ts';
import type { PlacedIncident } from './incidents.ts';
import type { Viewer } from './population.ts';

export type PlayerState =
  | 'starting'
  /** Between the ads before it and the content. */
  | 'waiting'
  | 'playing'
  | 'rebuffering'
  | 'seeking'
  | 'paused'
  | 'fatal-error'
  | 'quit';

/** What happened inside the player, in order. */
export type Happening =
  | { readonly kind: 'state' }
  | { readonly kind: 'first-frame' }
  | { readonly kind: 'content-frame' }
  /** Another rung was chosen; it is on screen when what was buffered before has been played, if ever. */
  | { readonly kind: 'bitrate' }
  /** Another rung is on screen. */
  | { readonly kind: 'shown' }
  | { readonly kind: 'ad-break-start' | 'ad-start' | 'ad-end' | 'ad-break-end' }
  | { readonly kind: 'request'; readonly finished: Finished }
  | { readonly kind: 'fatal'; readonly code: string };

/** Media needed in hand to begin, and to go on after a stall, ms. */
const START_BUFFER_MS = SEGMENT_MS;
const RESUME_BUFFER_MS = 2 * SEGMENT_MS;
const BUFFER_MS_MAX = 30_000;
/** A segment is offered this long after its last picture was live. */
const PUBLISH_DELAY_MS = 1_500;
/** How often a full buffer is looked at while nothing plays. */
const IDLE_LOOK_MS = 1_000;

export class Playback {
  readonly #viewer: Viewer;
  readonly #random: SeededRandom;
  readonly #downloads: Downloader;
  readonly #intentMs: number;
  readonly #happenings: Happening[] = [];
  #nowMs: number;
  #state: PlayerState = 'starting';
  #bufferMs = 0;
  #latencyMs: number;
  #hasManifest = false;
  #contentStarted = false;
  #firstFrameMs: number | null = null;
  /** End of the ad that is on screen; null for none. */
  #adEndsMs: number | null = null;
  #adsLeft: number;
  #adLengthMs = 0;
  #rung: number | null = null;
  /** Rungs of the buffered segments, the one on screen first. */
  #buffered: number[] = [];
  #shown: number | null = null;
  #stallCount = 0;
  #stallMs = 0;
  #waitingSinceMs = 0;
  #droppedFrames = 0;
  #lookAtMs = 0;

  constructor(
    viewer: Viewer,
    incidents: readonly PlacedIncident[],
    random: SeededRandom,
    intentMs: number,
    prerollAds: number,
  ) {
    this.#viewer = viewer;
    this.#random = random.fork('player');
    this.#downloads = new Downloader(viewer, incidents, random.fork('downloads'));
    this.#intentMs = intentMs;
    this.#nowMs = intentMs;
    this.#latencyMs = viewer.latencyMs;
    this.#adsLeft = prerollAds;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get state(): PlayerState {
    return this.#state;
  }

  get contentStarted(): boolean {
    return this.#contentStarted;
  }

  get adPlaying(): boolean {
    return this.#adEndsMs !== null;
  }

  get isOver(): boolean {
    return this.#state === 'fatal-error' || this.#state === 'quit';
  }

  /** Since when this person waits for a picture; null when not waiting. */
  get waitingSinceMs(): number | null {
    if (this.#state === 'starting') return this.#intentMs;
    return this.#state === 'rebuffering' || this.#state === 'waiting' ? this.#waitingSinceMs : null;
  }

  figures() {
    return {
      state: this.#state,
      latencyMs: this.#contentStarted ? this.#latencyMs : null,
      bufferMs: this.#bufferMs,
      rung: this.#rung === null ? null : LADDER[this.#rung]!,
      shownRung: this.#shown === null ? null : LADDER[this.#shown]!,
      topRung: LADDER[this.#downloads.topRung]!,
      throughputBps: this.#downloads.estimateBps,
      startupMs: this.#firstFrameMs === null ? null : this.#firstFrameMs - this.#intentMs,
      stallCount: this.#stallCount,
      stallMs: this.#stallMs,
      droppedFrames: this.#droppedFrames,
      adPlaying: this.adPlaying,
    };
  }

  /** The next moment at which something happens by itself. */
  nextMs(): number {
    if (this.isOver) return Number.POSITIVE_INFINITY;
    let nextMs = this.#downloads.nextMs(this.#nowMs);
    if (this.#adEndsMs !== null) nextMs = Math.min(nextMs, this.#adEndsMs);
    else if (this.#state === 'playing') nextMs = Math.min(nextMs, this.#nowMs + this.#untilOtherRungMs());
    if (!this.#downloads.isBusy) nextMs = Math.min(nextMs, this.#lookAtMs);
    return Math.max(nextMs, this.#nowMs);
  }

  /** Lets time pass up to `toMs`, which is no later than {@link nextMs}, and gives out what happened then. */
  advance(toMs: number): readonly Happening[] {
    const passedMs = toMs - this.#nowMs;
    const isContent = this.#state === 'playing' && this.#adEndsMs === null;
    if (isContent) this.#play(passedMs);
    else if (this.#contentStarted) this.#latencyMs += passedMs;
    if (this.#state === 'rebuffering') this.#stallMs += passedMs;
    const finished = this.#downloads.advance(this.#nowMs, toMs);
    this.#nowMs = toMs;
    if (finished !== null) this.#take(finished);
    this.#goOn();
    this.#fetchMore();
    return this.#happenings.splice(0);
  }

  pause(): readonly Happening[] {
    return this.#become('paused');
  }

  /** Goes on where it was paused, or at the live edge. */
  resume(atLiveEdge: boolean): readonly Happening[] {
    return atLiveEdge ? this.#jump(this.#viewer.latencyMs) : this.#become('playing');
  }

  /** Goes back in the programme by `backMs`. */
  seek(backMs: number): readonly Happening[] {
    return this.#jump(this.#latencyMs + backMs);
  }

  beginAds(count: number): readonly Happening[] {
    this.#adsLeft = count;
    this.#happenings.push({ kind: 'ad-break-start' });
    this.#beginAd();
    return this.#happenings.splice(0);
  }

  quit(): readonly Happening[] {
    return this.#become('quit');
  }

  #become(state: PlayerState): readonly Happening[] {
    this.#state = state;
    this.#happenings.push({ kind: 'state' });
    return this.#happenings.splice(0);
  }

  #jump(latencyMs: number): readonly Happening[] {
    this.#latencyMs = latencyMs;
    this.#bufferMs = 0;
    this.#buffered = [];
    this.#downloads.cancel();
    this.#lookAtMs = this.#nowMs;
    return this.#become('seeking');
  }

  #take(finished: Finished): void {
    this.#happenings.push({ kind: 'request', finished });
    if (finished.status !== 200) {
      const isDry = this.#bufferMs <= 0 || !this.#contentStarted;
      if (finished.isGivenUp && isDry) this.#die('NETWORK_ERROR');
      return;
    }
    if (finished.kind === 'manifest') {
      this.#hasManifest = true;
      return;
    }
    this.#bufferMs += SEGMENT_MS;
    this.#buffered.push(finished.rung);
  }

  /** Starts, goes on after a wait, ends ads, and stalls. */
  #goOn(): void {
    if (this.isOver) return;
    if (this.#adEndsMs !== null) {
      if (this.#nowMs >= this.#adEndsMs) this.#endAd();
      return;
    }
    const isStarting = this.#state === 'starting' || this.#state === 'waiting';
    if (isStarting && this.#hasManifest) this.#start();
    else if (this.#state === 'seeking' && this.#bufferMs >= START_BUFFER_MS) this.#begin();
    else if (this.#state === 'rebuffering' && this.#bufferMs >= this.#resumeMs()) this.#begin();
    else if (this.#state === 'playing' && this.#bufferMs <= 0) this.#stall();
  }

  #start(): void {
    if (this.#adsLeft > 0 && this.#firstFrameMs === null) {
      this.#happenings.push({ kind: 'ad-break-start' });
      this.#beginAd();
      return;
    }
    if (this.#bufferMs < START_BUFFER_MS) return;
    const { startFailPermille } = this.#downloads.conditions(this.#nowMs);
    if (startFailPermille > 0 && this.#random.chance(startFailPermille)) this.#die('DECODER_ERROR');
    else this.#begin();
  }

  #begin(): void {
    this.#show();
    this.#showAsPlaying();
    this.#showFirst();
    if (this.#contentStarted) return;
    this.#contentStarted = true;
    this.#happenings.push({ kind: 'content-frame' });
  }

  /** Content goes by; what was played leaves the buffer. */
  #play(passedMs: number): void {
    this.#bufferMs -= passedMs;
    this.#buffered.splice(0, this.#buffered.length - Math.ceil(this.#bufferMs / SEGMENT_MS));
    this.#show();
  }

  #show(): void {
    const rung = this.#buffered[0] ?? this.#shown;
    if (rung === this.#shown) return;
    this.#shown = rung;
    this.#happenings.push({ kind: 'shown' });
  }

  /** How long until another rung is on screen, or the buffer is empty. */
  #untilOtherRungMs(): number {
    const same = this.#buffered.findIndex((rung) => rung !== this.#shown);
    return same <= 0 ? this.#bufferMs : this.#bufferMs - (this.#buffered.length - same) * SEGMENT_MS;
  }

  /** Told once, also where content follows an ad. */
  #showAsPlaying(): void {
    if (this.#state === 'playing') return;
    this.#state = 'playing';
    this.#happenings.push({ kind: 'state' });
  }

  #showFirst(): void {
    if (this.#firstFrameMs !== null) return;
    this.#firstFrameMs = this.#nowMs;
    this.#happenings.push({ kind: 'first-frame' });
  }

  #stall(): void {
    this.#state = 'rebuffering';
    this.#stallCount += 1;
    this.#waitingSinceMs = this.#nowMs;
    this.#droppedFrames += this.#random.below(4);
    this.#happenings.push({ kind: 'state' });
  }

  #beginAd(): void {
    this.#adsLeft -= 1;
    this.#adLengthMs = this.#random.pick([6_000, 10_000, 15_000]);
    this.#adEndsMs = this.#nowMs + this.#adLengthMs;
    this.#happenings.push({ kind: 'ad-start' });
    this.#showAsPlaying();
    this.#showFirst();
  }

  #endAd(): void {
    this.#happenings.push({ kind: 'ad-end' });
    this.#adEndsMs = null;
    if (this.#adsLeft > 0) {
      this.#beginAd();
      return;
    }
    this.#happenings.push({ kind: 'ad-break-end' });
    // Back to live: what was prefetched meanwhile is at the edge.
    this.#latencyMs = this.#viewer.latencyMs;
    if (this.#contentStarted) return;
    if (this.#bufferMs >= START_BUFFER_MS) {
      this.#start();
      return;
    }
    this.#state = 'waiting';
    this.#waitingSinceMs = this.#nowMs;
    this.#happenings.push({ kind: 'state' });
  }

  #die(code: string): void {
    this.#happenings.push({ kind: 'fatal', code });
    this.#state = 'fatal-error';
    this.#happenings.push({ kind: 'state' });
  }

  #capMs(): number {
    const { bufferMsMax } = this.#downloads.conditions(this.#nowMs);
    return Math.min(BUFFER_MS_MAX, bufferMsMax, this.#latencyMs - PUBLISH_DELAY_MS);
  }

  #resumeMs(): number {
    return Math.max(SEGMENT_MS, Math.min(RESUME_BUFFER_MS, this.#capMs() - SEGMENT_MS));
  }

  #choose(rung: number): void {
    if (rung === this.#rung) return;
    this.#rung = rung;
    this.#happenings.push({ kind: 'bitrate' });
  }

  /** Begins the next request, or says when to look again. */
  #fetchMore(): void {
    if (this.isOver || this.#downloads.isBusy) return;
    this.#lookAtMs = Math.max(this.#nowMs, this.#downloads.readyAtMs);
    if (this.#lookAtMs > this.#nowMs) return;
    if (!this.#hasManifest) {
      this.#downloads.begin('manifest', this.#nowMs, 0);
      return;
    }
    // What would not fit waits; an empty buffer always takes one.
    const excessMs =
      this.#bufferMs <= 0 ? 0 : this.#bufferMs + SEGMENT_MS - Math.max(SEGMENT_MS, this.#capMs());
    if (excessMs <= 0) {
      this.#downloads.begin('segment', this.#nowMs, this.#bufferMs);
      this.#choose(this.#downloads.rung);
      return;
    }
    const isContent = this.#state === 'playing' && this.#adEndsMs === null;
    this.#lookAtMs = this.#nowMs + (isContent ? Math.min(excessMs, IDLE_LOOK_MS) : IDLE_LOOK_MS);
  }
}
