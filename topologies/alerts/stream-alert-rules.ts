/**
 * Rules by which defects of streams become alerts. One rule for each defect type; what a rule says may be changed by the
 * configuration in force, under `streamAlerts`.
 *
 * @example
 * { "streamAlerts": { "audio-silence": { "pendingForMs": { "medium": 10000 } } } }
 */
import type { Severity } from '../detectors/stream-step.ts';

export type AlertSeverity = 'info' | 'warning' | 'critical';

/** Durations in milliseconds of log time. */
export type StreamAlertRule = {
  /** As subscribers route by it. */
  readonly alertName: string;
  /** What broke, for a person: completes "… shows". */
  readonly title: string;
  /** Defects below this severity are not alerted on. */
  readonly severityMin: Severity;
  readonly severityOf: { readonly [S in Severity]: AlertSeverity };
  /**
   * How long a defect must last, beyond the time that its detector needed, before the alert fires; by the defect's
   * severity, so that one which grows worse fires at once.
   */
  readonly pendingForMs: { readonly [S in Severity]: number };
  /** How long everything must be good before the alert is resolved: a defect in between is the same trouble. */
  readonly resolveHoldMs: number;
  /** A defect within this time after the alert was resolved reopens it instead of raising a new one. */
  readonly reopenWithinMs: number;
  /** A stale alert is given up after this. */
  readonly staleAfterMs: number;
  /** What to do; empty for none. */
  readonly runbookUrl: string;
};

/** What the configuration may say of a rule: any part of it. */
export type StreamAlertConfig = {
  readonly streamAlerts?: { readonly [defectType: string]: Partial<StreamAlertRule> };
};

/** The rule for a defect type, with what the configuration changes. Every type has one: an unknown type gets the general. */
export function ruleFor(config: unknown, defectType: string): StreamAlertRule {
  const base = RULES[defectType] ?? generalRule(defectType);
  const changes = (config as StreamAlertConfig | null)?.streamAlerts?.[defectType];
  if (changes === undefined) return base;
  return {
    ...base,
    ...changes,
    severityOf: { ...base.severityOf, ...changes.severityOf },
    pendingForMs: { ...base.pendingForMs, ...changes.pendingForMs },
  };
}

const GENERAL = {
  severityMin: 'low',
  severityOf: { low: 'info', medium: 'warning', high: 'critical', critical: 'critical' },
  // A hold that is probably meant has to last; a defect that its detector is sure of has only to outlive a hiccup.
  pendingForMs: { low: 10_000, medium: 1_000, high: 0, critical: 0 },
  resolveHoldMs: 5_000,
  reopenWithinMs: 60_000,
  staleAfterMs: 10 * 60_000,
  runbookUrl: '',
} as const;

const RULES: { readonly [defectType: string]: StreamAlertRule } = {
  'video-black': { ...GENERAL, alertName: 'StreamVideoBlack', title: 'black pictures' },
  'video-freeze': { ...GENERAL, alertName: 'StreamVideoFreeze', title: 'a frozen picture' },
  'audio-silence': {
    ...GENERAL,
    alertName: 'StreamAudioSilence',
    title: 'silence',
    // Two seconds of silence are common in drama and in speeches; what goes on is not.
    pendingForMs: { ...GENERAL.pendingForMs, medium: 2_000 },
  },
  'signal-lost': { ...GENERAL, alertName: 'StreamSignalLost', title: 'no signal' },
  'probe-lost': {
    ...GENERAL,
    alertName: 'StreamProbeLost',
    title: 'nothing, because its probe is down',
    pendingForMs: { ...GENERAL.pendingForMs, medium: 10_000 },
  },
};

/** StreamVideoBlur for video-blur. */
function generalRule(defectType: string): StreamAlertRule {
  const words = defectType.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return { ...GENERAL, alertName: `Stream${words.join('')}`, title: defectType };
}
