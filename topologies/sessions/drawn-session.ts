/**
 * Sessions drawn as text, for tests: what a test means can be seen.
 *
 * Each character is 500 ms, at whose beginning the player says: `d s p k r w a e f q` a state (CMCD's letters), `I` intent,
 * `F` first frame, `C` first content frame, `L` leave, `[` and `]` an ad begins and ends, `t` a report without news, `x` a
 * fatal error, `B` one of business, `!` an error that need not be fatal, `m` and `u` mute and unmute, `h` and `v` hidden
 * and visible, a digit a bitrate in Mbit/s. `.` is nothing. What is in braces was lost on the way: `{r}`.
 *
 * @example
 * check('s.p....r..p...q', 'play join=1000 playing=4000 stalls=1/1500');
 */
import assert from 'node:assert/strict';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { SessionFigures, SessionResult } from './figures.ts';
import { advance, isOver, nextDueMs, type Offered, offer } from './session-fold.ts';
import { SESSION_DEFAULTS, type SessionSettings } from './session-settings.ts';
import { newSession, type SessionState, sessionCodec } from './session-state.ts';

const CHARACTER_MS = 500;
/** Log time at which a drawing begins: the start of a window. */
export const LOG_START_MS = 1_700_000_000_000;
/** The player's clock is wrong by three minutes. */
export const CLIENT_START_MS = LOG_START_MS - 180_000;

/** An event and the log time at which it arrives. */
export type Arrival = { readonly logMs: number; readonly event: PlaybackEvent };

export function playbackEvent(fields: Partial<PlaybackEvent>): PlaybackEvent {
  return { ...PLAIN, ...fields };
}

/** What a character of a drawing says. */
export function says(character: string): Partial<PlaybackEvent> {
  return SAYS[character] ?? bitrateOf(character);
}

/** Events of a drawing, each logged as it happens. */
export function draw(drawing: string, fields: Partial<PlaybackEvent> = {}): readonly Arrival[] {
  const arrivals: Arrival[] = [];
  let isLost = false;
  let at = 0;
  let sn = 0;
  for (const character of drawing) {
    if (character === '{' || character === '}') {
      isLost = character === '{';
      continue;
    }
    const afterMs = at * CHARACTER_MS;
    at += 1;
    if (character === '.' || character === ' ') continue;
    const clientTimeMs = CLIENT_START_MS + afterMs;
    const event = playbackEvent({ ...fields, sn, clientTimeMs, ...says(character) });
    sn += 1;
    if (!isLost) arrivals.push({ logMs: LOG_START_MS + afterMs, event });
  }
  return arrivals;
}

export type Run = {
  readonly results: readonly SessionResult[];
  readonly offered: readonly Offered[];
  readonly state: SessionState;
  /** Largest encoded state, bytes. */
  readonly bytesMax: number;
};

/** Runs a session as a task would: woken when it is due, its state written and read again between any two steps. */
export function run(arrivals: readonly Arrival[], settings: SessionSettings = SESSION_DEFAULTS): Run {
  let state = newSession();
  let bytesMax = 0;
  const results: SessionResult[] = [];
  const offered: Offered[] = [];
  const step = (work: (state: SessionState) => void) => {
    work(state);
    const bytes = sessionCodec.encode(state);
    bytesMax = Math.max(bytesMax, bytes.length);
    state = sessionCodec.decode(bytes, sessionCodec.version);
  };
  let nowMs = 0;
  const wakeUntil = (untilMs: number) => {
    for (;;) {
      const dueMs = nextDueMs(state, settings);
      if (dueMs === null || dueMs > untilMs || isOver(state, nowMs, settings)) return;
      assert.ok(dueMs > nowMs, `due at ${dueMs}, and it is ${nowMs}`);
      nowMs = dueMs;
      step((own) => results.push(...advance(own, dueMs, settings)));
    }
  };
  for (const { logMs, event } of arrivals) {
    wakeUntil(logMs);
    nowMs = Math.max(nowMs, logMs);
    if (isOver(state, nowMs, settings)) state = newSession();
    step((own) => {
      results.push(...advance(own, nowMs, settings));
      offered.push(offer(own, event, nowMs, settings));
    });
  }
  wakeUntil(Number.POSITIVE_INFINITY);
  return { results, offered, state, bytesMax };
}

export function finalsOf(results: readonly SessionResult[]): readonly SessionResult[] {
  return results.filter(({ figures }) => figures.kind === 'final');
}

/** Figures as words: the outcome, then what is not null or 0. */
export function tell(figures: SessionFigures): string {
  const words = [
    figures.playbackFailure === '' ? figures.outcome : `${figures.outcome}+${figures.playbackFailure}`,
  ];
  const say = (name: string, value: number | null) => {
    if (value !== null && value !== 0) words.push(`${name}=${value}`);
  };
  const sayBoth = (name: string, count: number, durationMs: number) => {
    if (count !== 0 || durationMs !== 0) words.push(`${name}=${count}/${durationMs}`);
  };
  say('join', figures.joinTimeMs);
  say('preroll', figures.prerollMs);
  if (figures.contentStartupMs !== figures.joinTimeMs) say('startup', figures.contentStartupMs);
  say('playing', figures.playingMs);
  say('paused', figures.pausedMs);
  say('seek', figures.seekWaitMs);
  sayBoth('stalls', figures.stallCount, figures.stallMs);
  sayBoth('after-seek', figures.stallCountSeek, figures.stallMsSeek);
  say('micro', figures.microStallCount);
  say('ads', figures.adPlayingMs);
  sayBoth('ad-stalls', figures.adStallCount, figures.adStallMs);
  sayBoth('switches', figures.switchesUp, figures.switchesDown);
  say('lost', figures.eventsLost);
  return words.join(' ');
}

/** The last final of a drawn session, in words. */
export function check(drawing: string, expected: string, fields: Partial<PlaybackEvent> = {}): SessionResult {
  const final = finalsOf(run(draw(drawing, fields)).results).at(-1);
  assert.ok(final !== undefined, `no final: ${drawing}`);
  assert.equal(tell(final.figures), expected, `drawn: ${drawing}`);
  return final;
}

const STATE_OF = {
  d: 'preloading',
  s: 'starting',
  p: 'playing',
  k: 'seeking',
  r: 'rebuffering',
  w: 'waiting',
  a: 'paused',
  e: 'ended',
  f: 'fatal-error',
  q: 'quit',
};

const SAYS: Readonly<Record<string, Partial<PlaybackEvent>>> = {
  ...Object.fromEntries(
    Object.entries(STATE_OF).map(([letter, playerState]) => [letter, { event: 'play-state', playerState }]),
  ),
  I: { event: 'intent' },
  F: { event: 'first-frame' },
  C: { event: 'content-frame' },
  L: { event: 'leave' },
  '[': { event: 'ad-start' },
  ']': { event: 'ad-end' },
  t: { event: 'time-interval' },
  x: { event: 'error', errorFatal: true, errorCodes: ['500'] },
  B: { event: 'error', errorFatal: true, errorClass: 'business', errorCodes: ['geo'] },
  '!': { event: 'error', errorCodes: ['27'] },
  m: { event: 'mute' },
  u: { event: 'unmute' },
  h: { event: 'background', hidden: true },
  v: { event: 'background', hidden: false },
};

function bitrateOf(character: string): Partial<PlaybackEvent> {
  const mbps = Number(character);
  if (!Number.isInteger(mbps)) throw new Error(`'${character}' draws nothing`);
  return { event: 'bitrate-change', bitrateBps: mbps * 1_000_000, heightPx: mbps * 180 };
}

const PLAIN = blankRecord('playback-events', {
  sessionKey: 'key-1',
  tenant: 'acme',
  sessionId: 'sid-1',
  contentId: 'news',
  programmeId: 'news',
  event: 'time-interval',
  source: 'cmcd-v2-event',
  target: 'a',
  streamType: 'live',
  cdn: 'cdn-a',
  country: 'DE',
  deviceClass: 'desktop',
});
