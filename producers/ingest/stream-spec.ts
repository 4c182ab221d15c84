/** What to watch and how: one entry per stream of a probe, validated where it enters. */
import { resolve } from 'node:path';
import { z } from 'zod';

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
  /** A media file, or the http(s) address of an HLS playlist. */
  input: z.string().min(1, 'must name a file or an http(s) address'),
  /** Begin a file again when it ends; the timeline goes on upwards. */
  loop: z.boolean().default(false),
  /** `live`: a file is read no faster than its timestamps say. `fast`: as fast as the machine can. */
  pace: z.enum(['live', 'fast']).default('live'),
  /** No input for this long is `signal-lost`, in ms of wall time. Live inputs only. */
  signalLostMs: z.int().min(500).max(600_000).default(5000),
});

/** A stream to watch, every field decided. */
export type StreamSpec = Readonly<z.output<typeof streamSpecSchema>>;
/** The same as a user may write it, with defaults left out. */
export type StreamSpecInput = Readonly<z.input<typeof streamSpecSchema>>;

/** How the input is read: a plain local file, or HLS over HTTP, which is live until its playlist says that it ended. */
export type InputKind = 'file' | 'hls';

/** A specification, an input or a program that cannot work; the message says what to do. */
export class IngestError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'IngestError';
  }
}

/** Checks one stream and fills in the defaults. Throws {@link IngestError} naming the field. */
export function parseStreamSpec(value: unknown): StreamSpec {
  const parsed = streamSpecSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join('.') || 'stream';
    throw new IngestError(`stream specification: ${field}: ${issue.message}`);
  }
  const spec = parsed.data;
  if (inputKindOf(spec.input) === 'hls' && spec.loop) {
    throw new IngestError(`${spec.input}: a live input cannot be looped; leave --loop out`);
  }
  return spec;
}

/** Tells files from HLS by the scheme. Throws {@link IngestError} for schemes that a probe must not open. */
export function inputKindOf(input: string): InputKind {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(input)?.[1]?.toLowerCase();
  if (scheme === 'http' || scheme === 'https') return 'hls';
  if (scheme === undefined) return 'file';
  throw new IngestError(
    `${input}: inputs of the kind "${scheme}:" are not read; give the path of a file (./ in front of a name with a colon) or the http(s) address of an HLS playlist`,
  );
}

/** Absolute path of a file input. */
export function filePathOf(input: string): string {
  return resolve(input);
}
