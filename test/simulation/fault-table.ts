/** The table of fault x step: how often each fault met each step, and what was scheduled in vain. */
import { CELLS, type CellCounts, FAULTS, nameOf, STEPS } from './faults.ts';

/** Hits that every cell needs, for so many seeds. */
const HITS_MIN = { hits: 50, seeds: 10_000 };

/** In each cell the hits, and behind a slash what never met its step before the run ended. */
export function faultTable(fired: CellCounts, notFired: CellCounts): string {
  const rows = [
    ['step', ...FAULTS],
    ...STEPS.map((step) => [
      step,
      ...FAULTS.map((fault) => {
        const name = nameOf({ step, fault });
        const missed = notFired.get(name) ?? 0;
        return `${fired.get(name) ?? 0}${missed > 0 ? `/${missed}` : ''}`;
      }),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  return [
    'hits of each fault at each step (behind a slash: scheduled, but the step did not come again before the end)',
    ...lines,
  ].join('\n');
}

/** Cells that were hit too rarely for that many seeds; empty when there is none. */
export function thinCells(fired: CellCounts, seeds: number): string[] {
  const needed = Math.floor((HITS_MIN.hits * seeds) / HITS_MIN.seeds);
  return CELLS.map(nameOf)
    .filter((name) => (fired.get(name) ?? 0) < needed)
    .map((name) => `${name}: ${fired.get(name) ?? 0} of ${needed}`);
}
