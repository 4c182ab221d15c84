/**
 * `manifest-stale`: a live playlist answers and shows nothing new for more than twice its target duration; of a DASH manifest,
 * no new segment (definitions, section 1). It begins where what was listed last ends, and is over with one update.
 *
 * Told of the playlist that is decoded; of another one only when it stands still while that one moves on: an encoder that
 * stopped is one defect, not one for each rung.
 */
import type { Effect } from '../../runtime/topology.ts';
import type { Transition, TransportStep } from './stream-step.ts';
import { type Variant, variantsIn } from './transport-columns.ts';
import {
  closeWallRun,
  goOn,
  openWallRun,
  type WallRun,
  type WallRuns,
  type WallType,
  wallDetector,
} from './wall-run.ts';

const TYPE = 'manifest-stale';

const DEFAULTS = {
  /** Unchanged for more than so many thousandths of the target duration. */
  unchangedPermilleMin: 2_000,
  /** A playlist that fails for this long is no longer stale but gone, ms. */
  failingMsMax: 5_000,
  /** Severity rises from medium to high, and to critical, at these durations. */
  highAfterMs: 30_000,
  criticalAfterMs: 60_000,
};

export const manifestStale = wallDetector({ type: TYPE, defaults: DEFAULTS, typeWith, onFacts });

function onFacts(state: WallRuns, { chunk, evidence }: TransportStep, settings: typeof DEFAULTS) {
  const type = typeWith(settings);
  const atMs = chunk.decodedAtMs;
  const variants = variantsIn(chunk);
  const own = variants.find(({ isOwn }) => isOwn) ?? null;
  const limitMs = Math.trunc((chunk.targetDurationMs * settings.unchangedPermilleMin) / 1_000);
  const effects: Effect<Transition>[] = [];
  for (const variant of variants) {
    const run = state.runs.get(variant.id);
    if (run !== undefined) {
      const ended = endOf(run, variant, atMs, settings);
      if (ended === null) {
        effects.push(
          ...goOn(type, run, atMs, (durationMs) => reasonOf(durationMs, variant, chunk.targetDurationMs)),
        );
      } else {
        effects.push(closeWallRun(type, run, ended.atMs, ended.cause, ended.sentence));
        state.runs.delete(variant.id);
      }
      continue;
    }
    const { unchangedMs, surelyUnchangedMs, failingMs, renditionId } = variant;
    if (unchangedMs === null || failingMs > 0 || limitMs === 0 || surelyUnchangedMs <= limitMs) continue;
    if (!variant.isOwn && isBehindToo(own, unchangedMs, chunk.targetDurationMs)) continue;
    const begin = {
      renditionId,
      liveMs: chunk.basePtsMs,
      atMs,
      sinceMs: unchangedMs,
      offset: evidence.offset,
    };
    const opened = openWallRun(type, begin, reasonOf(unchangedMs, variant, chunk.targetDurationMs));
    state.runs.set(variant.id, opened.run);
    effects.push(opened.effect);
  }
  return effects;
}

/** Whether a run ends with these facts, when, and why; null when it goes on. */
function endOf(run: WallRun, { unchangedMs, failingMs }: Variant, atMs: number, settings: typeof DEFAULTS) {
  if (unchangedMs === null)
    return { atMs, cause: 'recovered', sentence: 'the playlist says that it has ended' } as const;
  const changedAtMs = atMs - unchangedMs;
  if (changedAtMs > run.startAtMs)
    return { atMs: changedAtMs, cause: 'recovered', sentence: 'the playlist shows something new' } as const;
  if (failingMs < settings.failingMsMax) return null;
  return {
    atMs: atMs - failingMs,
    cause: 'not-seen',
    sentence: 'the playlist does not answer any more',
  } as const;
}

/** The one that is decoded stands still as well, or did when both were loaded last. */
function isBehindToo(own: Variant | null, unchangedMs: number, targetDurationMs: number): boolean {
  if (own === null || own.unchangedMs === null || own.failingMs > 0) return false;
  return own.unchangedMs + targetDurationMs >= unchangedMs;
}

function reasonOf(durationMs: number, { id, isOwn }: Variant, targetDurationMs: number): string {
  const which = isOwn ? 'the playlist' : `the playlist of ${id}`;
  return `${which} answers and shows nothing new for ${durationMs} ms, with a target duration of ${targetDurationMs} ms`;
}

function typeWith({ highAfterMs, criticalAfterMs }: typeof DEFAULTS): WallType {
  return {
    type: TYPE,
    severityAt: (durationMs, { renditionId }) =>
      durationMs >= criticalAfterMs && renditionId === null
        ? 'critical'
        : durationMs >= highAfterMs
          ? 'high'
          : 'medium',
  };
}
