/**
 * One input from beginning to end with no server: decoded by ingest, judged by the reducers of stream detection, as if its
 * records had come through a log. The same bytes give the same defects there and here.
 */
import { startIngest } from '../../producers/ingest/ingest.ts';
import { STREAM_DEFAULTS, type StreamSpec } from '../../producers/ingest/stream-spec.ts';
import type { Clock } from '../../runtime/port.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { hasFrontPair } from '../../topologies/detectors/audio-pair.ts';
import { AV_SYNC_OFFSET } from '../../topologies/detectors/av-reference.ts';
import { DEFECT_TYPES } from '../../topologies/detectors/defect-types.ts';
import type { Detector } from '../../topologies/detectors/sample-detector.ts';
import { type DetectionConfig, settingsFor } from '../../topologies/detectors/settings.ts';
import { DETECTORS } from '../../topologies/stream-detection.ts';
import { comparingDetection, inOrder, REFERENCE_RENDITION, withReference } from './reference.ts';
import { isTransportWatched } from './watched-transport.ts';

/** One defect, over and done with, or still running where the input ended. */
export type AnalysedDefect = {
  readonly streamId: string;
  readonly type: string;
  /** On the presentation timeline, from the smallest first timestamp of any track. */
  readonly startMs: number;
  readonly endMs: number;
  /** It was still running at the end. */
  readonly open: boolean;
  readonly severity: string;
  readonly confidencePermille: number;
  readonly reason: string;
  /** Of av-sync-offset: by how much sound comes before its pictures. */
  readonly offsetMs?: number;
  /** Rung of the ladder that shows it, where it is another one than what was analysed. */
  readonly renditionId?: string;
};

export type Analysis = {
  readonly streamId: string;
  readonly input: string;
  readonly durationMs: number;
  readonly defects: readonly AnalysedDefect[];
  /** The same step by step, as stream detection tells them. */
  readonly steps: readonly StreamDefect[];
  /** Types that nothing here judged: never to be read as good. */
  readonly notWatched: readonly string[];
  readonly chunks: readonly FrameFeatures[];
  readonly decoder: string;
};

export type AnalysisOptions = {
  readonly streamId: string;
  readonly input: string;
  readonly ffmpegPath: string;
  /** The version that it names itself; it is asked when left out. */
  readonly ffmpegBuild?: string;
  readonly clock: Clock;
  /** Addresses beside the public ones that may be connected to over HTTP. */
  readonly allow?: readonly string[];
  /** For inputs without an end: how long to look. */
  readonly forMs?: number;
  /** Settings of detectors; defaults, when left out. */
  readonly config?: DetectionConfig;
  /** Another file or stream of the same programme: what was introduced between the two is found by comparing them. */
  readonly reference?: string;
  /** Captions have to be there. */
  readonly captions?: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (coveredMs: number) => void;
};

/** The input could not be read, or not to its end; `message` says why. */
export class UnreadableInput extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnreadableInput';
  }
}

/** Throws {@link UnreadableInput}, and `IngestError` for an input of a kind that is not read. */
export async function analyse(options: AnalysisOptions): Promise<Analysis> {
  const chunks = await featuresOf(options, options.input, OWN_RENDITION);
  const reference =
    options.reference === undefined
      ? []
      : await featuresOf({ ...options, captions: false }, options.reference, REFERENCE_RENDITION);
  return judge(options, chunks, reference);
}

/**
 * What is wrong with an input by its features, and by those of its reference; none for no reference. Throws
 * {@link UnreadableInput} when there are none of the input.
 */
export function judge(
  { streamId, input, config: own }: Pick<AnalysisOptions, 'streamId' | 'input' | 'config'>,
  chunks: readonly FrameFeatures[],
  reference: readonly FrameFeatures[],
): Analysis {
  const watched = chunks.filter(({ event }) => event === 'features');
  if (watched.length === 0) throw new UnreadableInput(`${input}: nothing in it could be decoded`);
  const durationMs = Math.max(...watched.map(({ basePtsMs, durationMs }) => basePtsMs + durationMs));
  const config = reference.length === 0 ? (own ?? null) : withReference(own ?? null, streamId);
  const { steps, isCompared } = stepsOf(chunks, reference, config);
  return {
    streamId,
    input,
    durationMs,
    defects: defectsOf(streamId, steps, durationMs),
    steps,
    notWatched: notWatched(input, chunks, isCompared, config),
    chunks: watched,
    decoder: watched[0]!.decoder,
  };
}

/** A live stream that stands still is not waited for: what is live by now lies so far behind what was asked for. */
function isLongPast({ manifestIsLive, basePtsMs, targetDurationMs }: FrameFeatures, forMs: number): boolean {
  return manifestIsLive && basePtsMs >= forMs + LIVE_SLACK_MS + 3 * targetDurationMs;
}

const LIVE_SLACK_MS = 10_000;

/** What is analysed is told under this name; another one in a defect is a rung of its ladder. */
export const OWN_RENDITION = 'main';

/** Log time of a chunk here: it cannot matter to what a defect is, only to when it was told. */
const START_MS = 1_000_000;

/** Features of the whole input, as a probe writes them, under this rendition's name. */
export async function featuresOf(
  { streamId, ffmpegPath, ffmpegBuild, clock, forMs, allow, captions, signal, onProgress }: AnalysisOptions,
  input: string,
  renditionId: string,
): Promise<readonly FrameFeatures[]> {
  const chunks: FrameFeatures[] = [];
  const spec: StreamSpec = {
    ...STREAM_DEFAULTS,
    ...{ programmeId: streamId, renditionId, input, pace: 'fast' },
    captions: captions ?? STREAM_DEFAULTS.captions,
  };
  const ending = new AbortController();
  const ingest = await startIngest({
    streams: [spec],
    sink: {
      write: async (_key, record) => {
        chunks.push(record);
        if (record.event === 'transport') {
          if (forMs !== undefined && isLongPast(record, forMs)) ending.abort();
          return;
        }
        onProgress(record.basePtsMs + record.durationMs);
        if (forMs !== undefined && record.basePtsMs + record.durationMs >= forMs) ending.abort();
      },
    },
    allow: allow ?? [],
    ffmpegPath,
    ...(ffmpegBuild === undefined ? {} : { ffmpegBuild }),
    clock,
    probeId: 'analyze',
    // part of every record: the same in each run
    probeEpochMs: 1,
  });
  const stop = (): void => void ingest.stop();
  for (const one of [signal, ending.signal]) one.addEventListener('abort', stop, { once: true });
  const [result] = await ingest.done;
  signal.removeEventListener('abort', stop);
  const { outcome } = result!;
  if (outcome.kind === 'failed' && !ending.signal.aborted) throw new UnreadableInput(outcome.reason);
  return chunks;
}

function stepsOf(
  chunks: readonly FrameFeatures[],
  reference: readonly FrameFeatures[],
  config: DetectionConfig | null,
): { readonly steps: readonly StreamDefect[]; readonly isCompared: boolean } {
  const { topology, isCompared } = comparingDetection();
  const driver = new TopologyTestDriver(topology, { config });
  for (const { chunk, atMs } of inOrder(chunks, reference)) {
    driver.pipe('frame-features', chunk.programmeId, chunk, START_MS + atMs);
  }
  const steps = driver
    .outputs('stream-defects')
    .map(({ value }) => value)
    .filter(({ event, renditionId }) => event !== 'anchor' && renditionId !== REFERENCE_RENDITION);
  return { steps, isCompared: isCompared() };
}

/** Defects of the steps that they were told in, in order of start. */
export function defectsOf(
  streamId: string,
  steps: readonly StreamDefect[],
  durationMs: number,
): readonly AnalysedDefect[] {
  const found = new Map<string, { readonly last: StreamDefect; readonly reason: string }>();
  for (const step of steps) {
    const known = found.get(step.defectId);
    found.set(step.defectId, {
      last: step,
      reason: step.event === 'close' && known !== undefined ? known.reason : step.reason,
    });
  }
  return [...found.values()]
    .map(({ last, reason }) => defectOf(streamId, last, reason, durationMs))
    .sort((a, b) => a.startMs - b.startMs || (a.type < b.type ? -1 : 1));
}

function defectOf(streamId: string, last: StreamDefect, reason: string, durationMs: number): AnalysedDefect {
  const open = last.endMs === null || last.reason.startsWith('stream-ended');
  return {
    streamId,
    type: last.type,
    startMs: last.startMs,
    endMs: open ? Math.max(durationMs, last.startMs) : last.endMs!,
    open,
    severity: last.severity,
    confidencePermille: last.confidencePermille,
    reason,
    ...(last.offsetMs === null ? {} : { offsetMs: last.offsetMs }),
    ...(last.renditionId === OWN_RENDITION ? {} : { renditionId: last.renditionId }),
  };
}

function notWatched(
  input: string,
  told: readonly FrameFeatures[],
  isCompared: boolean,
  config: DetectionConfig | null,
): readonly string[] {
  const chunks = told.filter(({ event }) => event === 'features');
  const hasVideo = chunks.some((chunk) => chunk.hasVideo && chunk.framePtsMs.length > 0);
  const hasAudio = chunks.some((chunk) => chunk.hasAudio && chunk.audioChannels > 0);
  const hasPair = chunks.some(({ audioChannels }) => hasFrontPair(audioChannels));
  const scope = chunks[0]!;
  const settingsOf = ({ type, defaults }: Detector) => settingsFor(config, type, defaults, scope);
  const judged = new Map(
    DETECTORS.filter((detector) => detector.watches(settingsOf(detector))).map((one) => [one.type, one]),
  );
  return DEFECT_TYPES.filter((type) => {
    const isWatched = isTransportWatched(type, input, told);
    if (isWatched !== null) return !isWatched;
    const detector = judged.get(type);
    if (detector === undefined) return true;
    if (type === AV_SYNC_OFFSET) return !isCompared;
    if (type === 'caption-missing') return chunks.every(({ captionUnits }) => captionUnits === null);
    // A track is missing by the word of the other one, and when it was there or has to be.
    if (type === 'audio-missing') return !(hasVideo && (hasAudio || settingsOf(detector).expectAudio === 1));
    if (type === 'video-missing') return !(hasAudio && (hasVideo || settingsOf(detector).expectVideo === 1));
    if (type === 'audio-channel-lost' || type === 'audio-phase-inverted') return !hasPair;
    return (type.startsWith('video-') && !hasVideo) || (type.startsWith('audio-') && !hasAudio);
  });
}
