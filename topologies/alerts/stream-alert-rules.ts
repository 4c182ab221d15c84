/**
 * Rules by which defects of streams become alerts. One rule for each defect type; what a rule says may be changed by the
 * configuration in force, under `streamAlerts`.
 *
 * @example
 * { "streamAlerts": { "audio-silence": { "pendingForMs": { "medium": 10000 } } } }
 */
import { SEVERITIES, type Severity } from '../detectors/stream-step.ts';
import { integerFault, isObject } from '../settings-check.ts';

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

/** Faults of `streamAlerts`, one sentence for each. Any defect type may have a rule: detectors may come that are not here yet. */
export function checkStreamAlerts(given: unknown): readonly string[] {
  if (given === undefined) return [];
  if (!isObject(given)) return ['streamAlerts has to be an object'];
  const faults: string[] = [];
  for (const [type, rule] of Object.entries(given)) {
    if (isObject(rule)) checkRule(`streamAlerts.${type}`, rule, faults);
    else faults.push(`streamAlerts.${type} has to be an object`);
  }
  return faults;
}

function checkRule(path: string, rule: Record<string, unknown>, faults: string[]): void {
  const known = generalRule('');
  for (const [name, value] of Object.entries(rule)) {
    const at = `${path}.${name}`;
    const usual = Object.hasOwn(known, name) ? known[name as keyof StreamAlertRule] : undefined;
    if (usual === undefined)
      faults.push(`${at}: no such setting; there are ${Object.keys(known).join(', ')}`);
    else if (name === 'severityMin') checkWord(at, value, SEVERITIES, faults);
    else if (name === 'severityOf') {
      for (const [severity, word] of bySeverity(at, value, faults))
        checkWord(`${at}.${severity}`, word, ALERT_SEVERITIES, faults);
    } else if (name === 'pendingForMs') {
      for (const [severity, ms] of bySeverity(at, value, faults))
        pushIf(integerFault(`${at}.${severity}`, ms, 0), faults);
    } else if (typeof usual === 'number') pushIf(integerFault(at, value, 0), faults);
    else if (typeof value !== 'string')
      faults.push(`${at} has to be a text, and is ${JSON.stringify(value)}`);
  }
}

const ALERT_SEVERITIES: readonly AlertSeverity[] = ['info', 'warning', 'critical'];

function bySeverity(path: string, value: unknown, faults: string[]): readonly (readonly [string, unknown])[] {
  if (!isObject(value)) {
    faults.push(`${path} has to be an object by severity`);
    return [];
  }
  const entries = Object.entries(value);
  for (const [severity] of entries) checkWord(`${path}: the key`, severity, SEVERITIES, faults);
  return entries;
}

function checkWord(path: string, value: unknown, words: readonly string[], faults: string[]): void {
  if (!words.includes(value as string))
    faults.push(`${path} has to be one of ${words.join(', ')}, and is ${JSON.stringify(value)}`);
}

function pushIf(fault: string | null, faults: string[]): void {
  if (fault !== null) faults.push(fault);
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
  'video-flat': { ...GENERAL, alertName: 'StreamVideoFlat', title: 'one even colour' },
  'video-freeze': { ...GENERAL, alertName: 'StreamVideoFreeze', title: 'a frozen picture' },
  'audio-silence': {
    ...GENERAL,
    alertName: 'StreamAudioSilence',
    title: 'silence',
    // Two seconds of silence are common in drama and in speeches; what goes on is not.
    pendingForMs: { ...GENERAL.pendingForMs, medium: 2_000 },
  },
  'video-missing': { ...GENERAL, alertName: 'StreamVideoMissing', title: 'no pictures' },
  'video-frame-drop': {
    ...GENERAL,
    alertName: 'StreamVideoFrameDrop',
    title: 'dropped pictures',
    // One hiccup of half a second is on the record, and wakes nobody; what goes on does.
    pendingForMs: { ...GENERAL.pendingForMs, medium: 3_000 },
  },
  'video-decode-error': { ...GENERAL, alertName: 'StreamVideoDecodeError', title: 'damaged pictures' },
  'audio-missing': { ...GENERAL, alertName: 'StreamAudioMissing', title: 'no sound track' },
  'audio-channel-lost': {
    ...GENERAL,
    alertName: 'StreamAudioChannelLost',
    title: 'sound from one side only',
    // A mix may put everything to one side for a moment; a cable that is out stays out.
    pendingForMs: { ...GENERAL.pendingForMs, medium: 3_000 },
  },
  'audio-clipping': { ...GENERAL, alertName: 'StreamAudioClipping', title: 'clipped sound' },
  'audio-phase-inverted': {
    ...GENERAL,
    alertName: 'StreamAudioPhaseInverted',
    title: 'left and right in opposite phase: silence for who listens in mono',
  },
  'audio-loudness': {
    ...GENERAL,
    alertName: 'StreamAudioLoudness',
    title: 'sound far from its loudness target',
    // A nuisance, and seldom a fault of the chain: nobody is woken up for it.
    severityOf: { low: 'info', medium: 'info', high: 'warning', critical: 'warning' },
  },
  'av-sync-offset': { ...GENERAL, alertName: 'StreamAvSyncOffset', title: 'sound and pictures apart' },
  'caption-missing': {
    ...GENERAL,
    alertName: 'StreamCaptionMissing',
    title: 'no captions',
    severityOf: { low: 'info', medium: 'info', high: 'warning', critical: 'warning' },
  },
  'pts-discontinuity': {
    ...GENERAL,
    alertName: 'StreamPtsDiscontinuity',
    title: 'a clock that stepped',
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
