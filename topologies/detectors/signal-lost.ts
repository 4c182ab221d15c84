/**
 * `signal-lost`: nothing comes in (definitions, section 1), by the word of the probe or because the probe itself says
 * nothing until a deadline; `probe-lost`: the probe's decoder died, so nobody is looking. Both suppress nothing that was
 * seen: every other detector closes where it saw last.
 */
import { nullable, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import { SIGNAL_DEFAULTS } from './chunk-order.ts';
import { settingsFor } from './settings.ts';
import type { CloseCause, StreamStep, Transition } from './stream-step.ts';

const OPEN = struct({
  type: 'string',
  startMs: 'long',
  /** Log time of the last features before it. */
  sinceMs: 'long',
  /** Presentation and log time at which features came back; null while they do not. */
  resumedMs: 'long?',
  resumedAtMs: 'long',
  confidencePermille: 'int',
  offset: 'long',
});
const FIELDS = { open: nullable(OPEN) } as const;
type State = StateOf<typeof FIELDS>;
type Open = StateOf<(typeof OPEN)['fields']>;

export const signalLost: Reducer<State, StreamStep, Transition> = {
  name: 'signal-lost',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ open: null }),
  step(state, input, { config }) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    if (given.kind === 'features') {
      const { joinMs } = settingsFor(config, 'signal-lost', SIGNAL_DEFAULTS, given.scope);
      return onFeatures(state, given, input.timeMs, joinMs);
    }
    switch (given.why) {
      case 'signal-lost':
      case 'probe-lost':
      case 'probe-silent':
        return onLost(state, given, input.timeMs);
      case 'new-probe-run': {
        // Another timeline begins: on the old one the gap is as long as it was in log time.
        const open = state.open;
        const endMs = open === null ? 0 : open.startMs + lostMs(open, input.timeMs);
        return close(state, 'recovered', given.sentence, open?.resumedMs ?? endMs, input.timeMs);
      }
      case 'stream-ended':
        return close(state, 'stream-ended', given.sentence, given.coveredToMs, input.timeMs);
      case 'retired':
        return [
          ...close(state, 'retired', given.sentence, given.coveredToMs, input.timeMs),
          { kind: 'forget' },
        ];
    }
  },
};

function onLost(state: State, given: StreamStep & { kind: 'interrupted' }, timeMs: number) {
  const type = given.why === 'probe-lost' ? 'probe-lost' : 'signal-lost';
  const effects: Effect<Transition>[] = [];
  if (state.open !== null && state.open.type !== type) {
    effects.push(...close(state, given.why as CloseCause, given.sentence, given.coveredToMs, timeMs));
  }
  if (state.open !== null) {
    state.open.resumedMs = null;
    return effects;
  }
  state.open = {
    type,
    startMs: given.coveredToMs,
    sinceMs: given.lastFeaturesAtMs,
    resumedMs: null,
    resumedAtMs: 0,
    // A deadline cannot tell a dead input from a dead probe.
    confidencePermille: given.why === 'probe-silent' ? 600 : 1_000,
    offset: given.evidence.offset,
  };
  const durationMs = lostMs(state.open, timeMs);
  const reason = `${given.sentence}, for ${durationMs} ms of log time`;
  effects.push(
    forward(state.open, { kind: 'open', endMs: null, durationMs, reason, atMs: given.coveredToMs }),
  );
  return effects;
}

function onFeatures(state: State, given: StreamStep & { kind: 'features' }, timeMs: number, joinMs: number) {
  const { open } = state;
  if (open === null) return NOTHING;
  if (open.resumedMs === null) {
    open.resumedMs = Math.max(open.startMs, given.chunk.basePtsMs);
    open.resumedAtMs = timeMs;
  }
  if (given.coveredToMs - open.resumedMs < joinMs) return NOTHING;
  return close(state, 'recovered', 'features come again', open.resumedMs, timeMs);
}

function close(
  state: State,
  cause: CloseCause,
  sentence: string,
  endMs: number,
  timeMs: number,
): readonly Effect<Transition>[] {
  const { open } = state;
  if (open === null) return NOTHING;
  state.open = null;
  const to = Math.max(open.startMs, open.resumedMs ?? endMs);
  const durationMs = Math.max(to - open.startMs, lostMs(open, timeMs));
  const reason = `${cause}: ${sentence}, after ${lostMs(open, timeMs)} ms of log time`;
  return [forward(open, { kind: 'close', endMs: to, durationMs, reason, atMs: to })];
}

/** Log time without features so far. */
function lostMs(open: Open, timeMs: number): number {
  return (open.resumedMs === null ? timeMs : open.resumedAtMs) - open.sinceMs;
}

type Told = Pick<Transition, 'kind' | 'endMs' | 'durationMs' | 'reason' | 'atMs'>;

function forward(open: Open, told: Told): Effect<Transition> {
  const value: Transition = {
    ...told,
    type: open.type,
    trackId: '',
    startMs: open.startMs,
    minMs: 0,
    joinMs: 0,
    severity: open.type === 'probe-lost' ? 'medium' : 'critical',
    confidencePermille: open.confidencePermille,
    evidenceFirstOffset: open.offset,
  };
  return { kind: 'forward', value };
}
