/** A file of expectations as a user writes it. */
import { z } from 'zod';

const expectationSchema = z.strictObject({
  streamId: z.string().min(1),
  /** File or address; a relative path counts from the folder of the file of expectations, or from where the command runs. */
  input: z.string().min(1),
  video: z.boolean().optional(),
  audio: z.boolean().optional(),
  fps: z.number().positive().optional(),
  channels: z.int().positive().optional(),
  /** The target of `audio-loudness`. */
  loudnessLufs: z.number().min(-70).max(0).optional(),
  /** Captions have to be there. */
  captions: z.boolean().optional(),
  /** The streamId of another entry, or a file or address: the same programme at a point before. */
  reference: z.string().min(1).optional(),
});
const fileSchema = z.strictObject({ streams: z.array(expectationSchema).min(1) });

export type Expectation = z.output<typeof expectationSchema>;

/** Reads the text of a file of expectations. Throws an `Error` that says what is wrong with it. */
export function parseExpectations(text: string): readonly Expectation[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error('it is no JSON', { cause });
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new Error(`${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  const ids = parsed.data.streams.map(({ streamId }) => streamId);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) throw new Error(`streams: '${twice}' is there twice`);
  return parsed.data.streams;
}
