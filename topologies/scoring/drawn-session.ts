/** Results of sessions for tests: everything told and good but for what a test changes. */
import { blankRecord } from '../../schemas/blank-record.ts';
import type { RenderedSpan, SessionFigures, SessionResult, SessionSums } from '../sessions/figures.ts';

const WINDOW_MS = 10_000;

/** A window of a live session in which all of it played, at 1080 lines and 6 Mbit/s. */
export function figures(changes: Partial<SessionFigures> = {}): SessionFigures {
  return {
    ...GOOD,
    ...changes,
  };
}

export function windowResult(
  changes: Partial<SessionFigures> = {},
  more: Partial<Omit<SessionResult, 'figures' | 'sums'>> & { readonly sums?: Partial<SessionSums> } = {},
): SessionResult {
  const now = figures(changes);
  return {
    spans: [],
    soFar: now,
    told: ALL_TOLD,
    before: {
      attempted: true,
      outcome: 'play',
      contentStarted: true,
      ended: false,
      playbackFailure: '',
    },
    ...more,
    figures: now,
    sums: {
      sessionMs: WINDOW_MS,
      startupWaitMs: 0,
      unknownMs: 0,
      bitrateMs: now.playingMs,
      bitrateBits: 0,
      ...more.sums,
    },
  };
}

/** Played at normal speed, seen and heard, from the programme time that is given. */
export function span(changes: Partial<RenderedSpan> = {}): RenderedSpan {
  return {
    startMs: 0,
    endMs: WINDOW_MS,
    ratePermille: 1_000,
    programTimeStartMs: 0,
    uncertaintyMs: 0,
    timeSource: 'player',
    isVisible: true,
    isAudible: true,
    renditionId: '',
    cdn: 'cdn-a',
    bitrateBps: 6_000_000,
    heightPx: 1_080,
    ...changes,
  };
}

export const ALL_TOLD = { startup: 1_000, states: 1_000, bitrate: 1_000, position: 1_000, events: 1_000 };
export const NONE_TOLD = { startup: 0, states: 0, bitrate: 0, position: 0, events: 0 };

const GOOD: SessionFigures = blankRecord('qos-scores', {
  sessionKey: 'session-1',
  tenant: 'tenant',
  sessionId: 'sid-1',
  kind: 'window',
  revision: 1,
  windowEndMs: WINDOW_MS,
  programmeId: 'news',
  contentId: 'news',
  streamType: 'live',
  cdn: 'cdn-a',
  asn: 3320,
  country: 'DE',
  deviceClass: 'tv',
  playerVersion: 'hls.js 1.7.4',
  outcome: 'play',
  contentStarted: true,
  playerState: 'playing',
  joinTimeMs: 400,
  contentStartupMs: 400,
  playingMs: WINDOW_MS,
  watchedMs: WINDOW_MS,
  rebufferingPlayingPermille: 0,
  rebufferingWatchPermille: 0,
  rebufferingSessionPermille: 0,
  connectionRebufferingPermille: 0,
  bitrateBps: 6_000_000,
  heightPx: 1_080,
  droppedFrames: 0,
  liveLatencyMs: 6_000,
  playbackRatePermille: 1_000,
  eventCount: 3,
  eventsLost: 0,
  exposedMs: WINDOW_MS,
  audibleMs: WINDOW_MS,
  timeSource: 'player',
  programTimeStartMs: 0,
  programTimeEndMs: WINDOW_MS,
});
