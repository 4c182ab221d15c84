/** The fold over one session as a reducer: player events in, windows and finals out, each as soon as it is told. */
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { SessionResult } from '../sessions/figures.ts';
import { advance, isOver, nextDueMs, offer } from '../sessions/session-fold.ts';
import { newSession, type SessionState, sessionCodec } from '../sessions/session-state.ts';
import { settingsOf } from './settings.ts';

/** A window or a final; or that nothing more can come of this session. */
export type SessionWord =
  | { readonly kind: 'result'; readonly result: SessionResult }
  | { readonly kind: 'over' };

export const session: Reducer<SessionState, PlaybackEvent, SessionWord> = {
  name: 'session',
  state: sessionCodec,
  init: newSession,
  step(state, input, context) {
    const settings = settingsOf(context.config).sessions;
    // What a window says depends on when it was due, not on when log time was looked at.
    const nowMs = input.kind === 'timer' ? input.dueMs : input.timeMs;
    const effects: Effect<SessionWord>[] = advance(state, nowMs, settings).map((result) => ({
      kind: 'forward',
      value: { kind: 'result', result },
    }));
    if (input.kind === 'record') {
      const offered = offer(state, input.value, input.timeMs, settings);
      if (offered !== 'taken') {
        if ('drop' in offered) effects.push({ kind: 'drop', reason: offered.drop });
        else effects.push({ kind: 'late', reason: offered.late });
      }
    }
    if (isOver(state, nowMs, settings)) {
      effects.push({ kind: 'forward', value: { kind: 'over' } }, { kind: 'forget' });
      return effects;
    }
    const dueMs = nextDueMs(state, settings);
    if (dueMs !== null) effects.push({ kind: 'schedule', name: 'due', dueMs });
    return effects.length === 0 ? NOTHING : effects;
  },
};
