/**
 * What two points of one programme are aligned by: the fingerprint of sound and the course of brightness and motion, kept
 * for the last minute of every stream that is a reference or has one. Kept in spans of 2 s under keys of their own, so
 * that a chunk changes one small state and not the whole minute.
 */
import { list, type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { roleOf } from './av-reference.ts';
import { type StreamScope, type StreamStep, streamKeyOf } from './stream-step.ts';

/** Length of a span, ms of presentation time; spans begin at multiples of it. */
const SPAN_MS = 2_000;
/** Spans that are kept of a stream. */
const SPANS = 32;
/** What is kept of a stream, ms of presentation time, the span under way not counted. */
export const KEPT_MS = (SPANS - 1) * SPAN_MS;
/** Audio blocks are on this grid, ms. */
export const BLOCK_MS = 100;
/** A span of which nothing more was heard for this long is given up, ms of log time. */
const EXPIRES_MS = 120_000;
/** `diffMeanCenti` of a cut and of everything above it: how different two scenes are says little. */
const DIFF_CENTI_MAX = 3_000;
/** `diffMeanCenti` of a picture without a predecessor. */
const NO_PREDECESSOR_CENTI = 25_500;

const FIELDS = {
  /** Number of the span; -1 before anything was kept. */
  span: 'long',
  probeEpochMs: 'long',
  /** Of each picture: ms after the one before, the first one after the start of the span. */
  pictureMs: list('int'),
  /** Mean luma, less that of the picture before. */
  luma: list('int'),
  diff: list('int'),
  /** Of each audio block: place on the grid after the one before, the first one after the start of the span. */
  soundAt: list('int'),
  sound: list('int'),
  /** Steps of the clock, ms after the start of the span. */
  stepMs: list('int'),
} as const;
type Span = StateOf<typeof FIELDS>;

export const avFingerprint: Reducer<Span, StreamStep, never> = {
  name: 'av-fingerprint',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: newSpan,
  step(state, input, { config }) {
    if (input.kind === 'timer') return FORGET;
    const given = input.value;
    if (given.kind !== 'features') return state.span === -1 ? FORGET : NOTHING;
    const { chunk } = given;
    if (roleOf(config, given.scope) === null) return FORGET;
    const span = spanOf(chunk.basePtsMs);
    if (state.span !== span || state.probeEpochMs !== chunk.probeEpochMs)
      Object.assign(state, newSpan(), { span, probeEpochMs: chunk.probeEpochMs });
    takeChunk(state, chunk);
    return [{ kind: 'schedule', name: 'expire', dueMs: input.timeMs + EXPIRES_MS }];
  },
};

const FORGET: readonly Effect<never>[] = [{ kind: 'forget' }];

/** State key of the span that a step belongs to; no stream has such a key. */
export function spanKeyOf(step: StreamStep): string {
  const atMs = step.kind === 'features' ? step.chunk.basePtsMs : step.coveredToMs;
  return spanKey(streamKeyOf(step.scope), spanOf(atMs));
}

/** Pictures in order of time. Parallel columns. */
export type Pictures = { readonly ms: number[]; readonly luma: number[]; readonly diff: number[] };
/** Fingerprint of sound, block by block from `fromBlock` on; what is missing is 0. */
export type Sound = { readonly fromBlock: number; readonly blocks: Uint16Array; readonly present: number };

/** What is kept of a stream from `fromMs` up to `toMs`, as far as it is of this run of its probe. */
export type Kept = {
  readonly pictures: Pictures;
  readonly sound: Sound;
  /** Its clock stepped in there. */
  readonly hasStep: boolean;
};

export function keptOf(
  context: StepContext,
  scope: StreamScope,
  probeEpochMs: number,
  fromMs: number,
  toMs: number,
): Kept {
  const key = streamKeyOf(scope);
  const pictures: Pictures = { ms: [], luma: [], diff: [] };
  const fromBlock = Math.floor(fromMs / BLOCK_MS);
  const blocks = new Uint16Array(Math.max(0, Math.ceil(toMs / BLOCK_MS) - fromBlock));
  let present = 0;
  let hasStep = false;
  for (let span = spanOf(fromMs); span <= spanOf(toMs); span++) {
    const state = context.read<Span>(avFingerprint.name, spanKey(key, span));
    if (state === undefined || state.span !== span || state.probeEpochMs !== probeEpochMs) continue;
    const startMs = span * SPAN_MS;
    addPictures(pictures, state, startMs, fromMs, toMs);
    let block = startMs / BLOCK_MS - fromBlock;
    for (let i = 0; i < state.sound.length; i++) {
      block += state.soundAt[i]!;
      if (block < 0 || block >= blocks.length) continue;
      blocks[block] = state.sound[i]!;
      present += 1;
    }
    for (const ms of state.stepMs) hasStep ||= startMs + ms >= fromMs && startMs + ms < toMs;
  }
  return { pictures, sound: { fromBlock, blocks, present }, hasStep };
}

function newSpan(): Span {
  return {
    span: -1,
    probeEpochMs: 0,
    pictureMs: [],
    luma: [],
    diff: [],
    soundAt: [],
    sound: [],
    stepMs: [],
  };
}

function spanOf(ms: number): number {
  return Math.floor(ms / SPAN_MS);
}

/** Spans take turns: a stream has no more than {@link SPANS} keys, however fast it is read. */
function spanKey(streamKey: string, span: number): string {
  return `${streamKey}/${((span % SPANS) + SPANS) % SPANS}`;
}

function takeChunk(state: Span, chunk: FrameFeatures): void {
  const startMs = state.span * SPAN_MS;
  let lastMs = startMs + sum(state.pictureMs);
  let lastLuma = sum(state.luma);
  const isWhole = chunk.hasVideo && chunk.depth === 'full';
  for (let i = 0; isWhole && i < chunk.framePtsMs.length; i++) {
    const ms = chunk.basePtsMs + chunk.framePtsMs[i]!;
    const luma = chunk.lumaMeanCenti[i]!;
    const diff = chunk.diffMeanCenti[i]!;
    state.pictureMs.push(ms - lastMs);
    state.luma.push(luma - lastLuma);
    state.diff.push(diff === NO_PREDECESSOR_CENTI ? 0 : Math.min(diff, DIFF_CENTI_MAX));
    lastMs = ms;
    lastLuma = luma;
  }
  let lastBlock = startMs / BLOCK_MS + sum(state.soundAt);
  const firstBlock = Math.round((chunk.basePtsMs + chunk.audioStartMs) / BLOCK_MS);
  const { audioOnsets } = chunk;
  for (let i = 0; chunk.audioBlockMs === BLOCK_MS && 2 * i + 1 < audioOnsets.length; i++) {
    state.soundAt.push(firstBlock + i - lastBlock);
    state.sound.push(audioOnsets[2 * i]! * 256 + audioOnsets[2 * i + 1]!);
    lastBlock = firstBlock + i;
  }
  for (const ms of chunk.stepPtsMs) state.stepMs.push(chunk.basePtsMs + ms - startMs);
}

function addPictures(to: Pictures, span: Span, startMs: number, fromMs: number, toMs: number): void {
  let ms = startMs;
  let luma = 0;
  for (let i = 0; i < span.pictureMs.length; i++) {
    ms += span.pictureMs[i]!;
    luma += span.luma[i]!;
    if (ms < fromMs || ms >= toMs) continue;
    to.ms.push(ms);
    to.luma.push(luma);
    to.diff.push(span.diff[i]!);
  }
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
}
