/** What to watch and how: one entry per stream of a probe. Text of users becomes one in `parse-stream-spec.ts`. */
import { resolve } from 'node:path';
import type { Depth } from '../../schemas/depths.ts';
import { IngestError } from './ingest-error.ts';
import { parseAllowRule } from './network-policy.ts';

/** A stream to watch, every field decided. */
export type StreamSpec = {
  /** The programme: key of the records, the streamId of the defects. */
  readonly programmeId: string;
  readonly renditionId: string;
  /** Where the probe looks from: `origin`, or `cdn:NAME`. */
  readonly vantage: string;
  /**
   * A media file, a local HLS or DASH manifest, or an address: http(s) of HLS, DASH or media, rtmp(s), srt, udp or rtp with a
   * transport stream.
   */
  readonly input: string;
  /** Wait for a sender (RTMP, SRT) instead of asking for the stream. */
  readonly listen: boolean;
  /** Of a ladder: `all`, each as a stream of its own, `best`, or the name of one. */
  readonly renditions: string;
  /**
   * Addresses beside the public ones that may be connected to over HTTP, whether the input, a redirect or a manifest names
   * them: `host:port`, `host`, or a network such as `10.1.0.0/16`.
   */
  readonly allow: readonly string[];
  /** Begin a file again when it ends; the timeline goes on upwards. */
  readonly loop: boolean;
  /** `live`: a file is read no faster than its timestamps say. `fast`: as fast as the machine can. */
  readonly pace: 'live' | 'fast';
  /** How deep to look, unless the configuration in force says otherwise. */
  readonly depth: Depth;
  /** Captions have to be there: CEA-608 or CEA-708 in the pictures, or a track of subtitles as text. */
  readonly captions: boolean;
  /** No input for this long is `signal-lost`, in ms of wall time. Live inputs only. */
  readonly signalLostMs: number;
  /** What one decoder may use; past it, it is ended. */
  readonly limits: {
    /** Memory that it holds, MB of 1,000,000 bytes. */
    readonly memoryMb: number;
    /** CPU time without anything new coming out, ms. */
    readonly busyMs: number;
    /** Wall time without anything new coming out of a file, ms. */
    readonly stalledMs: number;
  };
};

/** What holds where nothing else is said; a programme and an input have to be said. */
export const STREAM_DEFAULTS: Omit<StreamSpec, 'programmeId' | 'input'> = {
  renditionId: 'main',
  vantage: 'origin',
  listen: false,
  renditions: 'best',
  allow: [],
  loop: false,
  pace: 'live',
  depth: 'full',
  captions: false,
  signalLostMs: 5_000,
  limits: { memoryMb: 1_000, busyMs: 30_000, stalledMs: 60_000 },
};

/**
 * How an input is read. `file`: media on this machine. `playlist`: a local manifest. `web`: HLS, DASH or media over HTTP. The
 * others: a transport stream, or what RTMP carries, as it is sent.
 */
export type InputKind = 'file' | 'playlist' | 'web' | 'rtmp' | 'srt' | 'udp' | 'rtp';

/**
 * What the types leave open: how names, addresses and the vantage are written, and which fields go together. Throws
 * {@link IngestError} naming the field.
 */
export function checkStreamSpec(spec: StreamSpec): void {
  for (const [field, pattern, rule] of TEXT_RULES) {
    if (!pattern.test(spec[field])) throw new IngestError(`stream specification: ${field}: ${rule}`);
  }
  const kind = inputKindOf(spec.input);
  if (spec.loop && kind !== 'file') {
    throw new IngestError(`${spec.input}: only a file can be looped; leave --loop out`);
  }
  if (spec.listen && kind !== 'rtmp' && kind !== 'srt') {
    throw new IngestError(`${spec.input}: only rtmp: and srt: inputs can listen; leave "listen" out`);
  }
  spec.allow.forEach(parseAllowRule);
}

/** Tells inputs apart by their scheme. Throws {@link IngestError} for schemes that a probe must not open. */
export function inputKindOf(input: string): InputKind {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(input)?.[1]?.toLowerCase();
  if (scheme === undefined) return /\.(m3u8|mpd)$/i.test(input) ? 'playlist' : 'file';
  const kind = KINDS[scheme];
  if (kind !== undefined && URL.canParse(input)) return kind;
  const wrong =
    kind === undefined ? `inputs of the kind "${scheme}:" are not read` : 'is no address that can be read';
  throw new IngestError(
    `${input}: ${wrong}; give the path of a file (./ in front of a name with a colon) or an http(s), rtmp(s), srt, udp or rtp address`,
  );
}

/** Whether it goes on by itself, read or not: what is not read in time is lost. */
export function isLiveKind(kind: InputKind): boolean {
  return kind !== 'file' && kind !== 'playlist';
}

/** Absolute path of a file input. */
export function filePathOf(input: string): string {
  return resolve(input);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const NAME = /^[^\u0000-\u001f\u007f]{1,200}$/;
const NAME_RULE = 'must be 1 to 200 characters without control characters';

type TextField = 'programmeId' | 'renditionId' | 'renditions' | 'vantage' | 'input';

const TEXT_RULES: readonly (readonly [field: TextField, pattern: RegExp, rule: string])[] = [
  ['programmeId', NAME, NAME_RULE],
  ['renditionId', NAME, NAME_RULE],
  ['renditions', NAME, NAME_RULE],
  ['vantage', /^(origin|cdn:[^\s]{1,100})$/, 'must be "origin" or "cdn:NAME"'],
  ['input', /./s, 'must name a file or an address'],
];

const KINDS: { readonly [scheme: string]: InputKind } = {
  http: 'web',
  https: 'web',
  rtmp: 'rtmp',
  rtmps: 'rtmp',
  srt: 'srt',
  udp: 'udp',
  rtp: 'rtp',
};
