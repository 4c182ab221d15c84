/**
 * Which state may have begun before the log that a warm-up reads. A run without a snapshot begins with no state, some
 * time before the range that it is for; a key that was there already has lost its past then, and what follows from it is
 * marked partial: left out of comparisons, and counted.
 *
 * A topology declares its state horizon: without an input for that long, nothing is left of a key's state. So
 * - a key that comes first when the horizon has passed since the start began then; one that comes earlier may be older,
 *   and stays partial until it was silent for the horizon;
 * - state that takes something from partial state is partial, also when its step only looks at that;
 * - state that is fed by other reducers is partial as well when one of them had partial keys in its time: they may have
 *   kept something from it that they would have handed on.
 *
 * What a partial key did not say cannot be marked, so comparisons leave out keys ({@link keys}), and not only records.
 */
import type { Topology } from './topology.ts';

export class WarmUp {
  readonly #horizonMs: number;
  readonly #wholeFromMs: number;
  /** Reducers, by name, that something may have come from. */
  readonly #ancestors: ReadonlyMap<string, readonly string[]>;
  readonly #begun = new WeakMap<object, Begun>();
  /** Reducer and key of forgotten partial slots, with the time of their last input. */
  readonly #forgotten = new Map<string, number>();
  readonly #exposures = new Map<string, Exposure>();
  readonly #keys = new Set<string>();

  constructor(topology: Topology, startMs: number) {
    this.#horizonMs = topology.stateHorizonMs ?? Number.POSITIVE_INFINITY;
    this.#wholeFromMs = startMs + this.#horizonMs;
    this.#ancestors = ancestorsIn(topology);
  }

  /** `reducer key` of every key that was partial at some time. */
  get keys(): ReadonlySet<string> {
    return this.#keys;
  }

  /** A step on a slot; whether it is one of partial state. */
  enter(slot: object, reducer: string, key: string, step: WarmUpStep): boolean {
    const { timeMs, isRecord, isInputPartial } = step;
    let begun = this.#begun.get(slot);
    if (begun === undefined) {
      begun = { atMs: timeMs, lastInputMs: timeMs, isPartial: false };
      this.#begun.set(slot, begun);
      if (this.#mayBeOlder(`${reducer} ${key}`, timeMs)) this.#setPartial(begun, reducer, key);
    }
    if (isRecord) begun.lastInputMs = timeMs;
    if (!begun.isPartial && (isInputPartial || this.#isExposed(reducer, begun.atMs, timeMs)))
      this.#setPartial(begun, reducer, key);
    return begun.isPartial;
  }

  /** Whether a look at what `reducer` keeps for `key` (no slot: nothing) may miss something. */
  isPartial(slot: object | undefined, reducer: string, key: string, timeMs: number): boolean {
    const begun = slot === undefined ? undefined : this.#begun.get(slot);
    if (begun !== undefined) return begun.isPartial || this.#isExposed(reducer, begun.atMs, timeMs);
    return this.#wasThere(`${reducer} ${key}`, timeMs) || this.#isExposed(reducer, timeMs, timeMs);
  }

  /** A step took something from partial state into this slot. */
  taint(slot: object, reducer: string, key: string): void {
    const begun = this.#begun.get(slot)!;
    if (!begun.isPartial) this.#setPartial(begun, reducer, key);
  }

  forget(slot: object, reducer: string, key: string): void {
    const begun = this.#begun.get(slot);
    if (!begun?.isPartial) return;
    this.#forgotten.set(`${reducer} ${key}`, begun.lastInputMs);
    const exposure = this.#exposureOf(reducer);
    exposure.alive -= 1;
    // with its past it might have lived on
    exposure.lastMs = Math.max(exposure.lastMs, begun.lastInputMs + this.#horizonMs);
  }

  #setPartial(begun: Begun, reducer: string, key: string): void {
    begun.isPartial = true;
    this.#keys.add(`${reducer} ${key}`);
    this.#exposureOf(reducer).alive += 1;
  }

  #mayBeOlder(name: string, timeMs: number): boolean {
    const wasThere = this.#wasThere(name, timeMs);
    if (timeMs >= this.#wholeFromMs) this.#forgotten.delete(name);
    return wasThere;
  }

  /** With its past, a key of which nothing is known might have state. */
  #wasThere(name: string, timeMs: number): boolean {
    if (timeMs < this.#wholeFromMs) return true;
    const lastInputMs = this.#forgotten.get(name);
    return lastInputMs !== undefined && timeMs - lastInputMs < this.#horizonMs;
  }

  #isExposed(reducer: string, begunAtMs: number, timeMs: number): boolean {
    for (const ancestor of this.#ancestors.get(reducer) ?? []) {
      const { alive, lastMs } = this.#exposureOf(ancestor);
      if ((alive > 0 ? timeMs : lastMs) > begunAtMs - this.#horizonMs) return true;
    }
    return false;
  }

  /** Keys that nothing came for any more live on unseen, for the first horizon. */
  #exposureOf(reducer: string): Exposure {
    const known = this.#exposures.get(reducer);
    if (known !== undefined) return known;
    const exposure = { alive: 0, lastMs: this.#wholeFromMs };
    this.#exposures.set(reducer, exposure);
    return exposure;
  }
}

export type WarmUpStep = {
  readonly timeMs: number;
  /** False for a timer's. */
  readonly isRecord: boolean;
  readonly isInputPartial: boolean;
};

type Begun = { readonly atMs: number; lastInputMs: number; isPartial: boolean };

/** Partial keys of a reducer: how many there are now, and until when there were some. */
type Exposure = { alive: number; lastMs: number };

function ancestorsIn({ reducers }: Topology): ReadonlyMap<string, readonly string[]> {
  const ancestors = new Map<string, readonly string[]>();
  for (const { reducer, from } of reducers) {
    const parents = from.filter((name) => ancestors.has(name));
    ancestors.set(reducer.name, [
      ...new Set(parents.flatMap((name) => [name, ...(ancestors.get(name) ?? [])])),
    ]);
  }
  return ancestors;
}
