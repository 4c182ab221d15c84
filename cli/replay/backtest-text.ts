/** The difference of a backtest as lines for people. */
import { isoTime } from '../../consumers/tail/record-line.ts';
import type { BacktestResult } from './backtest.ts';
import { type Interval, type IntervalDiff, isWithoutDifference, type ScoreDiff } from './backtest-diff.ts';

const ROWS_MAX = 40;

export function backtestLines({
  diff,
  fromMs,
  comparedToMs,
  recordsIn,
  keysLeftOut,
  starts,
}: BacktestResult): string[] {
  const begin = starts.length === 0 ? 'nothing ran' : startsText(starts);
  return [
    `compared ${fromMs === 0 ? 'the beginning of the log' : isoTime(fromMs)} to ${isoTime(comparedToMs)}; ${recordsIn} records in; ${begin}`,
    ...(keysLeftOut > 0
      ? [
          `${keysLeftOut} keys may be older than what was read: left out. A --from after a snapshot avoids that`,
        ]
      : []),
    '',
    'alerts',
    ...intervalLines(diff.alerts, isoTime),
    'defects of streams',
    ...intervalLines(diff.defects, (ms) => `${(ms / 1000).toFixed(2)} s`),
    'scores of sessions',
    ...scoreLines(diff.scores),
    '',
    isWithoutDifference(diff) ? 'no difference' : 'there are differences',
  ];
}

function startsText(starts: BacktestResult['starts']): string {
  const kinds = new Map<string, number>();
  for (const { start } of starts) kinds.set(start.kind, (kinds.get(start.kind) ?? 0) + 1);
  const words: Record<string, string> = {
    snapshot: 'from a snapshot',
    'log-start': 'from the start of the log',
    'warm-up': 'with warm-up',
  };
  return [...kinds].map(([kind, count]) => `${count} tasks ${words[kind]}`).join(', ');
}

function intervalLines(diff: IntervalDiff, time: (ms: number) => string): string[] {
  const { live, candidate, equal, added, removed, moved } = diff;
  const span = ({ title, startMs, endMs, severity }: Interval): string =>
    `${title}, ${time(startMs)} to ${endMs === null ? 'now' : time(endMs)}, ${severity}`;
  return capped([
    `  ${live} live, ${candidate} now: ${equal} equal, ${added.length} added, ${removed.length} gone, ${moved.length} moved or changed`,
    ...added.map((one) => `  + ${span(one)}`),
    ...removed.map((one) => `  - ${span(one)}`),
    ...moved.map(({ live: one, what }) => `  ~ ${span(one)}: ${what.join('; ')}`),
  ]);
}

function scoreLines(diff: ScoreDiff): string[] {
  const { live, candidate, equal, added, removed, changed, meanLiveCenti, meanCandidateCenti } = diff;
  const mean = (centi: number | null): string => (centi === null ? 'none' : (centi / 100).toFixed(2));
  return capped([
    `  ${live} sessions live, ${candidate} now: ${equal} equal, ${added.length} added, ${removed.length} gone, ${changed.length} changed; mean score ${mean(meanLiveCenti)} -> ${mean(meanCandidateCenti)}`,
    ...added.map(({ sessionId, score }) => `  + ${sessionId}: score ${score ?? 'none'}`),
    ...removed.map(({ sessionId, score }) => `  - ${sessionId}: score ${score ?? 'none'}`),
    ...changed.map(({ live: one, what }) => `  ~ ${one.sessionId}: ${what.join('; ')}`),
  ]);
}

function capped(lines: string[]): string[] {
  if (lines.length <= ROWS_MAX) return lines;
  return [...lines.slice(0, ROWS_MAX), `  … ${lines.length - ROWS_MAX} more: --json or --html has them all`];
}
