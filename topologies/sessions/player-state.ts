/**
 * One event of a player, applied to what is known of its session (definitions, section 3; CTA-2066 for the terms,
 * CTA-5004-B for the states). Time up to the event has been accounted for before.
 */

import { takeContext } from './held-events.ts';
import { type PlayerRules, rulesFor } from './player-rules.ts';
import { losePlace, pausePlace, takePlace } from './programme-place.ts';
import type { HeldEvent, SessionState } from './session-state.ts';
import { countSwitch, STALL_MS_MIN } from './session-time.ts';

/** A stall that begins this soon after a seek is not the connection's. */
const AFTER_SEEK_MS = 2_000;

export function applyEvent(state: SessionState, event: HeldEvent, atMs: number): void {
  takeContext(state, event);
  const rules = rulesFor(state.contexts[0]!.playerName);
  state.sums.eventCount += 1;
  takeCumulative(state, event);
  if (state.endMs !== null) {
    takeErrors(state, event, atMs, rules);
    if (!resumes(state, event)) return;
    goOn(state);
  }
  takeSurroundings(state, event, atMs);
  takeRendition(state, event, atMs, rules);
  takeHappening(state, event, atMs);
  takeState(state, event, atMs);
  takeErrors(state, event, atMs, rules);
  takeSigns(state, event, atMs, rules);
  takePlace(state, event, atMs);
  if (event.mediaTimeMs !== null && !state.inAd) state.mediaTimeMs = event.mediaTimeMs;
}

/**
 * Whether an event says that playback goes on in a session that had ended: a new state, not the old one once more, which
 * some players repeat for ever after they gave up.
 */
export function resumes(state: SessionState, event: HeldEvent): boolean {
  if (event.event === 'intent' || event.event === 'first-frame' || event.event === 'content-frame')
    return true;
  const isNew = event.event === 'play-state' || state.endedBy === 'ended';
  return isNew && ACTIVE.has(event.playerState ?? '');
}

const ACTIVE: ReadonlySet<string> = new Set(['starting', 'playing', 'seeking', 'rebuffering']);

/** States in which playback was asked for. */
const ATTEMPTS: ReadonlySet<string> = new Set([...ACTIVE, 'fatal-error']);

const INT_MAX = 2_147_483_647;
const CODES_MAX = 8;
/** What is buffered is on screen after this at the latest; longer buffers are told by players that count something else. */
const RENDITION_DELAY_MS_MAX = 60_000;
/** Media that moved by this much was played. */
const MEDIA_MOVED_MS = 500;

function goOn(state: SessionState): void {
  state.endMs = null;
  state.endedBy = '';
  state.failure = '';
  state.stall = null;
  state.seeking = false;
  // until it says what it does
  state.playerState = state.started ? 'waiting' : 'starting';
}

function takeCumulative(state: SessionState, event: HeldEvent): void {
  if (event.stallCount !== null) state.toldStallCount = Math.max(state.toldStallCount ?? 0, event.stallCount);
  if (event.stallMs !== null) state.toldStallMs = Math.max(state.toldStallMs ?? 0, event.stallMs);
  if (event.droppedFrames !== null)
    state.droppedFrames = Math.max(state.droppedFrames ?? 0, event.droppedFrames);
  // with several objects under way each tells of the same stall, so those of sound are left out
  if (event.stalledSinceLast === true && event.objectType !== 'audio') state.stallReports += 1;
}

function takeSurroundings(state: SessionState, event: HeldEvent, atMs: number): void {
  if (event.muted !== null) state.muted = event.muted;
  else if (event.event === 'mute') state.muted = true;
  else if (event.event === 'unmute') state.muted = false;
  // a flag that is false is not sent
  if (event.hidden !== null) state.hidden = event.hidden;
  else if (event.event === 'background') state.hidden = false;
  if (event.ratePermille !== null) state.ratePermille = event.ratePermille;
  if (event.bufferMs !== null && !event.isRequest) state.bufferMs = event.bufferMs;
  const wasInAd = state.inAd;
  if (event.event === 'ad-break-start') state.inAdBreak = true;
  if (event.event === 'ad-break-end') state.inAdBreak = false;
  if (event.adPlaying !== null) state.inAd = event.adPlaying;
  else if (event.event === 'ad-start' || event.event === 'ad-break-start') state.inAd = true;
  else if (event.event === 'ad-end' || event.event === 'ad-break-end') state.inAd = state.inAdBreak;
  if (wasInAd === state.inAd) return;
  losePlace(state);
  if (!state.inAd && state.playerState === 'playing') beginContent(state, atMs);
}

function takeRendition(state: SessionState, event: HeldEvent, atMs: number, rules: PlayerRules): void {
  const { bitrateBps, heightPx, renditionId } = event;
  if (state.upcoming !== null && state.upcoming.atMs < atMs) {
    state.rendition = state.upcoming.rendition;
    state.upcoming = null;
  }
  if (state.inAd) return;
  const now = state.rendition;
  if (bitrateBps === null) {
    if (heightPx !== null) now.heightPx = heightPx;
    if (renditionId !== null) now.renditionId = renditionId;
    return;
  }
  const isOfTransfer = !event.renditionShown && (event.isRequest || event.event === 'response-received');
  if (isOfTransfer) {
    if (NOT_VIDEO.has(event.objectType ?? '')) return;
  }
  if (event.clientMs !== null) state.tellsTimedBitrates = true;
  else if (state.tellsTimedBitrates) return;
  const told = { bitrateBps, heightPx, renditionId: renditionId ?? '' };
  if (bitrateBps === now.bitrateBps) {
    // decided against before it was on screen
    state.upcoming = null;
    state.rendition = {
      bitrateBps,
      heightPx: heightPx ?? now.heightPx,
      renditionId: renditionId ?? now.renditionId,
    };
    return;
  }
  if (!event.renditionShown && state.upcoming?.rendition.bitrateBps === bitrateBps) {
    if (heightPx !== null) state.upcoming.rendition.heightPx = heightPx;
    if (renditionId !== null) state.upcoming.rendition.renditionId = renditionId;
    return;
  }
  const isEarly = isOfTransfer || (rules.tellsBitrateEarly && !event.renditionShown);
  const aheadMs = Math.min(event.bufferMs ?? state.bufferMs ?? 0, RENDITION_DELAY_MS_MAX);
  if (isEarly && state.contentStarted && now.bitrateBps !== null && aheadMs > 0) {
    state.upcoming = { atMs: atMs + aheadMs, rendition: told };
    return;
  }
  countSwitch(state, now.bitrateBps, bitrateBps, state.sums);
  state.upcoming = null;
  state.rendition = told;
}

const NOT_VIDEO: ReadonlySet<string> = new Set(['manifest', 'init', 'audio', 'caption', 'key']);

function takeHappening(state: SessionState, event: HeldEvent, atMs: number): void {
  switch (event.event) {
    case 'intent':
      beginAttempt(state, atMs);
      state.intentMs ??= atMs;
      state.playerState ??= 'starting';
      return;
    case 'first-frame':
      beginAttempt(state, atMs);
      beginPlay(state, atMs);
      return;
    case 'content-frame':
      beginAttempt(state, atMs);
      beginPlay(state, atMs);
      beginContent(state, atMs);
      return;
    case 'skip':
      losePlace(state);
      return;
    case 'leave':
      endBy(state, 'left', atMs);
      return;
  }
}

function takeState(state: SessionState, event: HeldEvent, atMs: number): void {
  const next = event.playerState;
  if (next === null || state.endMs !== null) return;
  // a report without a time of its own may be older than what the player has said in events
  if (event.clientMs === null && state.playerState !== null && state.clock.firstClientMs !== null) return;
  if (state.suspectMs !== null && event.event === 'play-state' && ACTIVE.has(next)) state.suspectMs = null;
  if (next === 'starting' || ATTEMPTS.has(next)) beginAttempt(state, atMs);
  if (next === 'starting') state.intentMs ??= state.started ? null : atMs;
  const before = state.playerState;
  state.playerState = next;
  if (next === 'rebuffering') {
    beginStall(state, atMs);
    return;
  }
  endStall(state, atMs);
  switch (next) {
    case 'playing':
      beginPlay(state, atMs);
      if (!state.inAd) beginContent(state, atMs);
      if (state.seeking) {
        state.seeking = false;
        state.seekEndMs = atMs;
      }
      return;
    case 'seeking':
      state.seeking = true;
      state.upcoming = null;
      losePlace(state);
      return;
    case 'paused':
      state.seeking = false;
      if (before !== 'paused') pausePlace(state);
      return;
    case 'ended':
      endBy(state, 'ended', atMs);
      return;
    case 'quit':
      endBy(state, 'left', atMs);
      return;
    case 'fatal-error':
      fail(state, classOf(state, event), atMs);
      return;
  }
}

function takeErrors(state: SessionState, event: HeldEvent, atMs: number, rules: PlayerRules): void {
  for (const code of event.errorCodes) {
    if (state.errorCodes.length < CODES_MAX && !state.errorCodes.includes(code)) state.errorCodes.push(code);
  }
  if (event.errorClass === 'technical' || event.errorClass === 'business') {
    state.errorClass = event.errorClass;
    // the class may come behind the fatal state that it belongs to
    if (state.failure !== '') state.failure = event.errorClass;
  }
  if (state.endMs !== null) return;
  if (event.errorFatal === true) {
    beginAttempt(state, atMs);
    fail(state, classOf(state, event), atMs);
    return;
  }
  if (event.event !== 'error' || event.errorFatal === false || state.startMs === null) return;
  if (!state.started && event.errorCodes.some((code) => rules.fatalAtStart.includes(code))) {
    fail(state, 'technical', atMs);
  } else if (state.started && event.errorCodes.some((code) => rules.fatalUnlessGoingOn.includes(code))) {
    endStall(state, atMs);
    state.suspectMs ??= atMs;
  }
}

/** Signs of playback where no state tells of it, or where the state is not to be believed. */
function takeSigns(state: SessionState, event: HeldEvent, atMs: number, rules: PlayerRules): void {
  const { mediaTimeMs } = event;
  const hasMoved =
    mediaTimeMs !== null && state.mediaTimeMs !== null && mediaTimeMs - state.mediaTimeMs >= MEDIA_MOVED_MS;
  if (hasMoved && !state.seeking) state.suspectMs = null;
  if (state.playerState === null) {
    if (!rules.tellsStates && ASKS.has(event.event)) state.seemsStartedMs ??= atMs;
    const isRequest = event.isRequest || event.event === 'response-received';
    const isUnhurried = isRequest && event.startupDelayed !== true;
    const isMedia = isUnhurried && (MEDIA.has(event.objectType ?? '') || state.wasDelayed);
    state.wasDelayed ||= event.startupDelayed === true;
    if (hasMoved || isMedia || event.startupMs !== null || event.startupDelayed === false) {
      beginAttempt(state, atMs);
      state.started = true;
      state.contentStarted ||= !state.inAd;
    }
  }
  if (event.startupMs !== null && rules.believesStartup && !state.resumed && state.started) {
    state.joinTimeMs ??= event.startupMs;
    if (state.prerollMs === null && !state.inAd) state.contentStartupMs ??= event.startupMs;
  }
}

/** Events that only a player sends that was asked to play. */
const ASKS: ReadonlySet<string> = new Set([
  'request',
  'time-interval',
  'bitrate-change',
  'response-received',
]);
const MEDIA: ReadonlySet<string> = new Set(['video', 'audio', 'audio-video']);

function beginAttempt(state: SessionState, atMs: number): void {
  state.startMs ??= atMs;
}

function beginPlay(state: SessionState, atMs: number): void {
  if (state.failure !== '') state.failure = '';
  if (state.started) return;
  state.started = true;
  if (state.intentMs !== null) state.joinTimeMs = Math.min(atMs - state.intentMs, INT_MAX);
  // frames are told apart from states in the JSON format
  if (state.playerState === null || state.playerState === 'starting') state.playerState = 'playing';
}

function beginContent(state: SessionState, atMs: number): void {
  if (state.contentStarted) return;
  state.contentStarted = true;
  const { sums, intentMs } = state;
  if (sums.adMs > 0) state.prerollMs = Math.min(sums.adMs, INT_MAX);
  if (intentMs === null) return;
  const waitedMs = atMs - intentMs - sums.adMs - sums.pausedMs;
  state.contentStartupMs = Math.min(Math.max(0, waitedMs), INT_MAX);
}

function beginStall(state: SessionState, atMs: number): void {
  const isWaitForContent = !state.started || (!state.contentStarted && !state.inAd);
  if (state.stall !== null || state.seeking || isWaitForContent) return;
  const afterSeek = state.seekEndMs !== null && atMs - state.seekEndMs < AFTER_SEEK_MS;
  state.stall = { startMs: atMs, afterSeek, inAd: state.inAd };
}

function endStall(state: SessionState, atMs: number): void {
  if (state.stall === null) return;
  if (atMs - state.stall.startMs < STALL_MS_MIN) state.sums.microStallCount += 1;
  state.stall = null;
}

function endBy(state: SessionState, endedBy: 'ended' | 'left', atMs: number): void {
  endStall(state, atMs);
  state.endMs = atMs;
  state.endedBy = endedBy;
}

function fail(state: SessionState, failure: 'technical' | 'business', atMs: number): void {
  endStall(state, atMs);
  state.endMs = atMs;
  state.endedBy = 'failed';
  state.failure = failure;
  state.suspectMs = null;
}

function classOf(state: SessionState, event: HeldEvent): 'technical' | 'business' {
  const told = event.errorClass ?? state.errorClass;
  return told === 'business' ? 'business' : 'technical';
}
