/**
 * Makes a detector of intervals from a function that judges one picture, or one audio block. This is what a new detector
 * is written with: see CONTRIBUTING.md.
 */
import { type StateCodec, shapeOf } from '../../runtime/state.ts';
import { StateReader, StateWriter } from '../../runtime/state-bytes.ts';
import { structCodec } from '../../runtime/struct-codec.ts';
import {
  type Effect,
  NOTHING,
  type Reducer,
  type StepContext,
  type StepInput,
} from '../../runtime/topology.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
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
  type Sample,
  settleTo,
  stopSeeing,
  takeSample,
} from './interval-detector.ts';
import { settingsFor } from './settings.ts';
import type { StreamStep, Transition } from './stream-step.ts';

/** A detector as the topology takes it. */
export type Detector = {
  readonly type: string;
  readonly defaults: IntervalSettings;
  // biome-ignore lint/suspicious/noExplicitAny: each detector has a state of its own
  readonly reducer: Reducer<any, StreamStep, Transition>;
};

/** One picture: its features, with units in their names as in `frame-features.avsc`. */
export type Frame = {
  readonly ptsMs: number;
  readonly lumaMeanCenti: number;
  readonly lumaSpreadCenti: number;
  readonly chromaSpreadCenti: number;
  readonly darkPermille: number;
  readonly diffMeanCenti: number;
  readonly anchorMeanCenti: number;
  readonly anchorPeakCenti: number;
  readonly anchorAgeMs: number;
  /** Nominal time between two pictures, ms; 0 when unknown. */
  readonly intervalMs: number;
  /** Chunks with the pictures before it were lost on the way; the probe had them. */
  readonly afterLoss: boolean;
};

/** One audio block, with one level for each channel. */
export type AudioBlock = {
  readonly startMs: number;
  readonly durationMs: number;
  readonly rmsCentiDbfs: readonly number[];
  readonly peakCentiDbfs: readonly number[];
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
  /** The reason of the defect, in words and figures. */
  describe(run: Readonly<Run>, settings: S): string;
};

/** A detector that judges pictures, where every picture is decoded. A picture stands for at most `frameHoldMs`. */
export function frameDetector<S extends IntervalSettings, M = null>(
  spec: DetectorSpec<Frame, S, M> & { frameHoldMs(intervalMs: number): number },
): Detector {
  return sampleDetector(spec, {
    trackId: 'video',
    *samplesOf({ chunk, jumped }) {
      if (!chunk.hasVideo || chunk.depth !== 'full') return;
      for (const index of chunk.framePtsMs.keys()) {
        const frame = frameOf(chunk, index, jumped);
        yield { sample: { startMs: frame.ptsMs, holdMs: spec.frameHoldMs(frame.intervalMs) }, item: frame };
      }
    },
    settledToMs: ({ chunk }) => chunk.basePtsMs + chunk.durationMs,
  });
}

/** A detector that judges audio blocks. */
export function audioBlockDetector<S extends IntervalSettings, M = null>(
  spec: DetectorSpec<AudioBlock, S, M>,
): Detector {
  return sampleDetector(spec, {
    trackId: 'audio',
    *samplesOf({ chunk }) {
      for (let index = 0; index < blocksIn(chunk); index++) {
        const block = blockOf(chunk, index);
        const holdMs = block.durationMs + BLOCK_SLACK_MS;
        yield { sample: { startMs: block.startMs, holdMs }, item: block };
      }
    },
    // The next chunk's first block may begin before that chunk's pictures do.
    settledToMs: ({ chunk }) => {
      const blocksEndMs = chunk.basePtsMs + chunk.audioStartMs + blocksIn(chunk) * chunk.audioBlockMs;
      const surelyMs = chunk.basePtsMs + chunk.durationMs - AUDIO_BEHIND_MS_MAX;
      return blocksIn(chunk) > 0 ? Math.max(blocksEndMs, surelyMs) : surelyMs;
    },
  });
}

/** Block starts are rounded to milliseconds: so little between two blocks is no gap. */
const BLOCK_SLACK_MS = 2;
/** A block never comes later than this after pictures of its own time. */
const AUDIO_BEHIND_MS_MAX = 1_000;

type FeaturesStep = StreamStep & { readonly kind: 'features' };

type Sampling<Item> = {
  readonly trackId: string;
  samplesOf(step: FeaturesStep): Iterable<{ readonly sample: Sample; readonly item: Item }>;
  /** Up to here no earlier sample can come any more. */
  settledToMs(step: FeaturesStep): number;
};

function sampleDetector<Item, S extends IntervalSettings, M>(
  spec: DetectorSpec<Item, S, M>,
  sampling: Sampling<Item>,
): Detector {
  type State = DetectorState<M>;
  const newMemo = () => (spec.memo === undefined ? (null as M) : spec.memo.init());
  const step = (state: State, input: StepInput<StreamStep>, { config }: StepContext) => {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    const settings = settingsFor(config, spec.type, spec.defaults, given.scope);
    const out: Transition[] = [];
    const context: IntervalContext = {
      type: spec.type,
      trackId: sampling.trackId,
      settings,
      describe: (run) => spec.describe(run, settings),
      offset: given.evidence.offset,
      out,
    };
    if (given.kind === 'interrupted') {
      breakOff(state.interval, given.why, given.sentence, given.coveredToMs, context);
      state.memo = newMemo();
    } else {
      if (given.jumped) stopSeeing(state.interval);
      for (const { sample, item } of sampling.samplesOf(given)) {
        // Settled first, so that `open` is what it is when this sample begins.
        settleTo(state.interval, sample.startMs, context);
        const judgement = spec.judge(item, settings, state.interval.run?.open ?? false, state.memo);
        takeSample(state.interval, sample, judgement, context);
      }
      settleTo(state.interval, sampling.settledToMs(given), context);
    }
    const effects: Effect<Transition>[] = out.map((value) => ({ kind: 'forward', value }));
    if (given.kind === 'interrupted' && given.why === 'retired') effects.push({ kind: 'forget' });
    return effects;
  };
  return {
    type: spec.type,
    defaults: spec.defaults,
    reducer: {
      name: spec.type,
      state: detectorCodec(spec.version, spec.memo?.codec ?? null),
      init: () => ({ interval: newIntervalState(), memo: newMemo() }),
      step,
    },
  };
}

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

function frameOf(chunk: FrameFeatures, index: number, jumped: boolean): Frame {
  return {
    ptsMs: chunk.basePtsMs + chunk.framePtsMs[index]!,
    lumaMeanCenti: chunk.lumaMeanCenti[index]!,
    lumaSpreadCenti: chunk.lumaSpreadCenti[index]!,
    chromaSpreadCenti: chunk.chromaSpreadCenti[index]!,
    darkPermille: chunk.darkPermille[index]!,
    diffMeanCenti: chunk.diffMeanCenti[index]!,
    anchorMeanCenti: chunk.anchorMeanCenti[index]!,
    anchorPeakCenti: chunk.anchorPeakCenti[index]!,
    anchorAgeMs: chunk.anchorAgeMs[index]!,
    intervalMs: Math.ceil(chunk.frameIntervalUs / 1_000),
    afterLoss: jumped && index === 0,
  };
}

function blocksIn(chunk: FrameFeatures): number {
  return chunk.audioChannels === 0 ? 0 : chunk.audioRmsCentiDbfs.length / chunk.audioChannels;
}

function blockOf(chunk: FrameFeatures, index: number): AudioBlock {
  const from = index * chunk.audioChannels;
  const to = from + chunk.audioChannels;
  return {
    startMs: chunk.basePtsMs + chunk.audioStartMs + index * chunk.audioBlockMs,
    durationMs: chunk.audioBlockMs,
    rmsCentiDbfs: chunk.audioRmsCentiDbfs.slice(from, to),
    peakCentiDbfs: chunk.audioPeakCentiDbfs.slice(from, to),
  };
}
