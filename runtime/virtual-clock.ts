/**
 * A clock that stands still until everybody sleeps, and then jumps to whoever wakes next.
 *
 * How it knows that everybody sleeps. Node runs a `process.nextTick` callback only when the microtask queue is empty:
 * after each microtask checkpoint, which runs until no promise reaction is left however many of them queue further
 * ones, it turns to the tick queue. So the driver wakes one sleeper, asks from a microtask for a tick, and when the
 * tick comes every promise chain that the sleeper set off has run until it waits for the clock again, or for a promise
 * that only another sleeper can settle. Nothing is counted or guessed, no real timer is involved, and a turn costs
 * about 0.15 microseconds. It holds as long as the simulated world waits for nothing but promises and this clock: code
 * that does real I/O, or queues ticks itself (Node streams), may be caught half-way. A world that waits for anything
 * else shows itself as a `run` that fails with "nothing is left to wake".
 */
import { MinHeap } from './min-heap.ts';
import type { Clock } from './port.ts';
import type { SeededRandom } from './seeded-random.ts';

export type VirtualClockOptions = {
  /** Default 0. */
  readonly startMs?: number;
  /** Who goes first of those that wake in the same millisecond: drawn from this, or else in the order of falling asleep. */
  readonly tieBreaker?: SeededRandom;
  /** `run` fails after so many wakes: a simulation that never ends is a finding, not a hang. Default: no limit. */
  readonly wakesMax?: number;
};

export class VirtualClock implements Clock {
  readonly #tieBreaker: SeededRandom | undefined;
  readonly #wakesMax: number;
  readonly #sleepers = new MinHeap<Sleeper>(wakesBefore);
  #nowMs: number;
  #sequence = 0;
  #wakes = 0;
  #driving = false;

  constructor(options: VirtualClockOptions = {}) {
    this.#nowMs = options.startMs ?? 0;
    this.#tieBreaker = options.tieBreaker;
    this.#wakesMax = options.wakesMax ?? Number.POSITIVE_INFINITY;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** How often a sleeper was woken so far: the simulation's count of steps. */
  get wakes(): number {
    return this.#wakes;
  }

  /** Durations are rounded up to whole milliseconds. Even `sleep(0)` gives way to what is due now. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (Number.isNaN(durationMs))
      return Promise.reject(new RangeError('sleep(NaN): the duration must be a number'));
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        dueMs: this.#nowMs + Math.max(0, Math.ceil(durationMs)),
        tie: this.#tieBreaker?.next() ?? 0,
        sequence: this.#sequence++,
        wake: resolve,
      };
      if (signal !== undefined) this.#wakeOnAbort(sleeper, resolve, signal);
      this.#sleepers.push(sleeper);
    });
  }

  /**
   * Lets time pass until `until` settles, and settles as it does.
   * @throws when nothing is left to wake while it is still pending, and past `wakesMax`.
   */
  async run<T>(until: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    until.then(settle, settle);
    await this.#drive(() => settled, Number.POSITIVE_INFINITY);
    if (!settled) {
      throw new Error(
        `nothing is left to wake at ${this.#nowMs} ms, but what run() waits for is still pending: ` +
          'it waits for something other than this clock, or for a promise that nobody will settle',
      );
    }
    return until;
  }

  /** Lets `durationMs` pass: everything due up to and including that moment happens, in order. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    await this.#drive(() => false, untilMs);
    this.#nowMs = untilMs;
  }

  /** Lets every promise chain run until it sleeps; no time passes, and nobody is woken. */
  settle(): Promise<void> {
    return this.#drive(() => true, this.#nowMs);
  }

  /** Wakes everybody in turn until nobody sleeps any more. */
  runUntilIdle(): Promise<void> {
    return this.#drive(() => false, Number.POSITIVE_INFINITY);
  }

  #drive(isDone: () => boolean, limitMs: number): Promise<void> {
    if (this.#driving)
      return Promise.reject(new Error('this clock is already being driven: await one run at a time'));
    this.#driving = true;
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (isDone() || !this.#wakeNext(limitMs)) {
            this.#driving = false;
            resolve();
            return;
          }
        } catch (error) {
          this.#driving = false;
          reject(error);
          return;
        }
        // Now and then the real event loop gets a turn, so that Ctrl-C and a test's time limit work.
        if (this.#wakes % WAKES_PER_BREATH === 0) setImmediate(afterMicrotasks);
        else SETTLED.then(afterMicrotasks);
      };
      const afterMicrotasks = (): void => process.nextTick(turn);
      SETTLED.then(afterMicrotasks);
    });
  }

  #wakeNext(limitMs: number): boolean {
    const sleepers = this.#sleepers;
    for (let next = sleepers.peek(); next !== undefined; next = sleepers.peek()) {
      if (next.wake === null) {
        sleepers.pop();
        continue;
      }
      if (next.dueMs > limitMs) return false;
      if (this.#wakes >= this.#wakesMax) {
        throw new Error(
          `still running after ${this.#wakesMax} wakes, at ${this.#nowMs} ms: does anything make progress?`,
        );
      }
      sleepers.pop();
      this.#nowMs = next.dueMs;
      this.#wakes += 1;
      next.wake();
      return true;
    }
    return false;
  }

  #wakeOnAbort(sleeper: Sleeper, resolve: () => void, signal: AbortSignal): void {
    const onAbort = (): void => {
      sleeper.wake = null;
      resolve();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    sleeper.wake = () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
  }
}

const SETTLED = Promise.resolve();
const WAKES_PER_BREATH = 8192;

type Sleeper = {
  readonly dueMs: number;
  readonly tie: number;
  readonly sequence: number;
  /** Null once the sleep was aborted. */
  wake: (() => void) | null;
};

function wakesBefore(a: Sleeper, b: Sleeper): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.sequence < b.sequence;
}
