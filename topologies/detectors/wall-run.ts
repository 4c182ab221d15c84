/**
 * Defects that last in the time of the wall and not in that of pictures: nothing new is listed, a playlist does not answer.
 * On the presentation timeline such a defect begins where what came before it ends, and lasts there as long as it did on the
 * wall: what should have been published meanwhile came late, or not at all.
 */
import { map, oneOf, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { Detector } from './sample-detector.ts';
import { settingsFor } from './settings.ts';
import {
  type CloseCause,
  SEVERITIES,
  type Severity,
  type StreamStep,
  type Transition,
  type TransportStep,
} from './stream-step.ts';

const wallRun = struct({
  /** Null for the stream's own rendition. */
  renditionId: 'string?',
  startMs: 'long',
  /** Unix time by the probe's clock at which it began, and at which it was seen last. */
  startAtMs: 'long',
  lastAtMs: 'long',
  severity: oneOf(...SEVERITIES),
  offset: 'long',
});
export type WallRun = StateOf<(typeof wallRun)['fields']>;

export type WallType = {
  readonly type: string;
  /** Severity of a defect that has lasted so long, ms. */
  severityAt(durationMs: number, run: Readonly<WallRun>): Severity;
};

const FIELDS = { runs: map(wallRun) } as const;
/** By the id of the variant. */
export type WallRuns = StateOf<typeof FIELDS>;

export type WallDetector<Settings extends { [name: string]: number }> = {
  readonly type: string;
  readonly defaults: Settings;
  readonly typeWith: (settings: Settings) => WallType;
  readonly onFacts: (
    state: WallRuns,
    step: TransportStep,
    settings: Settings,
  ) => readonly Effect<Transition>[];
};

/** A detector with one run for each variant, by what a probe tells of its manifest. */
export function wallDetector<Settings extends { [name: string]: number }>(
  detector: WallDetector<Settings>,
): Detector {
  const { type, defaults, typeWith, onFacts } = detector;
  const reducer: Reducer<WallRuns, StreamStep | TransportStep, Transition> = {
    name: type,
    state: structCodec({ version: 1, fields: FIELDS }),
    init: () => ({ runs: new Map() }),
    step(state, input, { config }) {
      if (input.kind === 'timer') return NOTHING;
      const given = input.value;
      if (given.kind === 'features') return NOTHING;
      const settings = settingsFor(config, type, defaults, given.scope);
      if (given.kind === 'transport') return onFacts(state, given, settings);
      // A decoder that died or starves says nothing about the manifest.
      if (given.why === 'signal-lost' || given.why === 'probe-lost') return NOTHING;
      const wallType = typeWith(settings);
      const effects: Effect<Transition>[] = [...state.runs.values()].map((run) =>
        closeWallRun(wallType, run, run.lastAtMs, given.why, given.sentence),
      );
      state.runs.clear();
      return given.why === 'retired' ? [...effects, { kind: 'forget' }] : effects;
    },
  };
  return { type, defaults, reducer, judging: reducer, watches: () => true };
}

/** Opens a run that began `sinceMs` before `atMs`; `liveMs` is the presentation time that was live at `atMs`. */
export function openWallRun(
  type: WallType,
  begin: {
    readonly renditionId: string | null;
    readonly liveMs: number;
    readonly atMs: number;
    readonly sinceMs: number;
    readonly offset: number;
  },
  reason: string,
): { readonly run: WallRun; readonly effect: Effect<Transition> } {
  const { renditionId, liveMs, atMs, sinceMs, offset } = begin;
  const startMs = Math.max(0, liveMs - sinceMs);
  const run: WallRun = {
    renditionId,
    startMs,
    startAtMs: atMs - sinceMs,
    lastAtMs: atMs,
    severity: 'low',
    offset,
  };
  run.severity = type.severityAt(sinceMs, run);
  return { run, effect: told(type, run, 'open', null, reason) };
}

/** It goes on at `atMs`: an update where that makes it worse. */
export function goOn(
  type: WallType,
  run: WallRun,
  atMs: number,
  reason: (durationMs: number) => string,
): readonly Effect<Transition>[] {
  run.lastAtMs = Math.max(run.lastAtMs, atMs);
  const durationMs = run.lastAtMs - run.startAtMs;
  const severity = type.severityAt(durationMs, run);
  if (SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(run.severity)) return [];
  run.severity = severity;
  return [told(type, run, 'update', null, reason(durationMs))];
}

/** It ended at `atMs`. */
export function closeWallRun(
  type: WallType,
  run: WallRun,
  atMs: number,
  cause: CloseCause,
  sentence: string,
): Effect<Transition> {
  run.lastAtMs = Math.max(run.startAtMs, atMs);
  const endMs = run.startMs + run.lastAtMs - run.startAtMs;
  return told(type, run, 'close', endMs, `${cause}: ${sentence}`);
}

function told(
  { type }: WallType,
  run: Readonly<WallRun>,
  kind: 'open' | 'update' | 'close',
  endMs: number | null,
  reason: string,
): Effect<Transition> {
  const durationMs = run.lastAtMs - run.startAtMs;
  const value: Transition = {
    kind,
    type,
    trackId: '',
    renditionId: run.renditionId,
    atMs: run.startMs + durationMs,
    startMs: run.startMs,
    endMs,
    durationMs,
    minMs: 0,
    joinMs: 0,
    severity: run.severity,
    confidencePermille: 1_000,
    reason,
    evidenceFirstOffset: run.offset,
  };
  return { kind: 'forward', value };
}
