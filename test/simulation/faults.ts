/** What can go wrong, where: the fault table's rows and columns, and the faults that wait for their moment. */

import type { Clock } from '../../runtime/port.ts';

/** Moments in the life of a task and of a group member at which a fault can strike. */
export const STEPS = [
  'join',
  'sync',
  'heartbeat',
  /** The generation is checked, the first thing that a takeover does. */
  'assert',
  'init-producer',
  'restore',
  'position',
  'bounds',
  /** Between restoring and the first step. */
  'first-fetch',
  'fetch',
  'config',
  'add-partitions',
  'produce',
  /** A second produce request of the same transaction. */
  'produce-more',
  'group-offsets',
  'end-transaction',
] as const;
export type Step = (typeof STEPS)[number];

export const FAULTS = [
  'crash-before',
  'crash-after',
  /** The process stands still for longer than its session, then does what it was about to do. */
  'freeze-before',
  'freeze-after',
  'refuse',
  'unreachable',
  'lose-reply',
  'arrive-late',
  'delay',
  'delay-reply',
  'duplicate',
] as const;
export type Fault = (typeof FAULTS)[number];

export type Cell = { readonly step: Step; readonly fault: Fault };

/** Every cell of the table. */
export const CELLS: readonly Cell[] = STEPS.flatMap((step) => FAULTS.map((fault) => ({ step, fault })));

export function nameOf({ step, fault }: Cell): string {
  return `${fault} ${step}`;
}

export type ArmedFault = Cell & {
  /** How long it delays, freezes, or waits before it answers. */
  readonly durationMs: number;
};

/** Counts by cell name. */
export type CellCounts = Map<string, number>;

/** Faults that were scheduled and strike the first request of their step. */
export class ArmedFaults {
  readonly fired: CellCounts = new Map();
  readonly notFired: CellCounts = new Map();
  readonly #waiting = new Map<Step, ArmedFault[]>();
  readonly #clock: Clock;
  readonly #pauseMs: number;
  #nextAtMs = 0;

  /** After each fault there is none for `pauseMs`, so that some seeds see each on its own and others see crowds. */
  constructor(clock: Clock, pauseMs: number) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
  }

  arm(fault: ArmedFault): void {
    const waiting = this.#waiting.get(fault.step);
    if (waiting === undefined) this.#waiting.set(fault.step, [fault]);
    else waiting.push(fault);
  }

  /** The fault that strikes this request, if any. */
  take(step: Step): ArmedFault | null {
    if (this.#clock.nowMs() < this.#nextAtMs) return null;
    const fault = this.#waiting.get(step)?.shift();
    if (fault === undefined) return null;
    countOne(this.fired, nameOf(fault));
    this.#nextAtMs = this.#clock.nowMs() + this.#pauseMs;
    return fault;
  }

  /** What waited in vain is counted as not fired; nothing strikes any more. */
  disarm(): void {
    for (const waiting of this.#waiting.values()) {
      for (const fault of waiting.splice(0)) countOne(this.notFired, nameOf(fault));
    }
  }
}

export function countOne(counts: CellCounts, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
