/** Bounded retries with backoff, on an injected clock. */
import { type Clock, LogError } from './port.ts';

export type Backoff = {
  readonly initialMs: number;
  readonly maxMs: number;
  /** No further attempt begins later than this after the first one. */
  readonly giveUpAfterMs: number;
};

/**
 * Runs `attempt` until it succeeds, fails with something other than a `retry` error, or time is up: then `timed-out`,
 * with the last failure as its cause. `onRetry` is told each failure that is tried again.
 */
export async function withRetries<T>(
  clock: Clock,
  backoff: Backoff,
  what: string,
  attempt: () => Promise<T>,
  onRetry: (error: LogError) => void = () => {},
): Promise<T> {
  const startedAtMs = clock.nowMs();
  for (let waitMs = backoff.initialMs; ; waitMs = Math.min(waitMs * 2, backoff.maxMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof LogError) || error.kind !== 'retry') throw error;
      const elapsedMs = clock.nowMs() - startedAtMs;
      if (elapsedMs >= backoff.giveUpAfterMs) {
        throw new LogError('timed-out', `${what} did not succeed within ${elapsedMs} ms: ${error.message}`, {
          cause: error,
        });
      }
      onRetry(error);
      await clock.sleep(waitMs);
    }
  }
}
