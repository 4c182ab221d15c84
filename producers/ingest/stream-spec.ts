/** What to watch and how: one entry per stream of a probe, validated where it enters. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { DEPTHS } from '../../schemas/depths.ts';
import { IngestError } from './ingest-error.ts';
import { parseAllowRule } from './network-policy.ts';

const MESSAGE_NAME = 'must be 1 to 200 characters without control characters';
const name = z
  .string()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  .regex(/^[^\u0000-\u001f\u007f]{1,200}$/, MESSAGE_NAME);

const streamSpecSchema = z.strictObject({
  /** The programme: key of the records, the streamId of the defects. */
  programmeId: name,
  renditionId: name.default('main'),
  vantage: z
    .string()
    .regex(/^(origin|cdn:[^\s]{1,100})$/, 'must be "origin" or "cdn:NAME"')
    .default('origin'),
  /**
   * A media file, a local HLS or DASH manifest, or an address: http(s) of HLS, DASH or media, rtmp(s), srt, udp or rtp with a
   * transport stream.
   */
  input: z.string().min(1, 'must name a file or an address'),
  /** Wait for a sender (RTMP, SRT) instead of asking for the stream. */
  listen: z.boolean().default(false),
  /** Of a ladder: `all`, each as a stream of its own, `best`, or the name of one, which is its renditionId then. */
  renditions: name.default('best'),
  /**
   * Addresses beside the public ones that may be connected to over HTTP, whether the input, a redirect or a manifest names
   * them: `host:port`, `host`, or a network such as `10.1.0.0/16`.
   */
  allow: z.array(z.string()).max(100).default([]),
  /** Begin a file again when it ends; the timeline goes on upwards. */
  loop: z.boolean().default(false),
  /** `live`: a file is read no faster than its timestamps say. `fast`: as fast as the machine can. */
  pace: z.enum(['live', 'fast']).default('live'),
  /** How deep to look, unless the configuration in force says otherwise. */
  depth: z.enum(DEPTHS).default('full'),
  /** Captions have to be there: CEA-608 or CEA-708 in the pictures, or a track of subtitles as text. */
  captions: z.boolean().default(false),
  /** No input for this long is `signal-lost`, in ms of wall time. Live inputs only. */
  signalLostMs: z.int().min(500).max(600_000).default(5000),
  /** What one decoder may use; past it, it is ended. */
  limits: z
    .strictObject({
      /** Memory that it holds, MB of 1,000,000 bytes. */
      memoryMb: z.int().min(64).max(64_000).default(1_000),
      /** CPU time without anything new coming out, ms. */
      busyMs: z.int().min(1_000).max(3_600_000).default(30_000),
      /** Wall time without anything new coming out of a file, ms. */
      stalledMs: z.int().min(1_000).max(3_600_000).default(60_000),
    })
    .prefault({}),
});

/** A stream to watch, every field decided. */
export type StreamSpec = Readonly<z.output<typeof streamSpecSchema>>;
/** The same as a user may write it, with defaults left out. */
export type StreamSpecInput = Readonly<z.input<typeof streamSpecSchema>>;

/**
 * How an input is read. `file`: media on this machine. `playlist`: a local manifest. `web`: HLS, DASH or media over HTTP. The
 * others: a transport stream, or what RTMP carries, as it is sent.
 */
export type InputKind = 'file' | 'playlist' | 'web' | 'rtmp' | 'srt' | 'udp' | 'rtp';

/** Checks one stream and fills in the defaults. Throws {@link IngestError} naming the field. */
export function parseStreamSpec(value: unknown): StreamSpec {
  const parsed = streamSpecSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join('.') || 'stream';
    throw new IngestError(`stream specification: ${field}: ${issue.message}`);
  }
  const spec = parsed.data;
  const kind = inputKindOf(spec.input);
  if (spec.loop && kind !== 'file') {
    throw new IngestError(`${spec.input}: only a file can be looped; leave --loop out`);
  }
  if (spec.listen && kind !== 'rtmp' && kind !== 'srt') {
    throw new IngestError(`${spec.input}: only rtmp: and srt: inputs can listen; leave "listen" out`);
  }
  spec.allow.forEach(parseAllowRule);
  const isNamed = spec.renditions !== 'all' && spec.renditions !== 'best';
  return isNamed && spec.renditionId === 'main' ? { ...spec, renditionId: spec.renditions } : spec;
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

const KINDS: { readonly [scheme: string]: InputKind } = {
  http: 'web',
  https: 'web',
  rtmp: 'rtmp',
  rtmps: 'rtmp',
  srt: 'srt',
  udp: 'udp',
  rtp: 'rtp',
};
