/** Records for the simulated topologies: real schemas, next to nothing in them, so that thousands are cheap. */
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

const EMPTY_EVENT: PlaybackEvent = {
  sessionKey: '',
  tenant: '',
  sessionId: '',
  contentId: '',
  programmeId: '',
  previousSessionId: '',
  event: 'report',
  source: 'simulation',
  target: '',
  sn: null,
  clientTimeMs: null,
  receivedAtMs: 0,
  playerState: null,
  startupDelayed: null,
  mediaTimeMs: null,
  programTimeMs: null,
  programTimeSource: 'none',
  liveLatencyMs: null,
  playbackRatePermille: null,
  bufferMs: null,
  bitrateBps: null,
  topBitrateBps: null,
  throughputBps: null,
  widthPx: null,
  heightPx: null,
  displayHeightPx: null,
  renditionId: null,
  renditionShown: false,
  startupMs: null,
  stallCount: null,
  stallMs: null,
  stalledSinceLast: null,
  lastStallMs: null,
  droppedFrames: null,
  adPlaying: null,
  adId: null,
  muted: null,
  hidden: null,
  userInitiated: null,
  errorCodes: [],
  errorFatal: null,
  errorClass: null,
  requestObjectType: null,
  requestObjectMs: null,
  requestHost: null,
  responseCode: null,
  timeToFirstByteMs: null,
  timeToLastByteMs: null,
  streamingFormat: null,
  streamType: null,
  cdn: '',
  asn: null,
  country: '',
  region: '',
  addressHash: '',
  deviceClass: '',
  osName: '',
  playerName: '',
  playerVersion: '',
  connectionType: '',
  droppedKeys: [],
};

const EMPTY_DEFECT: StreamDefect = {
  event: '',
  defectId: '',
  revision: 0,
  programmeId: '',
  renditionId: '',
  trackId: '',
  vantage: '',
  probeId: '',
  type: '',
  severity: '',
  confidencePermille: 0,
  reason: '',
  startMs: 0,
  endMs: null,
  durationMs: 0,
  chargeFromMs: 0,
  programTimeStartMs: null,
  programTimeEndMs: null,
  detectedAtMs: 0,
  decodedAtMs: 0,
  evidenceTopic: '',
  evidencePartition: 0,
  evidenceFirstOffset: 0,
  evidenceLastOffset: 0,
  configHash: '',
};

const EMPTY_HEALTH: StreamHealth = {
  programmeId: '',
  renditionId: '',
  vantage: '',
  windowStartMs: 0,
  windowEndMs: 0,
  status: '',
  statusReason: '',
  probeId: '',
  depth: '',
  chunks: 0,
  frames: 0,
  framesExpected: null,
  mediaMs: 0,
  coveragePermille: 0,
  openDefects: 0,
  defectTypes: [],
  worstSeverity: '',
  defectMs: 0,
  lumaMeanCenti: null,
  lumaSpreadCenti: null,
  darkPermilleMax: null,
  diffMeanCenti: null,
  stillMsMax: null,
  blurPermille: null,
  blockinessPermille: null,
  audioRmsCentiDbfsMax: null,
  audioPeakCentiDbfsMax: null,
  silentMs: null,
  loudnessCentiLufs: null,
  avSkewMs: null,
  bitrateBps: null,
  decodeErrors: 0,
  ptsGaps: 0,
  programLagMs: null,
  decodeToLogMsMax: 0,
  configHash: '',
};

const EMPTY_PARTIAL: CohortPartial = {
  programmeId: '',
  cdn: '',
  asn: null,
  country: '',
  deviceClass: '',
  playerVersion: '',
  other: false,
  tenant: '',
  windowStartMs: 0,
  windowEndMs: 0,
  cardinalityCapped: false,
  sessions: 0,
  concurrent: 0,
  scoredSessions: 0,
  scoreSum: 0,
  scoreBuckets: [],
  scoreBucketCounts: [],
  causes: [],
  causePoints: [],
  causeSessions: [],
  attempts: 0,
  plays: 0,
  vsfTechnical: 0,
  vsfBusiness: 0,
  ebvs: 0,
  unknownOutcomes: 0,
  pendingOutcomes: 0,
  endedPlays: 0,
  vpfTechnical: 0,
  vpfBusiness: 0,
  startupCount: 0,
  startupMsSum: 0,
  startupBuckets: [],
  startupBucketCounts: [],
  playingMs: 0,
  stallMs: 0,
  stallMsSeek: 0,
  stallCount: 0,
  stalledSessions: 0,
  sessionMs: 0,
  adPlayingMs: 0,
  adStallMs: 0,
  bitrateMs: 0,
  bitrateKilobits: 0,
  switchesUp: 0,
  switchesDown: 0,
  droppedFrames: 0,
  liveLatencyCount: 0,
  liveLatencyMsSum: 0,
  errorSessions: 0,
  defectTypes: [],
  defectSessions: [],
  defectMs: [],
  defectPossibleSessions: 0,
  exposedMs: 0,
  coveredMs: 0,
  beyondHorizonSessions: 0,
  eventCount: 0,
  eventsLost: 0,
  coveragePermille: 0,
  configHash: '',
};

const EMPTY_COHORT: CohortWindow = { ...EMPTY_PARTIAL, partials: 0, sourcesExpected: 0, sourcesSealed: 0 };

const EMPTY_ALERT: QosAlert = {
  alertId: '',
  version: 0,
  fingerprint: '',
  status: '',
  previousStatus: '',
  alertName: '',
  severity: '',
  scope: '',
  programmeId: '',
  renditionId: '',
  vantage: '',
  defectType: '',
  cdn: '',
  asn: '',
  country: '',
  device: '',
  playerVersion: '',
  summary: '',
  description: '',
  reason: '',
  runbookUrl: '',
  startsAtMs: 0,
  firedAtMs: null,
  endsAtMs: null,
  updatedAtMs: 0,
  mediaStartMs: null,
  mediaEndMs: null,
  decodedAtMs: 0,
  occurrences: 0,
  defectIds: [],
  affectedSessions: null,
  affectedSharePermille: null,
  verdict: '',
  configHash: '',
};
