/**
 * Ingest: media streams in, feature records out. Each stream has a probe of its own, so that none can stop another.
 *
 * ```ts
 * const ingest = await startIngest({
 *   streams: [{ programmeId: 'news', input: 'news.mp4', loop: true }],
 *   sink, ffmpegPath: 'ffmpeg', clock: systemClock, probeId: 'probe-1',
 * });
 * const results = await ingest.done;
 * ```
 */
import type { Clock } from '../../runtime/port.ts';
import { messageOf } from '../../schemas/errors.ts';
import { createBoundedWriter, type DropReason, type FeatureSink } from './bounded-writer.ts';
import { ffmpegBuild } from './decoder.ts';
import { Probe, type ProbeOutcome } from './probe.ts';
import { IngestError, parseStreamSpec, type StreamSpec, type StreamSpecInput } from './stream-spec.ts';

export type IngestOptions = {
  /** At least one; validated, defaults filled in. */
  readonly streams: readonly StreamSpecInput[];
  readonly sink: FeatureSink;
  readonly ffmpegPath: string;
  readonly clock: Clock;
  /** Name of this probe in every record. */
  readonly probeId: string;
  /** Unix time in ms that names this run; the clock's time when left out. */
  readonly probeEpochMs?: number;
  readonly onProgress?: (progress: IngestProgress) => void;
};

export type IngestProgress =
  /** The first record of the stream is on its way. */
  | { readonly kind: 'started'; readonly stream: StreamSpec }
  /** Something that a person may want to know, in one line. */
  | { readonly kind: 'note'; readonly stream: StreamSpec; readonly message: string }
  | {
      readonly kind: 'dropped';
      readonly stream: StreamSpec;
      readonly reason: DropReason;
      readonly message: string;
    }
  | { readonly kind: 'finished'; readonly stream: StreamSpec; readonly outcome: ProbeOutcome };

export type StreamResult = { readonly stream: StreamSpec; readonly outcome: ProbeOutcome };

/** Figures of one stream so far. */
export type StreamStats = {
  readonly stream: StreamSpec;
  readonly pictures: number;
  readonly audioBlocks: number;
  readonly records: number;
  readonly restarts: number;
  /** Records that were left out, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
};

export type Ingest = {
  /** Resolves when every stream has ended, failed or was stopped, and its records are written. Never rejects. */
  readonly done: Promise<readonly StreamResult[]>;
  stats(): readonly StreamStats[];
  /** Ends every decoder, writes what is under way, and resolves when no process is left. */
  stop(): Promise<void>;
};

/**
 * Starts a probe for each stream. Throws {@link IngestError} when a specification is invalid, two streams have the
 * same name, or ffmpeg does not run; what goes wrong with a stream later is in its outcome and in its records.
 */
export async function startIngest(options: IngestOptions): Promise<Ingest> {
  const streams = options.streams.map(parseStreamSpec);
  refuseTwins(streams);
  const decoderBuild = await ffmpegBuild(options.ffmpegPath);
  const probeEpochMs = options.probeEpochMs ?? options.clock.nowMs();
  const stopping = new AbortController();
  const watched = streams.map((stream) =>
    watchStream(stream, options, { decoderBuild, probeEpochMs, signal: stopping.signal }),
  );
  const done = Promise.all(watched.map((watch) => watch.result));
  return {
    done,
    stats: () => watched.map((watch) => watch.stats()),
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

/** Records of one stream on their way to the sink: 100 s of it at live pace. */
const RECORDS_UNDER_WAY_MAX = 100;

type Run = { readonly decoderBuild: string; readonly probeEpochMs: number; readonly signal: AbortSignal };
type Watched = { readonly result: Promise<StreamResult>; stats(): StreamStats };

function watchStream(stream: StreamSpec, options: IngestOptions, run: Run): Watched {
  const { clock, ffmpegPath, probeId } = options;
  const tell = options.onProgress ?? (() => {});
  const dropped: Record<DropReason, number> = { 'sink-queue-full': 0, 'sink-failed': 0 };
  let records = 0;
  const onDrop = (reason: DropReason, cause: unknown): void => {
    dropped[reason]++;
    if (dropped[reason] > 1) return;
    const why = cause === null ? `${RECORDS_UNDER_WAY_MAX} records wait to be written` : messageOf(cause);
    const message = `${stream.programmeId}: records are left out (${reason}: ${why})`;
    tell({ kind: 'dropped', stream, reason, message });
  };
  const whenFull = stream.pace === 'fast' ? 'wait' : 'drop';
  const writer = createBoundedWriter(options.sink, RECORDS_UNDER_WAY_MAX, whenFull, onDrop);
  const probe = new Probe(
    stream,
    {
      ffmpegPath,
      probeId,
      clock,
      decoderBuild: run.decoderBuild,
      probeEpochMs: run.probeEpochMs,
      note: (message) => tell({ kind: 'note', stream, message }),
      emit: (made) => {
        if (records === 0 && made.length > 0) tell({ kind: 'started', stream });
        records += made.length;
        return writer.push(made);
      },
    },
    run.signal,
  );
  const finish = async (): Promise<StreamResult> => {
    let outcome: ProbeOutcome;
    try {
      outcome = await probe.run();
      await writer.drain();
    } catch (error) {
      outcome = { kind: 'failed', reason: `${stream.input}: ${messageOf(error)}` };
    }
    tell({ kind: 'finished', stream, outcome });
    return { stream, outcome };
  };
  return {
    result: finish(),
    stats: () => ({
      stream,
      pictures: probe.counts.pictures,
      audioBlocks: probe.counts.audioBlocks,
      restarts: probe.counts.restarts,
      records,
      dropped: { ...dropped },
    }),
  };
}

function refuseTwins(streams: readonly StreamSpec[]): void {
  if (streams.length === 0) throw new IngestError('no stream is given; name at least one input');
  const seen = new Set<string>();
  for (const { programmeId, renditionId, vantage } of streams) {
    const point = JSON.stringify([programmeId, renditionId, vantage]);
    if (seen.has(point)) {
      throw new IngestError(
        `two streams are called ${programmeId} / ${renditionId} / ${vantage}; give each its own programmeId, renditionId or vantage`,
      );
    }
    seen.add(point);
  }
}
