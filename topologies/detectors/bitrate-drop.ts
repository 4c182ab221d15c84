/**
 * `bitrate-drop`: for 10 s the pictures of a stream take less than half of the bits that they took in the median of a minute
 * before, while there is as much in them as before (definitions, section 1): an encoder that starves, not a still picture.
 * Judged by segments of the playlist that is decoded, whose pictures' bytes are counted.
 */
import { list, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import {
  breakOff,
  GOOD,
  INTERVAL_DEFAULTS,
  type IntervalContext,
  intervalFields,
  type Judgement,
  newIntervalState,
  settleTo,
  takeSample,
  UNKNOWN,
} from './interval-detector.ts';
import type { Detector } from './sample-detector.ts';
import { settingsFor } from './settings.ts';
import type { StreamStep, Transition, TransportStep } from './stream-step.ts';
import { isAnswer, type Segment, segmentsIn } from './transport-columns.ts';

const TYPE = 'bitrate-drop';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 10_000,
  joinMs: 2_000,
  /** Segments may be asked for in bursts. */
  suspendMs: 30_000,
  highAfterMs: 60_000,
  criticalAfterMs: 600_000,
  /** Of the median of the last `medianMs`, thousandths. */
  ratePermilleMax: 500,
  medianMs: 60_000,
  /** So much of it has to be known. */
  medianMsMin: 20_000,
  /** Movement has to be at least this share of its own median, thousandths: less of it takes fewer bits. */
  movementPermilleMin: 600,
  /** A picture whose mean difference to the one before is less is still, hundredths of a code value. */
  movementCentiMin: 30,
  /** From this share of dark pixels on a picture is black; below this spread it is flat. */
  darkPermilleLimit: 900,
  lumaSpreadCentiMin: 300,
  /** What lasts this long is how the stream is now: the median follows it from then on. */
  relearnAfterMs: 300_000,
};

const SPAN = struct({ startMs: 'long', durationMs: 'long', rate: 'long', offset: 'long' });
/** One chunk of pictures: where it begins, and what moves in it. */
const CONTENT = struct({
  startMs: 'long',
  endMs: 'long',
  movementCenti: 'long',
  pictures: 'int',
  watched: 'int',
});
const KNOWN = struct({ startMs: 'long', durationMs: 'long', rate: 'long', movementCenti: 'long' });
const FIELDS = {
  interval: intervalFields,
  /** Segments whose pictures have not all come. */
  waiting: list(SPAN),
  contents: list(CONTENT),
  /** What the medians are of. */
  known: list(KNOWN),
  toldToMs: 'long',
} as const;
type State = StateOf<typeof FIELDS>;
type Span = StateOf<(typeof SPAN)['fields']>;

const reducer: Reducer<State, StreamStep | TransportStep, Transition> = {
  name: TYPE,
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ interval: newIntervalState(), waiting: [], contents: [], known: [], toldToMs: 0 }),
  step(state, input, { config }) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    // Nearly always: a stream without counted segments.
    if (given.kind === 'features' && state.toldToMs === 0 && given.chunk.framePtsMs.length === 0)
      return NOTHING;
    const settings = settingsFor(config, TYPE, DEFAULTS, given.scope);
    const out: Transition[] = [];
    const context = contextOf(settings, given.evidence.offset, out);
    if (given.kind === 'interrupted') {
      if (given.why === 'probe-lost') return NOTHING;
      breakOff(state.interval, given.why, given.sentence, given.coveredToMs, context);
      Object.assign(state, { waiting: [], contents: [], known: [], toldToMs: 0 });
    } else {
      if (given.kind === 'features') takeContent(state, given.chunk, settings);
      else for (const segment of segmentsIn(given.chunk)) takeSegment(state, segment, given.evidence.offset);
      judgeWhatCame(state, given.coveredToMs, settings, context);
    }
    const effects: Effect<Transition>[] = out.map((value) => ({ kind: 'forward', value }));
    return given.kind === 'interrupted' && given.why === 'retired'
      ? [...effects, { kind: 'forget' }]
      : effects;
  },
};

export const bitrateDrop: Detector = {
  type: TYPE,
  defaults: DEFAULTS,
  reducer,
  judging: reducer,
  watches: () => true,
};

function contextOf(settings: typeof DEFAULTS, offset: number, out: Transition[]): IntervalContext {
  return {
    type: TYPE,
    trackId: 'video',
    settings,
    describe: (run) =>
      `${run.figureMin} kbit/s of pictures and less than half of what they took before, for ${run.badToMs - run.startMs} ms`,
    offset,
    out,
  };
}

function takeSegment(state: State, segment: Segment, offset: number): void {
  const { startMs, durationMs, videoBytes, status, variant } = segment;
  if (!variant.isOwn || videoBytes === null || durationMs <= 0 || !isAnswer(status)) return;
  if (startMs + durationMs <= state.toldToMs) return;
  state.toldToMs = startMs + durationMs;
  state.waiting.push({ startMs, durationMs, rate: Math.trunc((videoBytes * 8) / durationMs), offset });
  if (state.waiting.length > WAITING_MAX) state.waiting.shift();
}

function takeContent(state: State, chunk: FrameFeatures, settings: typeof DEFAULTS): void {
  const pictures = chunk.framePtsMs.length;
  // What moves is known where every picture is decoded.
  if (pictures === 0 || chunk.depth !== 'full') return;
  let movementCenti = 0;
  let watched = 0;
  for (let at = 0; at < pictures; at++) {
    const isBlack = chunk.darkPermille[at]! >= settings.darkPermilleLimit;
    const isFlat = chunk.lumaSpreadCenti[at]! < settings.lumaSpreadCentiMin;
    const isStill = chunk.diffMeanCenti[at]! < settings.movementCentiMin;
    if (!isBlack && !isFlat && !isStill) watched++;
    // A cut is not movement.
    movementCenti += Math.min(chunk.diffMeanCenti[at]!, CUT_CENTI);
  }
  const startMs = chunk.basePtsMs;
  state.contents.push({ startMs, endMs: startMs + chunk.durationMs, movementCenti, pictures, watched });
  if (state.contents.length > CONTENTS_MAX) state.contents.shift();
}

function judgeWhatCame(
  state: State,
  coveredToMs: number,
  settings: typeof DEFAULTS,
  context: IntervalContext,
): void {
  for (let span = state.waiting[0]; span !== undefined; span = state.waiting[0]) {
    if (coveredToMs < span.startMs + span.durationMs - EDGE_MS) return;
    state.waiting.shift();
    const { movementCenti, isWatched } = contentOf(state, span);
    const judgement = isWatched ? judge(state, span, movementCenti, settings) : UNKNOWN;
    takeSample(state.interval, span.startMs, span.durationMs, judgement, { ...context, offset: span.offset });
    settleTo(state.interval, span.startMs + span.durationMs, context);
    if (isWatched && !isFrozen(state, judgement, settings)) learn(state, span, movementCenti, settings);
  }
}

/** Mean movement within a segment, and whether most of its pictures are neither black, nor flat, nor still. */
function contentOf({ contents }: State, { startMs, durationMs }: Span) {
  const endMs = startMs + durationMs;
  const inside = contents.filter((one) => one.startMs < endMs - EDGE_MS && one.endMs > startMs + EDGE_MS);
  const pictures = inside.reduce((total, one) => total + one.pictures, 0);
  const watched = inside.reduce((total, one) => total + one.watched, 0);
  const movement = inside.reduce((total, one) => total + one.movementCenti, 0);
  return {
    movementCenti: pictures === 0 ? 0 : Math.trunc(movement / pictures),
    isWatched: pictures > 0 && watched * 2 > pictures,
  };
}

function judge(
  { known }: State,
  { rate }: Span,
  movementCenti: number,
  settings: typeof DEFAULTS,
): Judgement {
  const knownMs = known.reduce((total, { durationMs }) => total + durationMs, 0);
  if (knownMs < settings.medianMsMin) return UNKNOWN;
  const usual = medianOf(known.map((one) => [one.rate, one.durationMs]));
  if (rate * 1_000 >= usual * settings.ratePermilleMax) return GOOD;
  const usualMovement = medianOf(known.map((one) => [one.movementCenti, one.durationMs]));
  if (movementCenti * 1_000 < usualMovement * settings.movementPermilleMin) return UNKNOWN;
  return { verdict: 'bad', confidencePermille: 900, figure: rate };
}

/** Half of the time lies at it or below. */
function medianOf(weighted: readonly (readonly [value: number, weight: number])[]): number {
  const rising = [...weighted].sort(([a], [b]) => a - b);
  let left = rising.reduce((total, [, weight]) => total + weight, 0);
  const half = Math.trunc(left / 2);
  for (const [value, weight] of rising) {
    left -= weight;
    if (left <= half) return value;
  }
  return 0;
}

/** While it is low the median stays what it was, up to a point. */
function isFrozen({ interval }: State, judgement: Judgement, settings: typeof DEFAULTS): boolean {
  if (judgement.verdict !== 'bad' || interval.run === null) return false;
  return interval.run.badToMs - interval.run.startMs < settings.relearnAfterMs;
}

function learn(
  state: State,
  { startMs, durationMs, rate }: Span,
  movementCenti: number,
  settings: typeof DEFAULTS,
): void {
  state.known.push({ startMs, durationMs, rate, movementCenti });
  let knownMs = state.known.reduce((total, one) => total + one.durationMs, 0);
  while (knownMs > settings.medianMs && state.known.length > 1) knownMs -= state.known.shift()!.durationMs;
}

/** Rounding of what playlists say. */
const EDGE_MS = 200;
const CUT_CENTI = 2_000;
const WAITING_MAX = 60;
/** A minute of chunks of a second, and those that wait for their segment. */
const CONTENTS_MAX = 90;
