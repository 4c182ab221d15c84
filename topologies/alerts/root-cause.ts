/**
 * Of all cohorts that look bad in a window, the smallest that explain it. When one CDN is down, its viewers are in every
 * country, on every device and in every programme, and each of those looks bad as well: one alert, not ten.
 *
 * A cohort is **absorbed** by another one when it is good without the viewers that the two share, while the other one is
 * about as bad without it (two thirds at least): then the other one is the cause. Of those that nothing absorbs, and that
 * are bad throughout, the one with the most trouble is named; its viewers are taken out, and what is still bad without
 * them has another cause.
 *
 * In the spirit of critical clusters: Jiang, Sekar, Stoica, Zhang, "Shedding light on the structure of Internet video
 * quality problems in the wild", CoNEXT 2013. Cohorts of one dimension only, so far.
 */
import { compareScopes, type Measure, permilleOf, standingOf } from './audience-cells.ts';
import type { AudienceRule } from './audience-rules.ts';

/** A leaf with the cohorts that it is in, and what the rule measures of it. */
export type MeasuredLeaf = { readonly scopes: readonly string[]; readonly measure: Measure };

export type Cause = {
  readonly scope: string;
  /** Other cohorts that are bad because of it, in order. */
  readonly explains: readonly string[];
};

/** Causes named in one window: more than these are one trouble that this does not understand. */
const CAUSES_MAX = 8;

/** Causes in the order in which they were found: the worst first. */
export function causesOf(leaves: readonly MeasuredLeaf[], rule: AudienceRule): readonly Cause[] {
  const causes: Cause[] = [];
  let left = leaves;
  while (causes.length < CAUSES_MAX) {
    const cells = cellsOf(left);
    const bad = badIn(cells, rule);
    if (bad.length === 0) return causes;
    const scope = worstOf(bad, cells, left, rule);
    left = left.filter(({ scopes }) => !scopes.includes(scope));
    const still = new Set(badIn(cellsOf(left), rule));
    causes.push({ scope, explains: bad.filter((other) => other !== scope && !still.has(other)) });
  }
  return causes;
}

function cellsOf(leaves: readonly MeasuredLeaf[]): ReadonlyMap<string, Measure> {
  const cells = new Map<string, Measure>();
  for (const { scopes, measure } of leaves)
    for (const scope of scopes) cells.set(scope, plus(cells.get(scope), measure));
  return cells;
}

function badIn(cells: ReadonlyMap<string, Measure>, rule: AudienceRule): readonly string[] {
  return [...cells]
    .filter(([, measure]) => standingOf(measure, rule) === 'bad')
    .map(([scope]) => scope)
    .sort(compareScopes);
}

function worstOf(
  bad: readonly string[],
  cells: ReadonlyMap<string, Measure>,
  leaves: readonly MeasuredLeaf[],
  rule: AudienceRule,
): string {
  const shared = sharedBy(new Set(bad), leaves);
  const isAbsorbed = (scope: string) =>
    bad.some((by) => by !== scope && absorbs(by, scope, cells, shared.get(scope)?.get(by), rule));
  const free = bad.filter((scope) => !isAbsorbed(scope));
  // One that is about as bad whatever is taken out of it is bad throughout: no part of it is the cause.
  const throughout = free.filter((scope) => isThroughout(scope, bad, cells, shared, rule));
  if (throughout.length > 0) {
    return throughout.sort((a, b) => cells.get(b)!.part - cells.get(a)!.part || compareScopes(a, b))[0]!;
  }
  // Where each is absorbed by another one there is no telling them apart: the worst of all.
  return [...(free.length > 0 ? free : bad)].sort((a, b) => {
    const [left, right] = [cells.get(a)!, cells.get(b)!];
    return permilleOf(right) - permilleOf(left) || right.part - left.part || compareScopes(a, b);
  })[0]!;
}

function isThroughout(
  scope: string,
  bad: readonly string[],
  cells: ReadonlyMap<string, Measure>,
  shared: ReadonlyMap<string, ReadonlyMap<string, Measure>>,
  rule: AudienceRule,
): boolean {
  const own = cells.get(scope)!;
  return bad.every((other) => {
    const both = shared.get(scope)?.get(other);
    if (other === scope || both === undefined) return true;
    const rest = minus(own, both);
    return rest.audience < rule.audienceMin || 3 * permilleOf(rest) > 2 * permilleOf(own);
  });
}

function absorbs(
  by: string,
  scope: string,
  cells: ReadonlyMap<string, Measure>,
  both: Measure | undefined,
  rule: AudienceRule,
): boolean {
  if (both === undefined) return false;
  const [own, other] = [cells.get(scope)!, cells.get(by)!];
  if (standingOf(minus(own, both), rule) === 'bad') return false;
  const rest = minus(other, both);
  if (rest.audience >= rule.audienceMin) return 3 * permilleOf(rest) >= 2 * permilleOf(own);
  // Nearly the same viewers, or a part of them: the smaller cohort says more.
  return other.audience !== own.audience ? other.audience < own.audience : compareScopes(by, scope) < 0;
}

/** What each two of these cohorts have in common. */
function sharedBy(
  bad: ReadonlySet<string>,
  leaves: readonly MeasuredLeaf[],
): ReadonlyMap<string, ReadonlyMap<string, Measure>> {
  const shared = new Map<string, Map<string, Measure>>();
  for (const { scopes, measure } of leaves) {
    const among = scopes.filter((scope) => bad.has(scope));
    for (const scope of among) {
      const row = shared.get(scope) ?? new Map<string, Measure>();
      shared.set(scope, row);
      for (const other of among) if (other !== scope) row.set(other, plus(row.get(other), measure));
    }
  }
  return shared;
}

function plus(a: Measure | undefined, b: Measure): Measure {
  if (a === undefined) return b;
  return {
    part: a.part + b.part,
    whole: a.whole + b.whole,
    audience: a.audience + b.audience,
    affected: a.affected + b.affected,
  };
}

function minus(a: Measure, b: Measure): Measure {
  return {
    part: a.part - b.part,
    whole: a.whole - b.whole,
    audience: a.audience - b.audience,
    affected: a.affected - b.affected,
  };
}
