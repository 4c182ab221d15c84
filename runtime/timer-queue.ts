/** Timers in the order in which they fire: (due time, key bytes, name, reducer). */
import { compareKeys } from './key-order.ts';
import { MinHeap } from './min-heap.ts';

/** A timer that was set. `owner` is whatever the caller wants back when it is due. */
export type Timer<Owner> = {
  readonly owner: Owner;
  readonly reducer: string;
  readonly key: string;
  readonly name: string;
  /** Moved by {@link TimerQueue.move} only. */
  readonly dueMs: number;
};

/**
 * Most timers are deadlines that every record puts off. Putting one off only writes the new time down: its place in the
 * heap is looked after when the earlier one comes up.
 */
export class TimerQueue<Owner> {
  readonly #heap = new MinHeap<Entry<Owner>>(isBefore);
  #size = 0;

  /** Timers that are set. */
  get size(): number {
    return this.#size;
  }

  /** Entries in the heap, those of timers that were moved or deleted included. */
  get heapSize(): number {
    return this.#heap.size;
  }

  add(owner: Owner, reducer: string, key: string, name: string, dueMs: number): Timer<Owner> {
    const timer: SetTimer<Owner> = { owner, reducer, key, name, dueMs, entry: null };
    this.#size += 1;
    this.#push(timer);
    return timer;
  }

  /** Sets a timer to another time. */
  move(timer: Timer<Owner>, dueMs: number): void {
    const moved = timer as SetTimer<Owner>;
    moved.dueMs = dueMs;
    if (moved.entry === null || dueMs < moved.entry.dueMs) {
      this.#push(moved);
      this.#sweep();
    }
  }

  /** Takes a timer away that is set. */
  delete(timer: Timer<Owner>): void {
    (timer as SetTimer<Owner>).entry = null;
    this.#size -= 1;
    this.#sweep();
  }

  /** The next timer to fire. */
  peek(): Timer<Owner> | undefined {
    for (;;) {
      const entry = this.#heap.peek();
      if (entry === undefined) return undefined;
      const { timer } = entry;
      if (timer.entry === entry && timer.dueMs === entry.dueMs) return timer;
      this.#heap.pop();
      if (timer.entry === entry) this.#push(timer);
    }
  }

  #push(timer: SetTimer<Owner>): void {
    const entry: Entry<Owner> = { timer, dueMs: timer.dueMs };
    timer.entry = entry;
    this.#heap.push(entry);
  }

  /** Dead ones stay in the heap until they come up, with all that they hold: under a far one they must not pile up. */
  #sweep(): void {
    if (this.#heap.size > 2 * this.#size + DEAD_MAX) this.#heap.keep((entry) => entry.timer.entry === entry);
  }
}

const DEAD_MAX = 64;

type SetTimer<Owner> = {
  -readonly [K in keyof Timer<Owner>]: Timer<Owner>[K];
} & {
  /** Its place in the heap, at its time or before it; null when it is not set. */
  entry: Entry<Owner> | null;
};

type Entry<Owner> = { readonly timer: SetTimer<Owner>; readonly dueMs: number };

function isBefore(left: Entry<unknown>, right: Entry<unknown>): boolean {
  if (left.dueMs !== right.dueMs) return left.dueMs < right.dueMs;
  const a = left.timer;
  const b = right.timer;
  const order = compareKeys(a.key, b.key) || compareKeys(a.name, b.name) || compareKeys(a.reducer, b.reducer);
  return order < 0;
}
