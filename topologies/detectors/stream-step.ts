/** What the reducers of stream detection hand to each other. */

import { list, oneOf, type StateOf, struct } from '../../runtime/struct-codec.ts';
import type { Origin } from '../../runtime/topology.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

/** A stream is a programme seen at a point. */
export type StreamScope = {
  readonly programmeId: string;
  readonly renditionId: string;
  readonly vantage: string;
};

/** State key of a stream: programme, rendition and vantage, with slashes inside them escaped. */
export function streamKeyOf({ programmeId, renditionId, vantage }: StreamScope): string {
  const known = KEYS.get(programmeId);
  if (known !== undefined && known.renditionId === renditionId && known.vantage === vantage) return known.key;
  const key = `${escapePart(programmeId)}/${escapePart(renditionId)}/${escapePart(vantage)}`;
  if (KEYS.size >= KEYS_MAX) KEYS.clear();
  KEYS.set(programmeId, { renditionId, vantage, key });
  return key;
}

/** Keys that were made lately, by programme: the same few come again and again. */
const KEYS = new Map<
  string,
  { readonly renditionId: string; readonly vantage: string; readonly key: string }
>();
const KEYS_MAX = 20_000;

/** Why the features of a stream stop. */
export type Interruption =
  /** The probe says that its input gives nothing. */
  | 'signal-lost'
  /** The probe says that its decoder died. */
  | 'probe-lost'
  /** The probe says nothing at all, for longer than the deadline. */
  | 'probe-silent'
  /** The probe began anew: another timeline. */
  | 'new-probe-run'
  /** The input ended as it should. */
  | 'stream-ended'
  /** Nothing for so long that the stream is given up. */
  | 'retired';

type StepBase = {
  readonly scope: StreamScope;
  readonly probeId: string;
  readonly probeEpochMs: number;
  /** End of what the probe looked at so far, presentation time. */
  readonly coveredToMs: number;
  /** `decodedAtMs` of the record that caused the step; 0 when a deadline did. */
  readonly decodedAtMs: number;
  /** The record that caused the step, or the stream's last one when a deadline did. */
  readonly evidence: Origin;
};

/** What the reducer `chunk-order` hands to every detector: each chunk once and in order, and what broke their row. */
export type StreamStep =
  | (StepBase & {
      readonly kind: 'features';
      readonly chunk: FrameFeatures;
      /** Chunks are missing between the one before and this one. */
      readonly jumped: boolean;
    })
  | (StepBase & {
      readonly kind: 'interrupted';
      readonly why: Interruption;
      /** In words, from the probe where it said any. */
      readonly sentence: string;
      /** Log time of the stream's last chunk of features. */
      readonly lastFeaturesAtMs: number;
    });

/**
 * What the probe saw of the stream's manifest: to those reducers alone that ask for it, in the chunk's columns. `coveredToMs` is
 * how far pictures and sound have come, the chunk's `basePtsMs` what is live.
 */
export type TransportStep = StepBase & { readonly kind: 'transport'; readonly chunk: FrameFeatures };

/** The reducers that are handed it, in this order. */
export const TRANSPORT_READERS: readonly string[] = [
  'manifest-stale',
  'segment-error',
  'rendition-missing',
  'bitrate-drop',
  'precedence',
];

export type Severity = 'low' | 'medium' | 'high' | 'critical';
export const SEVERITIES: readonly Severity[] = ['low', 'medium', 'high', 'critical'];

/** Why a defect closed; first word of the `reason` of every `close`. */
export const CLOSE_CAUSES = [
  /** The detector saw good pictures or samples again. */
  'recovered',
  /** A defect that takes precedence began. */
  'suppressed',
  /** The row of features broke off, or was broken for longer than the detector bridges. */
  'not-seen',
  'signal-lost',
  'probe-lost',
  'probe-silent',
  'new-probe-run',
  'stream-ended',
  'retired',
] as const;
export type CloseCause = (typeof CLOSE_CAUSES)[number];

/** Cause at the head of a closing `reason`; null when there is none. */
export function closeCauseOf(reason: string): CloseCause | null {
  const word = reason.split(':', 1)[0];
  return CLOSE_CAUSES.find((cause) => cause === word) ?? null;
}

/**
 * One step in the life of a defect as its detector sees it, before precedence. Presentation times; a `close` has
 * `endMs`, and a `point` is all of a defect that starts and ends at once. `atMs` is the point of the timeline at which the detector could know, which orders the transitions of all
 * detectors whatever chunks the features came in.
 */
export const transition = struct({
  kind: oneOf('open', 'update', 'close', 'point'),
  type: 'string',
  trackId: 'string',
  atMs: 'long',
  startMs: 'long',
  endMs: 'long?',
  /** Up to `endMs`, or up to the last bad picture or sample. */
  durationMs: 'long',
  /** Least duration of the type: what precedence leaves over has to be as long. */
  minMs: 'long',
  /** A defect that is not closed was bad within this time: its detector waits for more. */
  joinMs: 'long',
  severity: oneOf('low', 'medium', 'high', 'critical'),
  confidencePermille: 'int',
  reason: 'string',
  evidenceFirstOffset: 'long',
  /** Of av-sync-offset; null for other types. */
  offsetMs: 'int?',
  /** Rung of the ladder that shows it, where it is not the one that is decoded. */
  renditionId: 'string?',
});
export const transitions = list(transition);
type KeptTransition = StateOf<(typeof transition)['fields']>;
export type Transition = Readonly<Omit<KeptTransition, 'offsetMs' | 'renditionId'>> & {
  /** By how much sound comes before its pictures, ms; left out by types that do not tell. */
  readonly offsetMs?: number | null;
  /** Rung of the ladder, where it is another one than the stream's own. */
  readonly renditionId?: string | null;
};

/** As it is kept. */
export function kept(told: Transition): KeptTransition {
  return { ...told, offsetMs: told.offsetMs ?? null, renditionId: told.renditionId ?? null };
}

function escapePart(part: string): string {
  if (!part.includes('/') && !part.includes('%')) return part;
  return part.replaceAll('%', '%25').replaceAll('/', '%2F');
}
