/**
 * Where in the programme a viewer is (definitions, section 4), in this order: programme time as the player tells it; media
 * time with an anchor of the same session, or as it is for video on demand; the live latency, never across a seek or a
 * pause; unknown. The live edge is never assumed. Between reports the place moves while the player plays, and stands still
 * while it does not.
 */
import { phaseOf } from './session-phase.ts';
import type { HeldEvent, SessionState } from './session-state.ts';

/** Programme time at `atMs`, which is not before the last event; there has to be a place. */
export function programTimeAt(state: SessionState, atMs: number): number {
  const place = state.place!;
  return place.programMs + movedMs(state, atMs - place.atMs);
}

/** How far off it may be, either way, ms: a player's clocks and rate are not exact, so it grows by a hundredth. */
export function uncertaintyAt(state: SessionState, atMs: number): number {
  const place = state.place!;
  if (phaseOf(state) !== 'playing') return place.uncertaintyMs;
  return place.uncertaintyMs + Math.ceil(Math.max(0, atMs - place.atMs) / 100);
}

/** Moves the place to `atMs`, before an event of that time changes what goes on. */
export function movePlace(state: SessionState, atMs: number, isKnown: boolean): void {
  const { place } = state;
  if (place === null) return;
  const phase = phaseOf(state);
  if (!isKnown || phase === null || phase === 'untold') {
    state.place = null;
    return;
  }
  const uncertaintyMs = uncertaintyAt(state, atMs);
  place.programMs = programTimeAt(state, atMs);
  place.uncertaintyMs = uncertaintyMs;
  place.atMs = atMs;
}

/** The player jumped: only what it tells from now on, or an anchor, says where it is. */
export function losePlace(state: SessionState): void {
  state.place = null;
}

/** Live latency does not hold over a pause. */
export function pausePlace(state: SessionState): void {
  if (state.place?.source === 'latency') state.place = null;
}

/** Takes what an event says of the place. While an ad is on screen, that is the ad's. */
export function takePlace(state: SessionState, event: HeldEvent, atMs: number): void {
  const { mediaTimeMs, programTimeMs, liveLatencyMs } = event;
  if (liveLatencyMs !== null) state.liveLatencyMs = liveLatencyMs;
  if (state.inAd) return;
  if (programTimeMs !== null) {
    if (mediaTimeMs !== null) state.anchorMs = programTimeMs - mediaTimeMs;
    put(state, atMs, programTimeMs, PLAYER_UNCERTAINTY_MS, 'player');
  } else if (mediaTimeMs !== null && state.anchorMs !== null) {
    put(state, atMs, mediaTimeMs + state.anchorMs, ANCHOR_UNCERTAINTY_MS, 'anchor');
  } else if (mediaTimeMs !== null && state.contexts[0]!.streamType === 'vod') {
    put(state, atMs, mediaTimeMs, ANCHOR_UNCERTAINTY_MS, 'vod');
  } else if (liveLatencyMs !== null && !state.seeking && isPlaying(state) && isPrompt(state)) {
    if (state.place === null || state.place.source === 'latency')
      put(state, atMs, atMs - liveLatencyMs, SEGMENT_MS, 'latency');
  }
}

/** Playheads are told to the picture or to a tenth of a second. */
const PLAYER_UNCERTAINTY_MS = 100;
const ANCHOR_UNCERTAINTY_MS = 200;
/** Latency is told against an edge that moves a segment at a time; six seconds is the customary one. */
const SEGMENT_MS = 6_000;
/** What that uncertainty covers of a first report that came late. */
const LEAD_MS_MAX = 5_000;

/** Latency needs the wall clock: of a player whose reports come in batches, it is not known well enough. */
function isPrompt({ clock }: SessionState): boolean {
  return clock.leadMs <= LEAD_MS_MAX;
}

function isPlaying(state: SessionState): boolean {
  return phaseOf(state) === 'playing';
}

function put(state: SessionState, atMs: number, programMs: number, uncertaintyMs: number, source: string) {
  state.place = { atMs, programMs, uncertaintyMs, source };
}

function movedMs(state: SessionState, elapsedMs: number): number {
  if (phaseOf(state) !== 'playing' || state.inAd) return 0;
  return Math.round((elapsedMs * (state.ratePermille ?? 1_000)) / 1_000);
}
