/** What reading decoded tracks and reading packets have in common. */
import type { Clock } from '../../runtime/port.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import type { Chunker } from './chunker.ts';
import type { Decoder } from './decoder.ts';
import type { SourceSteps } from './source-steps.ts';
import type { StreamTimeline } from './stream-timeline.ts';

/** One stream as its probe holds it, whoever reads it at the time. */
export type MediaContext = {
  readonly chunker: Chunker;
  readonly timeline: StreamTimeline;
  readonly steps: SourceSteps;
  readonly clock: Clock;
  readonly counts: { pictures: number; audioBlocks: number };
  /** Packets taken in this pass through the input, by track; a decoder that takes over gives them out once more. */
  taken: number[];
  /** What lies before this is not taken: another depth has said it, ms of the timeline. */
  resumeAtMs: number;
  /** Told of every piece of input. */
  readonly heard: () => Promise<void>;
  /** Resolves when it is time for this, where an input is held to its pace. */
  readonly keepPace: (ptsMs: number) => Promise<void>;
};

/** Reads a decoder's output to its end; what it remembers goes on with the next decoder. */
export type MediaReader = {
  /** Records as they are completed, in order. Throws `NutError` for output that makes no sense. */
  read(decoder: Decoder): AsyncGenerator<readonly FrameFeatures[]>;
  /** What is still under way at the end of the input. */
  finish(): readonly FrameFeatures[];
};

/** Whether something at this time is to be taken; if so, waits until it is its time, and notes the clock's steps. */
export async function isDue(media: MediaContext, ptsMs: number): Promise<boolean> {
  if (ptsMs < media.resumeAtMs) return false;
  const steps = await media.steps.upTo(ptsMs);
  media.chunker.addSteps(steps.filter(({ atMs }) => atMs >= media.resumeAtMs));
  const errors = media.steps.takeErrors();
  if (errors !== null) media.chunker.addTsErrors(errors.filter(({ atMs }) => atMs >= media.resumeAtMs));
  await media.keepPace(ptsMs);
  return true;
}
