/** What a task counted since it was opened. When nothing is in flight: recordsIn = processed + leftOut. */
export type Counts = {
  recordsIn: number;
  processed: number;
  recordsOut: number;
  /** Ticks, seals and configuration records. */
  controls: number;
  late: number;
  /** Records that could not be read, or that some reducer dropped, was late for, or gave up; each once. */
  leftOut: number;
  readonly dropped: Map<string, number>;
  readonly deadLettered: Map<string, number>;
};

export function newCounts(): Counts {
  return {
    recordsIn: 0,
    processed: 0,
    recordsOut: 0,
    controls: 0,
    late: 0,
    leftOut: 0,
    dropped: new Map(),
    deadLettered: new Map(),
  };
}

export function countOne(counts: Map<string, number>, reason: string): void {
  addTo(counts, reason, 1);
}

/** Adds what one task counted to a total. */
export function addCounts(total: Counts, counts: Counts): void {
  total.recordsIn += counts.recordsIn;
  total.processed += counts.processed;
  total.recordsOut += counts.recordsOut;
  total.controls += counts.controls;
  total.late += counts.late;
  total.leftOut += counts.leftOut;
  for (const [reason, count] of counts.dropped) addTo(total.dropped, reason, count);
  for (const [code, count] of counts.deadLettered) addTo(total.deadLettered, code, count);
}

function addTo(counts: Map<string, number>, reason: string, count: number): void {
  counts.set(reason, (counts.get(reason) ?? 0) + count);
}
