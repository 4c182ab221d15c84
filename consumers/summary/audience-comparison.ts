/**
 * What was said about an audience, held against the incidents that were put in. The pipeline never sees those; they
 * come from a labels file (docs/scenarios.md).
 */
import type { QosAlert } from '../../schemas/records.ts';
import { type LatencyFigures, latencyFigures } from './latency.ts';

/** The labels that cohorts are named by, as alerts have them; a field that is missing is empty there. */
export type CohortLabels = { readonly [K in (typeof COHORT_FIELDS)[number] | 'defectType']?: string };

/** One incident, as far as the comparison needs it. */
export type LabelledIncident = {
  readonly incidentId: string;
  readonly kind: string;
  /** In wall time, Unix ms: `[startMs, endMs)`. */
  readonly startMs: number;
  readonly endMs: number;
  readonly expectedAlert: { readonly scope: 'audience' | 'stream'; readonly labels: CohortLabels };
  readonly sessionsAffected: number;
};

/** An alert that has fired, by its latest version. */
export type FiredAlert = Pick<
  QosAlert,
  | 'alertId'
  | 'alertName'
  | 'scope'
  | 'status'
  | 'startsAtMs'
  | 'firedAtMs'
  | 'endsAtMs'
  | 'affectedSessions'
  | 'defectType'
  | (typeof COHORT_FIELDS)[number]
>;

export type IncidentResult = LabelledIncident & {
  /** `not-finished`: no alert, but it was still going on when the run ended. */
  readonly outcome: 'found' | 'missed' | 'not-finished';
  /** The first alert about exactly this cohort; null without one. */
  readonly alertId: string | null;
  readonly alertName: string;
  /** From the start of the incident to the log time at which that alert fired, ms; null without one, or when it had fired before. */
  readonly alertAfterMs: number | null;
  /** What that alert says; null when it does not. */
  readonly affectedSessions: number | null;
  /** Fired alerts about wider or narrower cohorts in the same time: no false alarms, and not what was asked for. */
  readonly relatedAlertIds: readonly string[];
};

export type AudienceComparison = {
  /** By start. */
  readonly incidents: readonly IncidentResult[];
  /** Fired audience alerts that no incident explains. */
  readonly falseAlarms: readonly FiredAlert[];
  /** Of the incidents that were found: `alertAfterMs`. */
  readonly incidentToAlert: LatencyFigures;
};

const COHORT_FIELDS = ['programmeId', 'cdn', 'asn', 'country', 'device', 'playerVersion'] as const;

/**
 * An incident is felt, and seen in closed windows, for this long after its end: stalled players go on waiting, and
 * sessions that fell silent are closed late.
 */
export const AFTERMATH_MS = 60_000;

/**
 * An incident is found by a fired alert of the expected scope with exactly the expected labels that fired between its
 * start and {@link AFTERMATH_MS} after its end. An alert about a wider or a narrower cohort in that time is related; any
 * other audience alert is a false alarm, unless it says that the programme's own stream was defective. Stream alerts are
 * judged elsewhere, and are never false here.
 *
 * @param runEndMs log time up to which alerts were read
 */
export function compareAudience(
  incidents: readonly LabelledIncident[],
  alerts: readonly QosAlert[],
  runEndMs: number,
): AudienceComparison {
  const fired = alerts.filter(({ firedAtMs }) => firedAtMs !== null).sort(byFiring);
  const explained = new Set<string>();
  const results = [...incidents]
    .sort((a, b) => a.startMs - b.startMs || (a.incidentId < b.incidentId ? -1 : 1))
    .map((incident): IncidentResult => {
      const during = fired.filter((alert) => isDuring(alert, incident));
      const exact = during.filter((alert) => relationOf(alert, incident) === 'same');
      const related = during.filter((alert) => relationOf(alert, incident) === 'related');
      for (const { alertId } of [...exact, ...related]) explained.add(alertId);
      return resultOf(incident, exact[0] ?? null, related, runEndMs);
    });
  return {
    incidents: results,
    falseAlarms: fired.filter((alert) => !explained.has(alert.alertId) && isFalse(alert)),
    incidentToAlert: latencyFigures(
      results.flatMap(({ alertAfterMs }) => (alertAfterMs === null ? [] : [alertAfterMs])),
    ),
  };
}

/** One about a programme that cites a defect of its stream is about that defect, which is judged elsewhere. */
function isFalse({ scope, verdict, programmeId, defectIds }: QosAlert): boolean {
  return scope === 'audience' && !(verdict === 'source' && programmeId !== '' && defectIds.length > 0);
}

function resultOf(
  incident: LabelledIncident,
  alert: QosAlert | null,
  related: readonly QosAlert[],
  runEndMs: number,
): IncidentResult {
  const isOver = incident.endMs <= runEndMs;
  const firedEarlier = alert !== null && alert.firedAtMs! < incident.startMs;
  return {
    ...incident,
    outcome: alert !== null ? 'found' : isOver ? 'missed' : 'not-finished',
    alertId: alert?.alertId ?? null,
    alertName: alert?.alertName ?? '',
    alertAfterMs: alert === null || firedEarlier ? null : alert.firedAtMs! - incident.startMs,
    affectedSessions: alert?.affectedSessions ?? null,
    relatedAlertIds: related.map(({ alertId }) => alertId),
  };
}

/** What an alert says of a cohort: exactly it, one that holds it or is held by it, or another one. */
function relationOf(alert: FiredAlert, { expectedAlert }: LabelledIncident): 'same' | 'related' | 'other' {
  const { scope, labels } = expectedAlert;
  if (alert.scope !== scope) return 'other';
  if (labels.defectType !== undefined && alert.defectType !== labels.defectType) return 'other';
  let [isNarrower, isWider] = [false, false];
  for (const field of COHORT_FIELDS) {
    const [said, expected] = [alert[field], labels[field] ?? ''];
    if (said === expected) continue;
    if (expected === '') isNarrower = true;
    else if (said === '') isWider = true;
    else return 'other';
  }
  if (isNarrower && isWider) return 'other';
  return isNarrower || isWider ? 'related' : 'same';
}

/**
 * It fired in time: an audience alert that had fired before was about something else. A stream alert may have gathered
 * earlier defects of the same kind, and counts while it is open.
 */
function isDuring(alert: FiredAlert, { startMs, endMs, expectedAlert }: LabelledIncident): boolean {
  const untilMs = endMs + AFTERMATH_MS;
  if (alert.firedAtMs! >= untilMs) return false;
  if (expectedAlert.scope === 'audience') return alert.firedAtMs! >= startMs;
  return alert.startsAtMs < untilMs && (alert.endsAtMs ?? untilMs) > startMs;
}

function byFiring(a: QosAlert, b: QosAlert): number {
  return a.firedAtMs! - b.firedAtMs! || (a.alertId < b.alertId ? -1 : 1);
}
