/**
 * Scores the windows and finals of one session, in their order. A window waits until the seal of its programme's partition
 * covers what it shows, at most `sealWaitMs`; what its player told goes to the cohorts at once.
 */
import { list, nullable, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import type { Effect, Reducer, StepContext } from '../../runtime/topology.ts';
import type { QosScore } from '../../schemas/records.ts';
import { addScore, finalSums, windowSums } from '../cohorts/contributions.ts';
import { leafKeyOf, leafOf } from '../cohorts/leaf.ts';
import type { LeafValue } from '../cohorts/leaf-cap.ts';
import { type CohortSums, newSums } from '../cohorts/sums.ts';
import type { SessionResult } from '../sessions/figures.ts';
import { type DefectTable, defectTable } from './defect-table.ts';
import { nothingKnown } from './exposure.ts';
import { joinDefects, neededSealMs } from './join.ts';
import { MEMORY_FIELDS, newMemory } from './model.ts';
import { finalRecord, windowRecord } from './score-record.ts';
import type { SessionWord } from './session-reducer.ts';
import { settingsOf } from './settings.ts';

/** Names of the children: scores go to one, what cohorts add up to the other. */
const SCORES_TO = 'qos-scores';
const COHORTS_TO = 'leaf-cap';

const WAITING = struct({
  /** The result as JSON: waiting is rare, and nothing looks inside until it is over. */
  result: 'string',
  programmeId: 'string',
  /** Seal that it waits for, log time; null for a final, which waits for its windows only. */
  neededMs: 'long?',
  /** It is scored then, sealed or not. */
  deadlineMs: 'long',
});
const FIELDS = {
  /** Start of the session that the memory is of. */
  startMs: 'long?',
  /** Of the last window: changes that a final tells are counted there. */
  windowStartMs: 'long',
  windowEndMs: 'long',
  /** Error codes told so far. */
  errorCodes: 'int',
  memory: nullable(struct(MEMORY_FIELDS)),
  waiting: list(WAITING),
} as const;
type State = StateOf<typeof FIELDS>;

export const sessionScores: Reducer<State, SessionWord, QosScore | LeafValue> = {
  name: 'session-scores',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ startMs: null, windowStartMs: 0, windowEndMs: 0, errorCodes: 0, memory: null, waiting: [] }),
  step(state, input, context) {
    if (input.kind === 'timer') return onTimer(state, input.timeMs, context);
    const word = input.value;
    // Windows wait for seconds, sessions for being reopened much longer: nothing waits here any more.
    if (word.kind === 'over') return [{ kind: 'forget' }];
    const { result } = word;
    const told = toldSums(state, result);
    const { scoring } = settingsOf(context.config);
    const neededMs = sealNeeded(result, context);
    if (state.waiting.length === 0 && isSealed(neededMs, result.figures.programmeId, context))
      return scored(state, result, told, context);
    const effects: Effect<QosScore | LeafValue>[] = [];
    if (told !== null) effects.push(toCohorts(state, result, 'told', told));
    state.waiting.push({
      result: JSON.stringify(result),
      programmeId: result.figures.programmeId,
      neededMs,
      deadlineMs: input.timeMs + scoring.sealWaitMs,
    });
    effects.push({ kind: 'schedule', name: 'seal', dueMs: input.timeMs + scoring.sealPollMs });
    return effects;
  },
};

function onTimer(
  state: State,
  timeMs: number,
  context: StepContext,
): readonly Effect<QosScore | LeafValue>[] {
  const effects: Effect<QosScore | LeafValue>[] = [];
  let done = 0;
  for (const one of state.waiting) {
    if (one.deadlineMs > timeMs && !isSealed(one.neededMs, one.programmeId, context)) break;
    const result = JSON.parse(one.result) as SessionResult;
    // An anchor may have moved meanwhile.
    one.neededMs = sealNeeded(result, context);
    if (one.deadlineMs > timeMs && !isSealed(one.neededMs, one.programmeId, context)) break;
    effects.push(...scored(state, result, null, context));
    done += 1;
  }
  state.waiting.splice(0, done);
  if (state.waiting.length === 0) return effects;
  const { sealPollMs } = settingsOf(context.config).scoring;
  effects.push({ kind: 'schedule', name: 'seal', dueMs: timeMs + sealPollMs });
  return effects;
}

function sealNeeded({ figures, spans }: SessionResult, context: StepContext): number | null {
  if (figures.programmeId === '' || spans.length === 0) return null;
  return neededSealMs(context.read<DefectTable>(defectTable.name, figures.programmeId), spans);
}

function isSealed(neededMs: number | null, programmeId: string, context: StepContext): boolean {
  return neededMs === null || context.sealedUpToMsOf('stream-defects', programmeId) >= neededMs;
}

/** The score, and what cohorts get: with what its player told, where that has not gone there before. */
function scored(
  state: State,
  result: SessionResult,
  told: CohortSums | null,
  context: StepContext,
): readonly Effect<QosScore | LeafValue>[] {
  const { model } = settingsOf(context.config);
  const { figures, soFar } = result;
  if (state.memory === null || state.startMs !== soFar.windowStartMs) {
    state.memory = newMemory();
    state.startMs = soFar.windowStartMs;
  }
  const { memory } = state;
  const around = { model: model.name, configHash: context.configHash };
  if (figures.kind === 'final') {
    const judged = model.score(result, nothingKnown(0), memory);
    const value = finalRecord(result, judged, memory, around);
    const effects: Effect<QosScore | LeafValue>[] = [{ kind: 'forward', value, to: SCORES_TO }];
    if (told !== null) effects.push(toCohorts(state, result, 'told', told));
    return effects;
  }
  const exposure = exposureOf(result, context);
  const judged = model.score(result, exposure, memory);
  const sums = addScore(told ?? newSums(), judged.window, exposure, figures.exposedMs);
  return [
    { kind: 'forward', value: windowRecord(result, judged, exposure, around), to: SCORES_TO },
    toCohorts(state, result, told === null ? 'score' : 'told', sums),
  ];
}

function exposureOf({ figures, spans }: SessionResult, context: StepContext) {
  const { programmeId } = figures;
  const { defectHorizonMs } = settingsOf(context.config).scoring;
  if (programmeId === '') return joinDefects(undefined, spans, 0, defectHorizonMs);
  const table = context.read<DefectTable>(defectTable.name, programmeId);
  return joinDefects(table, spans, context.sealedUpToMsOf('stream-defects', programmeId), defectHorizonMs);
}

/** Remembers the window that changes are counted in; null when a final changed nothing. */
function toldSums(state: State, result: SessionResult): CohortSums | null {
  const { kind, windowStartMs, windowEndMs } = result.figures;
  if (kind === 'final') return state.windowEndMs === 0 ? null : finalSums(result);
  state.windowStartMs = windowStartMs;
  state.windowEndMs = windowEndMs;
  const { length } = result.figures.errorCodes;
  const sums = windowSums(result, length > state.errorCodes);
  state.errorCodes = length;
  return sums;
}

function toCohorts(
  state: State,
  { figures }: SessionResult,
  part: 'told' | 'score',
  sums: CohortSums,
): Effect<LeafValue> {
  const isWindow = figures.kind === 'window';
  const leaf = leafOf(figures);
  return {
    kind: 'forward',
    to: COHORTS_TO,
    value: {
      leaf,
      leafKey: leafKeyOf(leaf),
      tenant: figures.tenant,
      windowStartMs: isWindow ? figures.windowStartMs : state.windowStartMs,
      windowEndMs: isWindow ? figures.windowEndMs : state.windowEndMs,
      part,
      sums,
      isCapped: false,
    },
  };
}
