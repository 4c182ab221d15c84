/** Lists of half-open intervals `[from, to)`, ms: sorted, apart from each other, none of them empty. */

export type Interval = { readonly from: number; readonly to: number };

/** What at least one of them covers. Empty and backward ones count as nothing. */
export function union(intervals: readonly Interval[]): readonly Interval[] {
  const sorted = intervals.filter(({ from, to }) => to > from).sort((a, b) => a.from - b.from || a.to - b.to);
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** What is left of the first list where the second is not; both as {@link union} gives them. */
export function subtract(from: readonly Interval[], away: readonly Interval[]): readonly Interval[] {
  let left: readonly Interval[] = from;
  for (const cut of away) {
    left = left.flatMap((one) => {
      if (cut.to <= one.from || cut.from >= one.to) return [one];
      return [
        { from: one.from, to: Math.min(cut.from, one.to) },
        { from: Math.max(cut.to, one.from), to: one.to },
      ].filter(({ from: start, to }) => to > start);
    });
  }
  return left;
}

/** Their length together, ms. */
export function lengthOf(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** The part of an interval that lies within another; may be empty or backward. */
export function clip(one: Interval, within: Interval): Interval {
  return { from: Math.max(one.from, within.from), to: Math.min(one.to, within.to) };
}
