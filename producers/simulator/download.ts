/**
 * A player's downloads, one segment after the other: round trip, body at the throughput of the moment, refusals,
 * time-outs, and which rung of the ladder comes next.
 */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { type Conditions, conditionsAt, nextChangeMs, type PlacedIncident } from './incidents.ts';
import type { Viewer } from './population.ts';

export type Rung = { readonly bitrateBps: number; readonly heightPx: number };

/** What every programme is offered in. */
export const LADDER: readonly Rung[] = [
  { bitrateBps: 400_000, heightPx: 234 },
  { bitrateBps: 900_000, heightPx: 360 },
  { bitrateBps: 1_800_000, heightPx: 540 },
  { bitrateBps: 3_200_000, heightPx: 720 },
  { bitrateBps: 6_000_000, heightPx: 1080 },
];

export const SEGMENT_MS = 2_000;
/** A request without its last byte for this long counts as failed. */
const REQUEST_TIMEOUT_MS = 8_000;
/** Failures in a row after which a player gives up. */
const FAILURES_MAX = 4;

const BACKOFF_MS = 500;
/** A body that takes longer than this is given up for the lowest rung. */
const ABANDON_MS = 2 * SEGMENT_MS;
/** Throughput is looked at anew after this long. */
const SLICE_MS = 500;
/** The line's own ups and downs: one draw for each stretch of this length. */
const WEATHER_MS = 5_000;
const SAFETY_PERMILLE = 750;
const MANIFEST_BITS = 80_000;

export type Finished = {
  readonly kind: 'manifest' | 'segment';
  readonly rung: number;
  readonly startedAtMs: number;
  /** HTTP status; 0 when nothing came in time. */
  readonly status: number;
  readonly firstByteMs: number;
  readonly lastByteMs: number;
  readonly isGivenUp: boolean;
};

type Request = {
  readonly kind: 'manifest' | 'segment';
  readonly rung: number;
  readonly startedAtMs: number;
  readonly respondsAtMs: number;
  readonly isRefused: boolean;
  bitsLeft: number;
};

/** Advance it in steps no longer than {@link Downloader.nextMs} says. */
export class Downloader {
  readonly #viewer: Viewer;
  readonly #incidents: readonly PlacedIncident[];
  readonly #random: SeededRandom;
  readonly #topRung: number;
  #request: Request | null = null;
  #retryAtMs = 0;
  #failures = 0;
  #weatherUntilMs = 0;
  #weatherPermille = 1000;
  #estimateBps = 0;
  #rung = 0;

  constructor(viewer: Viewer, incidents: readonly PlacedIncident[], random: SeededRandom) {
    this.#viewer = viewer;
    this.#incidents = incidents;
    this.#random = random;
    const { displayHeightPx } = viewer.device;
    const fitting = LADDER.findLastIndex(({ heightPx }) => heightPx <= displayHeightPx);
    this.#topRung = Math.max(0, fitting);
  }

  get topRung(): number {
    return this.#topRung;
  }

  /** Chosen for the latest segment. */
  get rung(): number {
    return this.#rung;
  }

  /** Measured by the player; null before it has measured anything. */
  get estimateBps(): number | null {
    return this.#estimateBps === 0 ? null : this.#estimateBps;
  }

  get isBusy(): boolean {
    return this.#request !== null;
  }

  conditions(atMs: number): Conditions {
    return conditionsAt(this.#incidents, atMs);
  }

  /** When a request may begin; it has to be waited for after a failure. */
  get readyAtMs(): number {
    return this.#retryAtMs;
  }

  begin(kind: Request['kind'], nowMs: number, bufferMs: number): void {
    const conditions = this.conditions(nowMs);
    if (kind === 'segment') this.#rung = this.#choose(bufferMs);
    const isRefused =
      conditions.requestFailPermille > 0 && this.#random.chance(conditions.requestFailPermille);
    const { roundTripMs } = this.#viewer;
    this.#request = {
      kind,
      rung: this.#rung,
      startedAtMs: nowMs,
      respondsAtMs: nowMs + roundTripMs + this.#random.below(roundTripMs) + conditions.responseDelayMs,
      isRefused,
      bitsLeft: kind === 'manifest' ? MANIFEST_BITS : (LADDER[this.#rung]!.bitrateBps * SEGMENT_MS) / 1000,
    };
  }

  /** What was under way is of no use any more: the player went elsewhere. */
  cancel(): void {
    this.#request = null;
    this.#retryAtMs = 0;
  }

  /** The next moment at which something about the request under way may change. */
  nextMs(nowMs: number): number {
    const request = this.#request;
    if (request === null) return Number.POSITIVE_INFINITY;
    const deadlineMs = request.startedAtMs + REQUEST_TIMEOUT_MS;
    if (nowMs < request.respondsAtMs) return Math.min(request.respondsAtMs, deadlineMs);
    const bps = this.#throughputBps(nowMs);
    const doneMs = bps === 0 ? deadlineMs : nowMs + Math.max(1, Math.ceil((request.bitsLeft * 1000) / bps));
    return Math.min(doneMs, nowMs + SLICE_MS, deadlineMs, nextChangeMs(this.#incidents, nowMs));
  }

  /** Lets the time from `fromMs` to `toMs` pass; what ended in it, if anything. */
  advance(fromMs: number, toMs: number): Finished | null {
    const request = this.#request;
    if (request === null) return null;
    if (fromMs >= request.respondsAtMs)
      request.bitsLeft -= Math.ceil((this.#throughputBps(fromMs) * (toMs - fromMs)) / 1000);
    if (toMs >= request.respondsAtMs && request.isRefused) return this.#fail(request, toMs, 503, false);
    if (toMs >= request.respondsAtMs && request.bitsLeft <= 0) return this.#succeed(request, toMs);
    if (toMs - request.startedAtMs >= REQUEST_TIMEOUT_MS) return this.#fail(request, toMs, 0, false);
    const isSlow = toMs - Math.min(toMs, request.respondsAtMs) >= ABANDON_MS && request.rung > 0;
    return isSlow ? this.#fail(request, toMs, 0, true) : null;
  }

  #throughputBps(atMs: number): number {
    if (atMs >= this.#weatherUntilMs) {
      this.#weatherUntilMs = atMs + WEATHER_MS;
      this.#weatherPermille = this.#random.chance(15)
        ? this.#random.between(200, 500)
        : this.#random.between(700, 1_200);
    }
    const { throughputPermille } = this.conditions(atMs);
    const ofWeather = Math.floor((this.#viewer.throughputBps * this.#weatherPermille) / 1000);
    return Math.floor((ofWeather * throughputPermille) / 1000);
  }

  /** By throughput with a margin; one step at a time upwards, and only with something in hand. */
  #choose(bufferMs: number): number {
    const affordableBps = Math.floor((this.#estimateBps * SAFETY_PERMILLE) / 1000);
    const affordable = Math.max(
      0,
      LADDER.findLastIndex(({ bitrateBps }) => bitrateBps <= affordableBps),
    );
    if (this.#estimateBps === 0) return Math.min(1, this.#topRung);
    if (affordable > this.#rung) {
      return Math.min(this.#topRung, bufferMs >= SEGMENT_MS ? this.#rung + 1 : this.#rung);
    }
    return Math.min(this.#topRung, affordable);
  }

  #succeed(request: Request, nowMs: number): Finished {
    this.#request = null;
    this.#failures = 0;
    const tookMs = Math.max(1, nowMs - request.startedAtMs);
    if (request.kind === 'segment') {
      const measuredBps = Math.floor((LADDER[request.rung]!.bitrateBps * SEGMENT_MS) / tookMs);
      const before = this.#estimateBps === 0 ? measuredBps : this.#estimateBps;
      this.#estimateBps = Math.floor((before * 6 + measuredBps * 4) / 10);
    }
    return ended(request, nowMs, 200, false);
  }

  #fail(request: Request, nowMs: number, status: number, isSlow: boolean): Finished {
    this.#request = null;
    this.#estimateBps = Math.floor(this.#estimateBps / 2);
    if (isSlow) {
      this.#rung = 0;
      this.#estimateBps = 1;
    } else {
      this.#failures += 1;
      this.#retryAtMs = nowMs + BACKOFF_MS * 2 ** Math.min(4, this.#failures - 1);
    }
    return ended(request, nowMs, status, this.#failures >= FAILURES_MAX);
  }
}

function ended(request: Request, nowMs: number, status: number, isGivenUp: boolean): Finished {
  const { kind, rung, startedAtMs, respondsAtMs } = request;
  const lastByteMs = nowMs - startedAtMs;
  const firstByteMs = Math.min(lastByteMs, respondsAtMs - startedAtMs);
  return { kind, rung, startedAtMs, status, firstByteMs, lastByteMs, isGivenUp };
}
