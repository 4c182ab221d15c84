/**
 * The fold over one viewer session's events (definitions, section 3): pure, in integers, bounded.
 *
 * Call {@link advance} with the log time before {@link offer} with an event of that time, and again when log time reaches
 * {@link nextDueMs}. All take the same settings during the life of a session.
 *
 * Events are held until their window closes, and are then folded in the player's order, so that neither the order in which
 * they arrive within grace nor duplicates change a figure. Between events a player does what it said last. What lies
 * behind its last word is only assumed: windows tell it, and the session's own sums do not contain it until the next event
 * confirms it, so that a player that falls silent takes nothing with it that nobody saw.
 */
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { SessionResult } from './figures.ts';
import {
  countArrival,
  countNumber,
  heldOf,
  hold,
  isHeld,
  isNews,
  pruneContexts,
  RESUMED_SN_MIN,
  sortHeld,
  wasFolded,
} from './held-events.ts';
import { applyEvent, resumes } from './player-state.ts';
import { movePlace } from './programme-place.ts';
import { isSettled, logTimeOf, observe, settle } from './session-clock.ts';
import { finalResult, outcomeOf, windowResult } from './session-figures.ts';
import type { SessionSettings } from './session-settings.ts';
import { type HeldEvent, noCounts, noSums, type SessionState } from './session-state.ts';
import { type Account, spend, spendUnknown } from './session-time.ts';

/** What became of an event. */
export type Offered = 'taken' | { readonly drop: DropReason } | { readonly late: LateReason };

/** Left out: counted by the runtime under this reason. */
export type DropReason = 'duplicate' | 'too-many-events';

/**
 * `window-closed`: its window was told already. As it is newer than everything folded so far the session still learns from
 * it: its sums are right again, and the earliest open window begins in the state that it tells. `behind`: older than what
 * was folded; nothing is learnt.
 */
export type LateReason = 'window-closed' | 'behind';

/**
 * Takes an event that was logged at `timeMs`, ms. Nothing is told before its window closes. An event of a session that was
 * closed for its silence is `taken` and reopens it, even when its window has closed.
 */
export function offer(
  state: SessionState,
  event: PlaybackEvent,
  timeMs: number,
  settings: SessionSettings,
): Offered {
  if (state.frontierMs === null) begin(state, event, timeMs, settings);
  if (state.held.length >= settings.heldEventsMax) return TOO_MANY;
  const held = heldOf(state, event, timeMs);
  if (isHeld(state, held)) return duplicate(state);
  const { clock } = state;
  if (clock.offsetMs === null && isSettled(clock, timeMs, settings)) settleAll(state);
  if (held.clientMs !== null) {
    if (clock.offsetMs === null) {
      observe(clock, held.clientMs, timeMs);
      state.held.push(held);
      return 'taken';
    }
    if (isRepeated(state, held)) return duplicate(state);
    held.atMs = logTimeOf(clock, held.clientMs, timeMs, isNews(state, held), settings);
  } else if (wasFolded(state, held)) return duplicate(state);
  return place(state, held, timeMs, settings);
}

/**
 * Folds every window whose end plus grace is at most `timeMs`, and gives what is to be told, in order: each window of the
 * session, and after a window in which the session ended (or its silence grew too long, or 24 h were over) the final.
 */
export function advance(
  state: SessionState,
  timeMs: number,
  settings: SessionSettings,
): readonly SessionResult[] {
  const { windowMs, graceMs } = settings;
  if (state.frontierMs === null || state.frontierMs + windowMs + graceMs > timeMs) return NO_RESULTS;
  if (state.clock.offsetMs === null) settleAll(state);
  const results: SessionResult[] = [];
  while (state.frontierMs + windowMs + graceMs <= timeMs) {
    if (isIdle(state) && !hasEventBefore(state, state.frontierMs + windowMs)) {
      skipWindow(state, timeMs, settings);
      continue;
    }
    foldWindow(state, state.frontierMs, settings, results);
    state.frontierMs += windowMs;
  }
  pruneContexts(state);
  return results;
}

/** Log time at which `advance` has to be called next, ms; null when only an event can change anything. */
export function nextDueMs(state: SessionState, settings: SessionSettings): number | null {
  if (state.frontierMs === null) return null;
  const { windowMs, graceMs } = settings;
  const first = state.held[0];
  if (!isIdle(state) || isUnsettled(state)) return state.frontierMs + windowMs + graceMs;
  if (first !== undefined)
    return Math.max(state.frontierMs, windowStartOf(first.atMs, settings)) + windowMs + graceMs;
  return state.closed === ''
    ? windowStartOf(silentAtMs(state, settings), settings) + windowMs + graceMs
    : overAtMs(state, settings);
}

/**
 * Whether the state may be forgotten at log time `timeMs`: the session is over and past reopening. `nextDueMs` asks for a
 * call at that time.
 */
export function isOver(state: SessionState, timeMs: number, settings: SessionSettings): boolean {
  return state.closed !== '' && state.held.length === 0 && timeMs >= overAtMs(state, settings);
}

const TOO_MANY = { drop: 'too-many-events' } as const;
const DUPLICATE = { drop: 'duplicate' } as const;
const WINDOW_CLOSED = { late: 'window-closed' } as const;
const BEHIND = { late: 'behind' } as const;
const NO_RESULTS: readonly SessionResult[] = Object.freeze([]);

function begin(state: SessionState, event: PlaybackEvent, timeMs: number, settings: SessionSettings): void {
  state.sessionKey = event.sessionKey;
  state.tenant = event.tenant;
  state.sessionId = event.sessionId;
  state.frontierMs = windowStartOf(timeMs, settings);
  state.lastMs = state.frontierMs;
}

function duplicate(state: SessionState): Offered {
  state.duplicateCount += 1;
  return DUPLICATE;
}

/** An event that is newer than what was folded cannot have been folded, whatever its number: the player counts anew. */
function isRepeated(state: SessionState, held: HeldEvent): boolean {
  return held.clientMs! + state.clock.offsetMs! <= state.lastMs && wasFolded(state, held);
}

function place(state: SessionState, held: HeldEvent, timeMs: number, settings: SessionSettings): Offered {
  if (isIdle(state) && state.held.length === 0) passOver(state, timeMs, settings);
  if (held.atMs >= state.frontierMs!) {
    hold(state, held);
    return 'taken';
  }
  // without a number nobody can tell whether it is the last one once more
  if (held.atMs < state.lastMs || (held.atMs === state.lastMs && held.sn === null)) {
    countArrival(state, held);
    return BEHIND;
  }
  state.heardLateMs = timeMs;
  hold(state, held);
  if (state.closed === 'silent') state.reopenedMs = state.frontierMs!;
  return held.atMs < state.reopenedMs ? 'taken' : WINDOW_CLOSED;
}

/** Windows of which nothing is told are passed over. */
function passOver(state: SessionState, timeMs: number, settings: SessionSettings): void {
  const openMs = windowStartOf(timeMs - settings.graceMs, settings);
  if (openMs > state.frontierMs!) state.frontierMs = openMs;
}

function skipWindow(state: SessionState, timeMs: number, settings: SessionSettings): void {
  const endMs = state.frontierMs! + settings.windowMs;
  state.frontierMs = endMs;
  if (state.closed === '') {
    if (endMs >= silentAtMs(state, settings)) close(state, 'silent', endMs);
    return;
  }
  const openMs = timeMs - settings.graceMs;
  const nextMs = Math.min(state.held[0]?.atMs ?? openMs, openMs);
  state.frontierMs = Math.max(endMs, windowStartOf(nextMs, settings));
}

function settleAll(state: SessionState): void {
  const { clock, held } = state;
  settle(clock, held);
  if (clock.offsetMs === null) return;
  for (const event of held) {
    if (event.clientMs !== null) event.atMs = event.clientMs + clock.offsetMs;
  }
  sortHeld(state);
}

/** Nothing is told of its windows as long as no event comes. */
function isIdle(state: SessionState): boolean {
  if (state.closed !== '') return true;
  return state.startMs === null && (state.seemsStartedMs === null || state.playerState !== null);
}

function isUnsettled({ clock }: SessionState): boolean {
  return clock.offsetMs === null && clock.firstLogMs !== null;
}

function hasEventBefore(state: SessionState, endMs: number): boolean {
  const first = state.held[0];
  return first !== undefined && first.atMs < endMs;
}

function foldWindow(
  state: SessionState,
  startMs: number,
  settings: SessionSettings,
  results: SessionResult[],
): void {
  const endMs = startMs + settings.windowMs;
  const own: Account = { sums: noSums(), fromMs: startMs, spans: [] };
  const { held } = state;
  let folded = 0;
  while (folded < held.length && held[folded]!.atMs < endMs) foldEvent(state, held[folded++]!, own, settings);
  if (folded > 0) held.splice(0, folded);
  presume(state, own);
  if (state.startMs === null || state.closed !== '') return;
  const knownMs = Math.max(startMs, Math.min(endMs, state.lastMs + settings.heartbeatTimeoutMs));
  const soFar: Account = { sums: { ...state.sums }, fromMs: Number.MIN_SAFE_INTEGER, spans: null };
  spend(state, Math.max(state.lastMs, startMs), knownMs, own);
  spendUnknown(state, knownMs, endMs, own);
  spend(state, state.lastMs, knownMs, soFar);
  spendUnknown(state, knownMs, endMs, soFar);
  results.push(windowResult(state, startMs, endMs, own.sums, soFar.sums, own.spans!));
  if (state.endMs !== null) {
    close(state, 'ended', endMs);
    results.push(finalResult(state, state.endMs, state.sums));
  } else if (endMs >= silentAtMs(state, settings)) {
    close(state, 'silent', endMs);
    results.push(finalResult(state, state.lastMs, state.sums));
  } else if (endMs >= state.startMs + settings.rolloverMs) {
    state.sums = soFar.sums;
    results.push(finalResult(state, endMs, state.sums));
    rollOver(state, endMs);
  }
}

function foldEvent(state: SessionState, event: HeldEvent, own: Account, settings: SessionSettings): void {
  countNumber(state, event);
  const atMs = Math.max(event.atMs, state.lastMs);
  if (state.sums.eventCount === 0 && state.startMs === null && event.sn !== null && event.sn > RESUMED_SN_MIN)
    resume(state);
  if (state.closed === 'silent' || (state.closed === 'ended' && resumes(state, event))) reopen(state);
  const isKnown = atMs - state.lastMs <= settings.heartbeatTimeoutMs;
  const whole: Account = { sums: state.sums, fromMs: Number.MIN_SAFE_INTEGER, spans: null };
  const account = isKnown ? spend : spendUnknown;
  account(state, Math.max(state.lastMs, own.fromMs), atMs, own);
  account(state, state.lastMs, atMs, whole);
  movePlace(state, atMs, isKnown);
  applyEvent(state, event, atMs);
  state.lastMs = atMs;
}

/** Its attempt was counted in a session that was forgotten since. */
function resume(state: SessionState): void {
  state.resumed = true;
  state.before = { ...state.before, attempted: true };
}

/** A player that tells no state was asked to play when it reports as only such a player does. */
function presume(state: SessionState, own: Account): void {
  if (state.startMs !== null || state.seemsStartedMs === null || state.playerState !== null) return;
  state.startMs = state.seemsStartedMs;
  spendUnknown(state, state.startMs, state.lastMs, own);
  state.sums.unknownMs += state.lastMs - state.startMs;
}

function close(state: SessionState, closed: 'silent' | 'ended', endMs: number): void {
  if (closed === 'silent' && state.suspectMs !== null) state.failure = 'technical';
  state.closed = closed;
  state.closedMs = endMs;
}

function reopen(state: SessionState): void {
  if (state.startMs !== null) state.revision += 1;
  if (state.closed === 'silent' && state.suspectMs !== null) state.failure = '';
  state.closed = '';
}

/** The session goes on as another: its viewer and its player stay, its sums begin anew. */
function rollOver(state: SessionState, atMs: number): void {
  state.before = {
    attempted: true,
    outcome: outcomeOf(state),
    contentStarted: state.contentStarted,
    ended: false,
    playbackFailure: '',
  };
  movePlace(state, atMs, true);
  state.startMs = atMs;
  state.lastMs = atMs;
  state.resumed = true;
  state.revision = 1;
  state.sums = noSums();
  state.windowsTold = noCounts();
  state.rolledOver = {
    stallCount: state.toldStallCount ?? 0,
    stallMs: state.toldStallMs ?? 0,
    droppedFrames: state.droppedFrames ?? 0,
  };
  state.joinTimeMs = null;
  state.prerollMs = null;
  state.contentStartupMs = null;
  state.stallReports = 0;
  state.duplicateCount = 0;
  state.errorCodes = [];
  for (const channel of state.channels) {
    channel.used = 0;
    channel.lost = 0;
  }
}

/** When its player has been silent for too long. Reports that come late, all at once, are a sign of life too. */
function silentAtMs({ lastMs, heardLateMs }: SessionState, settings: SessionSettings): number {
  return Math.max(lastMs, heardLateMs) + settings.heartbeatTimeoutMs;
}

function overAtMs(state: SessionState, settings: SessionSettings): number {
  return Math.max(state.closedMs, state.lastMs, state.heardLateMs) + settings.graceMs + settings.reopenMs;
}

function windowStartOf(timeMs: number, { windowMs }: SessionSettings): number {
  return Math.floor(timeMs / windowMs) * windowMs;
}
