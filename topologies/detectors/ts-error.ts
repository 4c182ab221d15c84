/**
 * `ts-error`: errors of the first priority of ETSI TR 101 290 in a transport stream (definitions, section 1): synchronisation,
 * PAT, continuity, PMT, PID. From the first error to the last one of a row without a second between them; where a table or a
 * PID was absent, from where it was seen last.
 */
import { nullable, oneOf, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { Detector } from './sample-detector.ts';
import type { FeaturesStep } from './samples.ts';
import { settingsFor } from './settings.ts';
import {
  type CloseCause,
  SEVERITIES,
  type Severity,
  type StreamStep,
  type Transition,
} from './stream-step.ts';

const TYPE = 'ts-error';

const DEFAULTS = {
  /** Errors nearer to each other than this are one defect, ms. */
  joinMs: 1_000,
  /** A table that is absent for so long is an error (TR 101 290, 1.3 and 1.5). */
  tableAbsentMsMin: 500,
  /** The same for a PID of pictures or sound (1.6: as the user says). */
  pidAbsentMsMin: 5_000,
  /** From so many errors on, or for so long, it is of high severity. */
  highFromCount: 50,
  highAfterMs: 10_000,
};

const RUN = struct({
  startMs: 'long',
  endMs: 'long',
  count: 'long',
  /** Errors by kind, one bit each: 1 for 11 up to 32 for 16. */
  kinds: 'int',
  severity: oneOf(...SEVERITIES),
  offset: 'long',
});
const FIELDS = { run: nullable(RUN) } as const;
type State = StateOf<typeof FIELDS>;
type Run = StateOf<(typeof RUN)['fields']>;

const reducer: Reducer<State, StreamStep, Transition> = {
  name: TYPE,
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ run: null }),
  step(state, input, { config }) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    if (given.kind === 'interrupted') {
      if (given.why === 'signal-lost' || given.why === 'probe-lost') return NOTHING;
      const effects = close(state, given.why, given.sentence);
      return given.why === 'retired' ? [...effects, { kind: 'forget' }] : effects;
    }
    if (given.chunk.tsErrorPtsMs.length === 0 && state.run === null) return NOTHING;
    return onErrors(state, given, settingsFor(config, TYPE, DEFAULTS, given.scope));
  },
};

export const tsError: Detector = {
  type: TYPE,
  defaults: DEFAULTS,
  reducer,
  judging: reducer,
  watches: () => true,
};

type ErrorAt = {
  readonly startMs: number;
  readonly endMs: number;
  readonly kind: number;
  readonly count: number;
};

function onErrors(
  state: State,
  given: FeaturesStep,
  settings: typeof DEFAULTS,
): readonly Effect<Transition>[] {
  const effects: Effect<Transition>[] = [];
  for (const error of errorsIn(given, settings)) {
    if (state.run !== null && error.startMs - state.run.endMs >= settings.joinMs) {
      effects.push(...close(state, 'recovered', 'no more errors'));
    }
    if (state.run === null) {
      const { startMs, endMs, count, kind } = error;
      const kinds = bitOf(kind);
      const run: Run = { startMs, endMs, count, kinds, severity: 'medium', offset: given.evidence.offset };
      state.run = run;
      run.severity = severityOf(run, settings);
      effects.push(told(run, 'open', null, reasonOf(run)));
    } else {
      effects.push(...extend(state.run, error, settings));
    }
  }
  const { run } = state;
  if (run !== null && given.coveredToMs - run.endMs >= settings.joinMs + LATE_MS) {
    effects.push(...close(state, 'recovered', 'no more errors'));
  }
  return effects;
}

/** In order of time; absences that are short of the limit are none. */
function errorsIn({ chunk }: FeaturesStep, settings: typeof DEFAULTS): readonly ErrorAt[] {
  const found: ErrorAt[] = [];
  for (const [at, offsetMs] of chunk.tsErrorPtsMs.entries()) {
    const kind = chunk.tsErrorKind[at]!;
    const count = chunk.tsErrorCount[at]!;
    const atMs = Math.max(0, chunk.basePtsMs + offsetMs);
    const absentMs = isAbsence(kind, count) ? count : 0;
    const leastMs = kind === 16 ? settings.pidAbsentMsMin : settings.tableAbsentMsMin;
    if (absentMs > 0 && absentMs < leastMs) continue;
    found.push({ startMs: Math.max(0, atMs - absentMs), endMs: atMs, kind, count: absentMs > 0 ? 1 : count });
  }
  return found.sort((a, b) => a.startMs - b.startMs);
}

/** Tables have errors of another kind, too, which are few in a tenth of a second. */
function isAbsence(kind: number, count: number): boolean {
  return kind === 16 || ((kind === 13 || kind === 15) && count >= ABSENT_MS_MIN);
}

function extend(
  run: Run,
  { endMs, count, kind }: ErrorAt,
  settings: typeof DEFAULTS,
): readonly Effect<Transition>[] {
  run.endMs = Math.max(run.endMs, endMs);
  run.count += count;
  run.kinds |= bitOf(kind);
  const severity = severityOf(run, settings);
  if (severity === run.severity) return NOTHING;
  run.severity = severity;
  return [told(run, 'update', null, reasonOf(run))];
}

function close(state: State, cause: CloseCause, sentence: string): readonly Effect<Transition>[] {
  const { run } = state;
  if (run === null) return NOTHING;
  state.run = null;
  return [told(run, 'close', run.endMs, `${cause}: ${sentence}`)];
}

function severityOf(
  { count, startMs, endMs }: Run,
  { highFromCount, highAfterMs }: typeof DEFAULTS,
): Severity {
  return count >= highFromCount || endMs - startMs >= highAfterMs ? 'high' : 'medium';
}

function bitOf(kind: number): number {
  return 1 << Math.max(0, Math.min(5, kind - 11));
}

const NAMES = [
  '1.1 TS_sync_loss',
  '1.2 Sync_byte_error',
  '1.3 PAT_error',
  '1.4 Continuity_count_error',
  '1.5 PMT_error',
  '1.6 PID_error',
];

function reasonOf({ kinds, count }: Run): string {
  const names = NAMES.filter((_name, at) => (kinds & (1 << at)) !== 0);
  return `${count} errors of the first priority of TR 101 290: ${names.join(', ')}`;
}

function told(run: Readonly<Run>, kind: 'open' | 'update' | 'close', endMs: number | null, reason: string) {
  const value: Transition = {
    kind,
    type: TYPE,
    trackId: '',
    atMs: run.endMs,
    startMs: run.startMs,
    endMs,
    durationMs: run.endMs - run.startMs,
    minMs: 0,
    joinMs: 0,
    severity: run.severity,
    confidencePermille: 950,
    reason,
    evidenceFirstOffset: run.offset,
  };
  return { kind: 'forward', value } as const;
}

const ABSENT_MS_MIN = 500;
/** What is of the last tenth of a second comes with the next chunk. */
const LATE_MS = 200;
