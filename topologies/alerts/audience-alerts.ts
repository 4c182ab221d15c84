/**
 * The life of an alert about an audience: pending, firing, resolved, or stale where nobody can tell any more.
 *
 *     bad ──> pending ── stays bad ──> firing ── good for long enough ──> resolved ── bad soon again ──> pending
 *                └── not bad ──> resolved  └── nobody can tell ──> stale ── given up, or good again ──> resolved
 *
 * It is resolved on good data only: too few viewers, missing reports or no word at all make it stale. Times are log
 * times; every change is a new version with its reason. Pure: the same findings give the same alerts.
 */
import { hash64 } from '../../runtime/hash.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { QosAlert } from '../../schemas/records.ts';
import { type AudienceAlert, type AudienceSaved, audienceRecord, audienceState } from './audience-record.ts';
import { type AudienceRule, type AudienceRuleName, audienceRules, severityFor } from './audience-rules.ts';
import type { Finding } from './audience-view.ts';

/** Why a version was written. */
export type AudienceReason =
  | 'threshold-crossed'
  | 'persisted'
  | 'severity-raised'
  | 'verdict-changed'
  | 'flapping'
  | 'seen-again'
  | 'lost-sight'
  | 'recovered'
  | 'recovered-while-pending'
  | 'explained-by-another'
  | 'given-up';

/** Why nothing was written. */
export type NoAudienceReason =
  | 'nothing-wrong'
  | 'not-for-long-enough'
  | 'still-firing'
  | 'between-thresholds'
  | 'held-before-resolving'
  | 'cannot-tell'
  | 'cannot-tell-yet'
  | 'resolved-already';

export type AudienceDecision =
  | { readonly write: true; readonly reason: AudienceReason }
  | { readonly write: false; readonly reason: NoAudienceReason };

export const audienceAlerts: Reducer<AudienceSaved, Finding, QosAlert> = {
  name: 'audience-alerts',
  state: audienceState,
  init: () => ({ alert: null }),
  step(state, input, context) {
    if (input.kind === 'timer') return onTimer(state, input.name, input.timeMs, context);
    const rule = audienceRules(context.config)[input.value.rule];
    const decision = takeFinding(state, input.value, rule, input.timeMs);
    if (state.alert === null) return [{ kind: 'forget' }];
    return told(state.alert, decision, rule, input.timeMs, context);
  },
};

/** Takes how the cohort stands into the alert, and decides whether that is a new version. */
function takeFinding(
  state: AudienceSaved,
  finding: Finding,
  rule: AudienceRule,
  timeMs: number,
): AudienceDecision {
  if (finding.standing === 'bad') return takeBad(state, finding, rule, timeMs);
  const { alert } = state;
  if (alert === null) return no('nothing-wrong');
  if (finding.standing !== 'blind') alert.blindSinceMs = null;
  if (alert.status === 'resolved') return no('resolved-already');
  switch (finding.standing) {
    case 'explained':
      alert.because = finding.because;
      return resolve(alert, timeMs, 'explained-by-another');
    case 'between':
      alert.goodSinceMs = null;
      alert.badSinceMs = timeMs;
      return no('between-thresholds');
    case 'blind':
      return takeBlind(alert, rule, timeMs);
    case 'good':
      measure(alert, finding);
      if (alert.status === 'pending') return resolve(alert, timeMs, 'recovered-while-pending');
      alert.goodSinceMs ??= timeMs;
      if (timeMs - alert.goodSinceMs < rule.resolveHoldMs) return no('held-before-resolving');
      return resolve(alert, timeMs, 'recovered');
  }
}

function takeBad(
  state: AudienceSaved,
  finding: Finding,
  rule: AudienceRule,
  timeMs: number,
): AudienceDecision {
  const severity = severityFor(rule, finding.permille);
  state.alert ??= newAlert(finding, rule, timeMs);
  const { alert } = state;
  const isNew = alert.version === 0;
  const before = alert.status;
  alert.goodSinceMs = null;
  alert.blindSinceMs = null;
  const isClearer = CLARITY.indexOf(finding.verdict) > CLARITY.indexOf(alert.verdict);
  measure(alert, finding);
  if (before === 'resolved') {
    alert.severity = severity;
    alert.badSinceMs = timeMs;
    alert.endsAtMs = null;
    alert.because = '';
    alert.verdict = finding.verdict;
    alert.defectIds = [...finding.defectIds];
    alert.occurrences += 1;
    alert.status = 'pending';
  }
  const isRaised = severity === 'critical' && alert.severity === 'warning';
  if (isRaised) alert.severity = severity;
  if (alert.status === 'pending') {
    if (timeMs - alert.badSinceMs >= rule.pendingForMs[alert.severity]) {
      alert.firedAtMs ??= timeMs;
      alert.status = 'firing';
      return yes(isNew ? 'threshold-crossed' : before === 'resolved' ? 'flapping' : 'persisted');
    }
    if (isNew) return yes('threshold-crossed');
    return before === 'resolved' ? yes('flapping') : no('not-for-long-enough');
  }
  if (before === 'stale') {
    alert.status = 'firing';
    return yes('seen-again');
  }
  if (isRaised) return yes('severity-raised');
  return isClearer ? yes('verdict-changed') : no('still-firing');
}

/** A probe may find a defect after viewers have felt it; that it is over does not clear the source of what it did. */
const CLARITY: readonly AudienceAlert['verdict'][] = ['undetermined', 'delivery', 'source'];

function takeBlind(alert: AudienceAlert, rule: AudienceRule, timeMs: number): AudienceDecision {
  alert.goodSinceMs = null;
  if (alert.status === 'pending') return resolve(alert, timeMs, 'lost-sight');
  if (alert.status === 'stale') return no('cannot-tell');
  alert.blindSinceMs ??= timeMs;
  if (timeMs - alert.blindSinceMs < rule.staleAfterMs) return no('cannot-tell-yet');
  alert.status = 'stale';
  return yes('lost-sight');
}

function onTimer(
  state: AudienceSaved,
  name: string,
  timeMs: number,
  context: StepContext,
): readonly Effect<QosAlert>[] {
  const { alert } = state;
  if (alert === null || name === 'forget') return [{ kind: 'forget' }];
  const rule = audienceRules(context.config)[alert.rule as AudienceRuleName];
  if (name === 'unheard' && alert.status !== 'resolved') {
    const decision = takeBlind(alert, { ...rule, staleAfterMs: 0 }, timeMs);
    return told(alert, decision, rule, timeMs, context);
  }
  if (name === 'give-up' && alert.status === 'stale')
    return told(alert, resolve(alert, timeMs, 'given-up'), rule, timeMs, context);
  return NOTHING;
}

/** The version, where there is one, and the timers that the alert needs as it stands. */
function told(
  alert: AudienceAlert,
  decision: AudienceDecision,
  rule: AudienceRule,
  timeMs: number,
  { configHash }: StepContext,
): readonly Effect<QosAlert>[] {
  const effects: Effect<QosAlert>[] = [];
  if (decision.write) {
    const value = audienceRecord(alert, { reason: decision.reason, rule, timeMs, configHash });
    effects.push({ kind: 'forward', value, key: alert.alertId });
  }
  const due = new Map<string, number>();
  const { status } = alert;
  if (status === 'firing' || status === 'pending')
    due.set('unheard', timeMs + rule.staleAfterMs + UNHEARD_MS);
  if (status === 'stale' && (decision.write || decision.reason !== 'cannot-tell'))
    due.set('give-up', timeMs + rule.giveUpAfterMs);
  if (status === 'resolved') due.set('forget', (alert.endsAtMs ?? timeMs) + rule.coolDownMs);
  for (const name of TIMERS) {
    const dueMs = due.get(name);
    if (dueMs !== undefined) effects.push({ kind: 'schedule', name, dueMs: Math.max(dueMs, timeMs + 1) });
    else if (name !== 'give-up' || status !== 'stale') effects.push({ kind: 'cancel', name });
  }
  return effects;
}

const TIMERS = ['unheard', 'give-up', 'forget'] as const;

/** Two windows without a word are two too many. */
const UNHEARD_MS = 20_000;

function measure(alert: AudienceAlert, finding: Finding): void {
  alert.permille = finding.permille;
  alert.audience = finding.audience;
  alert.affected = finding.affected;
  alert.affectedPermille = finding.affectedPermille;
  if (finding.standing !== 'bad') return;
  alert.worstPermille = Math.max(alert.worstPermille, finding.permille);
  alert.affectedMost = Math.max(alert.affectedMost, finding.affected);
  if (CLARITY.indexOf(finding.verdict) >= CLARITY.indexOf(alert.verdict)) {
    alert.verdict = finding.verdict;
    alert.defectIds = [...finding.defectIds];
  }
  alert.explains = [...finding.explains];
}

function newAlert(finding: Finding, rule: AudienceRule, timeMs: number): AudienceAlert {
  const fingerprint = hash64(rule.alertName, 'audience', finding.scope);
  return {
    alertId: hash64(fingerprint, finding.windowStartMs),
    fingerprint,
    version: 0,
    status: 'pending',
    toldStatus: '',
    rule: finding.rule,
    scope: finding.scope,
    severity: severityFor(rule, finding.permille),
    startsAtMs: finding.windowStartMs,
    badSinceMs: timeMs,
    firedAtMs: null,
    endsAtMs: null,
    goodSinceMs: null,
    blindSinceMs: null,
    occurrences: 1,
    permille: 0,
    worstPermille: 0,
    audience: 0,
    affected: 0,
    affectedMost: 0,
    affectedPermille: 0,
    verdict: 'undetermined',
    defectIds: [],
    explains: [],
    because: '',
  };
}

function resolve(alert: AudienceAlert, timeMs: number, reason: AudienceReason): AudienceDecision {
  alert.status = 'resolved';
  alert.endsAtMs = timeMs;
  return yes(reason);
}

function yes(reason: AudienceReason): AudienceDecision {
  return { write: true, reason };
}

function no(reason: NoAudienceReason): AudienceDecision {
  return { write: false, reason };
}
