/** From what is known of a session to the figures that are told: of a window, of the session so far, of all of it. */
import type { RenderedSpan, SessionFigures, SessionResult, SessionStage } from './figures.ts';
import type { Counts, SessionState, Sums } from './session-state.ts';

/** One of definitions, section 3; `pending` while it is open. */
export function outcomeOf(state: SessionState): string {
  if (state.started) return 'play';
  if (state.failure !== '') return state.failure === 'business' ? 'vsf-business' : 'vsf-technical';
  if (state.endedBy === 'left') return 'ebvs';
  return state.endMs !== null || state.closed !== '' ? 'unknown' : 'pending';
}

/** Result for the window `[startMs, endMs)`: its own sums, and the session's up to its end. */
export function windowResult(
  state: SessionState,
  startMs: number,
  endMs: number,
  own: Sums,
  soFar: Sums,
  spans: readonly RenderedSpan[],
): SessionResult {
  const total = countsOf(state, soFar);
  const counts = untoldOf(total, state.windowsTold);
  const figures = figuresOf(state, 'window', startMs, endMs, repaired(state, own, counts));
  const result: SessionResult = {
    figures: {
      ...figures,
      ...placesOf(spans),
      droppedFrames: state.droppedFrames === null ? null : counts.droppedFrames,
      eventsLost: lostIn(state, counts.lost),
      duplicateCount: counts.duplicateCount,
    },
    spans,
    soFar: sessionFigures(state, 'window', state.startMs!, endMs, soFar, total),
    told: toldOf(state, own),
    sums: own,
    before: { ...state.before },
  };
  state.windowsTold = maxOf(total, state.windowsTold);
  state.before = stageOf(state);
  return result;
}

/** Result for the whole session, up to `endMs`. */
export function finalResult(state: SessionState, endMs: number, sums: Sums): SessionResult {
  const figures = {
    ...sessionFigures(state, 'final', state.startMs!, endMs, sums, countsOf(state, sums)),
    provisional: state.closed === 'silent',
  };
  const result: SessionResult = {
    figures,
    spans: [],
    soFar: figures,
    told: toldOf(state, sums),
    sums: { ...sums },
    before: { ...state.before },
  };
  state.before = stageOf(state);
  return result;
}

function stageOf(state: SessionState): SessionStage {
  return {
    attempted: true,
    outcome: outcomeOf(state),
    contentStarted: state.contentStarted,
    ended: isEnded(state),
    playbackFailure: failureOf(state),
  };
}

function isEnded(state: SessionState): boolean {
  return state.endMs !== null || state.closed !== '';
}

function failureOf(state: SessionState): string {
  return state.started ? state.failure : '';
}

function sessionFigures(
  state: SessionState,
  kind: 'window' | 'final',
  startMs: number,
  endMs: number,
  sums: Sums,
  counts: Counts,
): SessionFigures {
  return {
    ...figuresOf(state, kind, startMs, endMs, repaired(state, sums, counts)),
    droppedFrames: state.droppedFrames === null ? null : counts.droppedFrames,
    eventsLost: lostIn(state, counts.lost),
    duplicateCount: counts.duplicateCount,
  };
}

/** What was counted since the session (or its part since the rollover) began; lost reports repaired by what is cumulative. */
function countsOf(state: SessionState, sums: Sums): Counts {
  const { rolledOver } = state;
  const toldCount = Math.max(0, (state.toldStallCount ?? 0) - rolledOver.stallCount);
  const toldMs = Math.max(0, (state.toldStallMs ?? 0) - rolledOver.stallMs);
  // where no state is told, reports of stalls are a lower bound
  const reports = state.playerState === null ? state.stallReports : 0;
  return {
    stallCount: Math.max(sums.stallCount, Math.min(toldCount, INT_MAX), reports),
    stallCountSeek: sums.stallCountSeek,
    microStallCount: sums.microStallCount,
    adStallCount: sums.adStallCount,
    switchesUp: sums.switchesUp,
    switchesDown: sums.switchesDown,
    eventCount: sums.eventCount,
    droppedFrames: Math.max(0, (state.droppedFrames ?? 0) - rolledOver.droppedFrames),
    repairedMs: Math.max(0, toldMs - sums.stallMs),
    duplicateCount: state.duplicateCount,
    lost: state.channels.reduce((sum, { lost }) => sum + lost, 0),
  };
}

const COUNT_NAMES: readonly (keyof Counts)[] = [
  'stallCount',
  'stallCountSeek',
  'microStallCount',
  'adStallCount',
  'switchesUp',
  'switchesDown',
  'eventCount',
  'droppedFrames',
  'repairedMs',
  'duplicateCount',
  'lost',
];

function untoldOf(total: Counts, told: Counts): Counts {
  const counts = { ...total };
  for (const name of COUNT_NAMES) counts[name] = Math.max(0, total[name] - told[name]);
  return counts;
}

function maxOf(a: Counts, b: Counts): Counts {
  const counts = { ...a };
  for (const name of COUNT_NAMES) counts[name] = Math.max(a[name], b[name]);
  return counts;
}

/** Stalls that only a cumulative figure tells took their time from what was held to be playing. */
function repaired(state: SessionState, sums: Sums, counts: Counts): Sums {
  const couldStallMs = state.playerState === null ? sums.watchedMs : sums.playingMs;
  const repairedMs = Math.min(counts.repairedMs, couldStallMs);
  return {
    ...sums,
    stallCount: counts.stallCount,
    stallCountSeek: counts.stallCountSeek,
    microStallCount: counts.microStallCount,
    adStallCount: counts.adStallCount,
    switchesUp: counts.switchesUp,
    switchesDown: counts.switchesDown,
    eventCount: counts.eventCount,
    stallMs: sums.stallMs + repairedMs,
    playingMs: Math.max(0, sums.playingMs - repairedMs),
  };
}

function lostIn(state: SessionState, lost: number): number | null {
  return state.channels.some(({ used }) => used > 0) ? Math.min(lost, INT_MAX) : null;
}

function figuresOf(
  state: SessionState,
  kind: 'window' | 'final',
  windowStartMs: number,
  windowEndMs: number,
  sums: Sums,
): SessionFigures {
  const context = state.contexts[0]!;
  return {
    sessionKey: state.sessionKey,
    tenant: state.tenant,
    sessionId: state.sessionId,
    kind,
    revision: state.revision,
    windowStartMs,
    windowEndMs,
    provisional: false,
    programmeId: context.programmeId,
    contentId: context.contentId,
    streamType: context.streamType,
    cdn: context.cdn,
    asn: context.asn,
    country: context.country,
    deviceClass: context.deviceClass,
    playerVersion: `${context.playerName} ${context.playerVersion}`.trim(),
    renditionId: state.rendition.renditionId,
    outcome: outcomeOf(state),
    playbackFailure: failureOf(state),
    contentStarted: state.contentStarted,
    ended: isEnded(state),
    playerState: state.playerState ?? 'unknown',
    joinTimeMs: state.joinTimeMs,
    prerollMs: state.prerollMs,
    contentStartupMs: state.contentStartupMs,
    playingMs: sums.playingMs,
    watchedMs: sums.watchedMs,
    pausedMs: sums.pausedMs,
    seekWaitMs: sums.seekWaitMs,
    stallCount: sums.stallCount,
    stallMs: sums.stallMs,
    stallCountSeek: sums.stallCountSeek,
    stallMsSeek: sums.stallMsSeek,
    microStallCount: sums.microStallCount,
    ...(state.playerState === null ? NO_RATIOS : ratiosOf(sums)),
    adPlayingMs: sums.adPlayingMs,
    adStallCount: sums.adStallCount,
    adStallMs: sums.adStallMs,
    bitrateBps: meanOf(sums.bitrateBits, sums.bitrateMs, 1_000),
    heightPx: meanOf(sums.heightPxMs, sums.heightMs, 1),
    switchesUp: sums.switchesUp,
    switchesDown: sums.switchesDown,
    droppedFrames: null,
    liveLatencyMs: state.liveLatencyMs,
    playbackRatePermille: state.ratePermille,
    errorCodes: [...state.errorCodes].sort(),
    eventCount: sums.eventCount,
    eventsLost: null,
    duplicateCount: 0,
    exposedMs: sums.exposedMs,
    audibleMs: sums.audibleMs,
    timeSource: state.place?.source ?? 'unknown',
    programTimeStartMs: null,
    programTimeEndMs: null,
    previousSessionId: context.previousSessionId,
  };
}

/** The three denominators, each under its name; null where there is nothing to divide by. */
function ratiosOf(sums: Sums) {
  const { stallMs, stallMsSeek, playingMs, sessionMs } = sums;
  return {
    rebufferingPlayingPermille: permille(stallMs, playingMs),
    rebufferingWatchPermille: permille(stallMs, playingMs + stallMs),
    rebufferingSessionPermille: playingMs + stallMs === 0 ? null : permille(stallMs, sessionMs),
    connectionRebufferingPermille: permille(Math.max(0, stallMs - stallMsSeek), playingMs + stallMs),
  };
}

/** A player that tells no state may have stalled unseen. */
const NO_RATIOS = {
  rebufferingPlayingPermille: null,
  rebufferingWatchPermille: null,
  rebufferingSessionPermille: null,
  connectionRebufferingPermille: null,
};

function permille(part: number, whole: number): number | null {
  return whole <= 0 ? null : Math.min(Math.round((part * 1_000) / whole), INT_MAX);
}

const INT_MAX = 2_147_483_647;

function meanOf(sum: number, weightMs: number, factor: number): number | null {
  return weightMs === 0 ? null : Math.round((sum / weightMs) * factor);
}

function placesOf(spans: readonly RenderedSpan[]) {
  let startMs: number | null = null;
  let endMs: number | null = null;
  let source = 'unknown';
  for (const span of spans) {
    if (span.programTimeStartMs === null) continue;
    const toMs =
      span.programTimeStartMs + Math.round(((span.endMs - span.startMs) * span.ratePermille) / 1_000);
    startMs = Math.min(startMs ?? toMs, span.programTimeStartMs, toMs);
    endMs = Math.max(endMs ?? toMs, span.programTimeStartMs, toMs);
    source = span.timeSource;
  }
  return spans.length === 0
    ? {}
    : { programTimeStartMs: startMs, programTimeEndMs: endMs, timeSource: source };
}

function toldOf(state: SessionState, sums: Sums): SessionResult['told'] {
  const knownMs = sums.sessionMs + sums.pausedMs;
  const presumedMs = state.contentStarted ? sums.watchedMs - sums.playingMs - sums.stallMs : 0;
  const isWithoutStates = state.playerState === null;
  const renderedMs = sums.playingMs + Math.max(0, isWithoutStates ? presumedMs : 0);
  const used = state.channels.reduce((sum, channel) => sum + channel.used, 0);
  const lost = state.channels.reduce((sum, channel) => sum + channel.lost, 0);
  return {
    startup: isStartupTold(state) ? 1_000 : 0,
    states: isWithoutStates ? 0 : share(knownMs, knownMs + sums.unknownMs, 1_000),
    bitrate: share(sums.bitrateMs, renderedMs, isWithoutStates ? 0 : 1_000),
    position: share(sums.placedMs, sums.playingMs, isWithoutStates ? 0 : 1_000),
    events: share(used, used + lost, 1_000),
  };
}

function isStartupTold(state: SessionState): boolean {
  if (state.resumed || state.joinTimeMs !== null || state.contentStartupMs !== null) return true;
  return !state.started && state.intentMs !== null;
}

function share(part: number, whole: number, ofNothing: number): number {
  return whole <= 0 ? ofNothing : Math.min(1_000, Math.round((part * 1_000) / whole));
}
