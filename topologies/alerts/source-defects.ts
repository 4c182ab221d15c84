/** Defects that a programme has at its origin, in log time: what tells a fault of the source from one of delivery. */
import { list, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { StreamDefect } from '../../schemas/records.ts';

const FIELDS = {
  defects: list(struct({ defectId: 'string', fromMs: 'long', toMs: 'long?' })),
} as const;
export type SourceDefects = StateOf<typeof FIELDS>;

/** Closed ones are kept this long: viewers are behind the probe. */
export const SEEN_LATER_MS = 120_000;
/** Further back than any window looks when it is judged, however late that is. */
const LOOKED_AT_MS = 2 * SEEN_LATER_MS;
const DEFECTS_MAX = 64;

export const sourceDefects: Reducer<SourceDefects, StreamDefect, never> = {
  name: 'source-defects',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ defects: [] }),
  step(state, input) {
    if (input.kind === 'timer') {
      forgetBefore(state, input.dueMs - SEEN_LATER_MS);
      return state.defects.length === 0 ? [{ kind: 'forget' }] : NOTHING;
    }
    // each record puts the timer off, and a stream that is watched says where it stands every minute
    forgetBefore(state, input.timeMs - LOOKED_AT_MS);
    take(state, input.value, input.timeMs);
    if (state.defects.length === 0) return [{ kind: 'forget' }];
    return [{ kind: 'schedule', name: 'forget', dueMs: input.timeMs + SEEN_LATER_MS }];
  },
};

/** Those that ran in `[fromMs, toMs)` of log time. */
export function defectsIn(
  state: Readonly<SourceDefects> | undefined,
  fromMs: number,
  toMs: number,
): readonly string[] {
  if (state === undefined) return [];
  return state.defects
    .filter((one) => one.fromMs < toMs && (one.toMs === null || one.toMs > fromMs))
    .map(({ defectId }) => defectId);
}

function forgetBefore(state: SourceDefects, timeMs: number): void {
  state.defects = state.defects.filter(({ toMs }) => toMs === null || toMs > timeMs);
}

function take({ defects }: SourceDefects, value: StreamDefect, timeMs: number): void {
  const { event, vantage, type, defectId } = value;
  // Of a probe that is down the source knows nothing.
  if (event === 'anchor' || vantage !== 'origin' || type === 'probe-lost') return;
  const known = defects.find((one) => one.defectId === defectId);
  if (event === 'close') {
    if (known !== undefined) known.toMs = timeMs;
    return;
  }
  if (known !== undefined) return;
  const toMs = event === 'point' ? timeMs : null;
  defects.push({ defectId, fromMs: timeMs - value.durationMs, toMs });
  if (defects.length > DEFECTS_MAX) defects.shift();
}
