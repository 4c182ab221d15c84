/** One person in front of a screen: attempts, what they do meanwhile, and when they have had enough. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { exponentialMs, hexadecimal } from './draws.ts';
import type { PlacedIncident } from './incidents.ts';
import { type Happening, Playback } from './playback.ts';
import type { Viewer } from './population.ts';

export type EventName =
  | 'intent'
  | 'state'
  | 'first-frame'
  | 'content-frame'
  | 'bitrate'
  | 'shown'
  | 'heartbeat'
  | 'error'
  | 'mute'
  | 'unmute'
  | 'background'
  | 'foreground'
  | 'ad-break-start'
  | 'ad-start'
  | 'ad-end'
  | 'ad-break-end'
  | 'request'
  | 'leave';

/** One attempt to watch, as the player knows it. */
export type Session = {
  readonly id: string;
  /** The attempt that this one repeats; empty for none. */
  readonly previousId: string;
  readonly startMs: number;
};

/** Something that happened in a player at `atMs` of true time, with what the player can tell at that moment. */
export type PlayerEvent = ReturnType<Playback['figures']> & {
  readonly name: EventName;
  readonly session: Session;
  readonly atMs: number;
  readonly muted: boolean;
  readonly hidden: boolean;
  /** A person caused it; null where that is no question. */
  readonly byPerson: boolean | null;
  readonly errorCode: string;
  /** For `request`. */
  readonly request: Extract<Happening, { kind: 'request' }>['finished'] | null;
};

/** A stretch `[fromMs, toMs)` of an attempt, for the labels. */
export type Stretch = {
  readonly session: Session;
  readonly fromMs: number;
  readonly toMs: number;
  /** Waited for a picture where none should be waited for, or ended in an error. */
  readonly isImpaired: boolean;
  /** Content was on screen in the foreground, this far behind the live edge; null when it was not. */
  readonly seenLatencyMs: number | null;
};

export type ViewingOptions = {
  readonly viewer: Viewer;
  readonly incidents: readonly PlacedIncident[];
  readonly random: SeededRandom;
  readonly arrivalMs: number;
  /** May leave again after some seconds; true when left out. */
  readonly mayLookIn?: boolean;
  /** Nothing happens from here on, Unix ms. */
  readonly untilMs: number;
  /** Sees everything; called before the events of the moment that it leads to. */
  readonly onStretch: (stretch: Stretch) => void;
};

/** Attempts after the first one. */
const RETRIES_MAX = 4;

/** Everything that happens in one person's players, in order of time. */
export function* watch(options: ViewingOptions): Generator<PlayerEvent, void, undefined> {
  const { random, untilMs } = options;
  let startMs = options.arrivalMs;
  let previousId = '';
  for (let attempt = 0; attempt <= RETRIES_MAX && startMs < untilMs; attempt += 1) {
    const own = random.fork(`attempt ${attempt}`);
    const session = { id: sessionIdOf(own), previousId, startMs };
    const attempted = new Attempt(options, session, own.fork('person'), own.fork('delivery'));
    yield* attempted.run();
    if (!attempted.isUnsatisfied || !own.chance(650)) return;
    previousId = session.id;
    startMs = attempted.endMs + own.between(1_000, 7_000);
  }
}

/** Longest wait at a start that nobody notices, ms. */
const STARTUP_MS_GOOD = 3_000;
const ACTION_MS_MEAN = 45_000;
const SESSION_MS_MEAN = 480_000;
const MUTED_START_PERMILLE = 80;
const PREROLL_PERMILLE = 220;

type Action = 'pause' | 'resume' | 'seek' | 'mute' | 'hide' | 'midroll';

class Attempt {
  readonly #options: ViewingOptions;
  readonly #session: Session;
  readonly #person: SeededRandom;
  readonly #playback: Playback;
  readonly #leaveMs: number;
  #muted: boolean;
  #hidden = false;
  #nextActionMs: number;
  #nextHeartbeatMs: number;
  #leftWaiting = false;

  constructor(options: ViewingOptions, session: Session, person: SeededRandom, delivery: SeededRandom) {
    this.#options = options;
    this.#session = session;
    this.#person = person;
    const prerollAds = person.chance(PREROLL_PERMILLE) ? person.between(1, 3) : 0;
    this.#playback = new Playback(options.viewer, options.incidents, delivery, session.startMs, prerollAds);
    this.#muted = person.chance(MUTED_START_PERMILLE);
    this.#leaveMs =
      session.startMs + stayMs(person, options.mayLookIn !== false && options.arrivalMs === session.startMs);
    this.#nextActionMs = session.startMs + exponentialMs(person, ACTION_MS_MEAN);
    this.#nextHeartbeatMs = session.startMs;
  }

  get endMs(): number {
    return this.#playback.nowMs;
  }

  /** Ended with an error, or because there was nothing to see: reason to try again. */
  get isUnsatisfied(): boolean {
    return this.#leftWaiting || this.#playback.state === 'fatal-error';
  }

  *run(): Generator<PlayerEvent, void, undefined> {
    const { viewer, untilMs } = this.#options;
    const playback = this.#playback;
    yield this.#event('intent');
    yield this.#event('state');
    yield this.#event('heartbeat');
    this.#nextHeartbeatMs = playback.nowMs + viewer.player.heartbeatMs;
    while (!playback.isOver) {
      const toMs = Math.min(
        playback.nextMs(),
        this.#nextActionMs,
        this.#nextHeartbeatMs,
        this.#leaveMs,
        this.#givesUpMs(),
        untilMs,
      );
      if (toMs >= untilMs) {
        this.#tellStretch(untilMs);
        return;
      }
      this.#tellStretch(toMs);
      yield* this.#tell(playback.advance(toMs), false);
      if (playback.isOver) break;
      if (toMs >= Math.min(this.#leaveMs, this.#givesUpMs())) {
        this.#leftWaiting = toMs < this.#leaveMs;
        yield* this.#leave();
        return;
      }
      if (toMs >= this.#nextActionMs) yield* this.#act();
      if (toMs >= this.#nextHeartbeatMs) {
        yield this.#event('heartbeat');
        this.#nextHeartbeatMs = toMs + viewer.player.heartbeatMs;
      }
    }
  }

  #givesUpMs(): number {
    const sinceMs = this.#playback.waitingSinceMs;
    return sinceMs === null ? Number.POSITIVE_INFINITY : sinceMs + this.#options.viewer.patienceMs;
  }

  #tellStretch(toMs: number): void {
    const { onStretch } = this.#options;
    const { state, adPlaying, waitingSinceMs, nowMs } = this.#playback;
    const { latencyMs } = this.#playback.figures();
    const waitsLong = waitingSinceMs !== null && toMs - waitingSinceMs > STARTUP_MS_GOOD;
    onStretch({
      session: this.#session,
      fromMs: nowMs,
      toMs,
      isImpaired: state === 'rebuffering' || waitsLong,
      seenLatencyMs: state === 'playing' && !adPlaying && !this.#hidden ? latencyMs : null,
    });
  }

  *#tell(happenings: readonly Happening[], byPerson: boolean): Generator<PlayerEvent, void, undefined> {
    for (const happening of happenings) {
      const { kind } = happening;
      if (kind === 'request') yield this.#event('request', { request: happening.finished });
      else if (kind === 'fatal') {
        const { nowMs } = this.#playback;
        this.#options.onStretch({
          session: this.#session,
          fromMs: nowMs,
          toMs: nowMs + 1,
          isImpaired: true,
          seenLatencyMs: null,
        });
        yield this.#event('error', { errorCode: happening.code });
      } else if (kind === 'state') yield this.#event(kind, { byPerson });
      else yield this.#event(kind);
    }
  }

  *#act(): Generator<PlayerEvent, void, undefined> {
    const playback = this.#playback;
    const action = this.#chooseAction();
    this.#nextActionMs = playback.nowMs + exponentialMs(this.#person, ACTION_MS_MEAN);
    if (action === 'resume') yield* this.#tell(playback.resume(this.#person.chance(400)), true);
    else if (action === 'pause') {
      yield* this.#tell(playback.pause(), true);
      this.#nextActionMs = playback.nowMs + this.#person.between(2_000, 40_000);
    } else if (action === 'seek') yield* this.#tell(playback.seek(this.#person.between(5_000, 60_000)), true);
    else if (action === 'midroll') yield* this.#tell(playback.beginAds(this.#person.between(1, 3)), false);
    else if (action === 'mute') {
      this.#muted = !this.#muted;
      yield this.#event(this.#muted ? 'mute' : 'unmute', { byPerson: true });
    } else if (action === 'hide') {
      this.#hidden = !this.#hidden;
      yield this.#event(this.#hidden ? 'background' : 'foreground', { byPerson: true });
    }
  }

  /** Null where nothing fits the moment. The draw is the same whatever the player is doing. */
  #chooseAction(): Action | null {
    const { state, adPlaying } = this.#playback;
    const drawn = this.#person.below(100);
    if (state === 'paused') return 'resume';
    if (this.#hidden) return 'hide';
    if (drawn < 25) return 'hide';
    if (drawn < 50) return 'mute';
    if (state !== 'playing' || adPlaying) return null;
    if (drawn < 75) return 'pause';
    return drawn < 90 ? 'seek' : 'midroll';
  }

  /** In an orderly way, so that players which can tell do; or by closing the tab. */
  *#leave(): Generator<PlayerEvent, void, undefined> {
    if (this.#person.chance(350)) return;
    yield* this.#tell(this.#playback.quit(), true);
    yield this.#event('leave', { byPerson: true });
  }

  #event(name: EventName, more: Partial<PlayerEvent> = {}): PlayerEvent {
    return {
      ...this.#playback.figures(),
      name,
      session: this.#session,
      atMs: this.#playback.nowMs,
      muted: this.#muted,
      hidden: this.#hidden,
      byPerson: null,
      errorCode: '',
      request: null,
      ...more,
    };
  }
}

/** A quarter look in only, the others stay for minutes. */
function stayMs(random: SeededRandom, mayLookIn: boolean): number {
  const looksIn = random.chance(LOOK_IN_PERMILLE) && mayLookIn;
  return looksIn ? random.between(5_000, 30_000) : exponentialMs(random, SESSION_MS_MEAN);
}

const LOOK_IN_PERMILLE = 250;

/** How long a first attempt lasts on average, ms: for as many arrivals as keep an audience at its size. */
export const STAY_MS_MEAN = Math.round(
  (LOOK_IN_PERMILLE * 17_500 + (1000 - LOOK_IN_PERMILLE) * SESSION_MS_MEAN) / 1000,
);

/** In the form of a version 4 UUID (RFC 9562). */
function sessionIdOf(random: SeededRandom): string {
  const hex = hexadecimal(random, 32);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20),
  ];
  return parts.join('-');
}
