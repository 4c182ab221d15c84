/** Faults of the world between a client and its broker, decided by a plan at each request of a memory port. */
import type { AdminPort, LogErrorCode } from './port.ts';

export type PortMethod = Exclude<keyof AdminPort, 'close'>;

/** What a plan is told of a request. */
export type PortRequest = {
  readonly clientId: string;
  /** Counts the requests of this port from 1. */
  readonly step: number;
  readonly method: PortMethod;
  /** Topics in the request, each once; empty for group and producer requests. */
  readonly topics: readonly string[];
  readonly transactionalId: string | null;
  /** Of endTransaction only. */
  readonly outcome: 'commit' | 'abort' | null;
};

/**
 * What becomes of a request. Delays are of the broker's clock; one of 0 ms still gives way to whoever is due now, so a
 * plan that delays everything by 0 ms lets the clock's tie breaker shuffle what runs at the same time.
 */
export type FaultDecision =
  | { readonly kind: 'pass' }
  /** The broker answers with this error, and does nothing. */
  | { readonly kind: 'refuse'; readonly code: LogErrorCode }
  /** Never arrives: `unreachable` after `delayMs`. */
  | { readonly kind: 'unreachable'; readonly delayMs: number }
  /** Done now, but the reply is lost: `timed-out` after `delayMs`. */
  | { readonly kind: 'lose-reply'; readonly delayMs: number }
  /** Given up at once as `timed-out`, and done `delayMs` later all the same: the packet was on its way. */
  | { readonly kind: 'arrive-late'; readonly delayMs: number }
  /** Done `delayMs` later. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Done now; the reply comes `delayMs` later and tells how things were. */
  | { readonly kind: 'delay-reply'; readonly delayMs: number }
  /** Arrives twice, as when a client sends again what was not lost; the second reply is the one that is seen. */
  | { readonly kind: 'duplicate' }
  /** The process dies: every call of this port fails with `closed`, the request is done first or not at all. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' };

export type FaultKind = FaultDecision['kind'];

/** Consulted once for each request. It owns its randomness, so that a seed repeats a schedule. */
export interface FaultPlan {
  decide(request: PortRequest): FaultDecision;
}

export const PASS: FaultDecision = Object.freeze({ kind: 'pass' });

export type ScriptedFault = {
  readonly method: PortMethod;
  /** The nth request of that method (and topic), from 1. */
  readonly nth: number;
  /** Counts only requests that name this topic. */
  readonly topic?: string;
  readonly decision: FaultDecision;
};

/**
 * A plan for tests that name their fault.
 *
 *     scriptedFaults([{ method: 'endTransaction', nth: 2, decision: { kind: 'lose-reply', delayMs: 0 } }])
 */
export function scriptedFaults(script: readonly ScriptedFault[]): FaultPlan {
  const seen = script.map(() => 0);
  return {
    decide(request) {
      let decision = PASS;
      for (const [i, fault] of script.entries()) {
        if (fault.method !== request.method) continue;
        if (fault.topic !== undefined && !request.topics.includes(fault.topic)) continue;
        seen[i]! += 1;
        if (seen[i] === fault.nth) decision = fault.decision;
      }
      return decision;
    },
  };
}

/** How often each fault met each request: the rows and columns of a fault x step table. */
export class FaultTally {
  readonly #counts = new Map<
    string,
    { readonly method: PortMethod; readonly kind: FaultKind; count: number }
  >();

  add(method: PortMethod, kind: FaultKind): void {
    const cell = this.#counts.get(`${method} ${kind}`);
    if (cell === undefined) this.#counts.set(`${method} ${kind}`, { method, kind, count: 1 });
    else cell.count += 1;
  }

  count(method: PortMethod, kind: FaultKind): number {
    return this.#counts.get(`${method} ${kind}`)?.count ?? 0;
  }

  /** In order of method, then kind. */
  cells(): readonly { readonly method: PortMethod; readonly kind: FaultKind; readonly count: number }[] {
    return [...this.#counts.keys()].sort().map((name) => ({ ...this.#counts.get(name)! }));
  }
}
