/**
 * Rules by which cohorts of viewers become alerts. Each measures a share (thousandths) of a cohort in one window; what a
 * rule says may be changed by the configuration in force, under `audienceAlerts`.
 *
 * @example
 * { "audienceAlerts": { "rebuffering-high": { "firePermille": 30, "audienceMin": 200 } } }
 */
import { STARTUP_BOUNDS_MS } from '../cohorts/sums.ts';
import { integerFault, isObject } from '../settings-check.ts';
import type { AlertSeverity } from './stream-alert-rules.ts';

export const AUDIENCE_RULES = [
  'score-low',
  'rebuffering-high',
  'start-failure-high',
  'playback-failure-high',
  'startup-slow',
  'audience-vanished',
  'telemetry-missing',
] as const;
export type AudienceRuleName = (typeof AUDIENCE_RULES)[number];

/** Durations in milliseconds of log time; shares in thousandths. */
export type AudienceRule = {
  /** 0 switches the rule off. */
  readonly enabled: number;
  /** As subscribers route by it. */
  readonly alertName: string;
  /** What the share is, for a person: completes "12.3 % ...". */
  readonly title: string;
  /** Bad from this share on. */
  readonly firePermille: number;
  /** Good again up to this one; between the two nothing changes. */
  readonly clearPermille: number;
  /** Critical from this share on. */
  readonly criticalPermille: number;
  /** Least number of what the share is of: viewers, starts or ends. Below it nobody can tell. */
  readonly audienceMin: number;
  /** Least number of viewers that have it. */
  readonly affectedMin: number;
  /** How long it must be bad before the alert fires. */
  readonly pendingForMs: { readonly warning: number; readonly critical: number };
  /** How long it must be good before the alert is resolved. */
  readonly resolveHoldMs: number;
  /** Trouble within this time after the alert was resolved reopens it instead of raising a new one. */
  readonly coolDownMs: number;
  /** A firing alert of which nobody can tell for this long is stale. */
  readonly staleAfterMs: number;
  /** A stale alert is given up after this. */
  readonly giveUpAfterMs: number;
  /** `startup-slow` only: a start that takes this long or longer is slow, ms; a bound of the startup buckets. */
  readonly slowMs: number;
  readonly runbookUrl: string;
};

export type AudienceAlertConfig = {
  readonly audienceAlerts?: { readonly [rule in AudienceRuleName]?: Partial<AudienceRule> };
};

/** The rules with what the configuration changes: made once for each configuration. */
export function audienceRules(config: unknown): { readonly [rule in AudienceRuleName]: AudienceRule } {
  const changes = (config as AudienceAlertConfig | null | undefined)?.audienceAlerts;
  if (changes === undefined) return RULES;
  const known = BY_CHANGES.get(changes);
  if (known !== undefined) return known;
  const made = Object.fromEntries(
    AUDIENCE_RULES.map((name) => [
      name,
      {
        ...RULES[name],
        ...changes[name],
        pendingForMs: { ...RULES[name].pendingForMs, ...changes[name]?.pendingForMs },
      },
    ]),
  ) as { readonly [rule in AudienceRuleName]: AudienceRule };
  BY_CHANGES.set(changes, made);
  return made;
}

/** Faults of `audienceAlerts`, one sentence for each. */
export function checkAudienceAlerts(given: unknown): readonly string[] {
  if (given === undefined) return [];
  if (!isObject(given)) return ['audienceAlerts has to be an object'];
  const faults: string[] = [];
  for (const [name, rule] of Object.entries(given)) {
    const path = `audienceAlerts.${name}`;
    if (!(AUDIENCE_RULES as readonly string[]).includes(name))
      faults.push(`${path}: no such rule; there are ${AUDIENCE_RULES.join(', ')}`);
    else if (!isObject(rule)) faults.push(`${path} has to be an object`);
    else faults.push(...checkRule(path, rule, RULES[name as AudienceRuleName]));
  }
  return faults;
}

function checkRule(path: string, rule: Record<string, unknown>, usual: AudienceRule): readonly string[] {
  const faults: string[] = [];
  const push = (fault: string | null) => fault !== null && faults.push(fault);
  for (const [name, value] of Object.entries(rule)) {
    const at = `${path}.${name}`;
    const known = Object.hasOwn(usual, name) ? usual[name as keyof AudienceRule] : undefined;
    if (known === undefined) push(`${at}: no such setting; there are ${Object.keys(usual).join(', ')}`);
    else if (typeof known === 'number') push(integerFault(at, value, 0));
    else if (typeof known === 'string') {
      if (typeof value !== 'string') push(`${at} has to be a text, and is ${JSON.stringify(value)}`);
    } else if (!isObject(value)) push(`${at} has to be an object by severity`);
    else {
      for (const [severity, ms] of Object.entries(value)) {
        if (severity !== 'warning' && severity !== 'critical')
          push(`${at}: the key has to be one of warning, critical, and is ${JSON.stringify(severity)}`);
        else push(integerFault(`${at}.${severity}`, ms, 0));
      }
    }
  }
  if (faults.length > 0) return faults;
  const all = { ...usual, ...rule } as AudienceRule;
  if (all.slowMs !== usual.slowMs && !STARTUP_BOUNDS_MS.includes(all.slowMs))
    faults.push(
      `${path}.slowMs is ${all.slowMs}, and has to be one of the bounds ${STARTUP_BOUNDS_MS.join(', ')}`,
    );
  if (all.clearPermille > all.firePermille)
    faults.push(
      `${path}.clearPermille is ${all.clearPermille}, above firePermille, which is ${all.firePermille}`,
    );
  if (all.firePermille < 1)
    faults.push(`${path}.firePermille has to be at least 1, and is ${all.firePermille}`);
  return faults;
}

export function severityFor(rule: AudienceRule, permille: number): AlertSeverity & ('warning' | 'critical') {
  return permille >= rule.criticalPermille ? 'critical' : 'warning';
}

const GENERAL = {
  enabled: 1,
  audienceMin: 20,
  affectedMin: 5,
  // One bad window may be chance; where nearly everybody is hit it is not.
  pendingForMs: { warning: 10_000, critical: 0 },
  resolveHoldMs: 30_000,
  coolDownMs: 300_000,
  staleAfterMs: 60_000,
  giveUpAfterMs: 1_800_000,
  slowMs: 0,
  runbookUrl: '',
} as const;

const RULES: { readonly [rule in AudienceRuleName]: AudienceRule } = {
  'score-low': {
    ...GENERAL,
    alertName: 'AudienceScoreLow',
    title: 'of the score is lost',
    firePermille: 400,
    clearPermille: 300,
    criticalPermille: 600,
  },
  'rebuffering-high': {
    ...GENERAL,
    alertName: 'AudienceRebufferingHigh',
    title: 'of the time is stalled',
    firePermille: 50,
    clearPermille: 20,
    criticalPermille: 200,
  },
  'start-failure-high': {
    ...GENERAL,
    alertName: 'AudienceStartFailureHigh',
    title: 'of the starts fail',
    firePermille: 100,
    clearPermille: 30,
    criticalPermille: 500,
    audienceMin: 10,
  },
  'playback-failure-high': {
    ...GENERAL,
    alertName: 'AudiencePlaybackFailureHigh',
    title: 'of the plays that end fail',
    firePermille: 200,
    clearPermille: 50,
    criticalPermille: 600,
    audienceMin: 10,
  },
  'startup-slow': {
    ...GENERAL,
    alertName: 'AudienceStartupSlow',
    title: 'of the starts are slow',
    firePermille: 300,
    clearPermille: 150,
    criticalPermille: 800,
    audienceMin: 10,
    slowMs: 6_000,
  },
  'audience-vanished': {
    ...GENERAL,
    alertName: 'AudienceVanished',
    title: 'of the viewers are gone',
    // A scoring task that moves to another process takes its viewers along for a while.
    pendingForMs: { warning: 30_000, critical: 20_000 },
    firePermille: 500,
    clearPermille: 200,
    criticalPermille: 800,
  },
  'telemetry-missing': {
    ...GENERAL,
    alertName: 'AudienceTelemetryMissing',
    title: 'of the reports are missing',
    firePermille: 200,
    clearPermille: 50,
    criticalPermille: 900,
  },
};
const BY_CHANGES = new WeakMap<object, { readonly [rule in AudienceRuleName]: AudienceRule }>();
