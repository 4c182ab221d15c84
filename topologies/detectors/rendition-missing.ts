/**
 * `rendition-missing`: a variant that is declared, or was, cannot be had for two reloads in a row: its playlist does not
 * answer or is garbage, or the manifest does not name it any more (definitions, section 1). Where nothing answers at all the
 * origin is gone, and not a rendition.
 */
import { map, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { Detector } from './sample-detector.ts';
import { settingsFor } from './settings.ts';
import type { StreamStep, Transition, TransportStep } from './stream-step.ts';
import { isAnswer, statusText, type Variant, variantsIn } from './transport-columns.ts';
import { closeWallRun, goOn, openWallRun, type WallType, wallRun } from './wall-run.ts';

const TYPE = 'rendition-missing';

const DEFAULTS = {
  /** Reloads in a row without it. */
  reloadsMin: 2,
  /** Severity rises from medium to high at this duration; that of the variant which is decoded is high at once. */
  highAfterMs: 60_000,
};

const FIELDS = { runs: map(wallRun) } as const;
type State = StateOf<typeof FIELDS>;

const reducer: Reducer<State, StreamStep | TransportStep, Transition> = {
  name: TYPE,
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ runs: new Map() }),
  step(state, input, { config }) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    if (given.kind === 'features') return NOTHING;
    const settings = settingsFor(config, TYPE, DEFAULTS, given.scope);
    if (given.kind === 'transport') return onFacts(state, given, settings);
    if (given.why === 'signal-lost' || given.why === 'probe-lost') return NOTHING;
    const type = typeWith(settings);
    const effects: Effect<Transition>[] = [...state.runs.values()].map((run) =>
      closeWallRun(type, run, run.lastAtMs, given.why, given.sentence),
    );
    state.runs.clear();
    return given.why === 'retired' ? [...effects, { kind: 'forget' }] : effects;
  },
};

export const renditionMissing: Detector = {
  type: TYPE,
  defaults: DEFAULTS,
  reducer,
  judging: reducer,
  watches: () => true,
};

function onFacts(state: State, { chunk, evidence }: TransportStep, settings: typeof DEFAULTS) {
  const variants = variantsIn(chunk);
  // A playlist by itself is no rendition: when it is gone, the signal is lost.
  if (variants.length < 2 && chunk.manifestStatus === 0) return NOTHING;
  const type = typeWith(settings);
  const atMs = chunk.decodedAtMs;
  const answers =
    isAnswer(chunk.manifestStatus) ||
    variants.some(({ failedReloads, status }) => failedReloads === 0 && isAnswer(status));
  const effects: Effect<Transition>[] = [];
  for (const variant of variants) {
    const { id, renditionId, failedReloads, failingMs } = variant;
    const run = state.runs.get(id);
    if (run !== undefined && failedReloads === 0) {
      effects.push(closeWallRun(type, run, atMs, 'recovered', `${id} can be had again`));
      state.runs.delete(id);
    } else if (run !== undefined) {
      effects.push(...goOn(type, run, atMs, () => reasonOf(variant)));
    } else if (answers && failedReloads >= settings.reloadsMin) {
      const begin = {
        renditionId,
        liveMs: chunk.basePtsMs,
        atMs,
        sinceMs: failingMs,
        offset: evidence.offset,
      };
      const opened = openWallRun(type, begin, reasonOf(variant));
      state.runs.set(id, opened.run);
      effects.push(opened.effect);
    }
  }
  return effects;
}

function reasonOf({ id, status, failedReloads }: Variant): string {
  return `${id} cannot be had for ${failedReloads} reloads in a row (${statusText(status)})`;
}

function typeWith({ highAfterMs }: typeof DEFAULTS): WallType {
  return {
    type: TYPE,
    severityAt: (durationMs, { renditionId }) =>
      renditionId === null || durationMs >= highAfterMs ? 'high' : 'medium',
  };
}
