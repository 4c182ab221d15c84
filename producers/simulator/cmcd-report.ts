/**
 * CMCD as players send it: event mode of CTA-5004-B with the habits that were measured of hls.js 1.7.4, dash.js 5.2.1
 * and Shaka 5.2.12, and the URL parameter of CTA-5004 (version 1). Keys are sorted; what integrators add is under
 * `com.everyview-`.
 */
import { SEGMENT_MS } from './download.ts';
import type { Viewer } from './population.ts';
import { type ReportClock, shownPosition } from './position.ts';
import type { PlayerEvent } from './viewing.ts';

/** A token goes bare, a string in quotes, true as the key alone; null and false are left out. */
type Value = number | boolean | null | { readonly token: string } | { readonly text: string } | string;

const TOKEN_OF_STATE: Readonly<Record<PlayerEvent['state'], string>> = {
  starting: 's',
  waiting: 'w',
  playing: 'p',
  rebuffering: 'r',
  seeking: 'k',
  paused: 'a',
  'fatal-error': 'f',
  quit: 'q',
};

/** One line of an event-mode body; null for what this player does not tell. */
export function cmcdEvent(viewer: Viewer, event: PlayerEvent, clock: ReportClock): string | null {
  const { player } = viewer;
  const token = eventToken(viewer, event);
  if (token === null) return null;
  const position = shownPosition(viewer, event, clock);
  // dash.js leaves bitrate and buffer out of its reports at intervals.
  const tellsMedia = !(player.name === 'dash.js' && token === 't');
  const kbps = event.rung === null ? null : Math.round(event.rung.bitrateBps / 1000);
  return encode({
    bg: event.hidden,
    bl: tellsMedia && player.tellsState ? `(${roundTo(event.bufferMs, 100)})` : null,
    br: tellsMedia && kbps !== null ? `(${kbps})` : null,
    cdn: { text: viewer.cdn },
    cid: { text: viewer.programme.contentId },
    'com.everyview-ad': event.adPlaying,
    'com.everyview-asn': viewer.isp.asn,
    'com.everyview-conn': { token: viewer.connectionType },
    'com.everyview-country': { text: viewer.isp.country },
    'com.everyview-muted': event.muted,
    'com.everyview-pdt': position.programTimeMs ?? null,
    'com.everyview-player': { text: `${player.name}/${player.version}` },
    'com.everyview-prev': event.session.previousId === '' ? null : { text: event.session.previousId },
    e: { token },
    ec: token === 'e' ? errorCode(viewer, event) : null,
    ltc: position.liveLatencyMs ?? null,
    mtp: tellsMedia && event.throughputBps !== null ? `(${kbpsOf(event.throughputBps)})` : null,
    pt: position.mediaTimeMs ?? null,
    sf: { token: player.name === 'dash.js' ? 'd' : 'h' },
    sid: { text: event.session.id },
    sn: clock.sn,
    st: { token: 'l' },
    sta: player.tellsState ? { token: stateToken(viewer, event) } : null,
    ts: event.atMs + viewer.clockSkewMs,
    v: 2,
  });
}

/** The value of the URL parameter `CMCD` of one media request; null for anything else. */
export function cmcdQuery(viewer: Viewer, event: PlayerEvent, stalledSinceLast: boolean): string | null {
  const { request, rung } = event;
  if (request === null) return null;
  const isSegment = request.kind === 'segment';
  return encode({
    bl: isSegment ? roundTo(event.bufferMs, 100) : null,
    br: isSegment && rung !== null ? Math.round(rung.bitrateBps / 1000) : null,
    bs: stalledSinceLast,
    cid: { text: viewer.programme.contentId },
    d: isSegment ? SEGMENT_MS : null,
    mtp: event.throughputBps === null ? null : kbpsOf(event.throughputBps),
    ot: { token: isSegment ? 'av' : 'm' },
    sf: { token: 'h' },
    sid: { text: event.session.id },
    st: { token: 'l' },
    su: event.state !== 'playing',
    tb: Math.round(event.topRung.bitrateBps / 1000),
  });
}

function eventToken({ player }: Viewer, event: PlayerEvent): string | null {
  switch (event.name) {
    case 'state':
      return tellsThisState(player, event) ? 'ps' : null;
    case 'heartbeat':
      return 't';
    case 'bitrate':
      return player.name === 'dash.js' ? null : 'bc';
    case 'error':
      // hls.js marks an error in the middle as fatal after its reporter has looked.
      return player.name === 'hls.js' && event.startupMs !== null ? null : 'e';
    case 'mute':
      return 'm';
    case 'unmute':
      return 'um';
    case 'background':
    case 'foreground':
      return 'b';
    case 'ad-break-start':
      return 'abs';
    case 'ad-start':
      return 'as';
    case 'ad-end':
      return 'ae';
    case 'ad-break-end':
      return 'abe';
    default:
      return null;
  }
}

/** No player says that it was closed; only hls.js says that it failed, and only at the start. */
function tellsThisState({ name, tellsState }: Viewer['player'], { state, startupMs }: PlayerEvent): boolean {
  if (!tellsState || state === 'quit') return false;
  return state !== 'fatal-error' || (name === 'hls.js' && startupMs === null);
}

function stateToken({ player }: Viewer, { state, startupMs }: PlayerEvent): string {
  if (player.name === 'dash.js' && state === 'fatal-error') return startupMs === null ? 's' : 'p';
  return TOKEN_OF_STATE[state];
}

/** A list of strings by the standard; a bare integer from dash.js; nothing from Shaka. */
function errorCode({ player }: Viewer, { errorCode: code }: PlayerEvent): string | null {
  if (player.name === 'dash.js') return code === 'NETWORK_ERROR' ? '27' : '35';
  return player.name === 'hls.js' ? `("${code}")` : null;
}

function encode(values: Readonly<Record<string, Value>>): string {
  const parts: string[] = [];
  for (const key of Object.keys(values).sort()) {
    const value = values[key] as Value;
    if (value === null || value === false) continue;
    if (value === true) parts.push(key);
    else if (typeof value !== 'object') parts.push(`${key}=${value}`);
    else parts.push('token' in value ? `${key}=${value.token}` : `${key}="${value.text}"`);
  }
  return parts.join(',');
}

function kbpsOf(bps: number): number {
  return roundTo(Math.round(bps / 1000), 100);
}

function roundTo(value: number, step: number): number {
  return Math.round(value / step) * step;
}
