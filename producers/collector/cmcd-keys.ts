/** What each key of CMCD (CTA-5004 and CTA-5004-B) says, as fields of a PlaybackEvent. docs/events.md has the table. */
import { cleanText, hostName, hostOf } from './clean-text.ts';
import { type EventFields, TEXT_CHARS_MAX } from './normalise.ts';
import type { CmcdEntry, CmcdScalar } from './salvage.ts';

export type CmcdValue = CmcdScalar | readonly CmcdEntry[];

/** Puts what a value says into the fields; false when it says nothing that can be. */
export type ReadKey = (value: CmcdValue, into: EventFields, forbidden: readonly string[]) => boolean;

/** Event tokens in words. `h` (other host) has no word of its own: its host is in requestHost. */
export const EVENT_OF_TOKEN: ReadonlyMap<string, string> = new Map([
  ['ps', 'play-state'],
  ['t', 'time-interval'],
  ['bc', 'bitrate-change'],
  ['e', 'error'],
  ['c', 'content-id'],
  ['b', 'background'],
  ['m', 'mute'],
  ['um', 'unmute'],
  ['pe', 'player-expand'],
  ['pc', 'player-collapse'],
  ['pr', 'playback-rate'],
  ['rr', 'response-received'],
  ['sk', 'skip'],
  ['abs', 'ad-break-start'],
  ['abe', 'ad-break-end'],
  ['as', 'ad-start'],
  ['ae', 'ad-end'],
  ['ce', 'custom'],
  ['h', 'custom'],
]);

const STATE_OF_TOKEN: ReadonlyMap<string, string> = new Map([
  ['d', 'preloading'],
  ['s', 'starting'],
  ['p', 'playing'],
  ['k', 'seeking'],
  ['r', 'rebuffering'],
  ['w', 'waiting'],
  ['a', 'paused'],
  ['e', 'ended'],
  ['f', 'fatal-error'],
  ['q', 'quit'],
]);

const OBJECT_OF_TOKEN: ReadonlyMap<string, string> = new Map([
  ['m', 'manifest'],
  ['i', 'init'],
  ['a', 'audio'],
  ['v', 'video'],
  ['av', 'audio-video'],
  ['c', 'caption'],
  ['tt', 'caption'],
  ['k', 'key'],
  ['o', 'other'],
]);

const FORMAT_OF_TOKEN: ReadonlyMap<string, string> = new Map([
  ['h', 'hls'],
  ['d', 'dash'],
  ['s', 'smooth'],
  ['e', 'other'],
  ['o', 'other'],
]);

const STREAM_TYPE_OF_TOKEN: ReadonlyMap<string, string> = new Map([
  ['v', 'vod'],
  ['l', 'live'],
  ['ll', 'live'],
]);

const INT_MAX = 2_147_483_647;
/** The last moment that ECMAScript can name. */
const TIME_MS_MAX = 8_640_000_000_000_000;
/** No request takes longer; what is beyond is a time of day in the wrong place (dash.js 5.2.1 sends such a ttfb). */
const CREDIBLE_REQUEST_MS_MAX = 600_000;
const BITRATE_KBPS_MAX = 10_000_000;
const ERROR_CODES_MAX = 8;
const CODE_CHARS_MAX = 128;

/** Keys with a field of their own. `sid`, `cid`, `e`, `v` and the bitrates are read beside this table. */
export const KEYS: ReadonlyMap<string, ReadKey> = new Map<string, ReadKey>([
  ['sn', number('sn', 0, Number.MAX_SAFE_INTEGER)],
  ['ts', number('clientTimeMs', 0, TIME_MS_MAX)],
  ['pt', number('mediaTimeMs', 0, TIME_MS_MAX)],
  ['ltc', number('liveLatencyMs', 0, INT_MAX)],
  ['pr', number('playbackRatePermille', 0, 1_000_000, { scale: 1000 })],
  // The track that runs dry first is the one that stalls.
  ['bl', number('bufferMs', 0, INT_MAX, { choose: smallest })],
  ['mtp', number('throughputBps', 0, BITRATE_KBPS_MAX * 1000, { scale: 1000, choose: video })],
  ['msd', number('startupMs', 0, INT_MAX)],
  // One stall may be counted under each type of track that ran dry.
  ['bsa', number('stallCount', 0, Number.MAX_SAFE_INTEGER, { choose: greatest })],
  ['bsda', number('stallMs', 0, TIME_MS_MAX, { choose: greatest })],
  ['bsd', number('lastStallMs', 0, INT_MAX, { choose: last })],
  ['dfa', number('droppedFrames', 0, Number.MAX_SAFE_INTEGER)],
  ['d', number('requestObjectMs', 0, INT_MAX)],
  ['rc', number('responseCode', 0, 999)],
  ['ttfb', number('timeToFirstByteMs', 0, CREDIBLE_REQUEST_MS_MAX)],
  ['ttlb', number('timeToLastByteMs', 0, CREDIBLE_REQUEST_MS_MAX)],
  ['su', flag('startupDelayed')],
  ['bs', flag('stalledSinceLast')],
  ['bg', flag('hidden')],
  ['sta', token('playerState', STATE_OF_TOKEN)],
  ['ot', token('requestObjectType', OBJECT_OF_TOKEN)],
  ['sf', token('streamingFormat', FORMAT_OF_TOKEN)],
  ['st', token('streamType', STREAM_TYPE_OF_TOKEN)],
  ['cdn', text('cdn', 128)],
  ['h', readHost(hostName)],
  ['url', readHost(hostOf)],
  ['ec', readErrorCodes],
  ['com.everyview-pdt', readProgramTime],
  ['com.everyview-player', readPlayer],
  ['com.everyview-prev', text('previousSessionId', 128)],
  ['com.everyview-rendition', text('renditionId', 64)],
  ['com.everyview-width', number('widthPx', 1, 100_000)],
  ['com.everyview-height', number('heightPx', 1, 100_000)],
  ['com.everyview-display-height', number('displayHeightPx', 0, 100_000)],
  ['com.everyview-muted', flag('muted')],
  ['com.everyview-ad', flag('adPlaying')],
  ['com.everyview-ad-id', text('adId', 128)],
  ['com.everyview-user', flag('userInitiated')],
  ['com.everyview-fatal', flag('errorFatal')],
  ['com.everyview-error-class', token('errorClass', sameWords('technical', 'business'))],
  ['com.everyview-conn', token('connectionType', sameWords('wifi', 'cellular', 'ethernet'))],
  ['com.everyview-asn', number('asn', 0, 4_294_967_295)],
  ['com.everyview-country', pattern('country', /^[A-Z]{2}$/)],
  ['com.everyview-region', pattern('region', /^[A-Z]{2}-[A-Z0-9]{1,3}$/)],
]);

/** Bits per second of `br`, `ab`, `tb` and `tab`, which are kbit/s, in a list by type of track or not; null when unreadable. */
export function bitrateBps(value: CmcdValue, objectToken: string | null): number | null {
  const kbps = chosen(value, (entries) => bitrateOf(entries, objectToken));
  return kbps === null || kbps < 0 || kbps > BITRATE_KBPS_MAX ? null : Math.round(kbps * 1000);
}

/** A token or string; null for anything else. */
export function wordOf(value: CmcdValue | undefined): string | null {
  const scalar = Array.isArray(value) && value.length === 1 ? (value[0] as CmcdEntry).value : value;
  return typeof scalar === 'string' ? scalar : null;
}

/**
 * What a viewer plays is all tracks together (dash.js sends `(2500;v 96;a)` for what shaka sends as 2596 and hls.js as
 * the variant's BANDWIDTH); a request is for the track that it names.
 */
function bitrateOf(entries: readonly NumberEntry[], objectToken: string | null): number {
  const named =
    entries.find(({ label }) => label === (objectToken ?? 'av')) ??
    entries.find(({ label }) => label === 'av');
  return named?.value ?? entries.reduce((sum, { value }) => sum + value, 0);
}

type NumberEntry = { readonly value: number; readonly label: string };
type Choose = (entries: readonly NumberEntry[]) => number;
type FieldOf<T> = {
  [K in keyof EventFields]-?: T extends Exclude<EventFields[K], undefined> ? K : never;
}[keyof EventFields];

/** The one number of a value, rounded by whoever needs it whole; null when there is none. */
function chosen(value: CmcdValue, choose: Choose): number | null {
  if (typeof value === 'number') return value;
  if (!Array.isArray(value) || value.length === 0) return null;
  const entries: NumberEntry[] = [];
  for (const entry of value as readonly CmcdEntry[]) {
    if (typeof entry.value !== 'number') return null;
    entries.push({ value: entry.value, label: entry.label });
  }
  return choose(entries);
}

function number(
  field: FieldOf<number>,
  min: number,
  max: number,
  options: { readonly scale?: number; readonly choose?: Choose } = {},
): ReadKey {
  return (value, into) => {
    const told = chosen(value, options.choose ?? first);
    if (told === null) return false;
    const whole = Math.round(told * (options.scale ?? 1));
    if (!(whole >= min && whole <= max)) return false;
    into[field] = whole;
    return true;
  };
}

function flag(field: FieldOf<boolean>): ReadKey {
  return (value, into) => {
    if (typeof value !== 'boolean') return false;
    into[field] = value;
    return true;
  };
}

function token(field: FieldOf<string>, words: ReadonlyMap<string, string>): ReadKey {
  return (value, into) => {
    const word = words.get(wordOf(value) ?? '');
    if (word === undefined) return false;
    into[field] = word;
    return true;
  };
}

function text(field: FieldOf<string>, charsMax: number): ReadKey {
  return (value, into, forbidden) => {
    const clean = cleanText(wordOf(value), charsMax, forbidden);
    if (clean === null) return false;
    into[field] = clean;
    return true;
  };
}

function pattern(field: FieldOf<string>, shape: RegExp): ReadKey {
  return (value, into) => {
    const word = wordOf(value)?.toUpperCase() ?? '';
    if (!shape.test(word)) return false;
    into[field] = word;
    return true;
  };
}

function readHost(read: (value: unknown) => string | null): ReadKey {
  return (value, into) => {
    const host = read(wordOf(value));
    if (host === null) return false;
    into.requestHost = host;
    return true;
  };
}

/** A list of strings by the standard; dash.js sends one bare integer. */
function readErrorCodes(value: CmcdValue, into: EventFields, forbidden: readonly string[]): boolean {
  const codes = Array.isArray(value) ? value.map((entry: CmcdEntry) => entry.value) : [value as CmcdScalar];
  const clean = codes.map((code) =>
    typeof code === 'boolean' ? null : cleanText(String(code), CODE_CHARS_MAX, forbidden),
  );
  into.errorCodes = clean.filter((code) => code !== null).slice(0, ERROR_CODES_MAX);
  return !clean.includes(null);
}

/** Unix ms, or a date and time as text that says its zone. */
function readProgramTime(value: CmcdValue, into: EventFields): boolean {
  const word = wordOf(value);
  const told = word !== null && ZONED_TIME.test(word) ? Date.parse(word) : chosen(value, first);
  if (told === null || !(told >= 0 && told <= TIME_MS_MAX)) return false;
  into.programTimeMs = Math.round(told);
  into.programTimeSource = 'custom-key';
  return true;
}

const ZONED_TIME = /^\d{4}-\d{2}-\d{2}T[\d:.]{5,15}(?:Z|[+-]\d{2}:?\d{2})$/;

/** `name/version` or `name`. */
function readPlayer(value: CmcdValue, into: EventFields, forbidden: readonly string[]): boolean {
  const clean = cleanText(wordOf(value), TEXT_CHARS_MAX, forbidden);
  if (clean === null) return false;
  const slash = clean.indexOf('/');
  into.playerName = slash < 0 ? clean : clean.slice(0, slash);
  into.playerVersion = slash < 0 ? '' : clean.slice(slash + 1);
  return true;
}

function sameWords(...words: readonly string[]): ReadonlyMap<string, string> {
  return new Map(words.map((word) => [word, word]));
}

function first(entries: readonly NumberEntry[]): number {
  return entries[0]!.value;
}

function last(entries: readonly NumberEntry[]): number {
  return entries.at(-1)!.value;
}

function smallest(entries: readonly NumberEntry[]): number {
  return Math.min(...entries.map(({ value }) => value));
}

function greatest(entries: readonly NumberEntry[]): number {
  return Math.max(...entries.map(({ value }) => value));
}

function video(entries: readonly NumberEntry[]): number {
  return (entries.find(({ label }) => label === 'v' || label === 'av') ?? entries[0]!).value;
}
