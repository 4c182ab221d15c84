/** Streams as users write them: validated, and what they leave out decided. */
import { z } from 'zod';
import { DEPTHS } from '../../schemas/depths.ts';
import { IngestError } from './ingest-error.ts';
import { checkStreamSpec, STREAM_DEFAULTS, type StreamSpec } from './stream-spec.ts';

const { limits } = STREAM_DEFAULTS;

/** Types and ranges; the rest is {@link checkStreamSpec}. What each field means stands at {@link StreamSpec}. */
const streamSpecSchema = z.strictObject({
  programmeId: z.string(),
  renditionId: z.string().default(STREAM_DEFAULTS.renditionId),
  vantage: z.string().default(STREAM_DEFAULTS.vantage),
  input: z.string(),
  listen: z.boolean().default(STREAM_DEFAULTS.listen),
  renditions: z.string().default(STREAM_DEFAULTS.renditions),
  allow: z.array(z.string()).max(100).readonly().default(STREAM_DEFAULTS.allow),
  loop: z.boolean().default(STREAM_DEFAULTS.loop),
  pace: z.enum(['live', 'fast']).default(STREAM_DEFAULTS.pace),
  depth: z.enum(DEPTHS).default(STREAM_DEFAULTS.depth),
  captions: z.boolean().default(STREAM_DEFAULTS.captions),
  signalLostMs: z.int().min(500).max(600_000).default(STREAM_DEFAULTS.signalLostMs),
  limits: z
    .strictObject({
      memoryMb: z.int().min(64).max(64_000).default(limits.memoryMb),
      busyMs: z.int().min(1_000).max(3_600_000).default(limits.busyMs),
      stalledMs: z.int().min(1_000).max(3_600_000).default(limits.stalledMs),
    })
    .prefault({}),
} satisfies { readonly [Field in keyof StreamSpec]: z.ZodType<StreamSpec[Field]> });

/** A {@link StreamSpec} as a user may write it, with defaults left out. */
export type StreamSpecInput = Readonly<z.input<typeof streamSpecSchema>>;

/**
 * Checks one stream and fills in the defaults; a rendition that is named is its `renditionId`, unless that is given, too.
 * Throws {@link IngestError} naming the field.
 */
export function parseStreamSpec(value: unknown): StreamSpec {
  const parsed = streamSpecSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join('.') || 'stream';
    throw new IngestError(`stream specification: ${field}: ${issue.message}`);
  }
  const spec = parsed.data;
  checkStreamSpec(spec);
  const isNamed = spec.renditions !== 'all' && spec.renditions !== 'best';
  const isOwn = spec.renditionId !== STREAM_DEFAULTS.renditionId;
  return isNamed && !isOwn ? { ...spec, renditionId: spec.renditions } : spec;
}
