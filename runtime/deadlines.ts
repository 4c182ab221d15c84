/**
 * Things to do at a time, over a {@link Clock}: one sleeper for many deadlines, since most are cancelled (a fetch that
 * got its data, a heartbeat in time) and an aborted sleep costs far more than a flag.
 */
import { setMaxListeners } from 'node:events';
import { MinHeap } from './min-heap.ts';
import type { Clock } from './port.ts';

export type Deadline = { readonly dueMs: number; cancelled: boolean };

export class Deadlines {
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #entries = new MinHeap<Entry>((a, b) =>
    a.dueMs === b.dueMs ? a.sequence < b.sequence : a.dueMs < b.dueMs,
  );
  #sequence = 0;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    // one for each sleep that began before a shorter one, never many, but more than the ten that Node warns at
    setMaxListeners(0, this.#closing.signal);
  }

  /** Calls `act` once at `dueMs`, unless `cancelled` was set before. Of equal deadlines the first set comes first. */
  at(dueMs: number, act: () => void): Deadline {
    const entry: Entry = { dueMs, sequence: this.#sequence++, act, cancelled: false };
    this.#entries.push(entry);
    this.#arm();
    return entry;
  }

  /** Nothing fires any more, and no sleep keeps the process alive. */
  close(): void {
    this.#closing.abort();
  }

  #arm(): void {
    let next = this.#entries.peek();
    for (; next?.cancelled === true; next = this.#entries.peek()) this.#entries.pop();
    if (next === undefined || next.dueMs >= this.#armedMs || this.#closing.signal.aborted) return;
    const { dueMs } = next;
    this.#armedMs = dueMs;
    void this.#clock.sleep(dueMs - this.#clock.nowMs(), this.#closing.signal).then(() => this.#fire(dueMs));
  }

  #fire(armedMs: number): void {
    if (this.#closing.signal.aborted) return;
    if (this.#armedMs === armedMs) this.#armedMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    for (let next = this.#entries.peek(); next !== undefined; next = this.#entries.peek()) {
      if (next.dueMs > nowMs && !next.cancelled) break;
      this.#entries.pop();
      if (!next.cancelled) next.act();
    }
    this.#arm();
  }
}

type Entry = Deadline & { readonly sequence: number; readonly act: () => void };
