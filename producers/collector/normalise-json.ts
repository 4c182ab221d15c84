/** EveryView's own JSON events (docs/events.md) into PlaybackEvents: an object, an array, or one object per line. */
import { z } from 'zod';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { cleanText, hostName, hostOf } from './clean-text.ts';
import { EVENT_OF_TOKEN } from './cmcd-keys.ts';
import {
  type DroppedReport,
  type DropReason,
  type EventFields,
  eventOf,
  type Normalised,
  REPORT_CHARS_MAX,
  REPORTS_MAX,
  type ReportContext,
  SESSION_ID_CHARS_MAX,
  TEXT_CHARS_MAX,
} from './normalise.ts';
import { UNREADABLE } from './salvage.ts';

/** What `event` may be: the words for CMCD's events, and those that only this form can tell. */
export const JSON_EVENTS: readonly string[] = [
  ...new Set(EVENT_OF_TOKEN.values()),
  'request',
  'intent',
  'first-frame',
  'content-frame',
  'leave',
];

/** Names of the fields that a sender may set. */
export function jsonFields(): readonly string[] {
  return [...FIELDS.keys()];
}

/** Field by field: a bad value loses that field. Names of fields that do not exist are told as `unreadable`. */
export function normaliseJson(body: string, context: ReportContext): Normalised {
  const events: PlaybackEvent[] = [];
  const dropped: DroppedReport[] = [];
  for (const [index, report] of reportsOf(body).entries()) {
    const result = index >= REPORTS_MAX ? 'too-many' : readReport(report, context);
    if (typeof result === 'string') dropped.push({ reason: result, index });
    else events.push(result);
  }
  return { events, dropped };
}

/** Stands for a line that is no JSON; no report can be it. */
const NO_JSON = Symbol('no JSON');

function reportsOf(body: string): readonly unknown[] {
  const text = body.replace(/^\uFEFF/, '');
  if (text.trim() === '') return [];
  const whole = parsed(text);
  if (whole !== NO_JSON) return Array.isArray(whole) ? whole : [whole];
  return text
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
    .map((line) => (line.length > REPORT_CHARS_MAX ? TOO_LONG : parsed(line)));
}

const TOO_LONG = Symbol('too long');

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return NO_JSON;
  }
}

function readReport(report: unknown, context: ReportContext): PlaybackEvent | DropReason {
  if (report === TOO_LONG) return 'too-long';
  if (typeof report !== 'object' || report === null || Array.isArray(report)) return 'unreadable';
  const told = new Map(Object.entries(report));
  const sessionId = told.get('sessionId');
  const shownId = cleanText(sessionId, SESSION_ID_CHARS_MAX, context.forbidden);
  if (typeof sessionId !== 'string' || shownId === null) return 'no-session-id';
  const event = EVENT.safeParse(told.get('event'));
  if (!event.success) return 'no-event';

  const fields: Record<string, unknown> = {};
  const droppedKeys = new Set<string>();
  for (const [name, value] of told) {
    if (name === 'sessionId' || name === 'event' || value === null) continue;
    const schema = FIELDS.get(name);
    if (schema === undefined) {
      droppedKeys.add(UNREADABLE);
      continue;
    }
    const read = schema.safeParse(value);
    const clean = read.success ? cleaned(read.data, context.forbidden) : null;
    if (clean === null) droppedKeys.add(name);
    else fields[name] = clean;
  }
  if (fields.programTimeMs !== undefined) fields.programTimeSource = 'player';
  const read: EventFields = { ...fields, sessionId: shownId, event: event.data, source: 'json' };
  if (read.playerState === 'fatal-error') read.errorFatal = true;
  return eventOf(context, sessionId, read, droppedKeys);
}

function cleaned(value: unknown, forbidden: readonly string[]): unknown {
  if (typeof value === 'string') return cleanText(value, TEXT_CHARS_MAX, forbidden);
  if (!Array.isArray(value)) return value;
  const words = value.map((word) => cleanText(word, TEXT_CHARS_MAX, forbidden));
  return words.includes(null) ? null : words;
}

const INT_MAX = 2_147_483_647;
const TIME_MS_MAX = 8_640_000_000_000_000;

const EVENT = z.literal([...JSON_EVENTS]);
const flag = z.boolean();
const id = z.string().min(1).max(128);

function whole(max: number, min = 0) {
  return z.number().transform(Math.round).pipe(z.number().min(min).max(max));
}

/** Every field that a sender may set: those of the schema less what the collector itself knows. */
const FIELDS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['contentId', z.string().min(1).max(TEXT_CHARS_MAX)],
  ['previousSessionId', id],
  ['sn', whole(Number.MAX_SAFE_INTEGER)],
  ['clientTimeMs', whole(TIME_MS_MAX)],
  [
    'playerState',
    z.literal([
      'preloading',
      'starting',
      'playing',
      'seeking',
      'rebuffering',
      'waiting',
      'paused',
      'ended',
      'fatal-error',
      'quit',
    ]),
  ],
  ['startupDelayed', flag],
  ['mediaTimeMs', whole(TIME_MS_MAX)],
  ['programTimeMs', whole(TIME_MS_MAX)],
  ['liveLatencyMs', whole(INT_MAX)],
  ['playbackRatePermille', whole(1_000_000)],
  ['bufferMs', whole(INT_MAX)],
  ['bitrateBps', whole(10_000_000_000)],
  ['topBitrateBps', whole(10_000_000_000)],
  ['throughputBps', whole(10_000_000_000_000)],
  ['widthPx', whole(100_000, 1)],
  ['heightPx', whole(100_000, 1)],
  ['displayHeightPx', whole(100_000)],
  ['renditionId', id],
  ['renditionShown', flag],
  ['startupMs', whole(INT_MAX)],
  ['stallCount', whole(Number.MAX_SAFE_INTEGER)],
  ['stallMs', whole(TIME_MS_MAX)],
  ['stalledSinceLast', flag],
  ['lastStallMs', whole(INT_MAX)],
  ['droppedFrames', whole(Number.MAX_SAFE_INTEGER)],
  ['adPlaying', flag],
  ['adId', id],
  ['muted', flag],
  ['hidden', flag],
  ['userInitiated', flag],
  ['errorCodes', z.array(id).max(8)],
  ['errorFatal', flag],
  ['errorClass', z.literal(['technical', 'business'])],
  [
    'requestObjectType',
    z.literal(['manifest', 'init', 'audio', 'video', 'audio-video', 'caption', 'key', 'other']),
  ],
  ['requestObjectMs', whole(INT_MAX)],
  ['requestHost', z.string().transform((text) => hostOf(text) ?? hostName(text) ?? '')],
  ['responseCode', whole(999)],
  ['timeToFirstByteMs', whole(600_000)],
  ['timeToLastByteMs', whole(600_000)],
  ['streamingFormat', z.literal(['hls', 'dash', 'smooth', 'other'])],
  ['streamType', z.literal(['live', 'vod'])],
  ['cdn', id],
  ['asn', whole(4_294_967_295)],
  ['country', z.string().regex(/^[A-Z]{2}$/)],
  ['region', z.string().regex(/^[A-Z]{2}-[A-Z0-9]{1,3}$/)],
  ['deviceClass', z.literal(['desktop', 'phone', 'tablet', 'tv', 'console', 'set-top-box', 'unknown'])],
  ['osName', id],
  ['playerName', id],
  ['playerVersion', id],
  ['connectionType', z.literal(['wifi', 'cellular', 'ethernet'])],
]);
