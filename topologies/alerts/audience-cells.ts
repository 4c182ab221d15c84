/** What audience rules look at: a few sums of each leaf in a window, and the cohorts (scopes) that a leaf is in. */
import { compareKeys } from '../../runtime/key-order.ts';
import { type StateOf, struct } from '../../runtime/struct-codec.ts';
import type { CohortWindow } from '../../schemas/records.ts';
import { OTHER } from '../cohorts/leaf.ts';
import { STARTUP_BOUNDS_MS } from '../cohorts/sums.ts';
import type { AudienceRule, AudienceRuleName } from './audience-rules.ts';

export const LEAF_SUMS = struct({
  sessions: 'long',
  concurrent: 'long',
  scoredSessions: 'long',
  /** Points lost by them together. */
  lostPoints: 'long',
  /** Scored under 50. */
  lowScores: 'long',
  /** Attempts that were decided: played, failed, left, unknown. */
  decided: 'long',
  vsfTechnical: 'long',
  endedPlays: 'long',
  vpfTechnical: 'long',
  startupCount: 'long',
  slowStarts: 'long',
  playingMs: 'long',
  /** Without stalls after a seek. */
  stallMs: 'long',
  stalledSessions: 'long',
  eventCount: 'long',
  eventsLost: 'long',
  exposedMs: 'long',
  coveredMs: 'long',
  /** Usual viewers, thousandths: what `audience-vanished` holds the present against. */
  usualViewersMilli: 'long',
});

export type LeafSums = StateOf<(typeof LEAF_SUMS)['fields']>;

export const NO_LEAF_SUMS: Readonly<LeafSums> = Object.freeze({
  sessions: 0,
  concurrent: 0,
  scoredSessions: 0,
  lostPoints: 0,
  lowScores: 0,
  decided: 0,
  vsfTechnical: 0,
  endedPlays: 0,
  vpfTechnical: 0,
  startupCount: 0,
  slowStarts: 0,
  playingMs: 0,
  stallMs: 0,
  stalledSessions: 0,
  eventCount: 0,
  eventsLost: 0,
  exposedMs: 0,
  coveredMs: 0,
  usualViewersMilli: 0,
});

const LOW_SCORE_BUCKET = 10;

/** Of a merged window; `slowMs` as the rule `startup-slow` has it. */
export function leafSumsOf(window: CohortWindow, slowMs: number): LeafSums {
  const { scoreBuckets, scoreBucketCounts, startupBuckets, startupBucketCounts } = window;
  const counted = (
    buckets: readonly number[],
    counts: readonly number[],
    isIn: (bucket: number) => boolean,
  ) => buckets.reduce((sum, bucket, i) => (isIn(bucket) ? sum + counts[i]! : sum), 0);
  return {
    sessions: window.sessions,
    concurrent: window.concurrent,
    scoredSessions: window.scoredSessions,
    lostPoints: 100 * window.scoredSessions - window.scoreSum,
    lowScores: counted(scoreBuckets, scoreBucketCounts, (bucket) => bucket < LOW_SCORE_BUCKET),
    decided: window.plays + window.vsfTechnical + window.vsfBusiness + window.ebvs + window.unknownOutcomes,
    vsfTechnical: window.vsfTechnical,
    endedPlays: window.endedPlays,
    vpfTechnical: window.vpfTechnical,
    startupCount: window.startupCount,
    slowStarts: counted(
      startupBuckets,
      startupBucketCounts,
      (bucket) => (STARTUP_BOUNDS_MS[bucket] ?? Number.MAX_SAFE_INTEGER) >= slowMs,
    ),
    playingMs: window.playingMs,
    stallMs: Math.max(0, window.stallMs - window.stallMsSeek),
    stalledSessions: window.stalledSessions,
    eventCount: window.eventCount,
    eventsLost: window.eventsLost,
    exposedMs: window.exposedMs,
    coveredMs: window.coveredMs,
    usualViewersMilli: 0,
  };
}

const NAMES = Object.keys(NO_LEAF_SUMS) as readonly (keyof LeafSums)[];

export function addLeafSums(into: LeafSums, other: Readonly<LeafSums>): void {
  for (const name of NAMES) into[name] += other[name];
}

/** A share: `part` of `whole`. Both add up over leaves. */
export type Measure = {
  readonly part: number;
  readonly whole: number;
  /** How many the share is of: viewers, starts or ends. */
  readonly audience: number;
  /** Viewers that have it. */
  readonly affected: number;
};

/** What a rule measures; `start-failure-high` and the like are sums over sums (definitions, section 3). */
export const MEASURES: { readonly [rule in AudienceRuleName]: (sums: Readonly<LeafSums>) => Measure } = {
  'score-low': ({ lostPoints, scoredSessions, lowScores }) => ({
    part: lostPoints,
    whole: 100 * scoredSessions,
    audience: scoredSessions,
    affected: lowScores,
  }),
  'rebuffering-high': ({ stallMs, playingMs, sessions, stalledSessions }) => ({
    part: stallMs,
    whole: playingMs + stallMs,
    audience: sessions,
    affected: stalledSessions,
  }),
  'start-failure-high': ({ vsfTechnical, decided }) => ({
    part: vsfTechnical,
    whole: decided,
    audience: decided,
    affected: vsfTechnical,
  }),
  'playback-failure-high': ({ vpfTechnical, endedPlays }) => ({
    part: vpfTechnical,
    whole: endedPlays,
    audience: endedPlays,
    affected: vpfTechnical,
  }),
  'startup-slow': ({ slowStarts, startupCount }) => ({
    part: slowStarts,
    whole: startupCount,
    audience: startupCount,
    affected: slowStarts,
  }),
  'audience-vanished': ({ usualViewersMilli, concurrent }) => ({
    part: usualViewersMilli - 1_000 * concurrent,
    whole: usualViewersMilli,
    audience: Math.floor(usualViewersMilli / 1_000),
    affected: Math.floor(usualViewersMilli / 1_000) - concurrent,
  }),
  // A session weighs as much as a thousandth of a report: where nobody reports anything, all is missing.
  'telemetry-missing': ({ eventCount, eventsLost, sessions }) => ({
    part: 1_000 * eventsLost + sessions,
    whole: 1_000 * (eventCount + eventsLost) + sessions,
    audience: sessions,
    affected: sessions,
  }),
};

/** Thousandths, 0 to 1000; 0 where there is nothing to have a share of. */
export function permilleOf({ part, whole }: Measure): number {
  if (whole <= 0 || part <= 0) return 0;
  return Math.min(1_000, Math.floor((part * 1_000) / whole));
}

export type Standing = 'bad' | 'good' | 'between' | 'blind';

export function standingOf(measure: Measure, rule: AudienceRule): Standing {
  if (measure.audience < rule.audienceMin || measure.whole <= 0) return 'blind';
  const permille = permilleOf(measure);
  if (permille >= rule.firePermille && measure.affected >= rule.affectedMin) return 'bad';
  return permille <= rule.clearPermille ? 'good' : 'between';
}

/** In the order in which one is named where two are the same viewers. */
const DIMENSIONS = ['programme', 'cdn', 'asn', 'country', 'device', 'playerVersion', 'all'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** A cohort: everybody, or those who have one value in one dimension. */
export type Scope = { readonly dimension: Dimension; readonly value: string };

const EVERYBODY: Scope = { dimension: 'all', value: '' };

function scopeKeyOf({ dimension, value }: Scope): string {
  return dimension === 'all' ? 'all' : `${dimension}=${value}`;
}

export function scopeFrom(key: string): Scope {
  const at = key.indexOf('=');
  if (at < 0) return EVERYBODY;
  return { dimension: key.slice(0, at) as Dimension, value: key.slice(at + 1) };
}

/** Keys of the cohorts that a leaf is in; values that are not known, and `other`, are none. */
export function scopesOf(leaf: {
  readonly programmeId: string;
  readonly cdn: string;
  readonly asn: number | null;
  readonly country: string;
  readonly deviceClass: string;
  readonly playerVersion: string;
  readonly other: boolean;
}): readonly string[] {
  const keys = ['all'];
  const add = (dimension: Dimension, value: string) => {
    if (value !== '' && value !== 'unknown' && !(leaf.other && value === OTHER))
      keys.push(scopeKeyOf({ dimension, value }));
  };
  add('programme', leaf.programmeId);
  add('cdn', leaf.cdn);
  add('asn', leaf.asn === null ? '' : String(leaf.asn));
  add('country', leaf.country);
  add('device', leaf.deviceClass);
  add('playerVersion', leaf.playerVersion);
  return keys;
}

/** By dimension, then by value. */
export function compareScopes(a: string, b: string): number {
  const order = DIMENSIONS.indexOf(scopeFrom(a).dimension) - DIMENSIONS.indexOf(scopeFrom(b).dimension);
  return order || compareKeys(a, b);
}
