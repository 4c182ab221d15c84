/** What was found, held against the list of faults that were put in. The pipeline never sees that list. */

/** One fault that was put into a stream: type and span as a detector should find them, on the stream's own timeline. */
export type InjectedFault = {
  readonly programmeId: string;
  readonly type: string;
  /** First bad picture or sample, ms. */
  readonly startMs: number;
  /** First good one after it, ms. */
  readonly endMs: number;
};

export type FoundDefect = {
  readonly defectId: string;
  readonly programmeId: string;
  readonly type: string;
  readonly startMs: number;
  /** Null while it is open. */
  readonly endMs: number | null;
};

export type FaultResult = InjectedFault & {
  /** `not-finished`: the stream was not watched up to its end, so that nothing can be said of it, found or not. */
  readonly outcome: 'found' | 'missed' | 'not-finished';
  readonly defectId: string | null;
  /** Start of the defect less start of the fault, ms; null without a defect. */
  readonly startErrorMs: number | null;
  /** The same of the ends; null while the defect is open. */
  readonly endErrorMs: number | null;
};

export type Comparison = {
  /** By programme, start and type. */
  readonly faults: readonly FaultResult[];
  /** Defects that no fault explains. */
  readonly falseAlarms: readonly FoundDefect[];
};

/** A defect that starts at least this far from a fault is not taken for it: half the shortest defect. */
const START_ERROR_MS_LIMIT = 1000;

/**
 * Matches faults with defects one to one: same programme, same type, starts less than a second apart, in order of
 * time. `watchedUpToMs` says per programme up to where it was watched; a fault that ends later is `not-finished`, even
 * if a defect was opened for it already (which is then no false alarm either).
 */
export function compareWithTruth(
  faults: readonly InjectedFault[],
  defects: readonly FoundDefect[],
  watchedUpToMs: ReadonlyMap<string, number>,
): Comparison {
  const defectsOf = Map.groupBy([...defects].sort(byStart), groupOf);
  const matched = new Set<FoundDefect>();
  const results = [...faults].sort(byStart).map((fault) => {
    const defect = matchOf(fault, defectsOf.get(groupOf(fault)) ?? [], matched);
    if (defect !== null) matched.add(defect);
    return resultOf(fault, defect, watchedUpToMs.get(fault.programmeId) ?? 0);
  });
  return {
    faults: results,
    falseAlarms: [...defects].sort(byStart).filter((defect) => !matched.has(defect)),
  };
}

type Placed = { readonly programmeId: string; readonly type: string; readonly startMs: number };

/** The earliest defect near enough that is not taken: with both sides in order, no other choice matches more. */
function matchOf(
  fault: InjectedFault,
  candidates: readonly FoundDefect[],
  taken: ReadonlySet<FoundDefect>,
): FoundDefect | null {
  const isNear = (defect: FoundDefect) => Math.abs(defect.startMs - fault.startMs) < START_ERROR_MS_LIMIT;
  return candidates.find((defect) => isNear(defect) && !taken.has(defect)) ?? null;
}

function resultOf(fault: InjectedFault, defect: FoundDefect | null, watchedUpToMs: number): FaultResult {
  const isFinished = fault.endMs <= watchedUpToMs;
  return {
    ...fault,
    outcome: !isFinished ? 'not-finished' : defect === null ? 'missed' : 'found',
    defectId: defect?.defectId ?? null,
    startErrorMs: defect === null ? null : defect.startMs - fault.startMs,
    endErrorMs: defect === null || defect.endMs === null ? null : defect.endMs - fault.endMs,
  };
}

function groupOf(placed: Placed): string {
  return `${placed.programmeId}\n${placed.type}`;
}

function byStart(a: Placed, b: Placed): number {
  return compareText(a.programmeId, b.programmeId) || a.startMs - b.startMs || compareText(a.type, b.type);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
