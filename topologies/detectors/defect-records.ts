/** Records for `stream-defects`: each step of a defect, and anchors. */
import { hash64 } from '../../runtime/hash.ts';
import type { StreamDefect } from '../../schemas/records.ts';
import type { StreamStep, Transition, TransportStep } from './stream-step.ts';
import { programTimeOf, type Timeline } from './timeline.ts';

/** Everything besides the defect itself that its records say. */
export type Surroundings = {
  readonly step: StreamStep | TransportStep;
  readonly timeline: Timeline;
  readonly timeMs: number;
  readonly configHash: string;
};

/** The part of a defect that is left to report, and how far it was reported. */
export type Piece = {
  defectId: string;
  startMs: number;
  revision: number;
  chargeFromMs: number;
  /** As in `stream-defects.avsc`. */
  announced: string;
};

/** Deterministic: a replay gives the same. */
export function defectIdOf(
  step: StreamStep | TransportStep,
  { type, trackId, renditionId: other }: Transition,
  startMs: number,
): string {
  const { programmeId, vantage } = step.scope;
  const renditionId = other ?? step.scope.renditionId;
  return hash64(programmeId, renditionId, vantage, type, trackId, step.probeEpochMs, startMs);
}

/** `endMs` and `durationMs` are the piece's, not the whole transition's. */
export function defectRecord(
  event: 'open' | 'update' | 'close' | 'point',
  piece: Readonly<Piece>,
  told: Transition,
  reason: string,
  endMs: number | null,
  durationMs: number,
  around: Surroundings,
): StreamDefect {
  const { step, timeline } = around;
  return {
    ...common(around),
    event,
    defectId: piece.defectId,
    revision: piece.revision,
    trackId: told.trackId,
    type: told.type,
    severity: told.severity,
    confidencePermille: told.confidencePermille,
    reason,
    startMs: piece.startMs,
    endMs,
    durationMs,
    chargeFromMs: piece.chargeFromMs,
    programTimeStartMs: programTimeOf(timeline, piece.startMs),
    programTimeEndMs: endMs === null ? null : programTimeOf(timeline, endMs),
    evidenceFirstOffset: told.evidenceFirstOffset,
    evidenceLastOffset: step.evidence.offset,
    offsetMs: told.offsetMs ?? null,
    announced: piece.announced,
    renditionId: told.renditionId ?? step.scope.renditionId,
  };
}

/**
 * Says that presentation time `startMs` (and programme time `programTimeStartMs`) was reached at log time
 * `detectedAtMs`. `startMs` is where the stream's latest chunk ends.
 */
export function anchorRecord(around: Surroundings): StreamDefect {
  const { step, timeline } = around;
  const offset = step.evidence.offset;
  return {
    ...common(around),
    event: 'anchor',
    defectId: '',
    revision: 1,
    trackId: '',
    type: '',
    severity: 'low',
    confidencePermille: 1_000,
    reason: 'programme time against log time',
    startMs: step.coveredToMs,
    endMs: null,
    durationMs: 0,
    chargeFromMs: step.coveredToMs,
    programTimeStartMs: programTimeOf(timeline, step.coveredToMs),
    programTimeEndMs: null,
    evidenceFirstOffset: offset,
    evidenceLastOffset: offset,
    offsetMs: null,
    announced: '',
  };
}

function common({ step, timeline, timeMs, configHash }: Surroundings) {
  return {
    programTimeUncertaintyMs: timeline.uncertaintyNowMs,
    programmeId: step.scope.programmeId,
    renditionId: step.scope.renditionId,
    vantage: step.scope.vantage,
    probeId: step.probeId,
    detectedAtMs: timeMs,
    decodedAtMs: step.decodedAtMs,
    evidenceTopic: step.evidence.topic,
    evidencePartition: step.evidence.partition,
    configHash,
  };
}
