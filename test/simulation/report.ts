/** The page of figures that a whole run leaves behind: the same on every machine. */
import { CELLS, type CellCounts, FAULTS, nameOf, STEPS } from './faults.ts';
import type { RunName, Totals } from './totals.ts';

export function reportOf({ commit, events }: RunName, { first, seeds }: SeedRange, totals: Totals): string {
  const hits = sumOf(totals.fired);
  const least = Math.min(...CELLS.map((cell) => totals.fired.get(nameOf(cell)) ?? 0));
  return `# Simulation

What the last whole run of the simulation gave. Written by the command itself; \`ARCHITECTURE.md\` says how the runtime is put to the test, \`npm run sim -- --help\` what can be asked for.

    npm run sim -- --first ${first} --seeds ${seeds} --events ${events} --report docs/simulation.md

| | |
|---|---:|
| commit | \`${commit}\` |
| seeds | ${grouped(totals.done.size)} |
| records from outside | ${grouped(totals.events)}, at least ${grouped(events)} in each seed |
| records derived from them, and compared | ${grouped(totals.derived)} |
| seeds with a difference | ${totals.failed.length} |
| faults that struck | ${grouped(hits)} |
| fewest in one cell of the table | ${grouped(least)} |
| ticks of readers that went on without a writer | ${grouped(totals.ticks)} |
| longest way back after the last fault, log time | ${grouped(totals.recoveryMsMax)} ms |

Each seed makes a plan: records from outside, configurations, and faults. The plan is run twice, which has to give the same logs byte for byte, aborted records and markers included. What it gave is then held against a run of the same sources in which nothing goes wrong: every derived record, header and timestamp, every late record and dead letter. In every eighth seed readers go on without a writer after 0.6 s, and each topology is held against a run of its own over its recorded inputs. Beside that come invariants that are read off the logs alone (\`test/simulation/invariants.ts\`).

## Faults by step

How often each fault struck at each step of a task's or a group member's life. Faults are scheduled evenly over all cells; one whose step did not come again before the end of its seed did not strike and is not counted. Crowds of faults at random moments (killed, suspended and cut-off processes, rebalance storms, strangers that take a transactional id, compaction, slow markers, an unreachable registry) come on top of them.

${table(totals.fired)}
`;
}

export type SeedRange = { readonly first: number; readonly seeds: number };

function table(fired: CellCounts): string {
  const rows = STEPS.map((step) => {
    const hits = FAULTS.map((fault) => grouped(fired.get(nameOf({ step, fault })) ?? 0));
    return `| ${step} | ${hits.join(' | ')} |`;
  });
  return [`| step | ${FAULTS.join(' | ')} |`, `|---|${FAULTS.map(() => '---:|').join('')}`, ...rows].join(
    '\n',
  );
}

function sumOf(counts: CellCounts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** 1234567 as 1,234,567, whatever the machine's language. */
function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
