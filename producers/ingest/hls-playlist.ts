/**
 * HLS playlists as facts (RFC 8216): what is listed, in which order, and what is said about it. Nothing here judges; a line
 * that makes no sense is left out, as section 6.3.1 asks of clients.
 */

/** One media segment as its playlist lists it. */
export type HlsSegment = {
  /** Media sequence number (4.3.3.2). */
  readonly sequence: number;
  /** Absolute address. */
  readonly url: string;
  readonly durationMs: number;
  /** EXT-X-DISCONTINUITY stands before it (4.3.2.3). */
  readonly isDiscontinuity: boolean;
  /** Unix time in ms at which it begins, as told for it or for one before it in the same run (4.3.2.6); null: not told. */
  readonly programTimeMs: number | null;
  /** First byte and length, where it is a part of a resource (4.3.2.2); null for all of it. */
  readonly range: { readonly start: number; readonly length: number } | null;
  /** EXT-X-GAP: it is listed and known not to be there (RFC 8216bis, 4.4.4.7). */
  readonly isGap: boolean;
  /** All of it is encrypted (EXT-X-KEY with AES-128, 4.3.2.4): its bytes tell nothing. */
  readonly isEncrypted: boolean;
};

/** Breaks and other points that are announced for somebody who watches: they explain, and are no defects. */
export type MarkerKind = 'discontinuity' | 'cue-out' | 'cue-in' | 'daterange' | 'scte35' | 'period';
export type HlsMarker = {
  readonly kind: Exclude<MarkerKind, 'discontinuity' | 'period'>;
  /** Media sequence number of the segment that it stands before. */
  readonly sequence: number;
  /** Unix time in ms where it says one; null when it holds where it stands. */
  readonly programTimeMs: number | null;
  /** How long it lasts as announced; null when that is not said. */
  readonly durationMs: number | null;
  readonly id: string;
};

export type HlsMedia = {
  readonly kind: 'media';
  readonly targetDurationMs: number;
  /** It says that nothing more comes (EXT-X-ENDLIST), so it is not live any more. */
  readonly isEnded: boolean;
  readonly segments: readonly HlsSegment[];
  /** Partial segments after the last whole one (RFC 8216bis, 4.4.4.9): a playlist may move by these alone. */
  readonly trailingParts: number;
  readonly markers: readonly HlsMarker[];
};

/** One playlist that a multivariant playlist names. */
export type HlsVariant = {
  /** 720p, 720p-2 for the second of this height by bitrate, variant without a height, audio-LANGUAGE-NAME for sound. */
  readonly id: string;
  readonly media: 'video' | 'audio';
  readonly url: string;
  readonly bandwidthBps: number;
  readonly heightPx: number;
};
export type HlsMaster = { readonly kind: 'master'; readonly variants: readonly HlsVariant[] };

/** Reads a playlist that came from `url` (after redirects); null when it is none. */
export function parseHls(body: string, url: string): HlsMedia | HlsMaster | null {
  const lines = body.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (!lines[0]?.startsWith('#EXTM3U')) return null;
  if (lines.some((line) => line.startsWith('#EXT-X-STREAM-INF:'))) return parseMaster(lines, url);
  if (!lines.some((line) => line.startsWith('#EXT-X-TARGETDURATION:') || line.startsWith('#EXTINF:')))
    return null;
  return parseMedia(lines, url);
}

/** Attribute list (4.2): names to values, quotes taken off. */
export function hlsAttributes(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const match of text.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)/g)) {
    const value = match[2]!;
    found.set(match[1]!, value.startsWith('"') ? value.slice(1, -1) : value.trim());
  }
  return found;
}

type Named = Omit<HlsVariant, 'id'> & { readonly name: string };

function parseMaster(lines: readonly string[], baseUrl: string): HlsMaster {
  const named: Named[] = [];
  let streamInf: ReadonlyMap<string, string> | null = null;
  for (const line of lines) {
    if (line.startsWith('#EXT-X-STREAM-INF:')) streamInf = hlsAttributes(after(line));
    else if (line.startsWith('#EXT-X-MEDIA:')) pushIf(named, audioOf(hlsAttributes(after(line)), baseUrl));
    else if (line !== '' && !line.startsWith('#') && streamInf !== null) {
      pushIf(named, variantOf(streamInf, line.trim(), baseUrl));
      streamInf = null;
    }
  }
  return { kind: 'master', variants: withIds(named) };
}

function variantOf(info: ReadonlyMap<string, string>, uri: string, baseUrl: string): Named | null {
  const url = absolute(uri, baseUrl);
  if (url === null) return null;
  const heightPx = whole(/x(\d+)$/i.exec(info.get('RESOLUTION') ?? '')?.[1]);
  const bandwidthBps = whole(info.get('BANDWIDTH') ?? info.get('AVERAGE-BANDWIDTH'));
  const codecs = info.get('CODECS') ?? '';
  const isSound = heightPx === 0 && codecs !== '' && !/avc|hvc|hev|vp0?[89]|av01|dvh|mp2v|mp4v/i.test(codecs);
  const name = isSound ? 'audio' : heightPx > 0 ? `${heightPx}p` : 'variant';
  return { name, media: isSound ? 'audio' : 'video', url, bandwidthBps, heightPx };
}

function audioOf(media: ReadonlyMap<string, string>, baseUrl: string): Named | null {
  const uri = media.get('URI');
  if (media.get('TYPE') !== 'AUDIO' || uri === undefined) return null;
  const url = absolute(uri, baseUrl);
  const parts = [media.get('LANGUAGE') ?? '', media.get('NAME') ?? ''].filter((part) => part !== '');
  const name = ['audio', ...parts].join('-').slice(0, NAME_CHARS_MAX);
  return url === null ? null : { name, media: 'audio', url, bandwidthBps: 0, heightPx: 0 };
}

/** Names that several have are told apart by bitrate, the lowest first; a playlist that is named twice counts once. */
function withIds(found: readonly Named[]): readonly HlsVariant[] {
  const once = found.filter((one, at) => found.findIndex(({ url }) => url === one.url) === at);
  const ids = new Map<Named, string>();
  for (const [name, same] of Map.groupBy(once, (one) => one.name)) {
    const rising = same.toSorted((a, b) => a.bandwidthBps - b.bandwidthBps);
    for (const [at, one] of rising.entries()) ids.set(one, at === 0 ? name : `${name}-${at + 1}`);
  }
  return once.map((one) => {
    const { media, url, bandwidthBps, heightPx } = one;
    return { id: ids.get(one)!, media, url, bandwidthBps, heightPx };
  });
}

/** What was said since the segment before, for the one that follows. */
type Pending = {
  durationMs: number | null;
  isDiscontinuity: boolean;
  programTimeMs: number | null;
  range: { length: number; start: number | null } | null;
  isGap: boolean;
  parts: number;
};

function parseMedia(lines: readonly string[], baseUrl: string): HlsMedia {
  const segments: HlsSegment[] = [];
  const markers: HlsMarker[] = [];
  let targetDurationMs = 0;
  let isEnded = false;
  let sequence = 0;
  let runningTimeMs: number | null = null;
  let rangeEnd = 0;
  let isEncrypted = false;
  let next = nothingSaid();
  for (const line of lines) {
    if (!line.startsWith('#')) {
      const url = line.trim() === '' || next.durationMs === null ? null : absolute(line.trim(), baseUrl);
      if (url === null) continue;
      const { durationMs, isDiscontinuity, isGap } = next;
      if (isDiscontinuity) runningTimeMs = null;
      const programTimeMs: number | null = next.programTimeMs ?? runningTimeMs;
      const range =
        next.range === null ? null : { start: next.range.start ?? rangeEnd, length: next.range.length };
      rangeEnd = range === null ? 0 : range.start + range.length;
      segments.push({
        sequence,
        url,
        durationMs: durationMs!,
        isDiscontinuity,
        programTimeMs,
        range,
        isGap,
        isEncrypted,
      });
      runningTimeMs = programTimeMs === null ? null : programTimeMs + durationMs!;
      sequence++;
      next = nothingSaid();
      continue;
    }
    const colon = line.indexOf(':');
    const tag = colon === -1 ? line.trim() : line.slice(0, colon);
    if (tag === '#EXT-X-TARGETDURATION')
      targetDurationMs = Math.round(Number.parseFloat(after(line)) * 1000) || 0;
    else if (tag === '#EXT-X-MEDIA-SEQUENCE') sequence = whole(after(line));
    else if (tag === '#EXT-X-ENDLIST') isEnded = true;
    else if (tag === '#EXT-X-KEY') isEncrypted = hlsAttributes(after(line)).get('METHOD') === 'AES-128';
    else if (!takeSegmentTag(tag, line, next)) pushIf(markers, markerOf(tag, line, sequence));
  }
  const longestMs = Math.max(0, ...segments.slice(-LONGEST_OF).map(({ durationMs }) => durationMs));
  return {
    kind: 'media',
    targetDurationMs: targetDurationMs > 0 ? targetDurationMs : longestMs,
    isEnded,
    segments,
    trailingParts: next.parts,
    markers,
  };
}

/** Takes a tag that speaks of the next segment; false when it is none. */
function takeSegmentTag(tag: string, line: string, next: Pending): boolean {
  switch (tag) {
    case '#EXTINF':
      next.durationMs = Math.max(0, Math.round(Number.parseFloat(after(line)) * 1000) || 0);
      return true;
    case '#EXT-X-DISCONTINUITY':
      next.isDiscontinuity = true;
      return true;
    case '#EXT-X-PROGRAM-DATE-TIME':
      next.programTimeMs = unixMs(after(line));
      return true;
    case '#EXT-X-BYTERANGE': {
      const [length, start] = after(line).split('@');
      next.range = { length: whole(length), start: start === undefined ? null : whole(start) };
      return true;
    }
    case '#EXT-X-GAP':
      next.isGap = true;
      return true;
    case '#EXT-X-PART':
      next.parts++;
      return true;
    default:
      return false;
  }
}

/** EXT-X-CUE-OUT and its kin are no standard, and what most ad servers write. */
function markerOf(tag: string, line: string, sequence: number): HlsMarker | null {
  const text = after(line);
  const plain = { sequence, programTimeMs: null, durationMs: null, id: '' };
  switch (tag) {
    case '#EXT-X-CUE-OUT': {
      const seconds = Number.parseFloat(hlsAttributes(text).get('DURATION') ?? text);
      return {
        ...plain,
        kind: 'cue-out',
        durationMs: Number.isFinite(seconds) ? Math.round(seconds * 1000) : null,
      };
    }
    case '#EXT-X-CUE-IN':
      return { ...plain, kind: 'cue-in' };
    case '#EXT-OATCLS-SCTE35':
    case '#EXT-X-SCTE35':
      return { ...plain, kind: 'scte35' };
    case '#EXT-X-DATERANGE': {
      const attributes = hlsAttributes(text);
      const seconds = Number.parseFloat(
        attributes.get('DURATION') ?? attributes.get('PLANNED-DURATION') ?? '',
      );
      const isSplice = [...attributes.keys()].some((name) => name.startsWith('SCTE35-'));
      return {
        kind: isSplice ? 'scte35' : 'daterange',
        sequence,
        programTimeMs: unixMs(attributes.get('START-DATE') ?? ''),
        durationMs: Number.isFinite(seconds) ? Math.round(seconds * 1000) : null,
        id: (attributes.get('ID') ?? '').slice(0, NAME_CHARS_MAX),
      };
    }
    default:
      return null;
  }
}

const NAME_CHARS_MAX = 80;
/** Without a target duration the longest of so many last segments stands in for it. */
const LONGEST_OF = 100;

function nothingSaid(): Pending {
  return {
    durationMs: null,
    isDiscontinuity: false,
    programTimeMs: null,
    range: null,
    isGap: false,
    parts: 0,
  };
}

function after(line: string): string {
  const colon = line.indexOf(':');
  return colon === -1 ? '' : line.slice(colon + 1).trim();
}

function absolute(uri: string, baseUrl: string): string | null {
  return URL.parse(uri, baseUrl)?.href ?? null;
}

function whole(text: string | undefined): number {
  const number = Number.parseInt(text ?? '', 10);
  return Number.isSafeInteger(number) && number >= 0 ? number : 0;
}

function unixMs(text: string): number | null {
  const ms = Date.parse(text);
  return Number.isFinite(ms) ? ms : null;
}

function pushIf<T>(list: T[], item: T | null): void {
  if (item !== null) list.push(item);
}
