/** State of one alert, and its record for `qos-alerts`. */
import { list, map, nullable, oneOf, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import type { QosAlert } from '../../schemas/records.ts';
import type { Severity } from '../detectors/stream-step.ts';
import { CLOSE_CAUSES } from '../detectors/stream-step.ts';
import type { StreamAlertRule } from './stream-alert-rules.ts';

const ALERT = struct({
  alertId: 'string',
  fingerprint: 'string',
  version: 'int',
  status: oneOf('pending', 'firing', 'resolved', 'stale'),
  /** Status of the version that was written last; empty before the first. */
  toldStatus: oneOf('', 'pending', 'firing', 'resolved', 'stale'),
  /** Of the defect; the rule maps it. The worst since the alert began, or began again. */
  severity: oneOf('low', 'medium', 'high', 'critical'),
  programmeId: 'string',
  renditionId: 'string',
  vantage: 'string',
  defectType: 'string',
  startsAtMs: 'long',
  pendingSinceMs: 'long',
  firedAtMs: 'long?',
  endsAtMs: 'long?',
  /** Since then no defect is open; null while one is. */
  goodSinceMs: 'long?',
  mediaStartMs: 'long',
  mediaEndMs: 'long?',
  occurrences: 'int',
  defectIds: list('string'),
  /** Defects that are open, with the latest revision seen. */
  open: map('int'),
  closeCause: nullable(oneOf(...CLOSE_CAUSES)),
  /** What the detector said when it opened. */
  detail: 'string',
});

/** Log times, but for `mediaStartMs` and `mediaEndMs`, which are presentation times. */
export type Alert = StateOf<(typeof ALERT)['fields']>;
export type Saved = { alert: Alert | null };

export const alertState = structCodec({ version: 1, fields: { alert: nullable(ALERT) } });

export type Telling = {
  readonly reason: string;
  readonly rule: StreamAlertRule;
  readonly timeMs: number;
  readonly decodedAtMs: number;
  readonly configHash: string;
};

/** Writes the next version of the alert. */
export function alertRecord(alert: Alert, telling: Telling): QosAlert {
  const { rule, reason, timeMs } = telling;
  const previousStatus = alert.toldStatus;
  alert.version += 1;
  alert.toldStatus = alert.status;
  return {
    ...NO_AUDIENCE,
    alertId: alert.alertId,
    version: alert.version,
    fingerprint: alert.fingerprint,
    status: alert.status,
    previousStatus,
    alertName: rule.alertName,
    severity: rule.severityOf[alert.severity as Severity],
    scope: 'stream',
    programmeId: alert.programmeId,
    renditionId: alert.renditionId,
    vantage: alert.vantage,
    defectType: alert.defectType,
    summary: `${nameOf(alert)} ${STATUS_WORDS[alert.status]} ${rule.title}`,
    description: describe(alert, rule, timeMs),
    reason,
    runbookUrl: rule.runbookUrl,
    startsAtMs: alert.startsAtMs,
    firedAtMs: alert.firedAtMs,
    endsAtMs: alert.endsAtMs,
    updatedAtMs: timeMs,
    mediaStartMs: alert.mediaStartMs,
    mediaEndMs: alert.status === 'resolved' || alert.status === 'stale' ? alert.mediaEndMs : null,
    decodedAtMs: telling.decodedAtMs,
    occurrences: alert.occurrences,
    defectIds: [...alert.defectIds],
    // A probe sees the stream before anybody's delivery: what it sees is the source's fault, as far as it looks there.
    verdict: alert.vantage === 'origin' ? 'source' : 'undetermined',
    configHash: telling.configHash,
  };
}

const STATUS_WORDS: { readonly [S in Alert['status']]: string } = {
  pending: 'may show',
  firing: 'shows',
  resolved: 'no longer shows',
  stale: 'was last seen with',
};

const NO_AUDIENCE = {
  cdn: '',
  asn: '',
  country: '',
  device: '',
  playerVersion: '',
  affectedSessions: null,
  affectedSharePermille: null,
} as const;

/** The programme, with the rendition and the vantage where they are not the only ones. */
function nameOf({ programmeId, renditionId, vantage }: Alert): string {
  const rendition = renditionId === '' || renditionId === 'main' ? '' : ` ${renditionId}`;
  return `${programmeId}${rendition}${vantage === 'origin' ? '' : ` at ${vantage}`}`;
}

function describe(alert: Alert, rule: StreamAlertRule, timeMs: number): string {
  const times = alert.occurrences === 1 ? 'once' : `${alert.occurrences} times`;
  const lasted = seconds((alert.endsAtMs ?? timeMs) - alert.startsAtMs);
  const seen =
    `${nameOf(alert)} showed ${rule.title} ${times}, first at ${seconds(alert.mediaStartMs)} s of its own timeline: ` +
    `${alert.detail}.`;
  switch (alert.status) {
    case 'pending':
      return `${seen} It fires if it lasts.`;
    case 'firing':
      return `${seen} It has been known for ${lasted} s.`;
    case 'stale':
      return `${seen} After ${lasted} s nobody sees the stream, so nobody knows whether it is over.`;
    case 'resolved':
      return `${seen} It is over, after ${lasted} s.`;
  }
}

/** Milliseconds as seconds with one digit. */
function seconds(ms: number): string {
  return (Math.round(ms / 100) / 10).toFixed(1);
}
