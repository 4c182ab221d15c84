/**
 * The first reducer of stream detection: lets every chunk of a stream through once and in order of (probe epoch, seq),
 * and tells the detectors when the row breaks: by what the probe says, or because it says nothing until a deadline.
 *
 * A chunk that comes after a later one is dropped: detectors have gone on, and log order is what they went by.
 */
import { oneOf, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Origin, type Reducer } from '../../runtime/topology.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { blocksIn, type FeaturesStep } from './samples.ts';
import { settingsFor } from './settings.ts';
import {
  type Interruption,
  type StreamScope,
  type StreamStep,
  TRANSPORT_READERS,
  type TransportStep,
} from './stream-step.ts';
import { transportFaultOf } from './transport-columns.ts';

/** Settings under the type `signal-lost`. Durations in milliseconds of log time. */
export const SIGNAL_DEFAULTS = {
  /**
   * A probe that says nothing for this long is taken for dead: a chunk covers up to a second, so nothing came in for at
   * least 5 s (definitions: signal-lost).
   */
  silentAfterMs: 6_000,
  /** A stream without a word for this long is given up: its defects close and its state goes. */
  retireAfterMs: 24 * 60 * 60 * 1_000,
  /** Signal that comes back for less than this does not end the defect, ms of presentation time. */
  joinMs: 5_000,
};

const FIELDS = {
  known: 'bool',
  programmeId: 'string',
  renditionId: 'string',
  vantage: 'string',
  probeId: 'string',
  probeEpochMs: 'long',
  seq: 'int',
  coveredToMs: 'long',
  phase: oneOf('watching', 'lost', 'ended'),
  lastFeaturesAtMs: 'long',
  lastTopic: 'string',
  lastPartition: 'int',
  lastOffset: 'long',
} as const;

type State = StateOf<typeof FIELDS>;

export const chunkOrder: Reducer<State, FrameFeatures, StreamStep | TransportStep> = {
  name: 'chunk-order',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({
    known: false,
    programmeId: '',
    renditionId: '',
    vantage: '',
    probeId: '',
    probeEpochMs: 0,
    seq: 0,
    coveredToMs: 0,
    phase: 'watching',
    lastFeaturesAtMs: 0,
    lastTopic: '',
    lastPartition: 0,
    lastOffset: 0,
  }),
  step(state, input, { config }) {
    const settings = settingsFor(
      config,
      'signal-lost',
      SIGNAL_DEFAULTS,
      state.known ? state : scopeIn(input),
    );
    if (input.kind === 'timer') return onDeadline(state, input.name);
    const chunk = input.value;
    const fault = faultOf(chunk);
    if (fault !== null)
      return [...forgetUnknown(state), { kind: 'dead-letter', code: 'bad-chunk', reason: fault }];
    const repeated = repeatOf(state, chunk);
    if (repeated !== null) return [{ kind: 'drop', reason: repeated }];
    const effects: Effect<StreamStep | TransportStep>[] = [];
    onOrder(state, chunk, input.origin, effects);
    onEvent(state, chunk, input.timeMs, effects);
    setDeadlines(state, input.timeMs, settings, effects);
    return effects;
  },
};

/** What is wrong with a chunk, in words; null when nothing is. */
function faultOf(chunk: FrameFeatures): string | null {
  const { framePtsMs } = chunk;
  const pictures = framePtsMs.length;
  const decoded = chunk.depth === 'packets' ? 0 : pictures;
  if (!hasWholeColumns(chunk, decoded)) {
    const name = PICTURE_COLUMNS.find((column) => chunk[column].length !== decoded)!;
    return `${name} has ${chunk[name].length} entries for ${decoded} decoded pictures`;
  }
  for (let i = 1; i < pictures; i++) {
    if (framePtsMs[i]! <= framePtsMs[i - 1]!) return `framePtsMs does not rise at picture ${i}`;
  }
  if (chunk.seq < 0 || chunk.durationMs < 0 || chunk.audioBlocks < 0)
    return 'seq, durationMs and audioBlocks may not be negative';
  if (chunk.audioChannels < 0 || chunk.audioBlockMs <= 0)
    return 'audioChannels or audioBlockMs makes no sense';
  const levels = chunk.audioRmsCentiDbfs.length;
  if (chunk.audioPeakCentiDbfs.length !== levels) return 'audio columns have different lengths';
  if (!fits(chunk.audioClipPermille, levels)) return 'audioClipPermille has another length than the levels';
  const blocks = blocksIn(chunk);
  if (!fits(chunk.audioCorrelationPermille, blocks) || !fits(chunk.audioLoudnessCentiLufs, blocks))
    return 'audio columns have different numbers of blocks';
  if (chunk.audioOnsets.length !== 0 && chunk.audioOnsets.length !== 2 * blocks)
    return 'audioOnsets has not two bytes for each block';
  if (chunk.stepSizeMs.length !== chunk.stepPtsMs.length) return 'step columns have different lengths';
  if (chunk.damageKinds.length !== chunk.damagePtsMs.length) return 'damage columns have different lengths';
  if (LOOK_COLUMNS.some((column) => chunk[column].length !== chunk.lookPtsMs.length))
    return 'look columns have different lengths';
  const transportFault = transportFaultOf(chunk);
  if (transportFault !== null) return transportFault;
  const whole = chunk.audioChannels === 0 ? levels === 0 : levels % chunk.audioChannels === 0;
  return whole ? null : `${levels} audio levels do not fit ${chunk.audioChannels} channels`;
}

/** Columns that earlier probes do not have are empty. */
function fits(column: readonly number[], entries: number): boolean {
  return column.length === 0 || column.length === entries;
}

export const LOOK_COLUMNS = [
  'lookSharpPermille',
  'lookMedianSharpPermille',
  'lookTexturedBlocks',
  'lookSceneCenti',
  'lookGridSteps',
  'lookOtherSteps',
] as const;

export const PICTURE_COLUMNS = [
  'lumaMeanCenti',
  'lumaSpreadCenti',
  'chromaSpreadCenti',
  'darkPermille',
  'diffMeanCenti',
  'anchorMeanCenti',
  'anchorPeakCenti',
  'anchorAgeMs',
] as const;

/** The question of {@link PICTURE_COLUMNS} with every name written out: a look-up by name would cost more than a detector. */
function hasWholeColumns(chunk: FrameFeatures, pictures: number): boolean {
  return (
    chunk.lumaMeanCenti.length === pictures &&
    chunk.lumaSpreadCenti.length === pictures &&
    chunk.chromaSpreadCenti.length === pictures &&
    chunk.darkPermille.length === pictures &&
    chunk.diffMeanCenti.length === pictures &&
    chunk.anchorMeanCenti.length === pictures &&
    chunk.anchorPeakCenti.length === pictures &&
    chunk.anchorAgeMs.length === pictures
  );
}

function repeatOf(state: State, chunk: FrameFeatures): string | null {
  if (!state.known || chunk.probeEpochMs > state.probeEpochMs) return null;
  if (chunk.probeEpochMs < state.probeEpochMs) return 'chunk-of-earlier-probe-run';
  if (chunk.seq > state.seq) return null;
  return chunk.seq === state.seq ? 'chunk-repeated' : 'chunk-repeated-or-late';
}

/** Takes the chunk's place in the row; says that the row begins anew where the probe does. */
function onOrder(
  state: State,
  chunk: FrameFeatures,
  origin: Origin,
  effects: Effect<StreamStep | TransportStep>[],
): void {
  if (state.known && chunk.probeEpochMs > state.probeEpochMs) {
    effects.push(interrupt(state, 'new-probe-run', `probe ${chunk.probeId} began anew`, 0));
  }
  if (!state.known || chunk.probeEpochMs > state.probeEpochMs) {
    state.known = true;
    state.programmeId = chunk.programmeId;
    state.renditionId = chunk.renditionId;
    state.vantage = chunk.vantage;
    state.probeEpochMs = chunk.probeEpochMs;
    // The first chunk that is seen of a run may be any: what came before it is not missed.
    state.seq = chunk.seq - 1;
    // What is live is ahead of what is decoded.
    state.coveredToMs = chunk.event === 'transport' ? 0 : chunk.basePtsMs;
  }
  state.probeId = chunk.probeId;
  state.lastTopic = origin.topic;
  state.lastPartition = origin.partition;
  state.lastOffset = origin.offset;
}

function onEvent(
  state: State,
  chunk: FrameFeatures,
  timeMs: number,
  effects: Effect<StreamStep | TransportStep>[],
): void {
  const jumped = chunk.seq !== state.seq + 1;
  state.seq = chunk.seq;
  const sentence = chunk.eventReason;
  switch (chunk.event) {
    case 'features':
      state.phase = 'watching';
      state.coveredToMs = Math.max(state.coveredToMs, chunk.basePtsMs + chunk.durationMs);
      effects.push({ kind: 'forward', value: featuresStep(state, chunk, jumped) });
      state.lastFeaturesAtMs = timeMs;
      return;
    case 'signal-lost':
      state.phase = 'lost';
      effects.push(interrupt(state, 'signal-lost', sentence || 'the probe gets no input', chunk.decodedAtMs));
      return;
    case 'probe-lost':
      state.phase = 'lost';
      effects.push(interrupt(state, 'probe-lost', sentence || 'the decoder died', chunk.decodedAtMs));
      return;
    case 'end':
      state.phase = 'ended';
      effects.push(interrupt(state, 'stream-ended', sentence || 'the input ended', chunk.decodedAtMs));
      return;
    case 'signal-restored':
      // Features tell that it is back; until then the probe is given the time of the deadline.
      if (state.phase !== 'ended') state.phase = 'watching';
      return;
    case 'transport': {
      const value: TransportStep = { ...featuresStep(state, chunk, false), kind: 'transport' };
      for (const to of TRANSPORT_READERS) effects.push({ kind: 'forward', value, to });
      return;
    }
    default:
      effects.push({ kind: 'drop', reason: 'unknown-probe-event' });
  }
}

function setDeadlines(
  state: State,
  timeMs: number,
  settings: typeof SIGNAL_DEFAULTS,
  effects: Effect<StreamStep | TransportStep>[],
): void {
  effects.push(
    state.phase === 'watching'
      ? { kind: 'schedule', name: 'silent', dueMs: timeMs + settings.silentAfterMs }
      : { kind: 'cancel', name: 'silent' },
    { kind: 'schedule', name: 'retire', dueMs: timeMs + settings.retireAfterMs },
  );
}

function onDeadline(state: State, name: string): readonly Effect<StreamStep | TransportStep>[] {
  if (name === 'silent') {
    state.phase = 'lost';
    return [interrupt(state, 'probe-silent', 'no word from the probe: it or its input is dead', 0)];
  }
  return [
    interrupt(state, 'retired', 'no word for so long that the stream is given up', 0),
    { kind: 'forget' },
  ];
}

function interrupt(
  state: State,
  why: Interruption,
  sentence: string,
  decodedAtMs: number,
): Effect<StreamStep | TransportStep> {
  const { probeId, probeEpochMs, coveredToMs, lastFeaturesAtMs } = state;
  const value: StreamStep = {
    kind: 'interrupted',
    scope: scopeOf(state),
    probeId,
    probeEpochMs,
    coveredToMs,
    decodedAtMs,
    evidence: lastOf(state),
    why,
    sentence,
    lastFeaturesAtMs,
  };
  return { kind: 'forward', value };
}

function featuresStep(state: State, chunk: FrameFeatures, jumped: boolean): FeaturesStep {
  return {
    kind: 'features',
    scope: scopeOf(state),
    probeId: state.probeId,
    probeEpochMs: state.probeEpochMs,
    coveredToMs: state.coveredToMs,
    decodedAtMs: chunk.decodedAtMs,
    evidence: lastOf(state),
    chunk,
    jumped,
  };
}

function scopeOf({ programmeId, renditionId, vantage }: State): StreamScope {
  return { programmeId, renditionId, vantage };
}

/** The stream's last record. */
function lastOf({ lastTopic, lastPartition, lastOffset }: State): Origin {
  return { topic: lastTopic, partition: lastPartition, offset: lastOffset };
}

/** A key of which nothing good was ever heard keeps no state. */
function forgetUnknown(state: State): readonly Effect<never>[] {
  return state.known ? NOTHING : [{ kind: 'forget' }];
}

function scopeIn(input: { readonly kind: string; readonly value?: StreamScope }): StreamScope {
  return input.value ?? { programmeId: '', renditionId: '', vantage: '' };
}
