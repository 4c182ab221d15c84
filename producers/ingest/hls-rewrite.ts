/**
 * HLS playlists (RFC 8216) on their way to ffmpeg, each line made anew from the figures in it and every address replaced, so
 * that whatever a playlist names comes back to the fetcher. ffmpeg and this file may differ in how they read a line: what is
 * not passed on cannot be read in another way. A master playlist is cut down to one variant and one audio track.
 */
import { hlsAttributes, parseHls } from './hls-playlist.ts';
import type { Rendition } from './ladder.ts';

export type HlsChild = 'manifest' | 'segment' | 'init' | 'key';

/** Gives the address that ffmpeg shall ask for. `url` is absolute, where the playlist's could be read at all. */
export type RewriteUrl = (url: string, child: HlsChild) => string;

/** The kind of a playlist; null for a text that is none, or that holds control characters. */
export function hlsKindOf(text: string): 'hls-master' | 'hls-media' | null {
  if (!/^\uFEFF?\s*#EXTM3U\s*?(\r|\n|$)/.test(text) || CONTROLS.test(text)) return null;
  if (/^#EXT-X-STREAM-INF:/m.test(text)) return 'hls-master';
  // Some packagers write a playlist where it is served: one that has only begun is none yet.
  return /^(#EXT-X-TARGETDURATION:|#EXTINF:)/m.test(text.replaceAll('\r', '\n')) ? 'hls-media' : null;
}

/** The variants with pictures of a master playlist, or those of sound alone where there are no others; best first. */
export function hlsRenditions(text: string, baseUrl: string): readonly Rendition[] {
  const parsed = parseHls(text, baseUrl);
  if (parsed?.kind !== 'master') return [];
  const listed = new Set(variantsOf(text).map(({ uri }) => absolute(uri, baseUrl)));
  const variants = parsed.variants.filter(({ url }) => listed.has(url));
  const video = variants.filter(({ media }) => media === 'video');
  return (video.length > 0 ? video : variants)
    .map(({ id, url, bandwidthBps, heightPx }) => ({ name: id, key: url, bandwidthBps, heightPx }))
    .sort((a, b) => b.bandwidthBps - a.bandwidthBps);
}

/** The playlist for ffmpeg; of a master playlist the variant at `variantUrl`, absolute, stays. */
export function rewriteHls(
  text: string,
  baseUrl: string,
  rewrite: RewriteUrl,
  variantUrl: string | null = null,
): string {
  const lines =
    hlsKindOf(text) === 'hls-master'
      ? masterLines(text, baseUrl, rewrite, variantUrl)
      : mediaLines(text, baseUrl, rewrite);
  return `#EXTM3U\n${lines.join('\n')}\n`;
}

const LINES_MAX = 200_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused; ffmpeg ends a line at some of them
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

function linesOf(text: string): string[] {
  return text
    .split(/\r\n|\n|\r/, LINES_MAX)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

type Variant = { readonly info: ReadonlyMap<string, string>; readonly uri: string };

function variantsOf(text: string): readonly Variant[] {
  const variants: Variant[] = [];
  let info: ReadonlyMap<string, string> | null = null;
  for (const line of linesOf(text)) {
    if (line.startsWith('#EXT-X-STREAM-INF:')) info = attributesOf(line);
    else if (info !== null && !line.startsWith('#')) {
      variants.push({ info, uri: line });
      info = null;
    }
  }
  return variants;
}

function masterLines(
  text: string,
  baseUrl: string,
  rewrite: RewriteUrl,
  variantUrl: string | null,
): readonly string[] {
  const variants = variantsOf(text);
  const kept = variants.find(({ uri }) => absolute(uri, baseUrl) === variantUrl) ?? variants[0];
  if (kept === undefined) return [];
  const { info, uri } = kept;
  const audio = audioOf(linesOf(text), info.get('AUDIO'));
  const audioUri = audio?.get('URI');
  const bandwidth = /^\d{1,12}$/.exec(info.get('BANDWIDTH') ?? '')?.[0] ?? '0';
  const codecs = /^[\w., -]{1,200}$/.exec(info.get('CODECS') ?? '')?.[0];
  const coding = codecs === undefined ? '' : `,CODECS="${codecs}"`;
  const variant = rewrite(absolute(uri, baseUrl), 'manifest');
  if (audioUri === undefined) return [`#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth}${coding}`, variant];
  const audioUrl = rewrite(absolute(audioUri, baseUrl), 'manifest');
  return [
    `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,URI="${audioUrl}"`,
    `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth}${coding},AUDIO="a"`,
    variant,
  ];
}

/** The audio track that a player would begin with: the default one of the group, else its first. */
function audioOf(lines: readonly string[], group: string | undefined): ReadonlyMap<string, string> | null {
  if (group === undefined) return null;
  const tracks = lines
    .filter((line) => line.startsWith('#EXT-X-MEDIA:'))
    .map(attributesOf)
    .filter((track) => track.get('TYPE') === 'AUDIO' && track.get('GROUP-ID') === group);
  return tracks.find((track) => track.get('DEFAULT') === 'YES') ?? tracks[0] ?? null;
}

/** Tags that ffmpeg needs and that hold no address: of each the part that is read. */
const PLAIN_TAGS: readonly RegExp[] = [
  /^#EXT-X-(?:VERSION|TARGETDURATION|MEDIA-SEQUENCE|DISCONTINUITY-SEQUENCE):\s*\d{1,18}(?=\.|\s|$)/,
  /^#EXT-X-(?:DISCONTINUITY|ENDLIST|INDEPENDENT-SEGMENTS)(?=\s|$)/,
  /^#EXT-X-PLAYLIST-TYPE:\s*(?:EVENT|VOD)/,
  /^#EXT-X-BYTERANGE:\s*\d{1,18}(?:@\d{1,18})?/,
  /^#EXT-X-PROGRAM-DATE-TIME:\s*[\d:.TZ+-]{10,40}/,
  /^#EXTINF:\s*[\d.]{1,30}/,
];

function mediaLines(text: string, baseUrl: string, rewrite: RewriteUrl): readonly string[] {
  const out: string[] = [];
  let isGap = false;
  for (const line of linesOf(text)) {
    if (!line.startsWith('#')) {
      if (!isGap) out.push(rewrite(absolute(line, baseUrl), 'segment'));
      isGap = false;
    } else if (line === '#EXT-X-GAP') isGap = true;
    else if (line.startsWith('#EXT-X-KEY:')) out.push(keyLine(attributesOf(line), baseUrl, rewrite));
    else if (line.startsWith('#EXT-X-MAP:')) out.push(mapLine(attributesOf(line), baseUrl, rewrite));
    else {
      const plain = PLAIN_TAGS.map((tag) => tag.exec(line)).find((match) => match !== null)?.[0];
      if (plain !== undefined) out.push(plain.startsWith('#EXTINF') ? `${plain},` : plain);
    }
  }
  return out;
}

function keyLine(key: ReadonlyMap<string, string>, baseUrl: string, rewrite: RewriteUrl): string {
  const method = /^[A-Z0-9-]{1,20}$/.exec(key.get('METHOD') ?? '')?.[0] ?? 'NONE';
  const uri = key.get('URI');
  const iv = /^0x[0-9a-f]{1,32}$/i.exec(key.get('IV') ?? '')?.[0];
  const address = uri === undefined ? '' : `,URI="${rewrite(absolute(uri, baseUrl), 'key')}"`;
  return `#EXT-X-KEY:METHOD=${method}${address}${iv === undefined ? '' : `,IV=${iv}`}`;
}

function mapLine(map: ReadonlyMap<string, string>, baseUrl: string, rewrite: RewriteUrl): string {
  const range = /^\d{1,18}(@\d{1,18})?$/.exec(map.get('BYTERANGE') ?? '')?.[0];
  const address = rewrite(absolute(map.get('URI') ?? '', baseUrl), 'init');
  return `#EXT-X-MAP:URI="${address}"${range === undefined ? '' : `,BYTERANGE="${range}"`}`;
}

function attributesOf(line: string): ReadonlyMap<string, string> {
  return hlsAttributes(line.slice(line.indexOf(':') + 1));
}

/** Kept as it is where it cannot be read: the fetcher says so when it is asked for. */
function absolute(uri: string, baseUrl: string): string {
  return URL.parse(uri, baseUrl)?.href ?? uri;
}
