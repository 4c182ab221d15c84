/**
 * W1 as it was in the measurements that it is held against: over the real chunks, four detectors that each hold one column
 * against one threshold, and three sums. No chunk order, no timers, no precedence, no health figures.
 */
import { defineTopology } from '../../runtime/define-topology.ts';
import { list, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { streamChunks } from './stream-chunks.ts';
import type { Workload } from './workload.ts';

const RUN = struct({ on: 'bool', startMs: 'long', count: 'int', told: 'bool', total: 'int' });
const FIELDS = {
  seq: 'int',
  pictures: 'long',
  lumaSum: 'long',
  diffSum: 'long',
  rmsSum: 'long',
  runs: list(RUN),
} as const;
type State = StateOf<typeof FIELDS>;
type Run = StateOf<(typeof RUN)['fields']>;

const newRun = (): Run => ({ on: false, startMs: 0, count: 0, told: false, total: 0 });
const MIN_MS = 2_000;

const thresholds: Reducer<State, FrameFeatures, StreamDefect> = {
  name: 'thresholds',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({
    seq: 0,
    pictures: 0,
    lumaSum: 0,
    diffSum: 0,
    rmsSum: 0,
    runs: [newRun(), newRun(), newRun(), newRun()],
  }),
  step(state, input) {
    if (input.kind === 'timer') return NOTHING;
    const chunk = input.value;
    const out: Effect<StreamDefect>[] = [];
    const { lumaMeanCenti, diffMeanCenti, audioRmsCentiDbfs, darkPermille } = chunk;
    const [dark, still, quiet, black] = state.runs;
    const frameMs = chunk.frameIntervalUs / 1_000;
    const blockMs = chunk.audioBlockMs / chunk.audioChannels;
    watch(dark!, 'luma', chunk, lumaMeanCenti, frameMs, 1_700, out);
    watch(still!, 'difference', chunk, diffMeanCenti, frameMs, 4, out);
    watch(quiet!, 'level', chunk, audioRmsCentiDbfs, blockMs, -6_000, out);
    watch(black!, 'light', chunk, darkPermille, frameMs, 0, out);
    for (let i = 0; i < lumaMeanCenti.length; i++) {
      state.lumaSum += lumaMeanCenti[i]!;
      state.diffSum += diffMeanCenti[i]!;
    }
    for (let i = 0; i < audioRmsCentiDbfs.length; i++) state.rmsSum += audioRmsCentiDbfs[i]!;
    state.seq = chunk.seq;
    state.pictures += lumaMeanCenti.length;
    return out.length === 0 ? NOTHING : out;
  },
};

export const thresholdChunks: Workload = {
  ...streamChunks,
  name: 'W1',
  title: 'stream detection, four thresholds',
  topology: defineTopology({
    name: 'threshold-detection',
    sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
    reducers: [{ kind: 'reducer', reducer: thresholds, from: ['frame-features'], store: 'streams' }],
    sinks: [{ kind: 'sink', topic: 'stream-defects', from: [thresholds.name], edge: 'same', sealed: true }],
    sealDelayMs: 3_000,
  }),
  outputTopics: ['stream-defects'],
};

function watch(
  run: Run,
  type: string,
  chunk: FrameFeatures,
  column: readonly number[],
  stepMs: number,
  below: number,
  out: Effect<StreamDefect>[],
): void {
  for (let i = 0; i < column.length; i++) {
    if (column[i]! >= below) {
      run.on = false;
      continue;
    }
    const atMs = chunk.basePtsMs + Math.floor(i * stepMs);
    if (!run.on) {
      run.on = true;
      run.startMs = atMs;
      run.count = 0;
      run.told = false;
    }
    run.count += 1;
    if (run.told || atMs - run.startMs < MIN_MS) continue;
    run.told = true;
    run.total += 1;
    out.push({ kind: 'forward', value: defectOf(run, type, chunk, atMs) });
  }
}

function defectOf(run: Run, type: string, chunk: FrameFeatures, atMs: number): StreamDefect {
  return {
    event: 'open',
    defectId: `${chunk.programmeId}-${type}-${run.total}`,
    revision: 1,
    programmeId: chunk.programmeId,
    renditionId: chunk.renditionId,
    trackId: 'video',
    vantage: chunk.vantage,
    probeId: chunk.probeId,
    type,
    severity: 'medium',
    confidencePermille: 1_000,
    reason: `${run.count} in a row`,
    startMs: run.startMs,
    endMs: null,
    durationMs: atMs - run.startMs,
    chargeFromMs: run.startMs,
    programTimeStartMs: null,
    programTimeEndMs: null,
    programTimeUncertaintyMs: 0,
    detectedAtMs: atMs,
    decodedAtMs: chunk.decodedAtMs,
    evidenceTopic: 'frame-features',
    evidencePartition: 0,
    evidenceFirstOffset: 0,
    evidenceLastOffset: 0,
    configHash: 'default',
    offsetMs: null,
    announced: '',
  };
}
