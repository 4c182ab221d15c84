/**
 * `rendition-missing`: a variant that is declared, or was, cannot be had for two reloads in a row: its playlist does not
 * answer or is garbage, or the manifest does not name it any more (definitions, section 1). Where nothing answers at all the
 * origin is gone, and not a rendition.
 */
import { type Effect, NOTHING } from '../../runtime/topology.ts';
import type { Transition, TransportStep } from './stream-step.ts';
import { isAnswer, statusText, type Variant, variantsIn } from './transport-columns.ts';
import { closeWallRun, goOn, openWallRun, type WallRuns, type WallType, wallDetector } from './wall-run.ts';

const TYPE = 'rendition-missing';

const DEFAULTS = {
  /** Reloads in a row without it. */
  reloadsMin: 2,
  /** Severity rises from medium to high at this duration; that of the variant which is decoded is high at once. */
  highAfterMs: 60_000,
};

export const renditionMissing = wallDetector({ type: TYPE, defaults: DEFAULTS, typeWith, onFacts });

function onFacts(state: WallRuns, { chunk, evidence }: TransportStep, settings: typeof DEFAULTS) {
  const variants = variantsIn(chunk);
  // A playlist by itself is no rendition: when it is gone, the signal is lost.
  if (variants.length < 2 && chunk.manifestStatus === 0) return NOTHING;
  const type = typeWith(settings);
  const atMs = chunk.decodedAtMs;
  const answers =
    isAnswer(chunk.manifestStatus) ||
    variants.some(({ failedReloads, status }) => failedReloads === 0 && isAnswer(status));
  const effects: Effect<Transition>[] = [];
  for (const variant of variants) {
    const { id, renditionId, failedReloads, failingMs } = variant;
    const run = state.runs.get(id);
    if (run !== undefined && failedReloads === 0) {
      effects.push(closeWallRun(type, run, atMs, 'recovered', `${id} can be had again`));
      state.runs.delete(id);
    } else if (run !== undefined) {
      effects.push(...goOn(type, run, atMs, () => reasonOf(variant)));
    } else if (answers && failedReloads >= settings.reloadsMin) {
      const begin = {
        renditionId,
        liveMs: chunk.basePtsMs,
        atMs,
        sinceMs: failingMs,
        offset: evidence.offset,
      };
      const opened = openWallRun(type, begin, reasonOf(variant));
      state.runs.set(id, opened.run);
      effects.push(opened.effect);
    }
  }
  return effects;
}

function reasonOf({ id, status, failedReloads }: Variant): string {
  return `${id} cannot be had for ${failedReloads} reloads in a row (${statusText(status)})`;
}

function typeWith({ highAfterMs }: typeof DEFAULTS): WallType {
  return {
    type: TYPE,
    severityAt: (durationMs, { renditionId }) =>
      renditionId === null || durationMs >= highAfterMs ? 'high' : 'medium',
  };
}
