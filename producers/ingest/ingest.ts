/**
 * Ingest: media streams in, feature records out. Each stream has a probe of its own, so that none can stop another.
 *
 * ```ts
 * const ingest = await startIngest({
 *   streams: [{ ...STREAM_DEFAULTS, programmeId: 'news', input: 'news.mp4', loop: true }],
 *   sink, ffmpegPath: 'ffmpeg', clock: systemClock, probeId: 'probe-1',
 * });
 * const results = await ingest.done;
 * ```
 */
import type { Clock } from '../../runtime/port.ts';
import type { DropReason, FeatureSink } from './bounded-writer.ts';
import type { Fetcher, FetcherOptions } from './fetcher.ts';
import { ffmpegAbilities, refuseUnreadable } from './ffmpeg-abilities.ts';
import { IngestError } from './ingest-error.ts';
import type { SourceContext } from './input-source.ts';
import { readLadder } from './ladder-reader.ts';
import type { Lookup } from './network-policy.ts';
import { Probe } from './probe.ts';
import type { ProbeContext, ProbeCounts, ProbeOutcome } from './probe-context.ts';
import { createOutlet, type Outlet } from './stream-outlet.ts';
import { checkStreamSpec, inputKindOf, type StreamSpec } from './stream-spec.ts';

export type IngestOptions = {
  /** At least one; each is checked as {@link checkStreamSpec} says. */
  readonly streams: readonly StreamSpec[];
  readonly sink: FeatureSink;
  readonly ffmpegPath: string;
  /** The version that it names itself, such as `5.1.9-0+deb12u1`; it is asked when left out. */
  readonly ffmpegBuild?: string;
  readonly clock: Clock;
  /** Name of this probe in every record. */
  readonly probeId: string;
  /** Unix time in ms that names this run; the clock's time when left out. */
  readonly probeEpochMs?: number;
  /** Addresses that every stream may connect to over HTTP beside the public ones, as `allow` of a stream. */
  readonly allow?: readonly string[];
  /** Resolves names; the machine's resolver when left out. */
  readonly lookup?: Lookup;
  /** The configuration in force at the beginning; without one each stream is looked at as it says itself. */
  readonly config?: unknown;
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
  /** Another configuration is in force: its part `ingest` says how deep to look at which stream. */
  configure(config: unknown): void;
  /** Ends every decoder, writes what is under way, and resolves when no process is left. */
  stop(): Promise<void>;
};

/**
 * Starts a probe for each stream, and for each rendition of a ladder. Throws {@link IngestError} when a specification is
 * invalid, two streams have the same name, or ffmpeg does not run or cannot read such an input; what goes wrong with a
 * stream later is in its outcome and in its records.
 */
export async function startIngest(options: IngestOptions): Promise<Ingest> {
  const streams = options.streams.map((one) => ({ ...one, allow: [...one.allow, ...(options.allow ?? [])] }));
  streams.forEach(checkStreamSpec);
  refuseTwins(streams);
  const areFiles = streams.every(({ input }) => inputKindOf(input) === 'file');
  const abilities = await ffmpegAbilities(options.ffmpegPath, areFiles, options.ffmpegBuild);
  for (const stream of streams) refuseUnreadable(stream, options.ffmpegPath, abilities);
  const { clock, lookup } = options;
  const fetcher = fetcherWhenNeeded(lookup === undefined ? { clock } : { clock, lookup });
  const probeEpochMs = options.probeEpochMs ?? clock.nowMs();
  const stopping = new AbortController();
  const sources = { fetcher, abilities };
  const run: Run = { sources, probeEpochMs, signal: stopping.signal, config: options.config ?? null };
  const watched = streams.map((stream) =>
    stream.renditions === 'all' ? watchLadder(stream, options, run) : watchStream(stream, options, run),
  );
  const finish = async (): Promise<readonly StreamResult[]> => {
    const results = await Promise.all(watched.map((watch) => watch.results));
    await fetcher.close();
    return results.flat();
  };
  const done = finish();
  return {
    done,
    stats: () => watched.flatMap((watch) => watch.stats()),
    configure(config) {
      run.config = config;
      for (const watch of watched) watch.reconfigure();
    },
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

/** What reads from networks is a good part of this program, and who looks at files alone does not wait for it. */
function fetcherWhenNeeded(options: FetcherOptions): Fetcher {
  let made: Promise<Fetcher> | null = null;
  return {
    async open(session) {
      made ??= import('./fetcher.ts').then(({ createFetcher }) => createFetcher(options));
      return await (await made).open(session);
    },
    async close() {
      await (await made)?.close();
    },
  };
}

type Run = {
  readonly sources: SourceContext;
  readonly probeEpochMs: number;
  readonly signal: AbortSignal;
  config: unknown;
};
type Watched = {
  readonly results: Promise<readonly StreamResult[]>;
  stats(): readonly StreamStats[];
  reconfigure(): void;
};

const NO_COUNTS: ProbeCounts = { pictures: 0, audioBlocks: 0, passes: 0, restarts: 0 };

/** Each rendition of a ladder as a stream of its own, once the manifest says which there are. */
function watchLadder(stream: StreamSpec, options: IngestOptions, run: Run): Watched {
  let rungs: readonly Watched[] = [];
  const outlet = createOutlet(stream, options);
  const finish = async (): Promise<readonly StreamResult[]> => {
    const found = await outlet.outcomeOf(async () => {
      const read = await readLadder(stream, { ...probeContext(options, run, outlet), signal: run.signal });
      if ('outcome' in read) return read.outcome;
      rungs = read.streams.map((rung) => watchStream(rung, options, run));
      return null;
    });
    if (found !== null) return [{ stream, outcome: found }];
    return (await Promise.all(rungs.map((rung) => rung.results))).flat();
  };
  return {
    results: finish(),
    stats: () => (rungs.length > 0 ? rungs.flatMap((rung) => rung.stats()) : [outlet.stats(NO_COUNTS)]),
    reconfigure: () => {
      for (const rung of rungs) rung.reconfigure();
    },
  };
}

function watchStream(stream: StreamSpec, options: IngestOptions, run: Run): Watched {
  const outlet = createOutlet(stream, options);
  const probe = new Probe(stream, probeContext(options, run, outlet), run.signal);
  const finish = async (): Promise<readonly StreamResult[]> => {
    const outcome = await outlet.outcomeOf(() => probe.run());
    return outcome === null ? [] : [{ stream, outcome }];
  };
  return {
    results: finish(),
    stats: () => [outlet.stats(probe.counts)],
    reconfigure: () => probe.reconfigure(),
  };
}

function probeContext({ ffmpegPath, probeId, clock }: IngestOptions, run: Run, outlet: Outlet): ProbeContext {
  const { sources, probeEpochMs } = run;
  const { note, emit } = outlet;
  return { ffmpegPath, sources, probeId, clock, probeEpochMs, configuration: () => run.config, note, emit };
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
