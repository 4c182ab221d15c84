/** The reducer of W2: a session's totals so far, told as a score with every event. */
import { oneOf, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import type { Reducer } from '../../runtime/topology.ts';
import type { PlaybackEvent, QosScore } from '../../schemas/records.ts';

const FIELDS = {
  playerState: oneOf('none', 'starting', 'playing', 'rebuffering', 'paused'),
  atMs: 'long',
  startedAtMs: 'long',
  startupMs: 'int?',
  playingMs: 'long',
  pausedMs: 'long',
  stallMs: 'long',
  stallCount: 'int',
  bitrateBps: 'long',
  /** Bitrate times the time that it was played for, kbit. */
  playedKbit: 'long',
  switchesUp: 'int',
  switchesDown: 'int',
  droppedFrames: 'long',
  bufferMsMax: 'int',
  liveLatencyMs: 'int',
  heightPx: 'int',
  snNext: 'long',
  eventCount: 'int',
  eventsLost: 'int',
  mosCenti: 'int',
} as const;

type State = StateOf<typeof FIELDS>;

export const sessionTotals: Reducer<State, PlaybackEvent, QosScore> = {
  name: 'session-totals',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({
    playerState: 'none',
    atMs: 0,
    startedAtMs: 0,
    startupMs: null,
    playingMs: 0,
    pausedMs: 0,
    stallMs: 0,
    stallCount: 0,
    bitrateBps: 0,
    playedKbit: 0,
    switchesUp: 0,
    switchesDown: 0,
    droppedFrames: 0,
    bufferMsMax: 0,
    liveLatencyMs: 0,
    heightPx: 0,
    snNext: 0,
    eventCount: 0,
    eventsLost: 0,
    mosCenti: 0,
  }),
  step(state, input, context) {
    if (input.kind === 'timer') return [];
    const event = input.value;
    add(state, event, input.timeMs);
    return [{ kind: 'forward', value: scoreOf(state, event, input.timeMs, context.configHash) }];
  },
};

function add(state: State, event: PlaybackEvent, timeMs: number): void {
  const spentMs = state.eventCount === 0 ? 0 : timeMs - state.atMs;
  if (state.eventCount === 0) state.startedAtMs = timeMs;
  if (state.playerState === 'playing') {
    state.playingMs += spentMs;
    state.playedKbit += Math.floor((spentMs * state.bitrateBps) / 1_000_000);
  } else if (state.playerState === 'rebuffering') state.stallMs += spentMs;
  else if (state.playerState === 'paused') state.pausedMs += spentMs;
  const next = event.playerState;
  if (next === 'playing') {
    if (state.startupMs === null) state.startupMs = timeMs - state.startedAtMs;
    state.playerState = next;
  } else if (next === 'rebuffering') {
    state.stallCount += 1;
    state.playerState = next;
  } else if (next === 'starting' || next === 'paused') state.playerState = next;
  const bitrateBps = event.bitrateBps ?? state.bitrateBps;
  if (state.bitrateBps > 0 && bitrateBps > state.bitrateBps) state.switchesUp += 1;
  else if (bitrateBps < state.bitrateBps) state.switchesDown += 1;
  state.bitrateBps = bitrateBps;
  state.droppedFrames = Math.max(state.droppedFrames, event.droppedFrames ?? 0);
  state.bufferMsMax = Math.max(state.bufferMsMax, event.bufferMs ?? 0);
  state.liveLatencyMs = event.liveLatencyMs ?? state.liveLatencyMs;
  state.heightPx = event.heightPx ?? state.heightPx;
  const sn = event.sn ?? state.snNext;
  state.eventsLost += Math.max(0, sn - state.snNext);
  state.snNext = sn + 1;
  state.eventCount += 1;
  state.atMs = timeMs;
  const watchedMs = state.playingMs + state.stallMs;
  const kbitPerSecond = state.playingMs === 0 ? 0 : Math.floor((state.playedKbit * 1_000) / state.playingMs);
  const quality = Math.floor((400 * kbitPerSecond) / (kbitPerSecond + 1_200));
  const stalled = watchedMs === 0 ? 0 : Math.floor((600 * state.stallMs) / watchedMs);
  state.mosCenti = Math.min(500, Math.max(100, 100 + quality - stalled - 10 * state.stallCount));
}

function scoreOf(state: State, event: PlaybackEvent, timeMs: number, configHash: string): QosScore {
  const score = Math.floor((state.mosCenti - 100) / 4);
  const watchedMs = state.playingMs + state.stallMs;
  const stallPoints = Math.min(100 - score, 10 * state.stallCount);
  const permille = watchedMs === 0 ? null : Math.floor((1_000 * state.stallMs) / watchedMs);
  return {
    sessionKey: event.sessionKey,
    tenant: event.tenant,
    sessionId: event.sessionId,
    kind: 'window',
    revision: state.eventCount,
    windowStartMs: state.startedAtMs,
    windowEndMs: timeMs,
    provisional: false,
    partial: false,
    programmeId: event.programmeId,
    contentId: event.contentId,
    streamType: event.streamType ?? '',
    cdn: event.cdn,
    asn: event.asn,
    country: event.country,
    deviceClass: event.deviceClass,
    playerVersion: event.playerVersion,
    renditionId: '',
    vantage: '',
    model: 'bench-1',
    score,
    mosCenti: state.mosCenti,
    sessionScore: score,
    sessionMosCenti: state.mosCenti,
    scoreMin: null,
    scoreMax: null,
    confidencePermille: 1_000,
    coveragePermille: 1_000,
    startupPoints: 0,
    stallPoints,
    qualityPoints: 100 - score - stallPoints,
    switchPoints: 0,
    defectPoints: 0,
    failurePoints: 0,
    otherPoints: 0,
    causes: NONE,
    causePoints: NONE,
    outcome: 'play',
    playbackFailure: '',
    contentStarted: state.startupMs !== null,
    ended: false,
    playerState: state.playerState,
    joinTimeMs: state.startupMs,
    prerollMs: null,
    contentStartupMs: state.startupMs,
    playingMs: state.playingMs,
    watchedMs,
    pausedMs: state.pausedMs,
    seekWaitMs: 0,
    stallCount: state.stallCount,
    stallMs: state.stallMs,
    stallCountSeek: 0,
    stallMsSeek: 0,
    microStallCount: 0,
    rebufferingPlayingPermille: permille,
    rebufferingWatchPermille: permille,
    rebufferingSessionPermille: permille,
    connectionRebufferingPermille: permille,
    adPlayingMs: 0,
    adStallCount: 0,
    adStallMs: 0,
    bitrateBps: state.bitrateBps,
    heightPx: state.heightPx,
    switchesUp: state.switchesUp,
    switchesDown: state.switchesDown,
    droppedFrames: state.droppedFrames,
    liveLatencyMs: state.liveLatencyMs,
    playbackRatePermille: event.playbackRatePermille,
    errorCodes: NONE,
    eventCount: state.eventCount,
    eventsLost: state.eventsLost,
    duplicateCount: 0,
    defectTypes: NONE,
    defectMs: NONE,
    defectIds: NONE,
    defectPossibleMs: 0,
    exposedMs: 0,
    audibleMs: 0,
    timeSource: 'none',
    beyondHorizon: false,
    programTimeStartMs: null,
    programTimeEndMs: null,
    previousSessionId: event.previousSessionId,
    configHash,
  };
}

const NONE: readonly never[] = [];
