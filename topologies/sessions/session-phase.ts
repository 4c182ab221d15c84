/** What goes on in a session, from what its player told last. */
import type { SessionState } from './session-state.ts';

/** What is going on, as far as it was told; null outside of an attempt and after its end. */
export type Phase =
  | 'startup'
  | 'playing'
  | 'stalled'
  | 'seek-wait'
  | 'paused'
  /** Waiting for something other than data. */
  | 'waiting'
  /** The player tells no state, or none that can be believed. */
  | 'untold';

export function phaseOf(state: SessionState): Phase | null {
  if (state.startMs === null || state.endMs !== null) return null;
  if (state.playerState === null || state.suspectMs !== null) return 'untold';
  switch (state.playerState) {
    case 'playing':
      return state.ratePermille === 0 ? 'paused' : 'playing';
    case 'paused':
      return 'paused';
    case 'rebuffering':
      if (state.stall !== null) return 'stalled';
      return waitOf(state);
    case 'seeking':
      return state.started ? 'seek-wait' : 'startup';
    default:
      return waitOf(state);
  }
}

function waitOf(state: SessionState): Phase {
  if (state.seeking && state.started) return 'seek-wait';
  return state.contentStarted || (state.inAd && state.started) ? 'waiting' : 'startup';
}
