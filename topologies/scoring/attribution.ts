/** Who pays for the points that a score lost: in integers, never negative, and exactly as many as were lost. */

/** What a cause cost, in points; or how much of a loss it is to pay for, in any unit. */
export type Cause = { readonly cause: string; readonly points: number };

/**
 * Shares `points` among causes by their weights, by the method of the largest remainder (Hamilton): each gets the whole
 * part of its quota, the points that are left go to the largest fractions, first come first served. Weights are whole
 * and not negative. Causes that get nothing are left out; the most expensive comes first, then the earlier one.
 *
 * @example
 * apportion(10, [{ cause: 'startup', points: 1 }, { cause: 'stalls', points: 2 }]);
 * // [{ cause: 'stalls', points: 7 }, { cause: 'startup', points: 3 }]
 *
 * @throws RangeError when there are points to share and no weight to share them by.
 */
export function apportion(points: number, weights: readonly Cause[]): readonly Cause[] {
  if (points === 0) return [];
  const total = weights.reduce((sum, { points: weight }) => sum + weight, 0);
  if (total <= 0) throw new RangeError(`${points} points were lost to nothing`);
  const shares = weights.map(({ cause, points: weight }, order) => {
    const whole = Math.floor((points * weight) / total);
    return { cause, order, points: whole, remainder: points * weight - whole * total };
  });
  let left = points - shares.reduce((sum, share) => sum + share.points, 0);
  for (const share of [...shares].sort((a, b) => b.remainder - a.remainder || a.order - b.order)) {
    if (left === 0) break;
    share.points += 1;
    left -= 1;
  }
  return shares
    .filter((share) => share.points > 0)
    .sort((a, b) => b.points - a.points || a.order - b.order)
    .map(({ cause, points: cost }) => ({ cause, points: cost }));
}
