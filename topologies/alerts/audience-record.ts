/** State of one alert about an audience, and its record for `qos-alerts`. */
import { list, nullable, oneOf, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import type { QosAlert } from '../../schemas/records.ts';
import { type Scope, scopeFrom } from './audience-cells.ts';
import type { AudienceRule } from './audience-rules.ts';

const ALERT = struct({
  alertId: 'string',
  fingerprint: 'string',
  version: 'int',
  status: oneOf('pending', 'firing', 'resolved', 'stale'),
  /** Status of the version that was written last; empty before the first. */
  toldStatus: oneOf('', 'pending', 'firing', 'resolved', 'stale'),
  rule: 'string',
  scope: 'string',
  /** The worst since the alert began, or began again. */
  severity: oneOf('warning', 'critical'),
  /** Start of the first bad window. */
  startsAtMs: 'long',
  badSinceMs: 'long',
  firedAtMs: 'long?',
  endsAtMs: 'long?',
  /** Since then it is good, or nobody can tell; null while it is bad. */
  goodSinceMs: 'long?',
  blindSinceMs: 'long?',
  occurrences: 'int',
  /** Of the latest window that could be judged. */
  permille: 'int',
  audience: 'long',
  affected: 'long',
  affectedPermille: 'int',
  worstPermille: 'int',
  affectedMost: 'long',
  verdict: oneOf('source', 'delivery', 'undetermined'),
  defectIds: list('string'),
  /** Cohorts that are bad because of this one. */
  explains: list('string'),
  /** Cohort that turned out to be the cause; empty for none. */
  because: 'string',
});

export type AudienceAlert = StateOf<(typeof ALERT)['fields']>;
export type AudienceSaved = { alert: AudienceAlert | null };

export const audienceState = structCodec({ version: 1, fields: { alert: nullable(ALERT) } });

export type AudienceTelling = {
  readonly reason: string;
  readonly rule: AudienceRule;
  readonly timeMs: number;
  readonly configHash: string;
};

/** Writes the next version of the alert. */
export function audienceRecord(alert: AudienceAlert, telling: AudienceTelling): QosAlert {
  const { rule, reason, timeMs, configHash } = telling;
  const previousStatus = alert.toldStatus;
  alert.version += 1;
  alert.toldStatus = alert.status;
  return {
    ...NO_STREAM,
    ...labelsOf(scopeFrom(alert.scope)),
    alertId: alert.alertId,
    version: alert.version,
    fingerprint: alert.fingerprint,
    status: alert.status,
    previousStatus,
    alertName: rule.alertName,
    severity: alert.severity,
    summary: summaryOf(alert, rule),
    description: descriptionOf(alert, rule, timeMs),
    reason,
    runbookUrl: rule.runbookUrl,
    startsAtMs: alert.startsAtMs,
    firedAtMs: alert.firedAtMs,
    endsAtMs: alert.endsAtMs,
    updatedAtMs: timeMs,
    occurrences: alert.occurrences,
    defectIds: [...alert.defectIds],
    affectedSessions: alert.affected,
    affectedSharePermille: alert.affectedPermille,
    verdict: alert.verdict,
    configHash,
  };
}

const NO_STREAM = {
  scope: 'audience',
  programmeId: '',
  renditionId: '',
  vantage: '',
  defectType: '',
  cdn: '',
  asn: '',
  country: '',
  device: '',
  playerVersion: '',
  mediaStartMs: null,
  mediaEndMs: null,
  decodedAtMs: 0,
} as const;

function labelsOf({ dimension, value }: Scope): Partial<QosAlert> {
  if (dimension === 'all') return {};
  return dimension === 'programme' ? { programmeId: value } : { [dimension]: value };
}

function nameOf(key: string): string {
  const { dimension, value } = scopeFrom(key);
  return dimension === 'all' ? 'all viewers' : `${WORDS[dimension]} ${value}`;
}

const WORDS = {
  programme: 'programme',
  cdn: 'CDN',
  asn: 'AS',
  country: 'country',
  device: 'device',
  playerVersion: 'player',
} as const;

function summaryOf(alert: AudienceAlert, { title }: AudienceRule): string {
  const name = nameOf(alert.scope);
  switch (alert.status) {
    case 'pending':
    case 'firing':
      return `${name}: ${percent(alert.permille)} ${title}, ${alert.affected} affected`;
    case 'stale':
      return `${name}: nobody can tell any more; last ${percent(alert.permille)} ${title}`;
    case 'resolved':
      return `${name}: over, at worst ${percent(alert.worstPermille)} ${title}`;
  }
}

function descriptionOf(alert: AudienceAlert, rule: AudienceRule, timeMs: number): string {
  const lasted = Math.round(((alert.endsAtMs ?? timeMs) - alert.startsAtMs) / 1_000);
  const limits = `fires from ${percent(rule.firePermille)}, clears at ${percent(rule.clearPermille)}`;
  const figures = `${percent(alert.permille)} ${rule.title} among ${alert.audience} (${limits}); at worst ${percent(alert.worstPermille)}, ${alert.affectedMost} affected`;
  const where =
    alert.verdict === 'source'
      ? `The stream itself is defective at its source (${alert.defectIds.join(', ')}).`
      : alert.verdict === 'delivery'
        ? 'The stream is good at its source: the fault is in delivery.'
        : 'Nobody watches the stream at its source, so where the fault is cannot be said.';
  const others =
    alert.explains.length === 0
      ? ''
      : ` It explains ${alert.explains.length} more: ${alert.explains.slice(0, 8).map(nameOf).join(', ')}.`;
  const because = alert.because === '' ? '' : ` The cause is ${nameOf(alert.because)}.`;
  return `${nameOf(alert.scope)}: ${figures}, for ${lasted} s. ${where}${others}${because}`;
}

/** Thousandths as per cent with one digit. */
function percent(permille: number): string {
  return `${(permille / 10).toFixed(1)} %`;
}
