/** What one stream gets through the fetcher: its input, and whatever the manifests in it list. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../../runtime/port.ts';
import { boundedBody, manifestBody } from './bounded-body.ts';
import { parseDash } from './dash-manifest.ts';
import { DashPeriods, type LoadedDash } from './dash-periods.ts';
import { rewriteDash } from './dash-rewrite.ts';
import type { FetchEvents, ManifestFetch } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import { createFileClient } from './file-client.ts';
import { rewriteHls } from './hls-rewrite.ts';
import { chooseRendition, type Rendition } from './ladder.ts';
import { childPath, dashBase, dashChild, type LoopbackTarget, parseLoopbackPath } from './loopback-path.ts';
import { expectedKind, isManifest, type Manifest, readManifest } from './manifest.ts';
import type { AllowRule, Lookup } from './network-policy.ts';
import { createOriginClient, type FetchLimits, type OriginClient, shown } from './origin-client.ts';
import { askForSegment, type SegmentQuestion } from './segment-probe.ts';
import { relaySegment, written } from './segment-relay.ts';

export type FetchSessionOptions = {
  /** An http(s) address, or the path of a local playlist. */
  readonly input: string;
  /** Addresses beside the public ones that may be connected to. */
  readonly allow: readonly AllowRule[];
  /** Which rung of a ladder: `best`, or its name. */
  readonly rendition: string;
  readonly events: FetchEvents;
  readonly clock: Clock;
  readonly lookup: Lookup | undefined;
  readonly limits: FetchLimits;
};

/** What an input turned out to be. */
export type InputLook = {
  readonly kind: 'hls' | 'dash' | 'media';
  /** Where ffmpeg finds it. */
  readonly url: string;
  /** The rungs of its ladder, best first; empty where it has none. */
  readonly renditions: readonly Rendition[];
};

export class FetchSession {
  readonly #options: FetchSessionOptions;
  readonly #prefix: string;
  readonly #client: OriginClient;
  readonly #inputUrl: URL;
  readonly #onClose: () => void;
  readonly #closing = new AbortController();
  /** Addresses of manifests whose children were handed out, by number. */
  readonly #manifests: string[];
  #looked: { readonly manifest: Manifest; readonly atMs: number } | null = null;
  readonly #periods = new DashPeriods();
  #lastFailure: string | null = null;

  /** @param prefix address on the loopback that everything of this session begins with */
  constructor(options: FetchSessionOptions, prefix: string, onClose: () => void) {
    const { input, allow, limits, lookup } = options;
    this.#options = options;
    this.#prefix = prefix;
    this.#onClose = onClose;
    const isWeb = /^https?:/i.test(input);
    this.#inputUrl = isWeb ? new URL(input) : pathToFileURL(input);
    this.#manifests = [this.#inputUrl.href];
    const resolver = lookup === undefined ? {} : { lookup };
    this.#client = isWeb ? createOriginClient({ allow, limits, ...resolver }) : createFileClient(input);
  }

  /** Why the last thing that was asked for could not be had; null when it was had. */
  get lastFailure(): string | null {
    return this.#lastFailure;
  }

  /** Gets the input and says what it is. Rejects with {@link FetchFailure}; a rendition that is not there is one. */
  async look(): Promise<InputLook> {
    const manifest = await this.#getManifest(this.#inputUrl.href, true, this.#closing.signal);
    if (manifest === null) return { kind: 'media', url: `${this.#prefix}root/input`, renditions: [] };
    this.#chosen(manifest);
    const dash = loadedDash(manifest);
    if (dash !== null) this.#periods.begin(dash, this.#options.clock.nowMs());
    this.#looked = { manifest, atMs: this.#options.clock.nowMs() };
    const { renditions } = manifest;
    return manifest.kind === 'dash'
      ? { kind: 'dash', url: `${this.#prefix}root/manifest.mpd`, renditions }
      : { kind: 'hls', url: `${this.#prefix}root/index.m3u8`, renditions };
  }

  /** Gets a manifest for those who listen only: what came of it is in their events. */
  async poll(url: string): Promise<void> {
    try {
      await this.#getManifest(url, false, this.#closing.signal);
    } catch (error) {
      if (!(error instanceof FetchFailure)) throw error;
    }
  }

  /** Gets the beginning of a segment for those who listen only. */
  async pollSegment(question: SegmentQuestion): Promise<void> {
    const { limits, events, clock } = this.#options;
    await askForSegment(question, { client: this.#client, limits, events, clock }, this.#closing.signal);
  }

  /** A message of ffmpeg's with loopback addresses replaced by those that they stand for. */
  plain(message: string): string {
    const [before = '', ...after] = message.split(this.#prefix);
    const replaced = after.map((text) => {
      const path = /^[^\s'"]*/.exec(text)![0].replace(/[:;,.]+$/, '');
      const target = parseLoopbackPath(path);
      const url = target === null || target.kind === 'root' ? this.#inputUrl : URL.parse(target.url);
      return (url === null ? '' : shown(url)) + text.slice(path.length);
    });
    return before + replaced.join('');
  }

  /** Answers ffmpeg. Never throws. */
  serve(path: string, range: string | null, response: ServerResponse): void {
    const leaving = new AbortController();
    response.on('close', () => leaving.abort());
    const signal = AbortSignal.any([leaving.signal, this.#closing.signal]);
    this.#answer(parseLoopbackPath(path), range, response, signal).catch((error: unknown) => {
      if (response.headersSent || !(error instanceof FetchFailure)) response.destroy();
      else response.writeHead(statusFor(error)).end();
      if (!(error instanceof FetchFailure)) this.#lastFailure = String(error);
    });
  }

  close(): void {
    this.#closing.abort();
    this.#client.close();
    this.#onClose();
  }

  async #answer(
    target: LoopbackTarget | null,
    range: string | null,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    if (target === null) throw new FetchFailure('http-error', 'no such path', 404);
    if (target.kind !== 'root' && target.kind !== 'manifest') {
      const { limits, events, clock } = this.#options;
      const manifestUrl = this.#manifests[target.manifest] ?? this.#inputUrl.href;
      const note = (failure: string | null) => {
        this.#lastFailure = failure;
      };
      const context = { client: this.#client, limits, events, clock, note };
      const isSegment = target.kind === 'segment';
      if (isSegment && this.#periods.isPastEnd(target.url, clock.nowMs())) return this.#endPeriod(signal);
      await relaySegment({ ...target, manifestUrl, range }, context, response, signal);
      if (isSegment && this.#periods.delivered(target.url, clock.nowMs())) this.#tellPeriodEnd();
      return;
    }
    const isRoot = target.kind === 'root';
    const url = isRoot ? this.#inputUrl.href : target.url;
    const manifest = (isRoot ? this.#takeLooked() : null) ?? (await this.#getManifest(url, isRoot, signal));
    if (manifest === null) return await this.#relayMedia(range, response, signal);
    const type = manifest.kind === 'dash' ? 'application/dash+xml' : 'application/vnd.apple.mpegurl';
    const text = this.#rewritten(manifest);
    response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
  }

  /** ffmpeg would ask for one that is not there after the other: nothing is answered until it is ended. */
  async #endPeriod(signal: AbortSignal): Promise<void> {
    this.#tellPeriodEnd();
    if (!signal.aborted) await once(signal, 'abort');
  }

  #tellPeriodEnd(): void {
    this.#lastFailure = 'the next period of the manifest begins';
    this.#options.events.onPeriodEnd?.();
  }

  /** What was got a moment ago to see what it is need not be got again. */
  #takeLooked(): Manifest | null {
    const looked = this.#looked;
    this.#looked = null;
    return looked !== null && this.#options.clock.nowMs() - looked.atMs < LOOK_MS_MAX
      ? looked.manifest
      : null;
  }

  /** Gets and reads a manifest, and tells whoever listens; null when `mayBeMedia` and it is a media file. */
  async #getManifest(url: string, mayBeMedia: boolean, signal: AbortSignal): Promise<Manifest | null> {
    const { clock, limits, events } = this.#options;
    const startedAtMs = clock.nowMs();
    const tell = (fetch: Omit<ManifestFetch, 'url' | 'atMs' | 'durationMs'>): void => {
      const atMs = clock.nowMs();
      this.#lastFailure = fetch.outcome === 'ok' ? null : fetch.reason;
      events.onManifest?.({ ...fetch, url, atMs, durationMs: atMs - startedAtMs });
    };
    let status = 0;
    let finalUrl = url;
    try {
      const answer = await this.#client.get({ url: addressOf(url), range: null, signal });
      status = answer.status;
      finalUrl = answer.finalUrl.href;
      const bounds = { bytesMax: limits.manifestBytes, idleMs: limits.idleMs, waitMs: limits.bodyMs };
      const bytes = await manifestBody(answer, bounds, (beginning) => {
        return !mayBeMedia || isManifest(beginning, answer.finalUrl, answer.headers);
      });
      if (bytes === null) {
        this.#lastFailure = null;
        return null;
      }
      const manifest = readManifest(bytes.toString('utf8'), url, finalUrl);
      tell({ kind: manifest.kind, status, outcome: 'ok', reason: '', body: manifest.body, finalUrl });
      return manifest;
    } catch (error) {
      if (!(error instanceof FetchFailure)) throw error;
      if (signal.aborted) throw new FetchFailure('abandoned', 'nobody waits for it any more');
      const { outcome, message: reason } = error;
      const failed = { kind: expectedKind(url), status: error.status || status, body: '', finalUrl };
      tell({ ...failed, outcome, reason });
      throw error;
    }
  }

  #chosen(manifest: Manifest): Rendition | null {
    if (manifest.renditions.length === 0) return null;
    const chosen = chooseRendition(manifest.renditions, this.#options.rendition);
    if (chosen !== null) return chosen;
    const names = manifest.renditions.map(({ name }) => name).join(', ');
    this.#lastFailure = `there is no rendition "${this.#options.rendition}"; there are ${names}`;
    throw new FetchFailure('http-error', this.#lastFailure, 404);
  }

  #rewritten(manifest: Manifest): string {
    const key = this.#chosen(manifest)?.key ?? null;
    const dash = loadedDash(manifest);
    if (dash !== null) {
      const base = (baseUrl: string) => this.#prefix + dashBase(baseUrl);
      const period = this.#periods.handOut(dash);
      if (period === null) throw new FetchFailure('http-error', 'the period is not listed any more', 404);
      return rewriteDash(dash.mpd, period, manifest.finalUrl, key, { base, child: dashChild });
    }
    const number = this.#numberOf(manifest.url);
    return rewriteHls(
      manifest.body,
      manifest.finalUrl,
      (url, kind) => this.#prefix + childPath(kind, number, url),
      key,
    );
  }

  #numberOf(manifestUrl: string): number {
    const known = this.#manifests.indexOf(manifestUrl);
    if (known >= 0) return known;
    // Those of one rendition are few; past that, children count as those of the input.
    return this.#manifests.length < MANIFESTS_MAX ? this.#manifests.push(manifestUrl) - 1 : 0;
  }

  /** A media file, or media without an end: passed on as it comes. */
  async #relayMedia(range: string | null, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { limits } = this.#options;
    try {
      const answer = await this.#client.get({ url: this.#inputUrl, range, signal });
      response.writeHead(answer.status, answer.headers);
      const bounds = { bytesMax: Number.POSITIVE_INFINITY, idleMs: limits.idleMs, waitMs: null };
      for await (const chunk of boundedBody(answer.body, bounds, shown(answer.finalUrl))) {
        await written(response, chunk, signal);
      }
      response.end();
      this.#lastFailure = null;
    } catch (error) {
      if (error instanceof FetchFailure && !signal.aborted) this.#lastFailure = error.message;
      throw error;
    }
  }
}

/** For how long the manifest that was looked at stands for the one that ffmpeg asks for. */
const LOOK_MS_MAX = 2_000;
const MANIFESTS_MAX = 32;

function loadedDash({ mpd, body, finalUrl }: Manifest): LoadedDash | null {
  const facts = mpd === null ? null : parseDash(body, finalUrl);
  return mpd === null || facts === null ? null : { mpd, facts };
}

function addressOf(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed === null) throw new FetchFailure('forbidden', `"${url.slice(0, 100)}" is no address`);
  return parsed;
}

/** What ffmpeg is told; the reason is in the events. */
function statusFor({ outcome, status }: FetchFailure): number {
  if (outcome === 'http-error' && status >= 400) return status;
  if (outcome === 'forbidden') return 403;
  return outcome === 'timeout' ? 504 : 502;
}
