/**
 * How many leaf tuples a task keeps apart in one window. Each bucket (a hash of the tuple) takes the first ones that come,
 * in the order of the log; later ones count under `other`, still with their programme and CDN while there is room for
 * those. The same log gives the same choice.
 */
import { list, map, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import { settingsOf } from '../scoring/settings.ts';
import { type Leaf, leafKeyOf, OF_ALL, otherOf } from './leaf.ts';
import type { CohortSums } from './sums.ts';

/** What a session adds to a window of its cohort. */
export type LeafValue = {
  readonly leaf: Leaf;
  /** {@link leafKeyOf} of it. */
  readonly leafKey: string;
  readonly tenant: string;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  /** What its player told, or its score, which may come later. */
  readonly part: 'told' | 'score';
  readonly sums: CohortSums;
  /** The leaf is not the session's own: the cap was at work. */
  readonly isCapped: boolean;
};

const FIELDS = {
  windows: list(
    struct({
      windowStartMs: 'long',
      /** Tuples that were let in; true for those that stand for others. */
      leaves: map('bool'),
    }),
  ),
} as const;
type State = StateOf<typeof FIELDS>;

const BUCKETS = 64;

/** Windows are forgotten this long after they ended: nothing comes for them any more. */
const KEEP_MS = 60_000;

export const leafCap: Reducer<State, LeafValue, LeafValue> = {
  name: 'leaf-cap',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ windows: [] }),
  step(state, input, context) {
    if (input.kind === 'timer') {
      forgetOld(state, input.dueMs);
      return state.windows.length === 0 ? [{ kind: 'forget' }] : NOTHING;
    }
    const given = input.value;
    const effects: Effect<LeafValue>[] = [];
    let window = state.windows.find(({ windowStartMs }) => windowStartMs === given.windowStartMs);
    if (window === undefined) {
      // each new window puts the timer off: it comes when there are no more
      forgetOld(state, input.timeMs);
      window = { windowStartMs: given.windowStartMs, leaves: new Map() };
      state.windows.push(window);
      const dueMs = Math.max(input.timeMs, given.windowEndMs) + KEEP_MS * 2;
      effects.push({ kind: 'schedule', name: 'forget', dueMs });
    }
    const most = Math.max(1, Math.floor(settingsOf(context.config).scoring.cohortLeavesMax / BUCKETS));
    const leaf = letIn(window.leaves, given, most);
    const value = leaf === given.leaf ? given : { ...given, leaf, leafKey: leafKeyOf(leaf), isCapped: true };
    effects.push({ kind: 'forward', value, key: value.leafKey });
    return effects;
  },
};

function forgetOld(state: State, timeMs: number): void {
  state.windows = state.windows.filter(({ windowStartMs }) => windowStartMs + KEEP_MS * 2 > timeMs);
}

/** State key: the bucket of the tuple. */
export function capKeyOf({ leafKey }: LeafValue): string {
  let hash = 0;
  for (let i = 0; i < leafKey.length; i++) hash = (Math.imul(hash, 31) + leafKey.charCodeAt(i)) | 0;
  return `cap-${(hash >>> 0) % BUCKETS}`;
}

function letIn(leaves: Map<string, boolean>, { leaf, leafKey }: LeafValue, most: number): Leaf {
  if (leaves.get(leafKey) === false) return leaf;
  let [own, others] = [0, 0];
  for (const isOther of leaves.values()) {
    if (isOther) others += 1;
    else own += 1;
  }
  if (own < most) {
    leaves.set(leafKey, false);
    return leaf;
  }
  const other = otherOf(leaf);
  const otherKey = leafKeyOf(other);
  if (leaves.get(otherKey) === true) return other;
  if (others >= most) return OF_ALL;
  leaves.set(otherKey, true);
  return other;
}
