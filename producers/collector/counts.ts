/** What the collector counts. When no request is under way: reports in = accepted + dropped + not written. */

export type CollectorStats = {
  /** By tenant. */
  readonly tenants: ReadonlyMap<string, TenantStats>;
  /** Requests that were answered, by status. */
  readonly requests: ReadonlyMap<number, number>;
  readonly queuedEvents: number;
  readonly queuedBytes: number;
};

export type TenantStats = {
  /** Reports that were in the bodies of requests. */
  readonly reportsIn: number;
  /** Events that Kafka acknowledged. */
  readonly accepted: number;
  /** Of those, events from which a value or more had to be left out. */
  readonly salvaged: number;
  /** Reports that no event was made of, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Events whose sender was told to come back, by reason. */
  readonly notWritten: ReadonlyMap<string, number>;
  /** Values that were left out, by key. */
  readonly lostValues: ReadonlyMap<string, number>;
  /** Sessions of the last minutes. */
  readonly sessions: number;
};

/** One tenant's counters. */
export class TenantCounts {
  reportsIn = 0;
  accepted = 0;
  salvaged = 0;
  readonly dropped = new Map<string, number>();
  readonly notWritten = new Map<string, number>();
  readonly lostValues = new Map<string, number>();
}

export function addTo<K>(counts: Map<K, number>, name: K, count = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
