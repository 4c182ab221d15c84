/** Paths under which ffmpeg asks the fetcher for things: each says what is wanted, and holds the address that it stands for. */

export type LoopbackTarget =
  /** The input itself. */
  | { readonly kind: 'root' }
  | { readonly kind: 'manifest'; readonly url: string }
  | {
      readonly kind: 'segment' | 'init' | 'key';
      readonly url: string;
      /** Number of the manifest that lists it. */
      readonly manifest: number;
    };

const LETTERS = { manifest: 'm', segment: 's', init: 'i', key: 'k' } as const;
const KINDS = { m: 'manifest', s: 'segment', i: 'init', k: 'key' } as const;

/** Path below a session's own, without a leading slash. The ending is for ffmpeg, which looks at it. */
export function childPath(kind: keyof typeof LETTERS, manifest: number, url: string): string {
  const ending =
    kind === 'manifest' ? 'm3u8' : (/\.(\w{2,4})(?:[?#]|$)/.exec(url)?.[1] ?? 'ts').toLowerCase();
  const name = ENDINGS.has(ending) ? ending : 'ts';
  return `${LETTERS[kind]}/${manifest}/${Buffer.from(url).toString('base64url')}/x.${name}`;
}

/** Path of a DASH base; what {@link dashChild} gives is put behind it, by ffmpeg. */
export function dashBase(baseUrl: string): string {
  return `d/${Buffer.from(baseUrl).toString('base64url')}/`;
}

/** A DASH reference as one piece of a path, identifiers between dollars left for ffmpeg to fill in. */
export function dashChild(reference: string, kind: 'segment' | 'init'): string {
  const parts = reference.split(/(\$\w*(?:%0\d+[dxXo])?\$)/);
  const encoded = parts.map((part, i) => (i % 2 === 1 ? part : encodeURIComponent(part)));
  return `${LETTERS[kind]}/${encoded.join('')}`;
}

/** What a path below a session's own asks for; null when it makes no sense. */
export function parseLoopbackPath(path: string): LoopbackTarget | null {
  const [letter = '', second = '', third = '', ...rest] = path.split('/');
  if (letter === 'root') return { kind: 'root' };
  if (letter === 'd') {
    const url = dashUrl(decoded(second), [...rest].join('/'));
    if (url === null) return null;
    return { kind: third === 'i' ? 'init' : 'segment', url, manifest: 0 };
  }
  const kind = KINDS[letter as keyof typeof KINDS];
  const manifest = Number(second);
  if (kind === undefined || !Number.isSafeInteger(manifest) || third === '') return null;
  const url = decoded(third);
  return kind === 'manifest' ? { kind, url } : { kind, url, manifest };
}

/** Endings that demuxers know; anything else is told by its content. */
const ENDINGS: ReadonlySet<string> = new Set([
  ...[
    'ts',
    'm4s',
    'm4v',
    'm4a',
    'mp4',
    'mp3',
    'aac',
    'ac3',
    'eac3',
    'ec3',
    'vtt',
    'cmfv',
    'cmfa',
    'key',
    'm2ts',
  ],
]);

function decoded(text: string): string {
  return Buffer.from(text, 'base64url').toString();
}

function dashUrl(base: string, encoded: string): string | null {
  try {
    return URL.parse(decodeURIComponent(encoded), base)?.href ?? null;
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}
