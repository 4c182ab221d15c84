/** Between a probe and the sink: a bound on what is under way, so that memory is bounded and every loss is counted. */
import type { FrameFeatures } from '../../schemas/records.ts';

/** Where feature records go. Calls for one key keep their order; the promise resolves once the record is safe. */
export interface FeatureSink {
  write(topicKey: string, record: FrameFeatures): Promise<void>;
}

export type DropReason = 'sink-queue-full' | 'sink-failed';

export type BoundedWriter = {
  /** Hands the records on, in order. Resolves when more may be pushed. */
  push(records: readonly FrameFeatures[]): Promise<void>;
  /** Resolves when nothing is under way any more. */
  drain(): Promise<void>;
};

/**
 * @param whenFull `wait`: push resolves later (a file can wait), and rejects once the sink has failed. `drop`: what
 *   comes while `limit` records are under way, or cannot be written, is left out and told to `onDrop` (a live stream
 *   cannot wait). Readers see the gap in `seq`.
 */
export function createBoundedWriter(
  sink: FeatureSink,
  limit: number,
  whenFull: 'wait' | 'drop',
  onDrop: (reason: DropReason, cause: unknown) => void,
): BoundedWriter {
  let underWay = 0;
  let failure: { readonly cause: unknown } | null = null;
  let waiting: (() => void)[] = [];

  const settle = (): void => {
    underWay--;
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  const waitUntil = async (ready: () => boolean): Promise<void> => {
    while (!ready()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const failed = (cause: unknown): void => {
    if (whenFull === 'wait') failure ??= { cause };
    else onDrop('sink-failed', cause);
    settle();
  };

  return {
    async push(records) {
      for (const record of records) {
        if (whenFull === 'drop' && underWay >= limit) {
          onDrop('sink-queue-full', null);
          continue;
        }
        underWay++;
        sink.write(record.programmeId, record).then(settle, failed);
      }
      if (whenFull === 'wait') await waitUntil(() => underWay < limit || failure !== null);
      if (failure !== null) throw failure.cause;
    },
    async drain() {
      await waitUntil(() => underWay === 0);
      if (failure !== null) throw failure.cause;
    },
  };
}
