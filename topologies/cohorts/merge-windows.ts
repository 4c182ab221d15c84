/** Merges what all scoring tasks say of a cohort's window. Every figure is a sum: the order in which they come does not show. */
import { list, nullable, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { CohortPartial, CohortWindow } from '../../schemas/records.ts';
import { settingsOf } from '../scoring/settings.ts';
import { LEAF } from './leaf.ts';
import { addSums, columnsOf, newSums, SUMS_FIELDS, sumsOf } from './sums.ts';

const OPEN = struct({
  windowStartMs: 'long',
  windowEndMs: 'long',
  /** Log time at which every scoring task tells its share: they are all there once all have sealed up to here. */
  toldAtMs: 'long',
  tenant: 'string',
  isCapped: 'bool',
  partials: 'int',
  sums: struct(SUMS_FIELDS),
});
const FIELDS = {
  leaf: nullable(LEAF),
  open: list(OPEN),
  /** End of the latest window that left: what comes for it, or for an earlier one, is late. */
  toldUpToMs: 'long',
} as const;
type State = StateOf<typeof FIELDS>;
type Open = StateOf<(typeof OPEN)['fields']>;

/** A leaf that nobody speaks of is forgotten after this, ms of log time. */
const IDLE_MS = 60_000;

export const mergeWindows: Reducer<State, CohortPartial, CohortWindow> = {
  name: 'merge-windows',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ leaf: null, open: [], toldUpToMs: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') return onTimer(state, input.name, input.key, input.timeMs, context);
    const { value, timeMs } = input;
    if (value.windowEndMs <= state.toldUpToMs) return [{ kind: 'late', reason: 'window-closed' }];
    const effects: Effect<CohortWindow>[] = [];
    let open = state.open.find(({ windowStartMs }) => windowStartMs === value.windowStartMs);
    if (open === undefined) {
      const { sessions, scoring } = settingsOf(context.config);
      open = {
        windowStartMs: value.windowStartMs,
        windowEndMs: value.windowEndMs,
        toldAtMs: value.windowEndMs + sessions.graceMs + scoring.cohortWaitMs,
        tenant: value.tenant,
        isCapped: false,
        partials: 0,
        sums: newSums(),
      };
      const { programmeId, cdn, asn, country, deviceClass, playerVersion, other } = value;
      state.leaf = { programmeId, cdn, asn, country, deviceClass, playerVersion, other };
      state.open.push(open);
      state.open.sort((a, b) => a.windowEndMs - b.windowEndMs);
      effects.push({ kind: 'schedule', name: 'close', dueMs: timeMs + 1 });
      effects.push({ kind: 'cancel', name: 'idle' });
    }
    if (open.tenant !== value.tenant) open.tenant = '';
    open.isCapped ||= value.cardinalityCapped;
    open.partials += 1;
    addSums(open.sums, sumsOf(value));
    return effects.length === 0 ? NOTHING : effects;
  },
};

function onTimer(
  state: State,
  name: string,
  key: string,
  timeMs: number,
  context: StepContext,
): readonly Effect<CohortWindow>[] {
  if (name === 'idle' || state.leaf === null) return [{ kind: 'forget' }];
  const { cohortMergeWaitMs, sealPollMs } = settingsOf(context.config).scoring;
  const seals = context.sealsOf('cohort-partials', key);
  const effects: Effect<CohortWindow>[] = [];
  for (let open = state.open[0]; open !== undefined; open = state.open[0]) {
    const { toldAtMs } = open;
    const sealed = seals.filter((sealedUpToMs) => sealedUpToMs >= toldAtMs).length;
    if (sealed < seals.length && timeMs < toldAtMs + cohortMergeWaitMs) break;
    state.open.shift();
    state.toldUpToMs = open.windowEndMs;
    effects.push({ kind: 'forward', value: windowOf(state, open, seals.length, sealed, context.configHash) });
  }
  if (state.open.length > 0) effects.push({ kind: 'schedule', name: 'close', dueMs: timeMs + sealPollMs });
  else effects.push({ kind: 'schedule', name: 'idle', dueMs: timeMs + IDLE_MS });
  return effects;
}

function windowOf(
  state: State,
  open: Open,
  sourcesExpected: number,
  sourcesSealed: number,
  configHash: string,
): CohortWindow {
  const { windowStartMs, windowEndMs, tenant, isCapped, partials, sums } = open;
  return {
    ...columnsOf(sums),
    ...state.leaf!,
    tenant,
    windowStartMs,
    windowEndMs,
    cardinalityCapped: isCapped,
    partials,
    sourcesExpected,
    sourcesSealed,
    coveragePermille: sourcesExpected === 0 ? 1_000 : Math.floor((sourcesSealed * 1_000) / sourcesExpected),
    configHash,
  };
}
