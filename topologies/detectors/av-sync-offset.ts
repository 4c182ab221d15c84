/**
 * `av-sync-offset`: sound comes more than 40 ms before, or 60 ms after, the pictures that it belongs to (EBU R 37), by the
 * difference that was introduced since the reference point of the programme: sound of both points is aligned with sound,
 * pictures with pictures, and the one lag less the other is the offset, in the way of SMPTE ST 2064. Lead is positive.
 *
 * Once for every second of the stream, by the 4 s around it. Where nothing moves or nothing is heard, where the reference
 * is not there or says something else, and about a step of either clock it is not judged.
 */
import { list, oneOf, structCodec } from '../../runtime/struct-codec.ts';
import {
  type Effect,
  NOTHING,
  type Reducer,
  type StepContext,
  type StepInput,
} from '../../runtime/topology.ts';
import { avFingerprint, spanKeyOf } from './av-fingerprint.ts';
import { AV_SYNC_OFFSET, roleOf } from './av-reference.ts';
import {
  type AvSyncMemo,
  avSyncMemoFields,
  judgeSlot,
  newMemo,
  type Point,
  SLOT_MS,
  windowOf,
} from './av-sync-slots.ts';
import { chunkOrder } from './chunk-order.ts';
import {
  breakOff,
  type IntervalContext,
  type IntervalState,
  intervalFields,
  newIntervalState,
  takeSample,
  UNKNOWN,
} from './interval-detector.ts';
import type { Detector } from './sample-detector.ts';
import { settingsFor } from './settings.ts';
import {
  SEVERITIES,
  type Severity,
  type StreamScope,
  type StreamStep,
  type Transition,
} from './stream-step.ts';

const DEFAULTS = {
  minMs: 5_000,
  joinMs: 5_000,
  suspendMs: 10_000,
  /** 1: the other streams of the programme are compared with this one. One stream of each programme at most. */
  isReference: 0,
  /** Beyond these it is a defect (EBU R 37), ms. */
  leadMsMax: 40,
  lagMsMax: 60,
  /** Beyond these viewers notice it (ITU-R BT.1359: detectability), ms: severity medium, else low. */
  leadNoticedMs: 45,
  lagNoticedMs: 125,
  /** Beyond these they do not accept it (ITU-R BT.1359: acceptability), ms: severity high. */
  leadToleratedMs: 90,
  lagToleratedMs: 185,
};
type Settings = typeof DEFAULTS;

/** What was found for one second of a stream: null where it could not be judged. */
export type SlotTold = {
  readonly scope: StreamScope;
  readonly startMs: number;
  readonly offsetMs: number | null;
};

const FIELDS = {
  interval: intervalFields,
  memo: avSyncMemoFields,
  /** Of the latest bad seconds of the run, ms. */
  offsets: list('int'),
  /** As it was told last. */
  severity: oneOf(...SEVERITIES),
  /** End of what was judged last. */
  judgedToMs: 'long?',
} as const;
type State = {
  interval: IntervalState;
  memo: AvSyncMemo;
  offsets: number[];
  severity: Severity;
  judgedToMs: number | null;
};

export const avSyncOffset: Detector = avSyncDetector(() => {});

/** The detector, which says of every second what it found in it: for offline tools, which have to know what was judged. */
export function avSyncDetector(tell: (told: SlotTold) => void): Detector {
  const reducer: Reducer<State, StreamStep, Transition> = {
    name: AV_SYNC_OFFSET,
    state: structCodec({ version: 3, fields: FIELDS }),
    init: newState,
    step: (state, input, context) => takeStep(state, input, context, tell),
  };
  return {
    type: AV_SYNC_OFFSET,
    defaults: DEFAULTS,
    reducer,
    judging: reducer,
    watches: () => true,
    needs: [{ reducer: avFingerprint, keyOf: spanKeyOf }],
    reads: [chunkOrder.name, avFingerprint.name],
  };
}

/** In one step no more seconds are judged, where it has to catch up. */
const SLOTS_PER_STEP_MAX = 8;
/** Seconds that could not be judged are taken for the defect's, up to half of so many of them, ms. */
const BACKDATED_MS_MAX = 4_000;
/** Of the run's latest offsets the middle one is told. */
const OFFSETS_KEPT = 15;
/** While it is open, an offset has to be better than the limit by this much to end it, ms. */
const HYSTERESIS_MS = 5;

const FORGET: readonly Effect<never>[] = [{ kind: 'forget' }];

function newState(): State {
  return { interval: newIntervalState(), memo: newMemo(), offsets: [], severity: 'low', judgedToMs: null };
}

function takeStep(
  state: State,
  input: StepInput<StreamStep>,
  context: StepContext,
  tell: (told: SlotTold) => void,
): readonly Effect<Transition>[] {
  if (input.kind === 'timer') return NOTHING;
  const given = input.value;
  const role = roleOf(context.config, given.scope);
  const settings = settingsFor(context.config, AV_SYNC_OFFSET, DEFAULTS, given.scope);
  const out: Transition[] = [];
  const around = aroundOf(state, settings, role?.kind === 'compared' ? role.reference : null, given, out);
  if (role?.kind !== 'compared') {
    breakOff(state.interval, 'not-seen', 'there is no reference any more', given.coveredToMs, around);
    return [...inWords(state, settings, out), ...FORGET];
  }
  const isEnd = given.kind === 'interrupted';
  if (given.kind === 'features') begin(state, given.chunk.basePtsMs, given.probeEpochMs);
  const point: Point = {
    scope: given.scope,
    reference: role.reference,
    coveredToMs: given.coveredToMs,
    isEnd,
  };
  const effects: Effect<Transition>[] = [];
  const { memo } = state;
  for (let left = isEnd ? Number.POSITIVE_INFINITY : SLOTS_PER_STEP_MAX; left > 0; left--) {
    if (memo.nextMs === null || memo.nextMs + SLOT_MS > given.coveredToMs) break;
    const window = windowOf(memo, point);
    if (window === null) break;
    const offsetMs = judgeSlot(memo, point, window, input.timeMs, context);
    if (offsetMs === 'later') break;
    tell({ scope: given.scope, startMs: memo.nextMs, offsetMs });
    takeSlot(state, memo.nextMs, offsetMs, settings, around);
    memo.nextMs += SLOT_MS;
    effects.push(...inWords(state, settings, out));
  }
  if (given.kind === 'features') return effects;
  breakOff(state.interval, given.why, given.sentence, given.coveredToMs, around);
  effects.push(...inWords(state, settings, out));
  Object.assign(state, newState());
  return given.why === 'retired' ? [...effects, ...FORGET] : effects;
}

/** What is seen of a stream begins here. */
function begin(state: State, atMs: number, probeEpochMs: number): void {
  const { memo } = state;
  if (memo.nextMs !== null && memo.probeEpochMs === probeEpochMs) return;
  memo.probeEpochMs = probeEpochMs;
  memo.firstMs = atMs;
  memo.nextMs = Math.floor(atMs / SLOT_MS) * SLOT_MS;
}

function takeSlot(
  state: State,
  startMs: number,
  offsetMs: number | null,
  settings: Settings,
  around: IntervalContext,
): void {
  const { interval, offsets } = state;
  if (offsetMs === null) {
    takeSample(interval, startMs, SLOT_MS, UNKNOWN, around);
    return;
  }
  const slackMs = interval.run?.open === true ? HYSTERESIS_MS : 0;
  const isBad = offsetMs > settings.leadMsMax - slackMs || offsetMs < slackMs - settings.lagMsMax;
  if (isBad) {
    offsets.push(offsetMs);
    if (offsets.length > OFFSETS_KEPT) offsets.shift();
    const sinceMs = interval.run === null ? { sinceMs: sinceOf(state, startMs) } : {};
    const bad = { verdict: 'bad', confidencePermille: 900, figure: offsetMs, ...sinceMs } as const;
    takeSample(interval, startMs, SLOT_MS, bad, around);
  } else takeSample(interval, startMs, SLOT_MS, { verdict: 'good' }, around);
  state.judgedToMs = startMs + SLOT_MS;
}

/** It changed somewhere between the last second that was judged and this one; what the stream began with, it had before. */
function sinceOf({ judgedToMs, memo }: State, startMs: number): number {
  const fromMs = judgedToMs ?? memo.firstMs;
  if (startMs - fromMs > BACKDATED_MS_MAX) return startMs;
  return judgedToMs === null ? fromMs : fromMs + ((startMs - fromMs) >> 1);
}

function aroundOf(
  state: State,
  settings: Settings,
  reference: StreamScope | null,
  { evidence }: StreamStep,
  out: Transition[],
): IntervalContext {
  const never = { highAfterMs: Number.MAX_SAFE_INTEGER, criticalAfterMs: Number.MAX_SAFE_INTEGER };
  return {
    type: AV_SYNC_OFFSET,
    trackId: '',
    settings: { ...settings, ...never },
    describe: () => reasonOf(middleOf(state.offsets), reference),
    offset: evidence.offset,
    out,
  };
}

function reasonOf(offsetMs: number, reference: StreamScope | null): string {
  const how = offsetMs > 0 ? `${offsetMs} ms before` : `${-offsetMs} ms after`;
  const point = reference === null ? 'the reference' : `${reference.renditionId} at ${reference.vantage}`;
  return `sound comes ${how} its pictures, compared with ${point}`;
}

/** Severity is a matter of how far apart they are, not of how long. */
function inWords(state: State, settings: Settings, out: Transition[]): readonly Effect<Transition>[] {
  const { offsets, interval } = state;
  const offsetMs = middleOf(offsets);
  const severity = severityOf(offsetMs, settings);
  const isWorse = SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(state.severity);
  const told: Transition[] = out.map((one) => {
    if (one.kind === 'open') state.severity = severity;
    return { ...one, offsetMs, severity: state.severity };
  });
  if (told.length === 0 && interval.run?.open === true && isWorse) {
    state.severity = severity;
    told.push(worsened(interval.run, offsetMs, severity, settings));
  }
  out.length = 0;
  if (interval.run === null) offsets.length = 0;
  return told.map((value) => ({ kind: 'forward', value }));
}

function worsened(
  run: NonNullable<IntervalState['run']>,
  offsetMs: number,
  severity: Severity,
  { joinMs }: Settings,
): Transition {
  return {
    kind: 'update',
    type: AV_SYNC_OFFSET,
    trackId: '',
    atMs: run.badToMs,
    startMs: run.startMs,
    endMs: null,
    durationMs: run.badToMs - run.startMs,
    minMs: run.minMs,
    joinMs,
    severity,
    confidencePermille: Math.floor(run.confidenceSum / run.samples),
    reason: reasonOf(offsetMs, null),
    evidenceFirstOffset: run.firstOffset,
    offsetMs,
  };
}

function severityOf(offsetMs: number, settings: Settings): Severity {
  const isBeyond = (leadMs: number, lagMs: number) => offsetMs > leadMs || offsetMs < -lagMs;
  if (isBeyond(settings.leadToleratedMs, settings.lagToleratedMs)) return 'high';
  return isBeyond(settings.leadNoticedMs, settings.lagNoticedMs) ? 'medium' : 'low';
}

function middleOf(offsets: readonly number[]): number {
  if (offsets.length === 0) return 0;
  return [...offsets].sort((a, b) => a - b)[offsets.length >> 1]!;
}
