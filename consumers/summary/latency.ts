/** Figures of a set of durations. */
export type LatencyFigures = {
  /** How many were measured; the rest is null when none was. */
  readonly count: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
};

/**
 * Percentiles by nearest rank: the smallest value that at least that share of all values does not exceed, so that each
 * figure is one that was measured.
 */
export function latencyFigures(durationsMs: readonly number[]): LatencyFigures {
  const sorted = [...durationsMs].sort((a, b) => a - b);
  const rank = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? null;
  return { count: sorted.length, p50Ms: rank(50), p99Ms: rank(99), maxMs: sorted.at(-1) ?? null };
}
