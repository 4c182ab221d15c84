/** Events that wait for their window to close, in the player's order; what was seen already, and what is missing. */
import { compareKeys } from '../../runtime/key-order.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { Channel, HeldEvent, SessionContext, SessionState } from './session-state.ts';

/** What of an event the fold looks at. Its channel and context are entered into the state. */
export function heldOf(state: SessionState, event: PlaybackEvent, logMs: number): HeldEvent {
  const isRequest = event.event === 'request';
  const clientMs = within(saidAtMs(event), 0, TIME_MS_MAX);
  return {
    logMs,
    clientMs,
    atMs: clientMs === null ? logMs : -1,
    sn: within(event.sn, 0, SN_MAX),
    channel: channelOf(state, event.target, isRequest),
    context: contextOf(state, event),
    event: event.event,
    isRequest,
    // a response that does not tell how long it took does not tell when this was so
    playerState: isUndated(event) ? null : event.playerState,
    startupDelayed: event.startupDelayed,
    mediaTimeMs: within(event.mediaTimeMs, -TIME_MS_MAX, TIME_MS_MAX),
    programTimeMs:
      event.programTimeSource === 'none' ? null : within(event.programTimeMs, -TIME_MS_MAX, TIME_MS_MAX),
    liveLatencyMs: event.liveLatencyMs,
    ratePermille: within(event.playbackRatePermille, -RATE_MAX, RATE_MAX),
    bufferMs: within(event.bufferMs, 0, DURATION_MS_MAX),
    bitrateBps: within(event.bitrateBps, 0, TIME_MS_MAX),
    heightPx: within(event.heightPx, 1, HEIGHT_PX_MAX),
    renditionId: event.renditionId,
    renditionShown: event.renditionShown,
    startupMs: within(event.startupMs, 0, DURATION_MS_MAX),
    stallCount: within(event.stallCount, 0, DURATION_MS_MAX),
    stallMs: within(event.stallMs, 0, DURATION_MS_MAX),
    stalledSinceLast: event.stalledSinceLast,
    droppedFrames: within(event.droppedFrames, 0, TIME_MS_MAX),
    adPlaying: event.adPlaying,
    muted: event.muted,
    hidden: event.hidden,
    errorCodes: event.errorCodes.slice(0, CODES_MAX),
    errorFatal: event.errorFatal,
    errorClass: event.errorClass,
    objectType: event.requestObjectType,
  };
}

/**
 * A response is stamped with the time of its request, as the standard wants it, and has the state, the buffer and the
 * playhead of its end: hls.js 1.7.4 tells rebuffering so, up to the length of the download before it begins.
 */
export function saidAtMs({ event, clientTimeMs, timeToLastByteMs }: PlaybackEvent): number | null {
  if (event !== 'response-received' || clientTimeMs === null) return clientTimeMs;
  return clientTimeMs + (timeToLastByteMs ?? 0);
}

/**
 * Whether the same event is held already: (content, target, event, client time, sn) are equal; without a sequence number
 * all of it has to be, and without client time either there is no telling.
 */
export function isHeld(state: SessionState, event: HeldEvent): boolean {
  if (event.sn === null && event.clientMs === null) return false;
  for (let i = state.held.length - 1; i >= 0; i--) {
    const other = state.held[i]!;
    if (other.sn !== event.sn || other.clientMs !== event.clientMs) continue;
    if (other.channel !== event.channel || other.event !== event.event) continue;
    if (contentOf(state, other) !== contentOf(state, event)) continue;
    if (event.sn !== null || compareContent(state, other, event) === 0) return true;
  }
  return false;
}

/** Whether an event with this number was folded before. Only the last 32 numbers are known one by one. */
export function wasFolded(state: SessionState, event: HeldEvent): boolean {
  const channel = state.channels[event.channel];
  if (event.sn === null || channel === undefined || event.sn >= channel.nextSn) return false;
  const behind = channel.nextSn - 1 - event.sn;
  return behind < RECENT_MAX ? (channel.recent & (1 << behind)) !== 0 : channel.lost === 0;
}

/** Whether nothing with a later number was folded. */
export function isNews(state: SessionState, event: HeldEvent): boolean {
  return event.sn === null || event.sn >= (state.channels[event.channel]?.nextSn ?? 0);
}

/** Puts an event in its place among those held. In order, that is at the end. */
export function hold(state: SessionState, event: HeldEvent): void {
  const { held } = state;
  let place = held.length;
  while (place > 0 && compareEvents(state, held[place - 1]!, event) > 0) place -= 1;
  if (place === held.length) held.push(event);
  else held.splice(place, 0, event);
}

export function sortHeld(state: SessionState): void {
  state.held.sort((a, b) => compareEvents(state, a, b));
}

/** Numbers: those left out between this one and the one before are missing, until they come. */
export function countNumber(state: SessionState, event: HeldEvent): void {
  const channel = state.channels[event.channel];
  const { sn } = event;
  if (channel === undefined || sn === null) return;
  channel.used += 1;
  if (sn >= channel.nextSn) {
    const missing = sn - channel.nextSn;
    const isResumed = channel.nextSn === 0 && sn > RESUMED_SN_MIN;
    if (!isResumed && missing <= MISSING_MAX) channel.lost += missing;
    channel.recent = missing + 1 >= RECENT_MAX ? 1 : (channel.recent << (missing + 1)) | 1;
    channel.nextSn = sn + 1;
  } else if (isRecent(channel, sn)) {
    fill(channel, sn);
  } else {
    // so far back that the player must have begun to count anew
    channel.nextSn = sn + 1;
    channel.recent = 1;
  }
}

/** A number that came too late to be used is not missing. */
export function countArrival(state: SessionState, event: HeldEvent): void {
  const channel = state.channels[event.channel];
  if (channel !== undefined && event.sn !== null && isRecent(channel, event.sn)) fill(channel, event.sn);
}

/** Takes what the event says of the session's surroundings into the context in force. */
export function takeContext(state: SessionState, event: HeldEvent): void {
  const told = event.context > 0 ? state.contexts[event.context] : undefined;
  if (told === undefined) return;
  const context = state.contexts[0]!;
  state.contexts[0] = {
    contentId: told.contentId || context.contentId,
    programmeId: told.programmeId || context.programmeId,
    previousSessionId: told.previousSessionId || context.previousSessionId,
    streamType: told.streamType || context.streamType,
    cdn: told.cdn === 'unknown' ? context.cdn : told.cdn,
    asn: told.asn ?? context.asn,
    country: told.country || context.country,
    deviceClass: told.deviceClass === 'unknown' ? context.deviceClass : told.deviceClass,
    playerName: told.playerName || context.playerName,
    playerVersion: told.playerVersion || context.playerVersion,
  };
}

/** Contexts that no held event names any more go. */
export function pruneContexts(state: SessionState): void {
  if (state.held.length === 0 && state.contexts.length > 1) state.contexts.length = 1;
}

/** First numbers beyond this are those of a player that is heard again, not of one whose first reports were lost. */
export const RESUMED_SN_MIN = 100;
const CODES_MAX = 8;
/** What lies beyond these bounds was not measured by anybody, and would not add up in integers. */
const TIME_MS_MAX = 100_000_000_000_000;
const DURATION_MS_MAX = 2_000_000_000;
const RATE_MAX = 100_000;
const HEIGHT_PX_MAX = 20_000;
const SN_MAX = 1_000_000_000_000;
/** Numbers left out at once beyond this: the player did not count one by one. */
const MISSING_MAX = 10_000;
const CHANNELS_MAX = 8;
const CONTEXTS_MAX = 16;
const RECENT_MAX = 32;

function isUndated(event: PlaybackEvent): boolean {
  return event.event === 'response-received' && event.timeToLastByteMs === null;
}

function within(value: number | null, min: number, max: number): number | null {
  return value !== null && value >= min && value <= max ? value : null;
}

function isRecent(channel: Channel, sn: number): boolean {
  return sn < channel.nextSn && channel.nextSn - sn <= RECENT_MAX;
}

function fill(channel: Channel, sn: number): void {
  const bit = 1 << (channel.nextSn - 1 - sn);
  if ((channel.recent & bit) !== 0) return;
  channel.recent |= bit;
  channel.lost = Math.max(0, channel.lost - 1);
}

function channelOf(state: SessionState, target: string, isRequest: boolean): number {
  const { channels } = state;
  for (let i = 0; i < channels.length; i++) {
    if (channels[i]!.target === target && channels[i]!.isRequest === isRequest) return i;
  }
  if (channels.length >= CHANNELS_MAX) return -1;
  channels.push({ target, isRequest, nextSn: 0, used: 0, lost: 0, recent: 0 });
  return channels.length - 1;
}

/** 0 as long as all that is held says what is in force; else a context of its own, as the one in force may change before. */
function contextOf(state: SessionState, event: PlaybackEvent): number {
  const { contexts } = state;
  if (contexts.length === 1) {
    if (isSame(contexts[0]!, event)) return 0;
    contexts.push({ ...contexts[0]! });
    for (const held of state.held) held.context = 1;
  }
  for (let i = 1; i < contexts.length; i++) if (isSame(contexts[i]!, event)) return i;
  if (contexts.length >= CONTEXTS_MAX) return -1;
  contexts.push({
    contentId: event.contentId,
    programmeId: event.programmeId,
    previousSessionId: event.previousSessionId,
    streamType: event.streamType ?? '',
    cdn: event.cdn,
    asn: event.asn,
    country: event.country,
    deviceClass: event.deviceClass,
    playerName: event.playerName,
    playerVersion: event.playerVersion,
  });
  return contexts.length - 1;
}

function isSame(context: SessionContext, event: PlaybackEvent): boolean {
  return (
    context.contentId === event.contentId &&
    context.programmeId === event.programmeId &&
    context.previousSessionId === event.previousSessionId &&
    context.streamType === (event.streamType ?? '') &&
    context.cdn === event.cdn &&
    context.asn === event.asn &&
    context.country === event.country &&
    context.deviceClass === event.deviceClass &&
    context.playerName === event.playerName &&
    context.playerVersion === event.playerVersion
  );
}

function contentOf(state: SessionState, event: HeldEvent): string {
  return state.contexts[event.context]?.contentId ?? '';
}

/** Time, then the number, then the target; the rest only so that equal times have one order whatever came first. */
function compareEvents(state: SessionState, a: HeldEvent, b: HeldEvent): number {
  if (a.atMs !== b.atMs) return a.atMs - b.atMs;
  if (a.isRequest !== b.isRequest) return a.isRequest ? 1 : -1;
  const [snA, snB] = [a.sn ?? -1, b.sn ?? -1];
  if (a.channel === b.channel && snA !== snB) return snA - snB;
  const targets = compareKeys(targetOf(state, a), targetOf(state, b));
  return targets !== 0 ? targets : snA !== snB ? snA - snB : compareContent(state, a, b);
}

function targetOf(state: SessionState, event: HeldEvent): string {
  return state.channels[event.channel]?.target ?? '';
}

function compareContent(state: SessionState, a: HeldEvent, b: HeldEvent): number {
  return compareKeys(wordsOf(state, a), wordsOf(state, b));
}

function wordsOf(state: SessionState, event: HeldEvent): string {
  const { logMs: _, context, channel: __, ...rest } = event;
  return JSON.stringify([rest, state.contexts[context] ?? null]);
}
