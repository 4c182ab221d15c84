/** Which detection is which fault: one to one, as well as it can be done. */
import type { Span } from './media-file.ts';

export type Match<T extends Span> = { readonly truth: Span; readonly found: T };
export type Matching<T extends Span> = {
  readonly matched: readonly Match<T>[];
  readonly missed: readonly Span[];
  readonly false: readonly T[];
};

/** Overlap from which a detection is the fault: of the time that either takes, so much is common. */
const OVERLAP_MIN = 0.5;
/** A point is the fault when it is no further away than this. */
const POINT_MS_MAX = 500;

/**
 * Pairs detections of one file with its faults, the nearest first. Two intervals of one type with an overlap of half or
 * more cannot both be so with a third one unless these overlap each other, so the order decides next to nothing.
 */
export function matchOf<T extends Span>(truths: readonly Span[], found: readonly T[]): Matching<T> {
  const pairs = truths.flatMap((truth) =>
    found
      .filter(({ type }) => type === truth.type)
      .map((one) => ({ truth, found: one, near: nearnessOf(truth, one) }))
      .filter(({ near }) => near > 0),
  );
  pairs.sort((a, b) => b.near - a.near || a.truth.startMs - b.truth.startMs);
  const taken = new Set<Span>();
  const matched: Match<T>[] = [];
  for (const pair of pairs) {
    if (taken.has(pair.truth) || taken.has(pair.found)) continue;
    taken.add(pair.truth).add(pair.found);
    matched.push({ truth: pair.truth, found: pair.found });
  }
  return {
    matched,
    missed: truths.filter((truth) => !taken.has(truth)),
    false: found.filter((one) => !taken.has(one)),
  };
}

/** Above 0 where the two are the same: 1 is exact. */
function nearnessOf(a: Span, b: Span): number {
  if (a.startMs === a.endMs) {
    const awayMs = Math.abs(a.startMs - b.startMs);
    return awayMs > POINT_MS_MAX ? 0 : 1 - awayMs / (2 * POINT_MS_MAX);
  }
  const common = Math.min(a.endMs, b.endMs) - Math.max(a.startMs, b.startMs);
  const either = Math.max(a.endMs, b.endMs) - Math.min(a.startMs, b.startMs);
  const overlap = common / either;
  return overlap >= OVERLAP_MIN ? overlap : 0;
}
