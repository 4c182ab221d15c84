/**
 * Reports of players into {@link PlaybackEvent}s: pure, never throws, and every report is accounted for. This file has
 * what all forms of report share; `normalise-cmcd.ts` and `normalise-json.ts` read the forms. docs/events.md is the
 * public account of them.
 */
import type { PlaybackEvent } from '../../schemas/records.ts';

/** What the collector knows beside the report. */
export type ReportContext = {
  /** Whose player this is, by its token. */
  readonly tenant: string;
  /** Reporting target within the collector, part of an event's identity; '' for the only one. */
  readonly target: string;
  /** Unix ms by the collector's clock. */
  readonly receivedAtMs: number;
  /** Keyed hash of the sender's address; '' when it is not known. */
  readonly addressHash: string;
  /** What must stand in no record: the sender's address and token. */
  readonly forbidden: readonly string[];
  readonly device: { readonly deviceClass: string; readonly osName: string };
  /** Keyed hash of (tenant, session id). */
  readonly sessionKeyOf: (sessionId: string) => string;
  /** From the catalogue; '' when it names none. */
  readonly programmeIdOf: (contentId: string) => string;
};

/** Why a whole report was left out. {@link FIX_OF_REASON} says what the sender can do. */
export type DropReason = 'no-session-id' | 'unreadable' | 'no-event' | 'too-long' | 'too-many';

export type DroppedReport = {
  readonly reason: DropReason;
  /** Place of the report in the body, from 0. */
  readonly index: number;
};

/** Reports of a body = `events.length` + `dropped.length`. */
export type Normalised = {
  readonly events: readonly PlaybackEvent[];
  readonly dropped: readonly DroppedReport[];
};

export const FIX_OF_REASON: { readonly [R in DropReason]: string } = {
  'no-session-id':
    'the report has no session id: send the CMCD key sid (JSON: sessionId) with every report. In dash.js, list the keys of each target in enabledKeys',
  unreadable: 'the report is neither CMCD nor JSON as docs/events.md describes it',
  'no-event': 'the JSON report names no event: set "event" to one of the words in docs/events.md',
  'too-long': 'the report is longer than 16 KiB: send one report per line, and leave long values out',
  'too-many': 'the body holds more than 1,000 reports: send them in several requests',
};

/** Reports that one body may hold; those beyond are dropped as `too-many`. */
export const REPORTS_MAX = 1_000;
export const REPORT_CHARS_MAX = 16_384;
export const SESSION_ID_CHARS_MAX = 128;
export const TEXT_CHARS_MAX = 256;

/** What a reader of one form fills in; everything else is null or empty. */
export type EventFields = { -readonly [K in keyof PlaybackEvent]?: PlaybackEvent[K] };

/** The event, with what was not told as null or empty. `sessionId` is as the player sent it. */
export function eventOf(
  context: ReportContext,
  sessionId: string,
  fields: EventFields,
  droppedKeys: ReadonlySet<string>,
): PlaybackEvent {
  const contentId = fields.contentId ?? '';
  return {
    ...NOTHING_TOLD,
    deviceClass: context.device.deviceClass,
    osName: context.device.osName,
    ...fields,
    sessionKey: context.sessionKeyOf(sessionId),
    tenant: context.tenant,
    programmeId: contentId === '' ? '' : context.programmeIdOf(contentId),
    target: context.target,
    receivedAtMs: context.receivedAtMs,
    addressHash: context.addressHash,
    droppedKeys: [...droppedKeys].sort(),
  };
}

const NOTHING_TOLD: PlaybackEvent = {
  sessionKey: '',
  tenant: '',
  sessionId: '',
  contentId: '',
  programmeId: '',
  previousSessionId: '',
  event: '',
  source: '',
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
  cdn: 'unknown',
  asn: null,
  country: '',
  region: '',
  addressHash: '',
  deviceClass: 'unknown',
  osName: '',
  playerName: '',
  playerVersion: '',
  connectionType: '',
  droppedKeys: [],
};
