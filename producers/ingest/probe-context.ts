/** What a probe is given, and what it leaves. */
import type { Clock } from '../../runtime/port.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import type { SourceContext } from './input-source.ts';

export type ProbeOutcome = {
  readonly kind: 'ended' | 'stopped' | 'failed';
  /** For `failed`: what is wrong and what to do. */
  readonly reason: string;
};

export type ProbeCounts = { pictures: number; audioBlocks: number; passes: number; restarts: number };

export type ProbeContext = {
  readonly ffmpegPath: string;
  readonly sources: SourceContext;
  readonly probeId: string;
  readonly probeEpochMs: number;
  readonly clock: Clock;
  /** The configuration in force, which tells how deep to look; null, or left out, while there is none. */
  readonly configuration?: () => unknown;
  /** Takes records in order; resolves when more may come. */
  readonly emit: (records: readonly FrameFeatures[]) => Promise<void>;
  /** For people: one line about what happened to the stream. */
  readonly note: (message: string) => void;
  readonly onDecoder?: (pid: number) => void;
};
