/** What is kept of one session: bounded, in integers, a few hundred bytes while nothing waits to be folded. */
import {
  list,
  nullable,
  oneOf,
  type StateOf,
  struct,
  structCodec,
  type TypeOf,
} from '../../runtime/struct-codec.ts';

/** Who watches what by which way, as the reports say it. */
const CONTEXT = struct({
  contentId: 'string',
  programmeId: 'string',
  previousSessionId: 'string',
  streamType: 'string',
  cdn: 'string',
  asn: 'long?',
  country: 'string',
  deviceClass: 'string',
  playerName: 'string',
  playerVersion: 'string',
});

/** What is left of an event until its window closes. */
const HELD = struct({
  /** Log time of its arrival. */
  logMs: 'long',
  clientMs: 'long?',
  /** Log time at which it happened; -1 until the player's clock is known. */
  atMs: 'long',
  sn: 'long?',
  /** Into `channels` and `contexts`; -1 for the first where there were too many of them. */
  channel: 'int',
  context: 'int',
  event: 'string',
  /** Told with a media request, not as an event. */
  isRequest: 'bool',
  playerState: 'string?',
  startupDelayed: 'bool?',
  mediaTimeMs: 'long?',
  programTimeMs: 'long?',
  liveLatencyMs: 'int?',
  ratePermille: 'int?',
  bufferMs: 'int?',
  bitrateBps: 'long?',
  heightPx: 'int?',
  renditionId: 'string?',
  /** The bitrate is of what is on screen, not of a choice for what is to come. */
  renditionShown: 'bool',
  startupMs: 'int?',
  stallCount: 'long?',
  stallMs: 'long?',
  stalledSinceLast: 'bool?',
  droppedFrames: 'long?',
  adPlaying: 'bool?',
  muted: 'bool?',
  hidden: 'bool?',
  errorCodes: list('string'),
  errorFatal: 'bool?',
  errorClass: 'string?',
  objectType: 'string?',
});

/** Sums over a stretch of time; every field adds up. */
const SUMS = struct({
  sessionMs: 'long',
  unknownMs: 'long',
  playingMs: 'long',
  watchedMs: 'long',
  pausedMs: 'long',
  seekWaitMs: 'long',
  startupWaitMs: 'long',
  stallCount: 'int',
  stallMs: 'long',
  stallCountSeek: 'int',
  stallMsSeek: 'long',
  microStallCount: 'int',
  adMs: 'long',
  adPlayingMs: 'long',
  adStallCount: 'int',
  adStallMs: 'long',
  bitrateMs: 'long',
  bitrateBits: 'long',
  heightMs: 'long',
  heightPxMs: 'long',
  switchesUp: 'int',
  switchesDown: 'int',
  exposedMs: 'long',
  audibleMs: 'long',
  placedMs: 'long',
  eventCount: 'int',
});

/** Figures that windows tell as differences: what is learnt too late for its own window is told in a later one. */
const COUNTS = struct({
  stallCount: 'int',
  stallCountSeek: 'int',
  microStallCount: 'int',
  adStallCount: 'int',
  switchesUp: 'int',
  switchesDown: 'int',
  eventCount: 'int',
  droppedFrames: 'long',
  repairedMs: 'long',
  duplicateCount: 'int',
  lost: 'long',
});

/** The player's clock against the log's (session-clock.ts). */
const CLOCK = struct({
  /** Log time less client time; null until it is decided. */
  offsetMs: 'long?',
  /** The one before the clock jumped. */
  previousOffsetMs: 'long?',
  firstLogMs: 'long?',
  firstClientMs: 'long?',
  /** How far ahead of the log events were when the offset was decided. */
  leadMs: 'long',
  /** The latest event, where it was out of line. */
  strayLogMs: 'long?',
  strayClientMs: 'long?',
});

const RENDITION = struct({ bitrateBps: 'long?', heightPx: 'int?', renditionId: 'string' });

const STATE = {
  sessionKey: 'string',
  tenant: 'string',
  sessionId: 'string',
  revision: 'int',
  clock: CLOCK,
  /** Start of the earliest window that is open; null before the first event. */
  frontierMs: 'long?',
  /** When the last folded event happened: what lies behind it is assumed. */
  lastMs: 'long',
  /** Log time at which something was heard too late for its window; 0 before. */
  heardLateMs: 'long',
  /** Nothing was told of windows before this while it was closed, so that nothing can be late for them; 0 before. */
  reopenedMs: 'long',
  /** The attempt; null before it. */
  startMs: 'long?',
  /** Its attempt was counted before: it went on past a rollover, or from a session that was forgotten. */
  resumed: 'bool',
  closed: oneOf('', 'silent', 'ended'),
  /** End of the window in which it was closed. */
  closedMs: 'long',
  held: list(HELD),
  channels: list(
    struct({
      target: 'string',
      isRequest: 'bool',
      nextSn: 'long',
      used: 'long',
      lost: 'long',
      recent: 'int',
    }),
  ),
  /** The first is the one in force. */
  contexts: list(CONTEXT),

  /** Null while the player has told none. */
  playerState: 'string?',
  inAd: 'bool',
  inAdBreak: 'bool',
  muted: 'bool',
  hidden: 'bool',
  ratePermille: 'int?',
  liveLatencyMs: 'int?',
  bufferMs: 'int?',
  rendition: RENDITION,
  /** A rendition that was decided for and is not on screen yet. */
  upcoming: nullable(struct({ atMs: 'long', rendition: RENDITION })),
  /** The player told a bitrate with a time of its own: reports without one, which may be older, are not asked. */
  tellsTimedBitrates: 'bool',
  seeking: 'bool',
  /** When a seek was over; null before the first. */
  seekEndMs: 'long?',
  stall: nullable(struct({ startMs: 'long', afterSeek: 'bool', inAd: 'bool' })),

  intentMs: 'long?',
  /** A frame of anything was rendered. */
  started: 'bool',
  contentStarted: 'bool',
  joinTimeMs: 'int?',
  prerollMs: 'int?',
  contentStartupMs: 'int?',
  endMs: 'long?',
  endedBy: oneOf('', 'ended', 'left', 'failed'),
  failure: oneOf('', 'technical', 'business'),
  /** When an error came that is fatal unless playback goes on. */
  suspectMs: 'long?',
  errorCodes: list('string'),
  /** Of the latest error that told it. */
  errorClass: oneOf('', 'technical', 'business'),
  /** The first event that only a player sends whose viewer has asked for playback; counts where no state is told. */
  seemsStartedMs: 'long?',
  /** It said that it was starting, seeking or recovering. */
  wasDelayed: 'bool',

  place: nullable(struct({ atMs: 'long', programMs: 'long', uncertaintyMs: 'long', source: 'string' })),
  /** Programme time less media time. */
  anchorMs: 'long?',
  mediaTimeMs: 'long?',

  /** Cumulative figures of the player, by maximum; null when never told. */
  toldStallCount: 'long?',
  toldStallMs: 'long?',
  droppedFrames: 'long?',
  /** The same at the last rollover. */
  rolledOver: struct({ stallCount: 'long', stallMs: 'long', droppedFrames: 'long' }),
  /** Reports that said there was a stall since the last, where no state tells of stalls. */
  stallReports: 'int',

  duplicateCount: 'int',
  sums: SUMS,
  /** Counts that windows have told already. */
  windowsTold: COUNTS,
  before: struct({
    attempted: 'bool',
    outcome: 'string',
    contentStarted: 'bool',
    ended: 'bool',
    playbackFailure: 'string',
  }),
} as const;

export const sessionCodec = structCodec({ version: 1, fields: STATE });

export type SessionState = StateOf<typeof STATE>;
export type HeldEvent = TypeOf<typeof HELD>;
export type SessionContext = TypeOf<typeof CONTEXT>;
export type SessionClock = TypeOf<typeof CLOCK>;
export type Sums = TypeOf<typeof SUMS>;
export type Rendition = TypeOf<typeof RENDITION>;
export type Counts = TypeOf<typeof COUNTS>;
export type Channel = SessionState['channels'][number];

const NO_CONTEXT: SessionContext = {
  contentId: '',
  programmeId: '',
  previousSessionId: '',
  streamType: '',
  cdn: 'unknown',
  asn: null,
  country: '',
  deviceClass: 'unknown',
  playerName: '',
  playerVersion: '',
};

/** A session of which nothing is known yet: what `Reducer.init` gives. */
export function newSession(): SessionState {
  return {
    sessionKey: '',
    tenant: '',
    sessionId: '',
    revision: 1,
    clock: noClock(),
    frontierMs: null,
    lastMs: 0,
    heardLateMs: 0,
    reopenedMs: 0,
    startMs: null,
    resumed: false,
    closed: '',
    closedMs: 0,
    held: [],
    channels: [],
    contexts: [{ ...NO_CONTEXT }],
    playerState: null,
    inAd: false,
    inAdBreak: false,
    muted: false,
    hidden: false,
    ratePermille: null,
    liveLatencyMs: null,
    bufferMs: null,
    rendition: { bitrateBps: null, heightPx: null, renditionId: '' },
    upcoming: null,
    tellsTimedBitrates: false,
    seeking: false,
    seekEndMs: null,
    stall: null,
    intentMs: null,
    started: false,
    contentStarted: false,
    joinTimeMs: null,
    prerollMs: null,
    contentStartupMs: null,
    endMs: null,
    endedBy: '',
    failure: '',
    suspectMs: null,
    errorCodes: [],
    errorClass: '',
    seemsStartedMs: null,
    wasDelayed: false,
    place: null,
    anchorMs: null,
    mediaTimeMs: null,
    toldStallCount: null,
    toldStallMs: null,
    droppedFrames: null,
    rolledOver: { stallCount: 0, stallMs: 0, droppedFrames: 0 },
    stallReports: 0,
    duplicateCount: 0,
    sums: noSums(),
    windowsTold: noCounts(),
    before: {
      attempted: false,
      outcome: 'pending',
      contentStarted: false,
      ended: false,
      playbackFailure: '',
    },
  };
}

function noClock(): SessionClock {
  return {
    offsetMs: null,
    previousOffsetMs: null,
    firstLogMs: null,
    firstClientMs: null,
    leadMs: 0,
    strayLogMs: null,
    strayClientMs: null,
  };
}

export function noSums(): Sums {
  return {
    sessionMs: 0,
    unknownMs: 0,
    playingMs: 0,
    watchedMs: 0,
    pausedMs: 0,
    seekWaitMs: 0,
    startupWaitMs: 0,
    stallCount: 0,
    stallMs: 0,
    stallCountSeek: 0,
    stallMsSeek: 0,
    microStallCount: 0,
    adMs: 0,
    adPlayingMs: 0,
    adStallCount: 0,
    adStallMs: 0,
    bitrateMs: 0,
    bitrateBits: 0,
    heightMs: 0,
    heightPxMs: 0,
    switchesUp: 0,
    switchesDown: 0,
    exposedMs: 0,
    audibleMs: 0,
    placedMs: 0,
    eventCount: 0,
  };
}

export function noCounts(): Counts {
  return {
    stallCount: 0,
    stallCountSeek: 0,
    microStallCount: 0,
    adStallCount: 0,
    switchesUp: 0,
    switchesDown: 0,
    eventCount: 0,
    droppedFrames: 0,
    repairedMs: 0,
    duplicateCount: 0,
    lost: 0,
  };
}
