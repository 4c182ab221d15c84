/** Records for the simulated topologies: real schemas, next to nothing in them, so that thousands are cheap. */
import { blankRecord } from '../../schemas/blank-record.ts';
import type {
  CohortPartial,
  CohortWindow,
  FrameFeatures,
  PlaybackEvent,
  QosAlert,
  StreamDefect,
  StreamHealth,
} from '../../schemas/records.ts';
import { chunk } from '../support/tiny-topologies.ts';

const EMPTY_CHUNK = chunk('', 0, 0);

/** `seenAtMs` is the probe's clock: what places the chunk in windows, so that it can be late. */
export function featuresOf(programmeId: string, seq: number, event: string, seenAtMs: number): FrameFeatures {
  return { ...EMPTY_CHUNK, programmeId, seq, event, decodedAtMs: seenAtMs };
}

export function playbackOf(sessionKey: string, sn: number, clientTimeMs: number): PlaybackEvent {
  return { ...EMPTY_EVENT, sessionKey, sn, clientTimeMs };
}

export type DefectFields = Pick<
  StreamDefect,
  | 'event'
  | 'revision'
  | 'programmeId'
  | 'type'
  | 'startMs'
  | 'detectedAtMs'
  | 'evidenceFirstOffset'
  | 'configHash'
  | 'programTimeStartMs'
>;

export function defectOf(fields: DefectFields): StreamDefect {
  return { ...EMPTY_DEFECT, ...fields, chargeFromMs: fields.startMs };
}

export function healthOf(
  programmeId: string,
  windowStartMs: number,
  windowEndMs: number,
  chunks: number,
  frames: number,
): StreamHealth {
  return { ...EMPTY_HEALTH, programmeId, windowStartMs, windowEndMs, chunks, frames };
}

export type PartialFields = Pick<
  CohortPartial,
  'programmeId' | 'windowStartMs' | 'sessions' | 'scoreSum' | 'configHash'
> &
  Partial<Pick<CohortPartial, 'windowEndMs' | 'cdn'>>;

export function partialOf(fields: PartialFields): CohortPartial {
  return { ...EMPTY_PARTIAL, ...fields };
}

export function cohortOf(fields: PartialFields): CohortWindow {
  return { ...EMPTY_COHORT, ...fields };
}

export function alertOf(
  version: number,
  summary: string,
  updatedAtMs: number,
  fingerprint: string,
): QosAlert {
  return { ...EMPTY_ALERT, version, summary, updatedAtMs, fingerprint };
}

/** One step of an order-sensitive hash over everything that a reducer saw; 32 bits. */
export function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ (value | 0), 0x01000193);
  return (mixed ^ (mixed >>> 15)) | 0;
}

export function mixText(hash: number, text: string): number {
  let mixed = hash;
  for (let i = 0; i < text.length; i++) mixed = mix(mixed, text.charCodeAt(i));
  return mixed;
}

const EMPTY_EVENT = blankRecord('playback-events', { event: 'report', source: 'simulation' });
const EMPTY_DEFECT = blankRecord('stream-defects', {});
const EMPTY_HEALTH = blankRecord('stream-health', {});
const EMPTY_PARTIAL = blankRecord('cohort-partials', {});
const EMPTY_COHORT = blankRecord('cohort-windows', {});
const EMPTY_ALERT = blankRecord('qos-alerts', {});
