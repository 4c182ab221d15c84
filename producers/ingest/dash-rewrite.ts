/**
 * DASH manifests (ISO/IEC 23009-1) on their way to ffmpeg: cut down to one video and one audio representation, every address
 * replaced, and nothing left in it that would make ffmpeg ask elsewhere.
 */
import type { HandedPeriod } from './dash-periods.ts';
import type { Rendition } from './ladder.ts';
import { childrenOf, parseXml, type XmlElement } from './xml-elements.ts';

/** How addresses are replaced. */
export type RewriteDash = {
  /** Stands for an absolute address, and ends with a slash: what {@link RewriteDash.child} gives is put behind it. */
  base(baseUrl: string): string;
  /** Stands for an address below the base; identifiers such as `$Number$` in it have to stay as they are. */
  child(reference: string, kind: 'segment' | 'init'): string;
};

/** The manifest's root element; null for a text that is none. */
export function parseMpd(text: string): XmlElement | null {
  if (!/^\uFEFF?\s*(<[?!][^>]*>\s*)*<(\w+:)?MPD[\s>]/.test(text.slice(0, 10_000))) return null;
  return parseXml(text.replace(/^\uFEFF/, ''));
}

/** The video representations of the last period, or the audio ones where there is no video; best first. */
export function dashRenditions(mpd: XmlElement): readonly Rendition[] {
  const period = childrenOf(mpd, 'Period').at(-1);
  if (period === undefined) return [];
  const all = representationsOf(period);
  const video = all.filter(({ content }) => content === 'video');
  const ladder = (video.length > 0 ? video : all.filter(({ content }) => content === 'audio')).toSorted(
    (a, b) => a.bandwidthBps - b.bandwidthBps,
  );
  const counts = new Map<string, number>();
  const named = ladder.map(({ key, bandwidthBps, heightPx, content }): Rendition => {
    const short = heightPx > 0 ? `${heightPx}p` : content === 'audio' ? 'audio' : 'variant';
    const count = (counts.get(short) ?? 0) + 1;
    counts.set(short, count);
    return { name: count === 1 ? short : `${short}-${count}`, key, bandwidthBps, heightPx };
  });
  return named.reverse();
}

/**
 * The manifest for ffmpeg, with one period. Of that the representation `key` stays, or the best one where there is no such.
 */
export function rewriteDash(
  mpd: XmlElement,
  { element: period, closedMs }: HandedPeriod,
  manifestUrl: string,
  key: string | null,
  rewrite: RewriteDash,
): string {
  const others = mpd.children.filter((child) => child.name !== 'Period');
  const handed =
    closedMs === null
      ? { ...mpd, children: [...others, period] }
      : withAttributes(
          { ...mpd, children: [...others, withAttributes(period, lengthOf(closedMs))] },
          {
            type: 'static',
            mediaPresentationDuration: secondsOf(closedMs),
            minimumUpdatePeriod: null,
            availabilityStartTime: null,
          },
        );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${serialized(elementFor(handed, manifestUrl, null, key, rewrite))}`;
}

type Representation = Omit<Rendition, 'name'> & {
  readonly element: XmlElement;
  readonly content: 'video' | 'audio' | 'other';
};

/** Where a `BaseURL` may stand; each is relative to that of the level above. */
const LEVELS: ReadonlySet<string> = new Set(['MPD', 'Period', 'AdaptationSet', 'Representation']);

/** What ffmpeg reads. Whatever else there is (events, protection, places to ask) it need not see. */
const KEPT: ReadonlySet<string> = new Set([
  ...LEVELS,
  ...['SegmentTemplate', 'SegmentTimeline', 'S', 'SegmentList', 'SegmentURL', 'SegmentBase'],
  ...['Initialization', 'AudioChannelConfiguration', 'ContentComponent'],
]);

const CHILD_ATTRIBUTES: { readonly [name: string]: 'segment' | 'init' } = {
  media: 'segment',
  initialization: 'init',
  sourceURL: 'init',
};

/** Attributes that name another document, or that only make sense with a namespace. */
const DROPPED_ATTRIBUTES: ReadonlySet<string> = new Set([
  'href',
  'actuate',
  'index',
  'schemaLocation',
  'xsi',
]);

function elementFor(
  element: XmlElement,
  above: string,
  kept: ReadonlySet<XmlElement> | null,
  key: string | null,
  rewrite: RewriteDash,
): XmlElement {
  const base = LEVELS.has(element.name) ? baseOf(element, above) : above;
  const stay = element.name === 'Period' ? keptIn(element, key) : kept;
  const children = element.children
    .filter((child) => KEPT.has(child.name) && staysIn(child, stay))
    .map((child) => elementFor(child, base, stay, key, rewrite));
  if (element.name === 'Representation') {
    children.unshift({ name: 'BaseURL', attributes: new Map(), children: [], text: rewrite.base(base) });
  }
  const attributes = [...element.attributes]
    .filter(([name]) => /^\w+$/.test(name) && !DROPPED_ATTRIBUTES.has(name))
    .map(([name, value]): [string, string] => {
      const child = CHILD_ATTRIBUTES[name];
      return [name, child === undefined ? value : rewrite.child(value, child)];
    });
  return { name: element.name, attributes: new Map(attributes), children, text: '' };
}

function lengthOf(closedMs: number): { readonly [name: string]: string } {
  return { start: 'PT0S', duration: secondsOf(closedMs) };
}

function secondsOf(ms: number): string {
  return `PT${(ms / 1_000).toFixed(3)}S`;
}

/** Null takes an attribute away. */
function withAttributes(element: XmlElement, values: { readonly [name: string]: string | null }): XmlElement {
  const attributes = new Map(element.attributes);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) attributes.delete(name);
    else attributes.set(name, value);
  }
  return { ...element, attributes };
}

function staysIn(child: XmlElement, kept: ReadonlySet<XmlElement> | null): boolean {
  if (child.name === 'Representation') return kept?.has(child) === true;
  if (child.name === 'AdaptationSet') return child.children.some((one) => kept?.has(one));
  return true;
}

function baseOf(element: XmlElement, above: string): string {
  const reference = childrenOf(element, 'BaseURL')[0]?.text ?? '';
  return URL.parse(reference, above)?.href ?? above;
}

/** One representation of video and one of audio. */
function keptIn(period: XmlElement, key: string | null): ReadonlySet<XmlElement> {
  const all = representationsOf(period);
  const kept = new Set<XmlElement>();
  for (const content of ['video', 'audio'] as const) {
    const of = all.filter((one) => one.content === content);
    const best = of.toSorted((a, b) => b.bandwidthBps - a.bandwidthBps)[0];
    const one = of.find((candidate) => key !== null && candidate.key === key) ?? best;
    if (one !== undefined) kept.add(one.element);
  }
  return kept;
}

function representationsOf(period: XmlElement): readonly Representation[] {
  return childrenOf(period, 'AdaptationSet').flatMap((set) =>
    childrenOf(set, 'Representation').map((element) => {
      const attribute = (name: string) => element.attributes.get(name) ?? set.attributes.get(name) ?? '';
      return {
        element,
        content: contentOf(attribute),
        key: element.attributes.get('id') ?? '',
        bandwidthBps: whole(attribute('bandwidth')),
        heightPx: whole(attribute('height')),
      };
    }),
  );
}

function contentOf(attribute: (name: string) => string): Representation['content'] {
  const type = attribute('contentType') || attribute('mimeType');
  if (type.startsWith('video')) return 'video';
  if (type.startsWith('audio')) return 'audio';
  return type === '' && attribute('height') !== '' ? 'video' : 'other';
}

function whole(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) : 0;
}

function serialized({ name, attributes, children, text }: XmlElement): string {
  const pairs = [...attributes].map(([key, value]) => ` ${key}="${escaped(value)}"`).join('');
  return `<${name}${pairs}>${escaped(text)}${children.map(serialized).join('')}</${name}>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
