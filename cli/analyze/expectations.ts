/**
 * What an input should be like (definitions, section 2): tracks that have to be there, and the loudness that is meant.
 * Without it nobody can tell a programme without sound from one that lost it.
 */
import path from 'node:path';
import { z } from 'zod';
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';

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

/** Where an expectation's input is, from where the command runs; `folder` is that of the file of expectations. */
export function inputOf({ input }: Pick<Expectation, 'input'>, folder: string): string {
  return isAddress(input) || path.isAbsolute(input) ? input : path.join(folder, input);
}

/** What it is compared with, from where the command runs; null when it is with nothing. */
export function referenceOf(
  { reference }: Expectation,
  expectations: readonly Expectation[],
  folder: string,
): string | null {
  if (reference === undefined) return null;
  const other = expectations.find(({ streamId }) => streamId === reference);
  return inputOf(other ?? { input: reference }, folder);
}

/** The one that speaks of this input; null when none does. */
export function expectationFor(
  input: string,
  expectations: readonly Expectation[],
  folder: string,
): Expectation | null {
  const isSame = (other: string): boolean =>
    isAddress(input) || isAddress(other) ? input === other : path.resolve(input) === path.resolve(other);
  return expectations.find((one) => isSame(one.input) || isSame(inputOf(one, folder))) ?? null;
}

/** Settings of detectors for the stream. */
export function configOf({ streamId, video, audio, loudnessLufs }: Expectation): DetectionConfig {
  return {
    streams: {
      [streamId]: {
        ...(video === true ? { 'video-missing': { expectVideo: 1 } } : {}),
        ...(audio === true ? { 'audio-missing': { expectAudio: 1 } } : {}),
        ...(loudnessLufs === undefined
          ? {}
          : { 'audio-loudness': { targetCentiLufs: Math.round(loudnessLufs * 100) } }),
      },
    },
  };
}

function isAddress(input: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(input);
}
