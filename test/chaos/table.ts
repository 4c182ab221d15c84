/** The chaos table, as it is printed and committed. */
import { RECOVERY_MS_MAX, SESSION_TIMEOUT_MS } from './chaos-run.ts';
import type { Scenario } from './scenario.ts';
import type { Verdict } from './verdict.ts';

const COLUMNS = [
  'scenario',
  'what goes wrong',
  'faults fired',
  'recovery ms, worst',
  'records in',
  'records out',
  'late',
  'dead letters',
  'open transactions',
  'equal',
  'verdict',
  'hash',
  'took s',
] as const;

export function markdownTable(verdicts: readonly Verdict[], scenarios: readonly Scenario[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const whatOf = (name: string): string => scenarios.find((one) => one.name === name)?.what ?? '';
  return [
    line(COLUMNS),
    line(COLUMNS.map(() => '---')),
    ...verdicts.map((verdict) => line(rowOf(verdict, whatOf(verdict.name)))),
  ].join('\n');
}

/** Each fault with its own figure. */
export function faultTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.flatMap(({ name, faults }) =>
    faults.map((fault) => {
      const recovery = fault.recoveryMs === null ? '' : String(fault.recoveryMs);
      return `| ${name} | ${fault.name} | ${fault.fired ? 'yes' : 'NO'} | ${recovery} |`;
    }),
  );
  return ['| scenario | fault | fired | recovery ms |', '|---|---|---|---|', ...rows].join('\n');
}

/** Each topic that comes out: whether both runs say the same there, how many records, and the hash of them all. */
export function topicTable(verdicts: readonly Verdict[]): string {
  const topics = [...new Set(verdicts.flatMap((verdict) => verdict.topics.map(({ topic }) => topic)))];
  const rows = verdicts.map((verdict) => {
    const cells = topics.map((topic) => {
      const one = verdict.topics.find((other) => other.topic === topic);
      return one === undefined
        ? ''
        : `${one.isEqual ? 'equal' : 'DIFFERENT'} ${one.records} \`${one.hash.slice(0, 8)}\``;
    });
    return `| ${[verdict.name, ...cells].join(' | ')} |`;
  });
  return [`| scenario | ${topics.join(' | ')} |`, `|---|${topics.map(() => '---|').join('')}`, ...rows].join(
    '\n',
  );
}

export const LIMITS_TEXT = `Session timeout ${SESSION_TIMEOUT_MS} ms; recovery may take ${RECOVERY_MS_MAX} ms.`;

/** One row for each verdict, as cells in the order of {@link COLUMNS}. */
function rowOf(verdict: Verdict, what: string): readonly string[] {
  const recoveries = verdict.faults.flatMap(({ recoveryMs }) => (recoveryMs === null ? [] : [recoveryMs]));
  const fired = verdict.faults.filter((fault) => fault.fired).length;
  return [
    verdict.name,
    what,
    `${fired} of ${verdict.faults.length}`,
    recoveries.length === 0 ? '-' : String(Math.max(...recoveries)),
    String(verdict.recordsIn),
    String(verdict.recordsOut),
    String(verdict.late),
    String(verdict.deadLetters),
    String(verdict.openTransactions),
    verdict.isEqual ? 'yes' : 'NO',
    verdict.findings.length === 0 ? 'holds' : 'FAILS',
    verdict.hash.slice(0, 12),
    String(Math.round(verdict.durationMs / 1_000)),
  ];
}
