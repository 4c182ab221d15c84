/**
 * `pts-discontinuity`: the source's clock steps in all tracks by 500 ms or more, and nothing announced it (definitions,
 * section 1). A point: the probe takes the step out of the timeline and says where it was.
 */
import { structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { Detector } from './sample-detector.ts';
import type { FeaturesStep } from './samples.ts';
import { settingsFor } from './settings.ts';
import type { StreamStep, Transition } from './stream-step.ts';

const DEFAULTS = {
  /** Steps within this time after one are the same trouble, ms of presentation time. */
  joinMs: 2_000,
  /** Least size of a step, either way. */
  stepMsMin: 500,
  /** A step of this size or more is of high severity: players stall or skip, and recordings break. */
  highFromMs: 10_000,
};

const TYPE = 'pts-discontinuity';

const FIELDS = {
  /** Up to here a step is the same trouble as the one before. */
  joinedToMs: 'long?',
} as const;
type State = { joinedToMs: number | null };

const reducer: Reducer<State, StreamStep, Transition> = {
  name: TYPE,
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ joinedToMs: null }),
  step(state, input, { config }: StepContext) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    if (given.kind === 'features') {
      if (given.chunk.stepPtsMs.length === 0) return NOTHING;
      return onSteps(state, given, settingsFor(config, TYPE, DEFAULTS, given.scope));
    }
    if (given.why === 'new-probe-run') state.joinedToMs = null;
    return given.why === 'retired' ? [{ kind: 'forget' }] : NOTHING;
  },
};

export const ptsDiscontinuity: Detector = {
  type: TYPE,
  defaults: DEFAULTS,
  reducer,
  judging: reducer,
  watches: () => true,
};

function onSteps(
  state: State,
  { chunk, evidence }: FeaturesStep,
  settings: typeof DEFAULTS,
): readonly Effect<Transition>[] {
  const effects: Effect<Transition>[] = [];
  for (const [at, offsetMs] of chunk.stepPtsMs.entries()) {
    const atMs = chunk.basePtsMs + offsetMs;
    const sizeMs = chunk.stepSizeMs[at]!;
    const byMs = Math.abs(sizeMs);
    if (byMs < settings.stepMsMin) continue;
    const isSame = state.joinedToMs !== null && atMs < state.joinedToMs;
    state.joinedToMs = atMs + settings.joinMs;
    if (isSame) continue;
    const value: Transition = {
      kind: 'point',
      type: TYPE,
      trackId: '',
      atMs,
      startMs: atMs,
      endMs: atMs,
      durationMs: 0,
      minMs: 0,
      joinMs: 0,
      severity: byMs >= settings.highFromMs ? 'high' : 'medium',
      confidencePermille: 950,
      reason: `the clock of all tracks stepped ${sizeMs < 0 ? 'back' : 'ahead'} by ${byMs} ms without a signal`,
      evidenceFirstOffset: evidence.offset,
    };
    effects.push({ kind: 'forward', value });
  }
  return effects;
}
