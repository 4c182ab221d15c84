import type { Clock } from './port.ts';

/** setTimeout's limit: a longer delay would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's own clock. Pending sleeps keep the process alive; abort them to let it end. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (Number.isNaN(durationMs))
      throw new RangeError('sleep(NaN): the duration must be a number of milliseconds');
    if (durationMs <= 0 && signal === undefined) {
      // as soon as everything that waits has had its turn: a timer would take a millisecond
      await new Promise<void>((resolve) => setImmediate(resolve));
      return;
    }
    let leftMs = durationMs;
    do {
      const stepMs = Math.min(Math.max(leftMs, 0), TIMER_MS_MAX);
      await sleepOnce(stepMs, signal);
      leftMs -= stepMs;
    } while (leftMs > 0 && signal?.aborted !== true);
  },
};

function sleepOnce(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, durationMs);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
