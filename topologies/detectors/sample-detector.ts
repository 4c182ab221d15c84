/**
 * Makes a detector of intervals from a function that judges one picture, or one audio block. This is what a new detector
 * is written with: see CONTRIBUTING.md.
 */
import { type StateCodec, shapeOf } from '../../runtime/state.ts';
import { StateReader, StateWriter } from '../../runtime/state-bytes.ts';
import { structCodec } from '../../runtime/struct-codec.ts';
import {
  type AnyReducer,
  type Effect,
  NOTHING,
  type Reducer,
  type StepContext,
  type StepInput,
} from '../../runtime/topology.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { isJudgedAt } from './depth-table.ts';
import {
  breakOff,
  INTERVAL_VERSION,
  type IntervalContext,
  type IntervalSettings,
  type IntervalState,
  intervalFields,
  type Judgement,
  newIntervalState,
  type Run,
  settleTo,
  stopSeeing,
  takeGood,
  takeSample,
} from './interval-detector.ts';
import {
  type AudioBlock,
  AudioBlocks,
  type FeaturesStep,
  type Frame,
  Frames,
  type Samples,
} from './samples.ts';
import { type Settings, settingsFor } from './settings.ts';
import type { StreamStep, Transition } from './stream-step.ts';

/** A detector as the topology takes it. */
export type Detector = {
  readonly type: string;
  readonly defaults: Settings;
  // biome-ignore lint/suspicious/noExplicitAny: each detector has a state of its own
  readonly reducer: Reducer<any, StreamStep, Transition>;
  /** The same by `judge` alone, without short cuts: what `reducer` is held to. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly judging: Reducer<any, StreamStep, Transition>;
  /** Whether it looks at a stream with these settings at all. */
  watches(settings: Settings): boolean;
  /** Reducers that keep what it looks at, each with its key; they get the same steps, before it does. */
  readonly needs?: readonly {
    readonly reducer: AnyReducer;
    keyOf(step: StreamStep): string;
  }[];
  /** Reducers whose state it looks at. */
  readonly reads?: readonly string[];
};

/** What a detector says about itself. `S` are its settings, `M` is what it remembers from sample to sample. */
export type DetectorSpec<Item, S extends IntervalSettings, M> = {
  /** Defect type; also the reducer's name. */
  readonly type: string;
  /** Goes up when the meaning of the memo changes. */
  readonly version: number;
  readonly defaults: S;
  readonly memo?: { readonly codec: StateCodec<M>; init(): M };
  /** `open` tells whether a defect is open: hysteresis. May change `memo`. */
  judge(item: Item, settings: S, open: boolean, memo: M): Judgement;
  /** Whether there is anything to judge by with these settings; always, when left out. Without it a stream is not watched. */
  watches?(settings: S): boolean;
  /** The reason of the defect, in words and figures. */
  describe(run: Readonly<Run>, settings: S): string;
  /**
   * For speed only, and never needed: how far from sample `from` on all samples of the chunk are good, as `judge` finds
   * them when no run has begun; it leaves `memo` as `judge` does. `judge` goes on at the index that it returns. Nearly all
   * samples are good, and a loop over a column finds that in a tenth of the time. A test holds it to `judge`.
   */
  goodUpTo?(chunk: FrameFeatures, from: number, settings: S, memo: M): number;
};

/** A detector that judges pictures, where every picture is decoded. A picture stands for at most `frameHoldMs`. */
export function frameDetector<S extends IntervalSettings, M = null>(
  spec: DetectorSpec<Frame, S, M> & { frameHoldMs(intervalMs: number): number },
): Detector {
  return detectorOf(spec, () => new Frames(spec.frameHoldMs));
}

/** A detector that judges audio blocks. */
export function audioBlockDetector<S extends IntervalSettings, M = null>(
  spec: DetectorSpec<AudioBlock, S, M>,
): Detector {
  return detectorOf(spec, () => new AudioBlocks());
}

/** A detector that judges samples of another kind. */
export function detectorOf<Item, S extends IntervalSettings, M>(
  spec: DetectorSpec<Item, S, M>,
  samples: () => Samples<Item>,
): Detector {
  const { goodUpTo, ...judging } = spec;
  return {
    type: spec.type,
    defaults: spec.defaults,
    reducer: reducerOf(spec, samples()),
    judging: reducerOf(judging, samples()),
    watches: (settings) => spec.watches?.(settings as S) ?? true,
  };
}

function reducerOf<Item, S extends IntervalSettings, M>(
  spec: DetectorSpec<Item, S, M>,
  samples: Samples<Item>,
): Reducer<DetectorState<M>, StreamStep, Transition> {
  type State = DetectorState<M>;
  const newMemo = () => (spec.memo === undefined ? (null as M) : spec.memo.init());
  const { trackId } = samples;
  // one for all steps: most of them have nothing to tell
  const context: Mutable<IntervalContext> & { settings: S } = {
    type: spec.type,
    trackId,
    settings: spec.defaults,
    describe: (run) => spec.describe(run, context.settings),
    offset: 0,
    out: [],
  };
  const takeChunk = (state: State, given: FeaturesStep): void => {
    const { interval, memo } = state;
    const { settings } = context;
    const { depth } = given.chunk;
    const watches = isJudgedAt(spec.type, depth) && (spec.watches?.(settings) ?? true);
    const isSparse = depth === 'keyframes' && trackId === 'video';
    if (isSparse) context.settings = sparsely(settings);
    const count = samples.open(given);
    if (given.jumped || !watches) stopSeeing(interval);
    for (let index = 0; watches && index < count; index++) {
      if (interval.run === null && spec.goodUpTo !== undefined) {
        const from = index;
        index = spec.goodUpTo(given.chunk, from, settings, memo);
        if (index > from)
          takeGood(interval, samples.startMsAt(from), samples.startMsAt(index - 1), samples.holdMs);
        if (index === count) break;
      }
      const startMs = samples.startMsAt(index);
      // Settled first, so that `open` is what it is when this sample begins.
      settleTo(interval, startMs, context);
      const judgement = spec.judge(samples.at(index), settings, interval.run?.open ?? false, memo);
      const since = isSparse ? sinceKeyPicture(interval, judgement) : judgement;
      takeSample(interval, startMs, samples.holdMs, since, context);
    }
    settleTo(interval, samples.settledToMs, context);
  };
  const step = (state: State, input: StepInput<StreamStep>, { config }: StepContext) => {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    context.settings = settingsFor(config, spec.type, spec.defaults, given.scope);
    context.offset = given.evidence.offset;
    if (given.kind === 'features') takeChunk(state, given);
    else {
      breakOff(state.interval, given.why, given.sentence, given.coveredToMs, context);
      state.memo = newMemo();
    }
    const isRetired = given.kind === 'interrupted' && given.why === 'retired';
    if (context.out.length === 0) return isRetired ? FORGET : NOTHING;
    const told: Effect<Transition>[] = context.out.map((value) => ({ kind: 'forward', value }));
    context.out.length = 0;
    return isRetired ? [...told, ...FORGET] : told;
  };
  return {
    name: spec.type,
    state: detectorCodec(spec.version, spec.memo?.codec ?? null),
    init: () => ({ interval: newIntervalState(), memo: newMemo() }),
    step,
  };
}

const FORGET: readonly Effect<never>[] = [{ kind: 'forget' }];

/** Key pictures are seconds apart. Two bad ones in a row stand for the time between them, a single one for itself. */
function sinceKeyPicture({ verdict, sampleStartMs }: IntervalState, judgement: Judgement): Judgement {
  if (judgement.verdict !== 'bad' || verdict !== 'bad') return judgement;
  return { ...judgement, sinceMs: sampleStartMs };
}

function sparsely<S extends IntervalSettings>(settings: S): S {
  return { ...settings, suspendMs: Math.max(settings.suspendMs, KEY_PICTURES_APART_MS_MAX) };
}

/** A key picture that comes later does not go on with what the one before showed. */
const KEY_PICTURES_APART_MS_MAX = 15_000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type DetectorState<M> = { interval: IntervalState; memo: M };

/** State of the engine, then what the detector remembers. */
function detectorCodec<M>(specVersion: number, memo: StateCodec<M> | null): StateCodec<DetectorState<M>> {
  const interval = structCodec({ version: INTERVAL_VERSION, fields: intervalFields.fields });
  const version = INTERVAL_VERSION * 1_000 + specVersion;
  return {
    version,
    shape: shapeOf(interval.shape, memo?.shape),
    encode(state) {
      const writer = new StateWriter();
      writer.bytes(interval.encode(state.interval));
      if (memo !== null) writer.bytes(memo.encode(state.memo));
      return writer.finish();
    },
    decode(bytes, written) {
      if (written !== version) throw new Error(`no migration from version ${written} to ${version}`);
      const reader = new StateReader(bytes);
      const state: DetectorState<M> = {
        interval: interval.decode(reader.bytes(), INTERVAL_VERSION),
        memo: memo === null ? (null as M) : memo.decode(reader.bytes(), memo.version),
      };
      reader.end();
      return state;
    },
  };
}
