/**
 * What was announced: ad breaks by the manifest (EXT-X-CUE-OUT and -IN, SCTE-35 in EXT-X-DATERANGE or DASH events), time off
 * the air by the configuration. A slate is dark, still and silent on purpose: what a detector finds in it is told with what
 * was announced, and nobody is alerted (definitions, section 1). What outlasts the announcement is an ordinary defect.
 */
import { list, type StateOf, struct } from '../../runtime/struct-codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { isObject } from '../settings-check.ts';
import { type StreamScope, streamKeyOf } from './stream-step.ts';
import { utcMsOf } from './utc-time.ts';

const BREAK = struct({ kind: 'string', startMs: 'long', endMs: 'long' });
/** Presentation times, in the order in which they were announced. */
export const BREAKS = list(BREAK);
export type Break = StateOf<(typeof BREAK)['fields']>;

/** By programme, or by stream as `streamKeyOf` writes it. */
export type OffAirConfig = {
  readonly offAir?: { readonly [stream: string]: readonly { readonly from: string; readonly to: string }[] };
};

/** Pictures and sound are cut a little beside the place that was announced, ms. */
export const BESIDE_MS = 1_000;
/** A break whose end nobody announced, and the longest that is believed, ms. */
const BREAK_MS_MAX = 15 * 60_000;
const BREAKS_MAX = 16;

/** Takes what the manifest announces in these facts. */
export function takeAnnouncements(breaks: Break[], chunk: FrameFeatures): void {
  chunk.markerKind.forEach((kind, i) => {
    const startMs = chunk.basePtsMs + chunk.markerPtsMs[i]!;
    const durationMs = chunk.markerDurationMs[i]!;
    if (kind === 'cue-in') {
      for (const one of breaks) if (one.startMs < startMs && one.endMs > startMs) one.endMs = startMs;
      return;
    }
    if (kind !== 'cue-out' && kind !== 'scte35') return;
    // a splice point without a length, or the announcement of a whole programme
    if (durationMs > BREAK_MS_MAX || (durationMs <= 0 && kind === 'scte35')) return;
    const endMs = startMs + (durationMs <= 0 ? BREAK_MS_MAX : durationMs);
    breaks.push({ kind, startMs, endMs });
    if (breaks.length > BREAKS_MAX) breaks.shift();
  });
}

/** The break in which such a defect that begins at `startMs` is no news; null when it is. */
export function breakAt(breaks: readonly Break[], type: string, startMs: number): Break | null {
  if (!IN_SLATES.has(type)) return null;
  return breaks.find((one) => one.startMs - BESIDE_MS <= startMs && startMs < one.endMs) ?? null;
}

/** What black, still and silent content looks like, and what is not content of the programme. */
const IN_SLATES: ReadonlySet<string> = new Set([
  'video-black',
  'video-flat',
  'video-freeze',
  'video-blur',
  'audio-silence',
  'audio-channel-lost',
  'audio-phase-inverted',
  'av-sync-offset',
  'caption-missing',
  'bitrate-drop',
]);

/** Until when the stream is off the air as declared, Unix ms; null when it is on the air at `timeMs`. */
export function offAirToMs(config: unknown, scope: StreamScope, timeMs: number): number | null {
  const { offAir } = (config ?? {}) as OffAirConfig;
  if (offAir === undefined) return null;
  for (const times of [offAir[scope.programmeId], offAir[streamKeyOf(scope)]]) {
    for (const { from, to } of times ?? []) {
      const [fromMs, toMs] = [utcMsOf(from)!, utcMsOf(to)!];
      if (fromMs - BESIDE_MS <= timeMs && timeMs < toMs) return toMs;
    }
  }
  return null;
}

/** Faults of `offAir`, one sentence for each. */
export function checkOffAir(given: unknown): readonly string[] {
  if (given === undefined) return [];
  if (!isObject(given)) return ['offAir has to be an object by programme'];
  return Object.entries(given).flatMap(([stream, times]) => {
    const path = `offAir.${stream}`;
    if (!Array.isArray(times)) return [`${path} has to be a list of { from, to }`];
    return times.flatMap((time: unknown, i) => faultsOfTime(`${path}.${i}`, time));
  });
}

function faultsOfTime(path: string, time: unknown): readonly string[] {
  if (!isObject(time)) return [`${path} has to be { from, to }`];
  const unknown = Object.keys(time).filter((name) => name !== 'from' && name !== 'to');
  const faults = unknown.map((name) => `${path}.${name}: no such setting; there are from, to`);
  const at = (name: 'from' | 'to'): number | null => {
    const ms = utcMsOf(time[name]);
    if (ms === null)
      faults.push(
        `${path}.${name} has to be a time as 2026-11-22T01:00:00Z, and is ${JSON.stringify(time[name])}`,
      );
    return ms;
  };
  const [fromMs, toMs] = [at('from'), at('to')];
  if (fromMs !== null && toMs !== null && toMs <= fromMs) faults.push(`${path}: "to" has to be after "from"`);
  return faults;
}
