/** A manifest as the fetcher holds it between getting it and handing it on. */
import { dashRenditions, parseMpd } from './dash-rewrite.ts';
import type { ManifestFetch } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import { hlsKindOf, hlsRenditions } from './hls-rewrite.ts';
import type { Rendition } from './ladder.ts';
import { shown } from './origin-client.ts';
import type { XmlElement } from './xml-elements.ts';

export type Manifest = {
  readonly kind: ManifestFetch['kind'];
  /** Address that was asked for, and where it came from after redirects. */
  readonly url: string;
  readonly finalUrl: string;
  readonly body: string;
  /** Of a DASH manifest, its root element. */
  readonly mpd: XmlElement | null;
  /** The rungs of its ladder, best first; empty where it has none. */
  readonly renditions: readonly Rendition[];
};

/** Throws {@link FetchFailure} `not-a-manifest`. */
export function readManifest(body: string, url: string, finalUrl: string): Manifest {
  const kind = hlsKindOf(body);
  const mpd = kind === null ? parseMpd(body) : null;
  if (kind === null && mpd === null) throw noManifest(finalUrl, 'is neither a playlist nor a manifest');
  const renditions =
    mpd !== null ? dashRenditions(mpd) : kind === 'hls-master' ? hlsRenditions(body, finalUrl) : [];
  if (kind !== 'hls-media' && renditions.length === 0) {
    throw noManifest(finalUrl, 'lists nothing with pictures or sound');
  }
  return { kind: kind ?? 'dash', url, finalUrl, body, mpd, renditions };
}

/** Whether the beginning of a body, or how it is named, says that it is a manifest rather than media. */
export function isManifest(beginning: Buffer, url: URL, headers: Readonly<Record<string, string>>): boolean {
  if (headers['content-encoding'] !== undefined) return true;
  const text = beginning.toString('latin1');
  if (/^(ï»¿)?\s*#EXTM3U/.test(text) || /<(\w+:)?MPD[\s>]/.test(text)) return true;
  return /\.(m3u8?|mpd)$/i.test(url.pathname) || /mpegurl|dash\+xml/i.test(headers['content-type'] ?? '');
}

/** What a manifest that did not come would have been, by its name. */
export function expectedKind(url: string): ManifestFetch['kind'] {
  return /\.mpd$/i.test(URL.parse(url)?.pathname ?? '') ? 'dash' : 'hls-media';
}

function noManifest(url: string, why: string): FetchFailure {
  return new FetchFailure('not-a-manifest', `${shown(new URL(url))} ${why}`);
}
