/** The JSON events of docs/events.md, as a player that uses them sends them. */
import type { Viewer } from './population.ts';
import { type ReportClock, shownPosition } from './position.ts';
import type { EventName, PlayerEvent } from './viewing.ts';

const EVENT_OF_NAME: Readonly<Record<EventName, string | null>> = {
  intent: 'intent',
  state: 'play-state',
  'first-frame': 'first-frame',
  'content-frame': 'content-frame',
  // It tells what is on screen, and when.
  bitrate: null,
  shown: 'bitrate-change',
  heartbeat: 'time-interval',
  error: 'error',
  mute: 'mute',
  unmute: 'unmute',
  background: 'background',
  foreground: 'background',
  'ad-break-start': 'ad-break-start',
  'ad-start': 'ad-start',
  'ad-end': 'ad-end',
  'ad-break-end': 'ad-break-end',
  request: null,
  leave: 'leave',
};

/** One event as JSON; null for what this player does not report. */
export function jsonReport(viewer: Viewer, event: PlayerEvent, clock: ReportClock): string | null {
  const name = EVENT_OF_NAME[event.name];
  if (name === null) return null;
  const { session, shownRung } = event;
  const isError = event.name === 'error';
  return JSON.stringify({
    event: name,
    sessionId: session.id,
    previousSessionId: session.previousId === '' ? undefined : session.previousId,
    contentId: viewer.programme.contentId,
    sn: clock.sn,
    clientTimeMs: event.atMs + viewer.clockSkewMs,
    playerState: event.name === 'intent' ? undefined : event.state,
    ...shownPosition(viewer, event, clock),
    playbackRatePermille: event.state === 'playing' ? 1000 : 0,
    bufferMs: event.bufferMs,
    bitrateBps: shownRung?.bitrateBps,
    heightPx: shownRung?.heightPx,
    renditionShown: shownRung === null ? undefined : true,
    topBitrateBps: event.topRung.bitrateBps,
    throughputBps: event.throughputBps ?? undefined,
    displayHeightPx: viewer.device.displayHeightPx,
    startupMs: event.startupMs ?? undefined,
    stallCount: event.stallCount,
    stallMs: event.stallMs,
    droppedFrames: event.droppedFrames,
    adPlaying: event.adPlaying,
    muted: event.muted,
    hidden: event.hidden,
    userInitiated: event.byPerson ?? undefined,
    errorCodes: isError ? [event.errorCode] : undefined,
    errorFatal: isError ? true : undefined,
    errorClass: isError ? 'technical' : undefined,
    streamingFormat: 'hls',
    streamType: 'live',
    cdn: viewer.cdn,
    asn: viewer.isp.asn,
    country: viewer.isp.country,
    deviceClass: viewer.device.deviceClass,
    osName: viewer.device.osName,
    playerName: viewer.player.name,
    playerVersion: viewer.player.version,
    connectionType: viewer.connectionType,
  });
}
