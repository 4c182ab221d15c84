/** One scoring task's share of each cohort's window: sums over the sessions of a leaf, told once. */
import { list, nullable, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { CohortPartial } from '../../schemas/records.ts';
import { settingsOf } from '../scoring/settings.ts';
import { LEAF } from './leaf.ts';
import type { LeafValue } from './leaf-cap.ts';
import { addSums, columnsOf, newSums, SUMS_FIELDS } from './sums.ts';

const OPEN = struct({
  windowStartMs: 'long',
  windowEndMs: 'long',
  closesAtMs: 'long',
  /** Empty where sessions of several tenants are in it. */
  tenant: 'string',
  isCapped: 'bool',
  sums: struct(SUMS_FIELDS),
});
const FIELDS = { leaf: nullable(LEAF), open: list(OPEN) } as const;
type State = StateOf<typeof FIELDS>;

/**
 * A window leaves `sessions.graceMs` + `scoring.cohortWaitMs` after its end. A score that waited longer for its seal is
 * dropped here, and counted: its session is in the window, its score is not.
 */
export const leafWindows: Reducer<State, LeafValue, CohortPartial> = {
  name: 'leaf-windows',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ leaf: null, open: [] }),
  step(state, input, context) {
    if (input.kind === 'timer') return close(state, input.dueMs, context.configHash);
    const { value, timeMs } = input;
    const effects: Effect<CohortPartial>[] = [];
    let open = state.open.find(({ windowStartMs }) => windowStartMs === value.windowStartMs);
    if (open === undefined) {
      const { sessions, scoring } = settingsOf(context.config);
      const closesAtMs = value.windowEndMs + sessions.graceMs + scoring.cohortWaitMs;
      if (closesAtMs <= timeMs && value.part === 'score') {
        const dropped: Effect<CohortPartial> = { kind: 'drop', reason: 'score-after-cohort-window' };
        return state.open.length === 0 ? [dropped, { kind: 'forget' }] : [dropped];
      }
      open = {
        windowStartMs: value.windowStartMs,
        windowEndMs: value.windowEndMs,
        closesAtMs,
        tenant: value.tenant,
        isCapped: false,
        sums: newSums(),
      };
      state.leaf = { ...value.leaf };
      state.open.push(open);
      effects.push({ kind: 'schedule', name: `close@${value.windowEndMs}`, dueMs: closesAtMs });
    }
    if (open.tenant !== value.tenant) open.tenant = '';
    open.isCapped ||= value.isCapped;
    addSums(open.sums, value.sums);
    return effects.length === 0 ? NOTHING : effects;
  },
};

function close(state: State, dueMs: number, configHash: string): readonly Effect<CohortPartial>[] {
  const { leaf } = state;
  if (leaf === null) return [{ kind: 'forget' }];
  const closing = state.open.filter(({ closesAtMs }) => closesAtMs <= dueMs);
  state.open = state.open.filter((open) => !closing.includes(open));
  const effects: Effect<CohortPartial>[] = closing
    .sort((a, b) => a.windowEndMs - b.windowEndMs)
    .map(({ windowStartMs, windowEndMs, tenant, isCapped, sums }) => ({
      kind: 'forward',
      value: {
        ...columnsOf(sums),
        ...leaf,
        tenant,
        windowStartMs,
        windowEndMs,
        cardinalityCapped: isCapped,
        coveragePermille: 1_000,
        configHash,
      },
    }));
  if (state.open.length === 0) effects.push({ kind: 'forget' });
  return effects;
}
