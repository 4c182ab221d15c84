/** Everything that has to be there before a run can begin, got side by side where that is possible. */
import type { Logger } from 'pino';
import { resolveFfmpeg } from '../local/ffmpeg.ts';
import { type Postgres, resolvePostgres } from '../local/postgres.ts';
import type { OnProgress } from '../local/progress.ts';
import { reportStep } from '../local/progress.ts';
import { type Cluster, resolveCluster } from '../local/resolve.ts';
import { interrupted } from '../local/setup-error.ts';
import { type Demo, prepareDemo } from '../producers/demo/prepare-demo.ts';
import type { FaultTruth } from '../producers/demo/truth.ts';
import type { StreamSpec } from '../producers/ingest/stream-spec.ts';
import { applicationIdOf, deployTopics } from '../runtime/deploy.ts';
import { openKafkajsPort } from '../runtime/kafkajs-port.ts';
import type { AdminPort } from '../runtime/port.ts';
import { messageOf } from '../schemas/errors.ts';
import { openRegistry, type Registry, registerSchemas } from '../schemas/registry.ts';
import { ExpectedError } from './failure.ts';
import { readStreamsFile } from './streams-file.ts';
import { TOPOLOGIES } from './topologies.ts';

export type Prepared = {
  readonly cluster: Cluster;
  readonly registry: Registry;
  /** For the run's own subscriber, for deploying and for the services. */
  readonly port: AdminPort;
  /** Null where no tables are wanted. */
  readonly postgres: Postgres | null;
  readonly ffmpegPath: string;
  readonly streams: readonly StreamSpec[];
  /** Null for streams of the user's own. */
  readonly truth: readonly FaultTruth[] | null;
};

export type PrepareOptions = {
  readonly env: NodeJS.ProcessEnv;
  readonly dataDir: string;
  /** Null for the demonstration's streams. */
  readonly streamsFile: string | null;
  readonly seed: number;
  /** Of the demonstration's streams, before they repeat. */
  readonly demoDurationMs: number;
  /** Whether results go into PostgreSQL as well. */
  readonly withTables: boolean;
  readonly onProgress: OnProgress;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** What has to be ended is put here as soon as it runs. */
  readonly closing: AsyncDisposableStack;
};

/** Throws a SetupError, or what a part throws; what was started until then is in `closing`. */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const abort = new AbortController();
  const signal = AbortSignal.any([options.signal, abort.signal]);
  const parts = [
    prepareCluster({ ...options, signal }),
    prepareStreams({ ...options, signal }),
    preparePostgres({ ...options, signal }),
  ] as const;
  // One that fails ends the other: nobody waits for a download when there is no Java.
  for (const part of parts) part.catch(() => abort.abort());
  const [cluster, streams, postgres] = await Promise.allSettled(parts);
  if (options.signal.aborted) throw interrupted();
  if (cluster.status === 'rejected' || streams.status === 'rejected' || postgres.status === 'rejected')
    throw firstCause([cluster, streams, postgres]);
  return { ...cluster.value, ...streams.value, postgres: postgres.value };
}

async function preparePostgres(options: PrepareOptions): Promise<Postgres | null> {
  const { env, dataDir, onProgress, signal, closing } = options;
  if (!options.withTables) return null;
  const postgres = await resolvePostgres({ env, dataDir, onProgress, signal });
  closing.defer(() => postgres.stop());
  return postgres;
}

async function prepareCluster(
  options: PrepareOptions,
): Promise<Pick<Prepared, 'cluster' | 'registry' | 'port'>> {
  const { env, onProgress, signal, closing } = options;
  const cluster = await resolveCluster({ env, onProgress, signal });
  closing.defer(() => cluster.stop());
  const registry = openRegistry(cluster.registryUrl);
  const port = await openKafkajsPort({ brokers: cluster.brokers, clientId: 'everyview-start' });
  closing.defer(() => port.close());
  await reportStep(
    onProgress,
    'topics and schemas',
    '',
    async (news) => {
      const created = await deployTopics(port, { topologies: TOPOLOGIES, applicationIdOf });
      news(`${created.length} topics created`);
      const registered = await registerSchemas(registry);
      return { created, registered };
    },
    ({ created, registered }) =>
      `${created.length === 0 ? 'all topics there' : `${created.length} topics created`}, ${registered.length} schemas registered`,
  );
  return { cluster, registry, port };
}

async function prepareStreams(
  options: PrepareOptions,
): Promise<Pick<Prepared, 'ffmpegPath' | 'streams' | 'truth'>> {
  const { env, onProgress, signal, streamsFile } = options;
  const given = streamsFile === null ? null : readStreamsFile(streamsFile);
  const ffmpeg = await resolveFfmpeg({ allowInstall: true, env, onProgress, signal });
  options.logger.info({ ffmpeg }, 'ffmpeg found');
  if (given !== null) return { ffmpegPath: ffmpeg.path, streams: given, truth: null };
  const demo = await reportStep(
    onProgress,
    'demonstration streams',
    `seed ${options.seed}`,
    (news) => newDemo(options, ffmpeg.path, news),
    ({ streams }) => `${streams.length} streams, clips with faults put in`,
  );
  options.closing.defer(() => demo.stop());
  return { ffmpegPath: ffmpeg.path, streams: demo.streams, truth: demo.truth };
}

async function newDemo(
  { dataDir, demoDurationMs, seed, signal }: PrepareOptions,
  ffmpegPath: string,
  news: (message: string) => void,
): Promise<Demo> {
  try {
    return await prepareDemo({
      dataDir,
      ffmpegPath,
      durationMs: demoDurationMs,
      seed,
      signal,
      onProgress: news,
    });
  } catch (cause) {
    if (signal.aborted) throw interrupted();
    const why = messageOf(cause);
    throw new ExpectedError(`the demonstration streams cannot be made: ${why}`, '', { cause });
  }
}

/** The failure that was not caused by the other one's. */
function firstCause(results: readonly PromiseSettledResult<unknown>[]): unknown {
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const isInterruption = (reason: unknown) => (reason as { code?: unknown } | null)?.code === 'interrupted';
  return reasons.find((reason) => !isInterruption(reason)) ?? reasons[0];
}
