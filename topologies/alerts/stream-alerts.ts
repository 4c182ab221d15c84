/**
 * The life of an alert about a stream: pending, firing, resolved, or stale where nobody can see whether it is over.
 *
 *     defect opens ──> pending ── lasts ──> firing ── all closed, good for a while ──> resolved
 *                         └── closes ──> resolved     └── sight is lost ──> stale ── given up ──> resolved
 *
 * A defect of the same kind that opens while the alert holds, or soon after it was resolved, is one more occurrence of
 * the same alert, so a flapping stream is one alert and not fifty. Times are log times; every change is a new version
 * with its reason. Pure: the same defects give the same alerts.
 */
import { hash64 } from '../../runtime/hash.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { QosAlert, StreamDefect } from '../../schemas/records.ts';
import { type CloseCause, closeCauseOf, SEVERITIES, type Severity } from '../detectors/stream-step.ts';
import { type Alert, alertRecord, alertState, type Saved } from './alert-record.ts';
import { ruleFor, type StreamAlertRule } from './stream-alert-rules.ts';

/** Why a version was written. */
export type AlertReason =
  | 'defect-opened'
  | 'persisted'
  | 'severity-raised'
  | 'another-defect'
  | 'flapping'
  | 'seen-again'
  | 'lost-sight'
  | 'closed-while-pending'
  | 'defect-closed'
  | 'superseded'
  | 'announced'
  | 'stream-ended'
  | 'given-up';

/** Why nothing was written. */
export type NoAlertReason =
  | 'not-a-defect'
  | 'step-of-unknown-defect'
  | 'older-revision'
  | 'announced'
  | 'below-severity-min'
  | 'no-change'
  | 'others-still-open'
  | 'held-before-resolving';

export type Decision =
  | { readonly write: true; readonly reason: AlertReason }
  | { readonly write: false; readonly reason: NoAlertReason };

/** State key of a defect: everything but the rule's name, which a configuration may change. */
export function alertKeyOf(defect: StreamDefect): string {
  const { programmeId, renditionId, vantage, type } = defect;
  return defect.event === 'anchor' ? '' : hash64(programmeId, renditionId, vantage, type);
}

export const streamAlerts: Reducer<Saved, StreamDefect, QosAlert> = {
  name: 'stream-alerts',
  state: alertState,
  init: () => ({ alert: null }),
  step(state, input, context) {
    if (input.kind === 'timer') return onTimer(state, input.name, input.timeMs, context);
    const defect = input.value;
    if (defect.event === 'anchor') return [{ kind: 'forget' }];
    const rule = ruleFor(context.config, defect.type);
    const decision = takeDefect(state, defect, rule, input.timeMs, fingerprintOf(context.config, defect));
    if (state.alert === null) return [{ kind: 'drop', reason: decision.reason }, { kind: 'forget' }];
    const timers = timersFor(state.alert, rule, input.timeMs);
    if (!decision.write) {
      const dropped: Effect<never>[] = DROPPED.has(decision.reason)
        ? [{ kind: 'drop', reason: decision.reason }]
        : [];
      return [...dropped, ...timers];
    }
    return [
      forward(state.alert, decision.reason, rule, input.timeMs, defect.decodedAtMs, context),
      ...timers,
    ];
  },
};

/** Not worth a version, but a record all the same: counted. */
const DROPPED: ReadonlySet<string> = new Set<NoAlertReason>([
  'step-of-unknown-defect',
  'older-revision',
  'announced',
  'below-severity-min',
]);

/** Takes one step of a defect into the alert, and decides whether that is a new version. */
function takeDefect(
  state: Saved,
  defect: StreamDefect,
  rule: StreamAlertRule,
  timeMs: number,
  fingerprint: string,
): Decision {
  const known = state.alert?.open.get(defect.defectId);
  const isOver = known === undefined && state.alert?.defectIds.includes(defect.defectId) === true;
  if (isOver || (known !== undefined && defect.revision <= known)) return no('older-revision');
  if (defect.event === 'close') return takeClose(state, defect, timeMs);
  if (defect.announced !== '') return takeAnnounced(state, defect, timeMs);
  const severity = severityIn(defect);
  if (SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(rule.severityMin)) return no('below-severity-min');
  if (known === undefined) {
    const decision = takeOpen(state, defect, rule, timeMs, fingerprint);
    if (defect.event === 'point') endPoint(state.alert!, defect, timeMs);
    return decision;
  }
  const alert = state.alert!;
  alert.open.set(defect.defectId, defect.revision);
  return raise(alert, severity, rule, timeMs) ?? no('no-change');
}

function takeOpen(
  state: Saved,
  defect: StreamDefect,
  rule: StreamAlertRule,
  timeMs: number,
  fingerprint: string,
): Decision {
  const severity = severityIn(defect);
  const fires = rule.pendingForMs[severity] === 0 || defect.event === 'point';
  if (state.alert === null) {
    state.alert = newAlert(defect, severity, fingerprint, fires, timeMs);
    return yes('defect-opened');
  }
  const { alert } = state;
  const before = alert.status;
  alert.open.set(defect.defectId, defect.revision);
  alert.occurrences += 1;
  alert.defectIds.push(defect.defectId);
  if (alert.defectIds.length > DEFECT_IDS_MAX) alert.defectIds.shift();
  alert.goodSinceMs = null;
  alert.closeCause = null;
  if (before === 'resolved') {
    alert.severity = severity;
    alert.endsAtMs = null;
    alert.mediaEndMs = null;
    if (alert.firedAtMs === null && !fires) {
      alert.pendingSinceMs = timeMs;
      return change(alert, 'pending', 'flapping');
    }
    return fire(alert, timeMs, 'flapping');
  }
  if (before === 'stale') return change(alert, 'firing', 'seen-again');
  return raise(alert, severity, rule, timeMs) ?? yes('another-defect');
}

/** A point is over as soon as it is told: it fires at once, and is resolved when nothing follows. */
function endPoint(alert: Alert, defect: StreamDefect, timeMs: number): void {
  alert.open.delete(defect.defectId);
  if (alert.open.size > 0) return;
  alert.goodSinceMs = timeMs;
  alert.closeCause = 'recovered';
  alert.mediaEndMs = Math.max(alert.mediaEndMs ?? 0, defect.startMs);
}

/** What was announced is no news. It may still become one, when it outlasts the announcement: then it is as if it opened. */
function takeAnnounced({ alert }: Saved, defect: StreamDefect, timeMs: number): Decision {
  if (alert === null || !alert.open.delete(defect.defectId)) return no('announced');
  alert.defectIds.splice(alert.defectIds.indexOf(defect.defectId), 1);
  if (alert.open.size > 0) return no('others-still-open');
  return resolve(alert, timeMs, 'announced');
}

function takeClose(state: Saved, defect: StreamDefect, timeMs: number): Decision {
  const { alert } = state;
  if (alert === null || !alert.open.delete(defect.defectId)) return no('step-of-unknown-defect');
  const cause = closeCauseOf(defect.reason) ?? 'recovered';
  alert.mediaEndMs = Math.max(alert.mediaEndMs ?? 0, defect.endMs ?? 0);
  if (alert.open.size > 0) return no('others-still-open');
  alert.closeCause = cause;
  alert.goodSinceMs = timeMs;
  if (cause === 'stream-ended' || cause === 'retired') return resolve(alert, timeMs, 'stream-ended');
  if (BLIND.has(cause)) {
    if (alert.status === 'pending') return resolve(alert, timeMs, 'lost-sight');
    return change(alert, 'stale', 'lost-sight');
  }
  if (alert.status === 'pending') return resolve(alert, timeMs, 'closed-while-pending');
  return no('held-before-resolving');
}

/** Nobody saw the defect end. */
const BLIND: ReadonlySet<CloseCause> = new Set<CloseCause>([
  'not-seen',
  'signal-lost',
  'probe-lost',
  'probe-silent',
  'new-probe-run',
]);

function onTimer(
  state: Saved,
  name: string,
  timeMs: number,
  context: StepContext,
): readonly Effect<QosAlert>[] {
  const { alert } = state;
  if (alert === null) return [{ kind: 'forget' }];
  const rule = ruleFor(context.config, alert.defectType);
  if (name === 'forget') return [{ kind: 'forget' }];
  const reason = onDue(alert, name, timeMs);
  if (reason === null) return NOTHING;
  return [forward(alert, reason, rule, timeMs, 0, context), ...timersFor(alert, rule, timeMs)];
}

function onDue(alert: Alert, name: string, timeMs: number): AlertReason | null {
  if (name === 'fire' && alert.status === 'pending') return fire(alert, timeMs, 'persisted').reason;
  if (name === 'resolve' && alert.status === 'firing') {
    return resolve(alert, timeMs, alert.closeCause === 'suppressed' ? 'superseded' : 'defect-closed').reason;
  }
  if (name === 'give-up' && alert.status === 'stale') return resolve(alert, timeMs, 'given-up').reason;
  return null;
}

/** The timers that an alert needs as it stands; those that it does not need any more are cancelled. */
function timersFor(alert: Alert, rule: StreamAlertRule, timeMs: number): readonly Effect<never>[] {
  const due = new Map<string, number>();
  const { status, goodSinceMs } = alert;
  if (status === 'pending')
    due.set('fire', alert.pendingSinceMs + rule.pendingForMs[alert.severity as Severity]);
  if (status === 'firing' && goodSinceMs !== null) due.set('resolve', goodSinceMs + rule.resolveHoldMs);
  if (status === 'stale') due.set('give-up', (goodSinceMs ?? timeMs) + rule.staleAfterMs);
  if (status === 'resolved') due.set('forget', (alert.endsAtMs ?? timeMs) + rule.reopenWithinMs);
  return TIMERS.map((name) => {
    const dueMs = due.get(name);
    if (dueMs === undefined) return { kind: 'cancel', name };
    // Configuration may have shortened it into the past; a timer never sets itself to a time that is over.
    return { kind: 'schedule', name, dueMs: Math.max(dueMs, timeMs + 1) };
  });
}

const TIMERS = ['fire', 'resolve', 'give-up', 'forget'] as const;

function raise(alert: Alert, severity: Severity, rule: StreamAlertRule, timeMs: number): Decision | null {
  if (SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(alert.severity as Severity)) return null;
  const before = rule.severityOf[alert.severity as Severity];
  alert.severity = severity;
  if (alert.status === 'pending') {
    const over = timeMs - alert.pendingSinceMs >= rule.pendingForMs[severity];
    return over ? fire(alert, timeMs, 'severity-raised') : null;
  }
  if (rule.severityOf[severity] === before) return null;
  return change(alert, alert.status, 'severity-raised');
}

function fire(alert: Alert, timeMs: number, reason: AlertReason) {
  alert.firedAtMs ??= timeMs;
  return change(alert, 'firing', reason);
}

function resolve(alert: Alert, timeMs: number, reason: AlertReason) {
  alert.endsAtMs = timeMs;
  return change(alert, 'resolved', reason);
}

function change(alert: Alert, status: Alert['status'], reason: AlertReason) {
  alert.status = status;
  return yes(reason);
}

const DEFECT_IDS_MAX = 20;

function newAlert(
  defect: StreamDefect,
  severity: Severity,
  fingerprint: string,
  fires: boolean,
  timeMs: number,
): Alert {
  return {
    alertId: hash64(fingerprint, timeMs, defect.defectId),
    fingerprint,
    version: 0,
    status: fires ? 'firing' : 'pending',
    toldStatus: '',
    severity,
    programmeId: defect.programmeId,
    renditionId: defect.renditionId,
    vantage: defect.vantage,
    defectType: defect.type,
    startsAtMs: timeMs,
    pendingSinceMs: timeMs,
    firedAtMs: fires ? timeMs : null,
    endsAtMs: null,
    goodSinceMs: null,
    mediaStartMs: defect.startMs,
    mediaEndMs: null,
    occurrences: 1,
    defectIds: [defect.defectId],
    open: new Map([[defect.defectId, defect.revision]]),
    closeCause: null,
    detail: defect.reason,
  };
}

function forward(
  alert: Alert,
  reason: AlertReason,
  rule: StreamAlertRule,
  timeMs: number,
  decodedAtMs: number,
  { configHash }: StepContext,
): Effect<QosAlert> {
  const value = alertRecord(alert, { reason, rule, timeMs, decodedAtMs, configHash });
  return { kind: 'forward', value, key: alert.alertId };
}

function severityIn(defect: StreamDefect): Severity {
  return SEVERITIES.find((one) => one === defect.severity) ?? 'medium';
}

function yes(reason: AlertReason) {
  return { write: true, reason } as const;
}

function no(reason: NoAlertReason): Decision {
  return { write: false, reason };
}

/** Identity of what an alert is about: alerts with the same one follow each other and never overlap. */
function fingerprintOf(config: unknown, defect: StreamDefect): string {
  const { programmeId, renditionId, vantage, type } = defect;
  return hash64(ruleFor(config, type).alertName, programmeId, renditionId, vantage, type);
}
