/** Records for `qos-scores`: the session's figures, with what the model and the join say. */
import { compareKeys } from '../../runtime/key-order.ts';
import type { QosScore } from '../../schemas/records.ts';
import type { ScoreField, SessionResult } from '../sessions/figures.ts';
import { coverageOf, type DefectExposure } from './exposure.ts';
import { columnOf, type Judged, type Judgement, type SessionMemory } from './model.ts';

export type ScoreSurroundings = { readonly model: string; readonly configHash: string };

/** Defects that a record names. */
const DEFECT_IDS_MAX = 8;

export function windowRecord(
  { figures }: SessionResult,
  { window, session }: Judged,
  exposure: DefectExposure,
  around: ScoreSurroundings,
): QosScore {
  const ids = new Set(exposure.byType.flatMap(({ defectIds }) => defectIds));
  return {
    ...figures,
    ...pointsOf(window),
    ...around,
    sessionScore: session.score,
    sessionMosCenti: session.mosCenti,
    coveragePermille: coverageOf(exposure),
    defectTypes: exposure.byType.map(({ type }) => type),
    defectMs: exposure.byType.map(({ ms }) => ms),
    defectIds: [...ids].sort(compareKeys).slice(0, DEFECT_IDS_MAX),
    defectPossibleMs: exposure.possibleMs,
    beyondHorizon: exposure.beyondHorizon,
    vantage: exposure.vantage,
    partial: false,
  };
}

export function finalRecord(
  { figures }: SessionResult,
  { session }: Judged,
  memory: SessionMemory,
  around: ScoreSurroundings,
): QosScore {
  const types = [...memory.defectMs].sort(([a], [b]) => compareKeys(a, b));
  return {
    ...figures,
    ...pointsOf(session),
    ...around,
    sessionScore: session.score,
    sessionMosCenti: session.mosCenti,
    coveragePermille: coverageOf(memory),
    defectTypes: types.map(([type]) => type),
    defectMs: types.map(([, ms]) => ms),
    defectIds: [...memory.defectIds].sort(compareKeys),
    defectPossibleMs: memory.possibleMs,
    beyondHorizon: memory.beyondHorizon,
    vantage: memory.vantage,
    partial: false,
  };
}

type Points = Pick<
  QosScore,
  Extract<
    ScoreField,
    | 'score'
    | 'mosCenti'
    | 'scoreMin'
    | 'scoreMax'
    | 'confidencePermille'
    | 'causes'
    | 'causePoints'
    | `${string}Points`
  >
>;

function pointsOf(judgement: Judgement): Points {
  const { score, mosCenti, scoreMin, scoreMax, confidencePermille, causes } = judgement;
  const points = {
    startupPoints: 0,
    stallPoints: 0,
    qualityPoints: 0,
    switchPoints: 0,
    defectPoints: 0,
    failurePoints: 0,
    otherPoints: 0,
  };
  for (const one of causes) points[columnOf(one.cause)] += one.points;
  return {
    ...points,
    score,
    mosCenti,
    scoreMin,
    scoreMax,
    confidencePermille,
    causes: causes.map(({ cause }) => cause),
    causePoints: causes.map(({ points: cost }) => cost),
  };
}
