/**
 * The engine that every detector of intervals shares. A detector judges samples (pictures or audio blocks) one by one;
 * the engine makes defects of the verdicts:
 *
 * - A run of bad samples opens when `minMs` of it were seen, inclusive; `startMs` is its first bad sample.
 * - A sample stands until the next one, but no longer than its hold: what follows was not seen. Time not seen neither
 *   adds to a run nor breaks it, as long as it is shorter than `suspendMs` (open) or than what was seen (not yet open).
 * - Good samples end a run where the last bad one ended, unless it goes on within `joinMs`.
 * - Everything is decided at a point of the presentation timeline, never at the end of a chunk: the same samples cut
 *   into other chunks give the same transitions.
 *
 * Pure functions over {@link IntervalState}; integers only.
 */
import { nullable, oneOf, type StateOf, struct } from '../../runtime/struct-codec.ts';
import type { Settings } from './settings.ts';
import type { CloseCause, Severity, Transition } from './stream-step.ts';

/** Settings that every detector of intervals has. Durations in milliseconds of presentation time. */
export type IntervalSettings = Settings & {
  /** Least duration of a defect, inclusive. */
  readonly minMs: number;
  /** Good gaps shorter than this do not end a defect. */
  readonly joinMs: number;
  /** An open defect is closed when nothing was seen for this long. */
  readonly suspendMs: number;
  /** Severity rises from medium to high, and to critical, at these durations. */
  readonly highAfterMs: number;
  readonly criticalAfterMs: number;
};

/** Defaults of `suspendMs` and the severities; `minMs` and `joinMs` are each type's own (definitions, section 1). */
export const INTERVAL_DEFAULTS = { suspendMs: 5_000, highAfterMs: 10_000, criticalAfterMs: 60_000 } as const;

export type Judgement =
  | { readonly verdict: 'good' }
  /** Cannot be judged: not watched, never good. */
  | { readonly verdict: 'unknown' }
  | {
      readonly verdict: 'bad';
      /** How sure, thousandths; a defect has the mean over its samples. */
      readonly confidencePermille: number;
      /** The figure that decided, in whatever unit `describe` prints; the run keeps its extremes. */
      readonly figure: number;
      /** The run began earlier than at this sample, as this sample shows; never before what was judged good. */
      readonly sinceMs?: number;
      /** Asks for another `minMs` than the settings', for the run that begins here. */
      readonly minMs?: number;
      /** The run that begins here is of low severity, however long it lasts. */
      readonly harmless?: boolean;
    };

export const GOOD: Judgement = Object.freeze({ verdict: 'good' });
export const UNKNOWN: Judgement = Object.freeze({ verdict: 'unknown' });

const runFields = struct({
  startMs: 'long',
  /** End of the last bad sample. */
  badToMs: 'long',
  seenMs: 'long',
  /** Between bad samples. */
  unseenMs: 'long',
  /** A good sample came after `badToMs`. */
  ended: 'bool',
  open: 'bool',
  harmless: 'bool',
  minMs: 'long',
  severity: oneOf('low', 'medium', 'high', 'critical'),
  samples: 'int',
  confidenceSum: 'long',
  figureMin: 'long',
  figureMax: 'long',
  firstOffset: 'long',
});
export type Run = StateOf<(typeof runFields)['fields']>;

/** Goes up when the meaning of {@link intervalFields} changes. */
export const INTERVAL_VERSION = 1;

export const intervalFields = struct({
  verdict: oneOf('none', 'good', 'bad', 'unknown'),
  sampleStartMs: 'long',
  holdMs: 'long',
  /** Up to here time was accounted for. */
  settledToMs: 'long',
  /** No run begins before this. */
  floorMs: 'long',
  run: nullable(runFields),
});
export type IntervalState = StateOf<(typeof intervalFields)['fields']>;

export function newIntervalState(): IntervalState {
  return { verdict: 'none', sampleStartMs: 0, holdMs: 0, settledToMs: 0, floorMs: 0, run: null };
}

/** What the engine has to know of a type of defect, and where its transitions go. */
export type IntervalContext = {
  readonly type: string;
  readonly trackId: string;
  readonly settings: IntervalSettings;
  /** What was seen, in words and figures: the reason of `open` and `update`. */
  describe(run: Readonly<Run>): string;
  /** Offset of the record that the samples are from. */
  readonly offset: number;
  readonly out: Transition[];
};

/**
 * Takes the next sample, in order of time. One that begins before time already accounted for begins there; one that is
 * over by then came too late and tells nothing. It stands for at most `holdMs` where no next one follows.
 */
export function takeSample(
  state: IntervalState,
  sampleStartMs: number,
  holdMs: number,
  judgement: Judgement,
  context: IntervalContext,
): void {
  if (isTooLate(state, sampleStartMs, holdMs)) return;
  settleTo(state, sampleStartMs, context);
  const startMs = Math.max(sampleStartMs, state.settledToMs);
  if (state.verdict === 'none') state.floorMs = startMs;
  state.verdict = judgement.verdict;
  state.sampleStartMs = startMs;
  state.holdMs = holdMs;
  state.settledToMs = startMs;
  if (judgement.verdict === 'bad') takeBad(state, startMs, judgement, context);
  else if (judgement.verdict === 'good' && state.run !== null) {
    state.run.ended = true;
    endIfOver(state, startMs, context);
  }
}

/** The same for a row of good samples, where no run has begun: only its first and its last one leave a trace. */
export function takeGood(
  state: IntervalState,
  firstStartMs: number,
  lastStartMs: number,
  holdMs: number,
): void {
  if (isTooLate(state, lastStartMs, holdMs)) return;
  if (state.verdict === 'none') state.floorMs = Math.max(firstStartMs, state.settledToMs);
  const startMs = Math.max(lastStartMs, state.settledToMs);
  state.verdict = 'good';
  state.sampleStartMs = startMs;
  state.holdMs = holdMs;
  state.settledToMs = startMs;
}

/** Presentation time went on to `toMs`, and every sample before it was taken. */
export function settleTo(state: IntervalState, toMs: number, context: IntervalContext): void {
  if (state.verdict === 'none' || toMs <= state.settledToMs) return;
  const fromMs = state.settledToMs;
  const heldToMs = state.verdict === 'unknown' ? fromMs : Math.min(toMs, state.sampleStartMs + state.holdMs);
  state.settledToMs = toMs;
  const { run } = state;
  if (run === null) return;
  if (state.verdict === 'bad' && heldToMs > fromMs) extend(run, heldToMs, context);
  endIfOver(state, toMs, context);
}

/** Chunks are missing from here on: the present sample stands no longer. */
export function stopSeeing(state: IntervalState): void {
  if (state.verdict !== 'none') state.verdict = 'unknown';
}

/** The timeline ends: what is open closes where it was last seen, what was not yet open is given up. */
export function breakOff(
  state: IntervalState,
  cause: CloseCause,
  sentence: string,
  atMs: number,
  context: IntervalContext,
): void {
  const { run } = state;
  if (run !== null) {
    const closedAtMs = Math.max(atMs, run.badToMs);
    // It was over, and only waited for more of the same.
    if (run.ended) close(state, 'recovered', 'good again', closedAtMs, context);
    else close(state, cause, sentence, closedAtMs, context);
  }
  Object.assign(state, newIntervalState());
}

function isTooLate({ verdict, settledToMs }: IntervalState, startMs: number, holdMs: number): boolean {
  return verdict !== 'none' && startMs < settledToMs && startMs + holdMs <= settledToMs;
}

function takeBad(
  state: IntervalState,
  atMs: number,
  judgement: Judgement & { verdict: 'bad' },
  context: IntervalContext,
): void {
  const sinceMs = Math.max(Math.min(judgement.sinceMs ?? atMs, atMs), state.floorMs);
  const running = state.run;
  // A sample that began its run after a span that was not seen shows another impairment than the one before.
  const another = running !== null && sinceMs > running.badToMs && sinceMs < atMs;
  if (another) close(state, 'recovered', 'it was another one after a gap', atMs, context);
  if (state.run === null) state.run = newRun(sinceMs, judgement, context);
  const { run } = state;
  const proven = run.ended || sinceMs <= run.badToMs;
  run.ended = false;
  run.samples += 1;
  run.confidenceSum += judgement.confidencePermille;
  run.figureMin = Math.min(run.figureMin, judgement.figure);
  run.figureMax = Math.max(run.figureMax, judgement.figure);
  if (proven) extend(run, atMs, context);
  else {
    run.unseenMs += atMs - run.badToMs;
    run.badToMs = atMs;
  }
}

function newRun(
  startMs: number,
  judgement: Judgement & { verdict: 'bad' },
  { settings, offset }: IntervalContext,
): Run {
  return {
    startMs,
    badToMs: startMs,
    seenMs: 0,
    unseenMs: 0,
    ended: false,
    open: false,
    harmless: judgement.harmless ?? false,
    minMs: judgement.minMs ?? settings.minMs,
    severity: 'low',
    samples: 0,
    confidenceSum: 0,
    figureMin: judgement.figure,
    figureMax: judgement.figure,
    firstOffset: offset,
  };
}

/** The run was bad up to `toMs`: opens it, and raises its severity, at the very points at which that is due. */
function extend(run: Run, toMs: number, context: IntervalContext): void {
  for (;;) {
    announce(run, context);
    if (run.badToMs >= toMs) return;
    const stepMs = Math.min(toMs - run.badToMs, msToNextChange(run, context.settings));
    run.badToMs += stepMs;
    run.seenMs += stepMs;
  }
}

function announce(run: Run, context: IntervalContext): void {
  if (!run.open && run.seenMs < run.minMs) return;
  const severity = severityOf(run, context.settings);
  if (run.open && severity === run.severity) return;
  const kind = run.open ? 'update' : 'open';
  run.open = true;
  run.severity = severity;
  context.out.push(transitionOf(kind, run, run.badToMs, context.describe(run), context));
}

/** Bad time until the run opens or its severity rises; infinite when neither is ahead. */
function msToNextChange(run: Run, settings: IntervalSettings): number {
  if (!run.open) return run.minMs - run.seenMs;
  const durationMs = run.badToMs - run.startMs;
  if (durationMs < settings.highAfterMs) return settings.highAfterMs - durationMs;
  if (durationMs < settings.criticalAfterMs) return settings.criticalAfterMs - durationMs;
  return Number.POSITIVE_INFINITY;
}

function severityOf(run: Run, settings: IntervalSettings): Severity {
  if (run.harmless) return 'low';
  const durationMs = run.badToMs - run.startMs;
  if (durationMs >= settings.criticalAfterMs) return 'critical';
  return durationMs >= settings.highAfterMs ? 'high' : 'medium';
}

function endIfOver(state: IntervalState, atMs: number, context: IntervalContext): void {
  const run = state.run!;
  const { joinMs, suspendMs } = context.settings;
  const goneMs = atMs - run.badToMs;
  if (run.ended) {
    const knownAtMs = Math.max(run.badToMs + joinMs, state.sampleStartMs);
    if (goneMs >= joinMs) close(state, 'recovered', 'good again', knownAtMs, context);
  } else if (run.open) {
    if (goneMs >= suspendMs) {
      close(state, 'not-seen', `nothing was seen for ${suspendMs} ms`, run.badToMs + suspendMs, context);
    }
  } else if (run.unseenMs + goneMs > run.seenMs) close(state, 'not-seen', '', atMs, context);
}

function close(
  state: IntervalState,
  cause: CloseCause,
  sentence: string,
  atMs: number,
  context: IntervalContext,
): void {
  const run = state.run!;
  state.run = null;
  if (!run.open) return;
  state.floorMs = Math.max(state.floorMs, run.badToMs);
  context.out.push(transitionOf('close', run, atMs, `${cause}: ${sentence}`, context));
}

function transitionOf(
  kind: 'open' | 'update' | 'close',
  run: Run,
  atMs: number,
  reason: string,
  { type, trackId, settings }: IntervalContext,
): Transition {
  const watchedMs = run.seenMs + run.unseenMs;
  const sure = Math.floor(run.confidenceSum / run.samples);
  return {
    kind,
    type,
    trackId,
    atMs,
    startMs: run.startMs,
    endMs: kind === 'close' ? run.badToMs : null,
    durationMs: run.badToMs - run.startMs,
    minMs: run.minMs,
    joinMs: settings.joinMs,
    severity: run.severity,
    confidencePermille: watchedMs === 0 ? sure : Math.floor((sure * run.seenMs) / watchedMs),
    reason,
    evidenceFirstOffset: run.firstOffset,
  };
}
