/** CMCD as it arrives (event mode bodies, the URL parameter, the four headers) into PlaybackEvents. */

import type { PlaybackEvent } from '../../schemas/records.ts';
import { cleanText } from './clean-text.ts';
import { bitrateBps, EVENT_OF_TOKEN, KEYS, wordOf } from './cmcd-keys.ts';
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
import { type CmcdReport, decodeReport } from './salvage.ts';

/** The headers of CTA-5004, in lower case as Node hands them over. */
const CMCD_HEADERS = ['cmcd-object', 'cmcd-request', 'cmcd-session', 'cmcd-status'] as const;

/**
 * A body of event mode: one report per line, as `\n` or `\r\n`, with or without a last one. Lines that hold nothing are
 * none.
 *
 * @example
 * normaliseEventBody('e=ps,sid="a",sn=0,sta=p,ts=1795259051201,v=2\n', context).events[0]?.playerState // 'playing'
 */
export function normaliseEventBody(body: string, context: ReportContext): Normalised {
  const lines = body
    .replace(/^\uFEFF/, '')
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '');
  const events: PlaybackEvent[] = [];
  const dropped: DroppedReport[] = [];
  for (const [index, line] of lines.entries()) {
    const result = index >= REPORTS_MAX ? 'too-many' : normaliseLine(line, context);
    if (typeof result === 'string') dropped.push({ reason: result, index });
    else events.push(result);
  }
  return { events, dropped };
}

/**
 * CMCD that came with a media request, as the value of the URL parameter `CMCD` (decoded once). Version 1 unless the
 * report says otherwise.
 */
export function normaliseQuery(value: string, context: ReportContext): Normalised {
  if (value.length > REPORT_CHARS_MAX) return leftOut('too-long');
  // Encoded twice as a whole: no key can be seen.
  const report = decodeReport(/^[^=,]*%3D/i.test(value) ? decodedOnce(value) : value);
  return requestOf(report, 'cmcd-v1-query', context);
}

/** CMCD that came with a media request, in up to four headers; names in lower case. */
export function normaliseHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  context: ReportContext,
): Normalised {
  const texts = CMCD_HEADERS.map((name) => [headers[name] ?? ''].flat().join(','));
  if (texts.reduce((chars, text) => chars + text.length, 0) > REPORT_CHARS_MAX) return leftOut('too-long');
  const parts = texts.map(decodeReport);
  const values = new Map(parts.flatMap((part) => [...part.values]));
  const unreadable = new Set(parts.flatMap((part) => [...part.unreadable]));
  return requestOf({ values, unreadable }, 'cmcd-v1-header', context);
}

function normaliseLine(line: string, context: ReportContext): PlaybackEvent | DropReason {
  if (line.length > REPORT_CHARS_MAX) return 'too-long';
  const report = decodeReport(line);
  const token = wordOf(report.values.get('e'));
  const event = EVENT_OF_TOKEN.get(token ?? '');
  return readReport(report, context, (fields, droppedKeys) => {
    fields.source = 'cmcd-v2-event';
    // What a report says holds even where it cannot be told why it was sent.
    fields.event = event ?? 'time-interval';
    if (event === undefined) droppedKeys.add('e');
    implied(fields, token);
  });
}

function requestOf(report: CmcdReport, source: string, context: ReportContext): Normalised {
  const version = report.values.get('v');
  const result = readReport(report, context, (fields) => {
    fields.source = typeof version === 'number' && version >= 2 ? 'cmcd-v2-request' : source;
    fields.event = 'request';
  });
  return typeof result === 'string' ? leftOut(result) : { events: [result], dropped: [] };
}

/** What an event says by its name. */
function implied(fields: EventFields, token: string | null): void {
  if (token === 'm') fields.muted = true;
  if (token === 'um') fields.muted = false;
  // bg is sent only when it is true.
  if (token === 'b') fields.hidden ??= false;
  if (fields.playerState === 'fatal-error') fields.errorFatal = true;
}

function readReport(
  report: CmcdReport,
  context: ReportContext,
  complete: (fields: EventFields, droppedKeys: Set<string>) => void,
): PlaybackEvent | DropReason {
  if (report.values.size === 0) return 'unreadable';
  const sid = report.values.get('sid');
  const sessionId = typeof sid === 'number' ? String(sid) : wordOf(sid);
  const shownId = cleanText(sessionId, SESSION_ID_CHARS_MAX, context.forbidden);
  if (sessionId === null || shownId === null) return 'no-session-id';

  const fields: EventFields = { sessionId: shownId };
  const droppedKeys = new Set(report.unreadable);
  for (const [key, value] of report.values) {
    const read = KEYS.get(key);
    if (read !== undefined && !read(value, fields, context.forbidden)) droppedKeys.add(key);
  }
  const cid = report.values.get('cid');
  if (cid !== undefined) {
    const contentId = cleanText(
      typeof cid === 'number' ? String(cid) : wordOf(cid),
      TEXT_CHARS_MAX,
      context.forbidden,
    );
    if (contentId === null) droppedKeys.add('cid');
    else fields.contentId = contentId;
  }
  readBitrates(report, fields, droppedKeys);
  complete(fields, droppedKeys);
  return eventOf(context, sessionId, fields, droppedKeys);
}

/**
 * What is on screen (`pb`, and our own key for players that do not send it in events) before what was chosen or requested.
 * `ab` and `tab`, of all tracks together, stand in where a player does not know those of each.
 */
function readBitrates(report: CmcdReport, fields: EventFields, droppedKeys: Set<string>): void {
  const objectToken = wordOf(report.values.get('ot'));
  for (const { field, keys, isShown } of BITRATES) {
    for (const key of keys) {
      const value = report.values.get(key);
      if (value === undefined) continue;
      // What is on screen is all tracks together, whatever was requested.
      const bps = bitrateBps(value, isShown ? null : objectToken);
      if (bps === null) droppedKeys.add(key);
      else {
        fields[field] ??= bps;
        if (isShown) fields.renditionShown = true;
      }
    }
  }
}

const BITRATES = [
  { field: 'bitrateBps', keys: ['com.everyview-shown-br', 'pb'], isShown: true },
  { field: 'bitrateBps', keys: ['br', 'ab'], isShown: false },
  { field: 'topBitrateBps', keys: ['tb', 'tab'], isShown: false },
] as const;

function decodedOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoding after all.
    return text;
  }
}

function leftOut(reason: DropReason): Normalised {
  return { events: [], dropped: [{ reason, index: 0 }] };
}
