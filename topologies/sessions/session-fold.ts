/**
 * The fold over one viewer session's events (definitions, section 3): pure, in integers, bounded.
 *
 * Call {@link advance} with the log time before {@link offer} with an event of that time, and again when log time reaches
 * {@link nextDueMs}. All take the same settings during the life of a session.
 */
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { SessionResult } from './figures.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SessionState } from './session-state.ts';

/** What became of an event. */
export type Offered = 'taken' | { readonly drop: DropReason } | { readonly late: LateReason };

/** Left out: counted by the runtime under this reason. */
export type DropReason = 'duplicate' | 'too-many-events';

/**
 * `window-closed`: its window was told already. When it is newer than everything folded so far the session still learns
 * from it, from the earliest open window on. `behind`: older than what was folded; nothing is learnt.
 */
export type LateReason = 'window-closed' | 'behind';

/** A session of which nothing is known yet: what `Reducer.init` gives. */
export declare function newSession(): SessionState;

/** Takes an event that was logged at `timeMs`, ms. Nothing is told before its window closes. */
export declare function offer(
  state: SessionState,
  event: PlaybackEvent,
  timeMs: number,
  settings: SessionSettings,
): Offered;

/**
 * Folds every window whose end plus grace is at most `timeMs`, and gives what is to be told, in order: each window of the
 * session, and after a window in which the session ended (or its silence grew too long, or 24 h were over) the final.
 */
export declare function advance(
  state: SessionState,
  timeMs: number,
  settings: SessionSettings,
): readonly SessionResult[];

/** Log time at which `advance` has to be called next, ms; null when only an event can change anything. */
export declare function nextDueMs(state: SessionState, settings: SessionSettings): number | null;

/**
 * Whether the state may be forgotten at log time `timeMs`: the session is over and past reopening. `nextDueMs` asks for a
 * call at that time.
 */
export declare function isOver(state: SessionState, timeMs: number, settings: SessionSettings): boolean;
