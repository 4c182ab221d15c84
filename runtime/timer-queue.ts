/** Timers in the order in which they fire: (due time, key bytes, name, reducer). */
import { compareKeys } from './key-order.ts';
import { MinHeap } from './min-heap.ts';

/** A timer that was set. `owner` is whatever the caller wants back when it is due. */
export type Timer<Owner> = {
  readonly owner: Owner;
  readonly reducer: string;
  readonly key: string;
  readonly name: string;
  readonly dueMs: number;
};

export class TimerQueue<Owner> {
  #heap = new MinHeap<Entry<Owner>>(isBefore);
  readonly #entries = new Map<Timer<Owner>, Entry<Owner>>();

  /** Timers that are set. */
  get size(): number {
    return this.#entries.size;
  }

  add(timer: Timer<Owner>): void {
    const entry: Entry<Owner> = { timer, live: true };
    this.#entries.set(timer, entry);
    this.#heap.push(entry);
  }

  /** Takes a timer away, fired or not; one that is not set is ignored. */
  delete(timer: Timer<Owner>): void {
    const entry = this.#entries.get(timer);
    if (entry === undefined) return;
    entry.live = false;
    this.#entries.delete(timer);
    // Dead ones stay in the heap until they surface; many replaced timers must not pile up under a far one.
    if (this.#heap.size > 2 * this.#entries.size + DEAD_MAX) this.#sweep();
  }

  /** The next timer to fire. */
  peek(): Timer<Owner> | undefined {
    for (;;) {
      const entry = this.#heap.peek();
      if (entry === undefined || entry.live) return entry?.timer;
      this.#heap.pop();
    }
  }

  #sweep(): void {
    this.#heap = new MinHeap<Entry<Owner>>(isBefore);
    for (const entry of this.#entries.values()) this.#heap.push(entry);
  }
}

const DEAD_MAX = 1_024;

type Entry<Owner> = { readonly timer: Timer<Owner>; live: boolean };

function isBefore(left: Entry<unknown>, right: Entry<unknown>): boolean {
  const a = left.timer;
  const b = right.timer;
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  const order = compareKeys(a.key, b.key) || compareKeys(a.name, b.name) || compareKeys(a.reducer, b.reducer);
  return order < 0;
}
