/** From one probe to the sink: its records, what is said about it, and how it ended. */
import { messageOf } from '../../schemas/errors.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { createBoundedWriter, type DropReason } from './bounded-writer.ts';
import type { IngestOptions, StreamStats } from './ingest.ts';
import type { ProbeCounts, ProbeOutcome } from './probe-context.ts';
import type { StreamSpec } from './stream-spec.ts';

export type Outlet = {
  /** Takes records in order; resolves when more may come. */
  emit(records: readonly FrameFeatures[]): Promise<void>;
  /** For people: one line about what happened. */
  note(message: string): void;
  /** Runs a part to its end and writes what is under way. Never rejects; null when others take over. */
  outcomeOf(part: () => Promise<ProbeOutcome | null>): Promise<ProbeOutcome | null>;
  stats(counts: ProbeCounts): StreamStats;
};

export function createOutlet(stream: StreamSpec, options: IngestOptions): Outlet {
  const tell = options.onProgress ?? (() => {});
  const dropped: Record<DropReason, number> = { 'sink-queue-full': 0, 'sink-failed': 0 };
  let records = 0;
  const onDrop = (reason: DropReason, cause: unknown): void => {
    dropped[reason]++;
    if (dropped[reason] > 1) return;
    const why = cause === null ? `${RECORDS_UNDER_WAY_MAX} records wait to be written` : messageOf(cause);
    const message = `${stream.programmeId}: records are left out (${reason}: ${why})`;
    tell({ kind: 'dropped', stream, reason, message });
  };
  const whenFull = stream.pace === 'fast' ? 'wait' : 'drop';
  const writer = createBoundedWriter(options.sink, RECORDS_UNDER_WAY_MAX, whenFull, onDrop);
  return {
    emit(made) {
      if (records === 0 && made.length > 0) tell({ kind: 'started', stream });
      records += made.length;
      return writer.push(made);
    },
    note: (message) => tell({ kind: 'note', stream, message }),
    async outcomeOf(part) {
      let outcome: ProbeOutcome | null;
      try {
        outcome = await part();
        await writer.drain();
      } catch (error) {
        outcome = { kind: 'failed', reason: `${stream.input}: ${messageOf(error)}` };
      }
      if (outcome !== null) tell({ kind: 'finished', stream, outcome });
      return outcome;
    },
    stats: ({ pictures, audioBlocks, restarts }) => ({
      ...{ stream, pictures, audioBlocks, restarts, records },
      dropped: { ...dropped },
    }),
  };
}

/** Records of one stream on their way to the sink: 100 s of it at live pace. */
const RECORDS_UNDER_WAY_MAX = 100;
