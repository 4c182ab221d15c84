/**
 * `stream-health`: what each stream looked like over 10 s of log time, for dashboards. A stream of which nothing came has
 * a record too: "no data" is a value. The windows of a stream begin with its first chunk and end with its input.
 */

import { compareKeys } from '../../runtime/key-order.ts';
import { map, oneOf, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import {
  type Effect,
  NOTHING,
  type Reducer,
  type StepContext,
  type StepInput,
} from '../../runtime/topology.ts';
import type { StreamDefect, StreamHealth } from '../../schemas/records.ts';
import { notJudgedAt } from './depth-table.ts';
import { addChunk, FIGURES, type Figures, newFigures, pictureAndSound } from './health-figures.ts';
import { SEVERITIES, type StreamScope, type StreamStep, streamKeyOf } from './stream-step.ts';

/** Length of a window, ms of log time; windows begin at multiples of it. */
const HEALTH_WINDOW_MS = 10_000;

const DEFECT = struct({
  type: 'string',
  severity: oneOf(...SEVERITIES),
  startMs: 'long',
  /** Null while it is open; what has ended goes with the window in which it did. */
  endMs: 'long?',
});
const FIELDS = {
  programmeId: 'string',
  renditionId: 'string',
  vantage: 'string',
  windowStartMs: 'long',
  windowOpen: 'bool',
  /** The input ended: the present window is the last. */
  ended: 'bool',
  /** What the probe said last, where that was no features. */
  trouble: 'string',
  defects: map(DEFECT),
  figures: struct(FIGURES),
} as const;

type State = StateOf<typeof FIELDS>;

/** State key of what this reducer reads: steps of a stream, and its defects. */
export function healthKeyOf(value: StreamStep | StreamDefect): string {
  return streamKeyOf(scopeOf(value));
}

export const streamHealth: Reducer<State, StreamStep | StreamDefect, StreamHealth> = {
  name: 'health',
  state: structCodec({ version: 2, fields: FIELDS }),
  init: () => ({
    programmeId: '',
    renditionId: '',
    vantage: '',
    windowStartMs: 0,
    windowOpen: false,
    ended: false,
    trouble: '',
    defects: new Map(),
    figures: newFigures(),
  }),
  step: takeStep,
};

function takeStep(
  state: State,
  input: StepInput<StreamStep | StreamDefect>,
  { configHash }: StepContext,
): readonly Effect<StreamHealth>[] {
  if (input.kind === 'timer') return onWindowEnd(state, input.dueMs, configHash);
  const { value, timeMs } = input;
  const effects = openWindow(state, scopeOf(value), timeMs);
  if (!('kind' in value)) takeDefect(state, value);
  else if (value.kind === 'features') {
    state.ended = false;
    state.trouble = '';
    addChunk(state.figures, value.chunk, timeMs);
  } else {
    state.trouble = value.sentence;
    if (value.why === 'stream-ended' || value.why === 'retired') state.ended = true;
  }
  return effects;
}

function scopeOf(value: StreamStep | StreamDefect): StreamScope {
  return 'kind' in value ? value.scope : value;
}

function openWindow(state: State, scope: StreamScope, timeMs: number): readonly Effect<never>[] {
  if (state.windowOpen) return NOTHING;
  state.windowOpen = true;
  state.programmeId = scope.programmeId;
  state.renditionId = scope.renditionId;
  state.vantage = scope.vantage;
  state.windowStartMs = timeMs - (timeMs % HEALTH_WINDOW_MS);
  return [{ kind: 'schedule', name: 'window', dueMs: state.windowStartMs + HEALTH_WINDOW_MS }];
}

function takeDefect(state: State, defect: StreamDefect): void {
  if (defect.event === 'anchor') return;
  // What was announced is as it should be.
  if (defect.announced !== '') {
    state.defects.delete(defect.defectId);
    return;
  }
  const severity = SEVERITIES.find((one) => one === defect.severity) ?? 'medium';
  const { type, startMs, endMs } = defect;
  state.defects.set(defect.defectId, { type, severity, startMs, endMs });
}

function onWindowEnd(state: State, windowEndMs: number, configHash: string): readonly Effect<StreamHealth>[] {
  const value = rollUp(state, windowEndMs, configHash);
  const forward: Effect<StreamHealth> = { kind: 'forward', value, key: state.programmeId };
  if (state.ended) return [forward, { kind: 'forget' }];
  for (const [id, { endMs }] of state.defects) if (endMs !== null) state.defects.delete(id);
  state.figures = newFigures();
  state.windowStartMs = windowEndMs;
  return [forward, { kind: 'schedule', name: 'window', dueMs: windowEndMs + HEALTH_WINDOW_MS }];
}

function rollUp(state: State, windowEndMs: number, configHash: string): StreamHealth {
  const { figures } = state;
  const defects = [...state.defects.values()];
  const types = [...new Set(defects.map(({ type }) => type))].sort(compareKeys);
  const worst = Math.max(-1, ...defects.map(({ severity }) => SEVERITIES.indexOf(severity)));
  return {
    ...pictureAndSound(figures),
    ...NOT_MEASURED_YET,
    ...statusOf(state, types),
    programmeId: state.programmeId,
    renditionId: state.renditionId,
    vantage: state.vantage,
    windowStartMs: state.windowStartMs,
    windowEndMs,
    probeId: figures.probeId,
    depth: figures.depth,
    chunks: figures.chunks,
    frames: figures.frames,
    framesExpected: figures.framesExpected,
    mediaMs: figures.mediaMs,
    coveragePermille: Math.min(1_000, Math.floor((figures.mediaMs * 1_000) / HEALTH_WINDOW_MS)),
    openDefects: defects.filter(({ endMs }) => endMs === null).length,
    defectTypes: types,
    worstSeverity: SEVERITIES[worst] ?? '',
    defectMs: unionMs(defects, figures),
    avSkewMs: figures.avSkewMs,
    bitrateBps: figures.packetMs === 0 ? null : Math.floor((figures.packetBytes * 8_000) / figures.packetMs),
    decodeErrors: figures.decodeErrors,
    ptsGaps: figures.ptsGaps,
    programLagMs: figures.programLagMs,
    decodeToLogMsMax: figures.decodeToLogMsMax,
    configHash,
  };
}

const NOT_MEASURED_YET = {
  blurPermille: null,
  blockinessPermille: null,
  loudnessCentiLufs: null,
} as const;

function statusOf({ figures, trouble }: State, types: readonly string[]) {
  if (figures.chunks === 0) return { status: 'no-data', statusReason: trouble || 'no record from the probe' };
  if (types.length > 0) return { status: 'defective', statusReason: types.join(', ') };
  if (figures.depth !== 'full') {
    const unseen = notJudgedAt(figures.depth).join(', ');
    return { status: 'not-watched', statusReason: `depth ${figures.depth} cannot judge ${unseen}` };
  }
  if (figures.frames === 0 && figures.blocks === 0) {
    return { status: 'not-watched', statusReason: 'neither pictures nor sound' };
  }
  return { status: 'good', statusReason: '' };
}

/** Presentation time under at least one defect, of the time that the window's chunks cover. */
function unionMs(defects: readonly StateOf<(typeof DEFECT)['fields']>[], figures: Figures): number {
  if (figures.chunks === 0) return 0;
  let sumMs = 0;
  let coveredToMs = figures.fromMs;
  for (const { startMs, endMs } of defects.toSorted((a, b) => a.startMs - b.startMs)) {
    const fromMs = Math.max(startMs, coveredToMs);
    const toMs = Math.min(endMs ?? figures.toMs, figures.toMs);
    if (toMs <= fromMs) continue;
    sumMs += toMs - fromMs;
    coveredToMs = toMs;
  }
  return sumMs;
}
