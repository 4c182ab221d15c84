/** Two small topologies with every mechanism in them (state, timers, seals, a gather), over real topics and schemas. */
import { defineTopology } from '../../runtime/define-topology.ts';
import { structCodec } from '../../runtime/struct-codec.ts';
import type { Effect, Reducer } from '../../runtime/topology.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { FrameFeatures, QosAlert, StreamDefect } from '../../schemas/records.ts';

type Counted = { chunks: number; frames: number };

/** Says how many chunks a programme has had, with each chunk, and once more when it was silent for 2 s of log time. */
export const countChunks: Reducer<Counted, FrameFeatures, StreamDefect> = {
  name: 'count-chunks',
  state: structCodec({ version: 1, fields: { chunks: 'int', frames: 'long' } }),
  init: () => ({ chunks: 0, frames: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') {
      return [said(input.key, 'close', state.chunks, input.timeMs, context.configHash)];
    }
    const chunk = input.value;
    if (chunk.seq < 0) return [{ kind: 'drop', reason: 'negative-seq' }];
    state.chunks += 1;
    state.frames += chunk.framePtsMs.length;
    return [
      said(input.key, 'open', state.chunks, input.timeMs, context.configHash),
      { kind: 'schedule', name: 'silent', dueMs: input.timeMs + 2_000 },
    ];
  },
};

export const tinyCounting = defineTopology({
  name: 'tiny-counting',
  sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
  reducers: [{ kind: 'reducer', reducer: countChunks, from: ['frame-features'], store: 'counts' }],
  sinks: [{ kind: 'sink', topic: 'stream-defects', from: ['count-chunks'], edge: 'same', sealed: true }],
  sealDelayMs: 3_000,
});

type Order = { lines: number };

/** Numbers what all partitions of stream-defects said, in the merged order. */
const numberAll: Reducer<Order, StreamDefect, QosAlert> = {
  name: 'number-all',
  state: structCodec({ version: 1, fields: { lines: 'int' } }),
  init: () => ({ lines: 0 }),
  step(state, input) {
    if (input.kind === 'timer') return [];
    state.lines += 1;
    return [{ kind: 'forward', value: alert(input.value, state.lines, input.timeMs) }];
  },
};

export const tinyGathering = defineTopology({
  name: 'tiny-gathering',
  sources: [{ kind: 'source', topic: 'stream-defects', span: 'all', writers: 'same' }],
  reducers: [
    { kind: 'reducer', reducer: numberAll, from: ['stream-defects'], store: 'order', keyOf: () => 'all' },
  ],
  sinks: [{ kind: 'sink', topic: 'qos-alerts', from: ['number-all'], edge: 'same', sealed: false }],
  sealDelayMs: 3_000,
});

const BLANK = blankRecord('frame-features', {});

export function chunk(programmeId: string, seq: number, frames = 25): FrameFeatures {
  return {
    ...BLANK,
    programmeId,
    renditionId: 'main',
    vantage: 'origin',
    probeId: 'probe-1',
    probeEpochMs: 1_000,
    seq,
    event: 'features',
    basePtsMs: seq * 1_000,
    durationMs: 1_000,
    programTimeMs: null,
    programTimeSource: 'none',
    uncertaintyMs: 0,
    decodedAtMs: 1_700_000_000_000,
    decoder: 'test',
    depth: 'full',
    hasVideo: true,
    hasAudio: false,
    frameIntervalUs: 40_000,
    framePtsMs: column(frames, (i) => i * 40),
    lumaMeanCenti: column(frames, () => 10_000),
    lumaSpreadCenti: column(frames, () => 4_000),
    chromaSpreadCenti: column(frames, () => 900),
    darkPermille: column(frames, () => 10),
    diffMeanCenti: column(frames, () => 300),
    anchorMeanCenti: column(frames, () => 0),
    anchorPeakCenti: column(frames, () => 0),
    anchorAgeMs: column(frames, () => 0),
    audioStartMs: 0,
    audioBlockMs: 100,
    audioChannels: 0,
    audioRmsCentiDbfs: [],
    audioPeakCentiDbfs: [],
    audioClipPermille: [],
    audioCorrelationPermille: [],
    audioLoudnessCentiLufs: [],
    decodeErrors: 0,
  };
}

function column(length: number, of: (i: number) => number): readonly number[] {
  return Array.from({ length }, (_, i) => of(i));
}

function said(
  programmeId: string,
  event: string,
  revision: number,
  timeMs: number,
  configHash: string,
): Effect<StreamDefect> {
  return {
    kind: 'forward',
    value: {
      event,
      defectId: `${programmeId}-${revision}`,
      revision,
      programmeId,
      renditionId: '',
      trackId: '',
      vantage: 'origin',
      probeId: 'probe-1',
      type: 'video-freeze',
      severity: 'low',
      confidencePermille: 1_000,
      reason: 'a count',
      startMs: 0,
      endMs: null,
      durationMs: 0,
      chargeFromMs: 0,
      programTimeStartMs: null,
      programTimeEndMs: null,
      programTimeUncertaintyMs: 0,
      detectedAtMs: timeMs,
      decodedAtMs: 0,
      evidenceTopic: 'frame-features',
      evidencePartition: 0,
      evidenceFirstOffset: 0,
      evidenceLastOffset: 0,
      configHash,
      offsetMs: null,
      announced: '',
    },
  };
}

function alert(defect: StreamDefect, version: number, timeMs: number): QosAlert {
  return {
    alertId: defect.defectId,
    version,
    fingerprint: defect.programmeId,
    status: 'firing',
    previousStatus: '',
    alertName: 'Tiny',
    severity: 'info',
    scope: 'stream',
    programmeId: defect.programmeId,
    renditionId: '',
    vantage: 'origin',
    defectType: defect.type,
    cdn: '',
    asn: '',
    country: '',
    device: '',
    playerVersion: '',
    summary: `${defect.programmeId} ${defect.event} ${defect.revision}`,
    description: '',
    reason: 'defect-opened',
    runbookUrl: '',
    startsAtMs: timeMs,
    firedAtMs: null,
    endsAtMs: null,
    updatedAtMs: timeMs,
    mediaStartMs: null,
    mediaEndMs: null,
    decodedAtMs: 0,
    occurrences: 1,
    defectIds: [],
    affectedSessions: null,
    affectedSharePermille: null,
    verdict: 'undetermined',
    configHash: defect.configHash,
  };
}
