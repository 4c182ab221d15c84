/**
 * DASH manifests as facts (ISO/IEC 23009-1): representations, what is listed of each, and how a segment's address tells its
 * place. Nothing here judges.
 */
import { childrenOf, parseXml, type XmlElement } from './xml-elements.ts';

export type DashMarker = {
  /** Media time of the manifest, ms. */
  readonly atMs: number;
  readonly durationMs: number | null;
  readonly id: string;
};

/** A segment's place on the manifest's media time. */
export type DashPlace = { readonly atMs: number; readonly durationMs: number };

/** One representation in one period. */
export type DashRepresentation = {
  /** 720p, 720p-2 for the second of this height by bitrate, variant without a height, audio, audio-LANGUAGE. */
  readonly id: string;
  readonly media: 'video' | 'audio';
  readonly periodIndex: number;
  /** Media time of the manifest at which what is listed ends, ms; null where the clock and a formula tell, not a list. */
  readonly newestEndMs: number | null;
  /** Longest of the last listed segments, or the nominal length, ms; 0 when neither is told. */
  readonly segmentMsMax: number;
  /** Place of the segment with this address; null when it is not one of this representation. */
  placeOf(url: string): DashPlace | null;
  /** Address of the newest segment: as listed, or as the formula has it at `nowMs` (Unix time); null where neither tells. */
  newestUrl(nowMs: number): string | null;
};

export type DashManifest = {
  readonly kind: 'dash';
  readonly isLive: boolean;
  /** Unix time in ms that media time counts from; null where nothing ties them. */
  readonly availabilityStartMs: number | null;
  /** How often it asks to be loaded again; null when it does not change by itself. */
  readonly updatePeriodMs: number | null;
  readonly periodStartsMs: readonly number[];
  readonly representations: readonly DashRepresentation[];
  /** Events of the SCTE-35 schemes. */
  readonly markers: readonly DashMarker[];
};

/** Reads a manifest that came from `url` (after redirects); null when it is none. */
export function parseDash(body: string, url: string): DashManifest | null {
  const mpd = parseXml(body.replace(/^\uFEFF/, ''));
  if (mpd === null || mpd.name !== 'MPD') return null;
  const isLive = mpd.attributes.get('type') === 'dynamic';
  const start = Date.parse(mpd.attributes.get('availabilityStartTime') ?? '');
  const availabilityStartMs = Number.isFinite(start) ? start : null;
  const baseUrl = baseOf(mpd, url);
  const periodStartsMs: number[] = [];
  const found: Named[] = [];
  const markers: DashMarker[] = [];
  let nextStartMs = 0;
  for (const [index, period] of childrenOf(mpd, 'Period').slice(0, PERIODS_MAX).entries()) {
    const startMs = dashDurationMs(period.attributes.get('start')) ?? nextStartMs;
    periodStartsMs.push(startMs);
    const lengthMs = dashDurationMs(period.attributes.get('duration'));
    nextStartMs = startMs + (lengthMs ?? 0);
    const at = { index, startMs, lengthMs, availabilityStartMs, baseUrl: baseOf(period, baseUrl) };
    found.push(...representationsIn(period, at));
    markers.push(...markersIn(period, startMs));
  }
  const updatePeriodMs = isLive ? dashDurationMs(mpd.attributes.get('minimumUpdatePeriod')) : null;
  const representations = withIds(found);
  return {
    kind: 'dash',
    isLive,
    availabilityStartMs,
    updatePeriodMs,
    periodStartsMs,
    representations,
    markers,
  };
}

/** An ISO 8601 duration such as PT1H2M3.5S in ms; null when it is none. Years and months are not used in manifests. */
export function dashDurationMs(text: string | undefined): number | null {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? '');
  if (match === null) return null;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return Math.round((((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000);
}

const PERIODS_MAX = 200;
const REPRESENTATIONS_MAX = 100;
/** A timeline is read to this many segments; what a manifest lists beyond is older than anybody asks for. */
const SEGMENTS_MAX = 20_000;
/** The longest of so many last segments counts. */
const LONGEST_OF = 100;

type PeriodAt = {
  readonly index: number;
  readonly startMs: number;
  readonly lengthMs: number | null;
  readonly availabilityStartMs: number | null;
  readonly baseUrl: string;
};
type Named = Omit<DashRepresentation, 'id'> & { readonly name: string; readonly bandwidthBps: number };

function representationsIn(period: XmlElement, at: PeriodAt): readonly Named[] {
  const found: Named[] = [];
  for (const set of childrenOf(period, 'AdaptationSet')) {
    const setBase = baseOf(set, at.baseUrl);
    for (const one of childrenOf(set, 'Representation').slice(0, REPRESENTATIONS_MAX)) {
      const told = (name: string) => one.attributes.get(name) ?? set.attributes.get(name) ?? '';
      const type = told('contentType') || told('mimeType');
      const height = told('height');
      const isVideo = type.startsWith('video') || (type === '' && height !== '');
      if (!isVideo && !type.startsWith('audio')) continue;
      const language = told('lang');
      const audioName = language === '' ? 'audio' : `audio-${language}`;
      const videoName = /^\d+$/.test(height) ? `${Number(height)}p` : 'variant';
      found.push({
        name: isVideo ? videoName : audioName,
        media: isVideo ? 'video' : 'audio',
        bandwidthBps: Number.parseInt(told('bandwidth'), 10) || 0,
        periodIndex: at.index,
        ...listingOf([period, set, one], one, at, baseOf(one, setBase)),
      });
    }
  }
  return found;
}

type Listing = Pick<DashRepresentation, 'newestEndMs' | 'segmentMsMax' | 'placeOf' | 'newestUrl'>;
const UNKNOWN: Listing = { newestEndMs: null, segmentMsMax: 0, placeOf: () => null, newestUrl: () => null };

/** `levels` from the outermost to the innermost: what is said further in takes the place of what is said further out. */
function listingOf(levels: readonly XmlElement[], one: XmlElement, at: PeriodAt, baseUrl: string): Listing {
  const templates = levels.flatMap((level) => childrenOf(level, 'SegmentTemplate'));
  const told = (name: string) =>
    templates.findLast((each) => each.attributes.has(name))?.attributes.get(name);
  const number = (name: string, otherwise: number) => Number(told(name) ?? otherwise) || 0;
  const media = told('media');
  if (media === undefined) return UNKNOWN;
  const template: Template = {
    scale: number('timescale', 1) || 1,
    startNumber: number('startNumber', 1),
    offset: number('presentationTimeOffset', 0),
    address: addressOf(media, one, baseUrl),
  };
  const timeline = templates.findLast((each) => childrenOf(each, 'SegmentTimeline').length > 0);
  if (timeline !== undefined) return listed(childrenOf(timeline, 'SegmentTimeline')[0]!, template, at);
  const duration = number('duration', 0);
  return duration > 0 ? counted(duration, template, at) : UNKNOWN;
}

type Template = {
  readonly scale: number;
  readonly startNumber: number;
  readonly offset: number;
  readonly address: Address;
};

/** Segments of one length: the clock says which is the newest. */
function counted(duration: number, { scale, startNumber, address }: Template, at: PeriodAt): Listing {
  const segmentMs = (duration * 1000) / scale;
  return {
    newestEndMs: null,
    segmentMsMax: Math.round(segmentMs),
    placeOf: (url) => {
      const index = (address.keysIn(url)?.number ?? Number.NaN) - startNumber;
      if (!Number.isFinite(index)) return null;
      return { atMs: at.startMs + Math.round(index * segmentMs), durationMs: Math.round(segmentMs) };
    },
    newestUrl: (nowMs) => {
      if (at.availabilityStartMs === null) return null;
      const index = Math.floor((nowMs - at.availabilityStartMs - at.startMs) / segmentMs) - 1;
      return index < 0 ? null : address.urlOf(startNumber + index, Math.round(index * duration));
    },
  };
}

/** Segments that a timeline lists. */
function listed(
  timeline: XmlElement,
  { scale, startNumber, offset, address }: Template,
  at: PeriodAt,
): Listing {
  const row = segmentsIn(timeline, at, scale);
  const last = row.at(-1);
  const toMs = (ticks: number) => at.startMs + Math.round(((ticks - offset) * 1000) / scale);
  const byTime = new Map(row.map(({ t }, index) => [t, index]));
  const newest = last === undefined ? null : address.urlOf(startNumber + row.length - 1, last.t);
  return {
    newestEndMs: last === undefined ? at.startMs : toMs(last.t + last.d),
    segmentMsMax: Math.round((Math.max(0, ...row.slice(-LONGEST_OF).map(({ d }) => d)) * 1000) / scale),
    newestUrl: () => newest,
    placeOf: (url) => {
      const keys = address.keysIn(url);
      if (keys === null) return null;
      const index = keys.time === null ? (keys.number ?? -1) - startNumber : (byTime.get(keys.time) ?? -1);
      const segment = row[index];
      if (segment === undefined) return null;
      return { atMs: toMs(segment.t), durationMs: Math.round((segment.d * 1000) / scale) };
    },
  };
}

function segmentsIn(timeline: XmlElement, { lengthMs }: PeriodAt, scale: number) {
  const row: { t: number; d: number }[] = [];
  const entries = childrenOf(timeline, 'S');
  let t = 0;
  for (const [index, { attributes }] of entries.entries()) {
    t = Number(attributes.get('t') ?? t);
    const d = Number(attributes.get('d') ?? 0);
    if (!(Number.isFinite(t) && d > 0)) continue;
    let repeats = Number(attributes.get('r') ?? 0) || 0;
    if (repeats < 0) {
      const endT = lengthMs === null ? t : (lengthMs * scale) / 1000;
      const nextT = Number(entries[index + 1]?.attributes.get('t') ?? endT);
      repeats = Math.max(0, Math.ceil((nextT - t) / d) - 1);
    }
    for (let i = 0; i <= repeats && row.length < SEGMENTS_MAX; i++, t += d) row.push({ t, d });
  }
  return row;
}

type Address = {
  urlOf(number: number, time: number): string | null;
  keysIn(url: string): { readonly number: number | null; readonly time: number | null } | null;
};

/** How addresses are made of a template (5.3.9.4.4), and what of them tells which segment one is. */
function addressOf(media: string, representation: XmlElement, baseUrl: string): Address {
  const fixed = media
    .replaceAll('$RepresentationID$', representation.attributes.get('id') ?? '')
    .replace(/\$Bandwidth(?:%0\d+d)?\$/g, representation.attributes.get('bandwidth') ?? '');
  const names: string[] = [];
  const marked = fixed.replace(/\$(Number|Time)(?:%0\d+d)?\$/g, (_all, name: string) => {
    names.push(name);
    return MARK;
  });
  const parts = (absolute(marked, baseUrl) ?? '').split(MARK);
  const pattern = new RegExp(`^${parts.map(escaped).join('(\\d{1,20})')}$`);
  return {
    urlOf: (number, time) =>
      absolute(
        fixed.replace(/\$(Number|Time)(?:%0(\d+)d)?\$/g, (_all, name: string, width?: string) =>
          String(name === 'Number' ? number : time).padStart(Math.min(20, Number(width ?? 1)), '0'),
        ),
        baseUrl,
      ),
    keysIn: (url) => {
      const match = names.length === 0 ? null : pattern.exec(url);
      if (match === null) return null;
      const of = (name: string) => (names.includes(name) ? Number(match[names.indexOf(name) + 1]) : null);
      return { number: of('Number'), time: of('Time') };
    },
  };
}

/** Stands for a number in an address, and is in none. */
const MARK = 'ev-segment-key';

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function absolute(template: string, baseUrl: string): string | null {
  return URL.parse(template.replaceAll('$$', '$'), baseUrl)?.href ?? null;
}

/** Within a period. */
function withIds(found: readonly Named[]): readonly DashRepresentation[] {
  const ids = new Map<Named, string>();
  for (const same of Map.groupBy(found, (one) => `${one.periodIndex} ${one.name}`).values()) {
    const rising = same.toSorted((a, b) => a.bandwidthBps - b.bandwidthBps);
    for (const [at, one] of rising.entries()) ids.set(one, at === 0 ? one.name : `${one.name}-${at + 1}`);
  }
  return found.map((one) => {
    const { name: _name, bandwidthBps: _bandwidth, ...representation } = one;
    return { id: ids.get(one)!, ...representation };
  });
}

function markersIn(period: XmlElement, startMs: number): readonly DashMarker[] {
  return childrenOf(period, 'EventStream').flatMap((stream) => {
    if (!/scte35/.test(stream.attributes.get('schemeIdUri') ?? '')) return [];
    const scale = Number(stream.attributes.get('timescale') ?? 1) || 1;
    const offset = Number(stream.attributes.get('presentationTimeOffset') ?? 0) || 0;
    return childrenOf(stream, 'Event').map(({ attributes }) => {
      const ticks = Number(attributes.get('presentationTime') ?? 0) - offset;
      const length = attributes.get('duration');
      return {
        atMs: startMs + Math.round((ticks * 1000) / scale),
        durationMs: length === undefined ? null : Math.round((Number(length) * 1000) / scale),
        id: (attributes.get('id') ?? '').slice(0, 80),
      };
    });
  });
}

function baseOf(element: XmlElement, outer: string): string {
  const told = childrenOf(element, 'BaseURL')[0]?.text;
  return told === undefined ? outer : (URL.parse(told, outer)?.href ?? outer);
}
