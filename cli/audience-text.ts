/** The viewers' part of a run's account, for people. */
import type { AudienceComparison, CohortLabels } from '../consumers/summary/audience-comparison.ts';
import type { RunSummary } from '../consumers/summary/summary.ts';
import { isoTime } from '../consumers/tail/record-line.ts';
import { styled, type Terminal, table } from './terminal.ts';

const CAUSES_SHOWN = 6;

export function audienceLines(audience: NonNullable<RunSummary['audience']>, terminal: Terminal): string[] {
  const { beacons, sessions, windows, windowsUnscored, outcomes, meanScoreCenti, causes } = audience;
  const { p50Ms, p99Ms, count } = audience.beaconToScore;
  const outcomeText = Object.entries(outcomes)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(', ');
  return [
    `${beacons} reports of ${sessions} sessions (${outcomeText}); ${windows} windows of 10 s scored, ${windowsUnscored} of them without a judgement`,
    `mean score ${meanScoreCenti === null ? 'none' : (meanScoreCenti / 100).toFixed(1)}; lost to ${causes
      .slice(0, CAUSES_SHOWN)
      .map(({ cause, sessions: count }) => `${cause} (${count})`)
      .join(', ')}`,
    `${audience.sessionsWithDefects} sessions saw a defect of their stream, ${audience.sessionsPossiblyAffected} possibly did`,
    `last report of a window -> its score: p50 ${p50Ms ?? '-'} ms, p99 ${p99Ms ?? '-'} ms, of ${count}`,
    ...(audience.comparison === null ? [] : comparisonLines(audience.comparison, terminal)),
  ];
}

function comparisonLines(comparison: AudienceComparison, terminal: Terminal): string[] {
  const { incidents, falseAlarms, incidentToAlert } = comparison;
  const count = (outcome: string): number => incidents.filter((one) => one.outcome === outcome).length;
  const rows = table([
    ['incident', 'began', 'affected', 'result', 'alert', 'after', 'it says'],
    ...incidents.map((one) => [
      one.incidentId,
      isoTime(one.startMs).slice(11, 19),
      `${one.sessionsAffected} sessions`,
      one.outcome === 'not-finished' ? 'not finished' : one.outcome,
      one.alertName === '' ? '-' : one.alertName,
      one.alertAfterMs === null ? '-' : `${one.alertAfterMs} ms`,
      one.affectedSessions === null ? '-' : `${one.affectedSessions} sessions`,
    ]),
  ]);
  const verdict = `${count('found')} found, ${count('missed')} missed, ${count('not-finished')} not finished, ${falseAlarms.length} false audience alarms`;
  const { p50Ms, p99Ms } = incidentToAlert;
  return [
    'compared with the incidents that were put in (the pipeline never saw this list):',
    ...rows,
    ...falseAlarms.map((alert) => `false alarm: ${alert.alertName} ${labelsText(alert)}`),
    ...(p50Ms === null ? [] : [`incident -> alert: p50 ${p50Ms} ms, p99 ${p99Ms} ms`]),
    styled(terminal, count('missed') + falseAlarms.length === 0 ? 'green' : 'red', verdict),
  ];
}

function labelsText({ programmeId, cdn, asn, country, device, playerVersion }: CohortLabels): string {
  return [programmeId, cdn, asn, country, device, playerVersion]
    .filter((label) => label !== undefined && label !== '')
    .join(' ');
}
