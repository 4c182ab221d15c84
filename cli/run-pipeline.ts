/** One run of the whole pipeline in this process: from the first record to an end in order. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { AudienceRecord } from '../consumers/summary/audience-record.ts';
import type { RunRecord } from '../consumers/summary/run-record.ts';
import type { RunTiming } from '../consumers/summary/summary.ts';
import type { Ingest, StreamResult } from '../producers/ingest/ingest.ts';
import type { LabelsFile } from '../producers/simulator/labels.ts';
import type { Clock } from '../runtime/port.ts';
import type { QosAlert } from '../schemas/records.ts';
import { allowedAddresses } from './allowed-addresses.ts';
import { readingCodec } from './cluster.ts';
import { ExpectedError } from './failure.ts';
import { startIngestService } from './ingest-service.ts';
import { aborted } from './interruption.ts';
import type { ProcessMetrics } from './metrics.ts';
import { type RunWatcher, watchRun } from './run-watcher.ts';
import { type AudiencePlan, type Services, startServices } from './services.ts';
import { RETENTION_DAYS } from './sink-service.ts';
import type { Prepared } from './start-setup.ts';
import { TOPOLOGIES } from './topologies.ts';
import { startWorkers, type Workers } from './workers.ts';

export type PipelineOptions = {
  readonly prepared: Prepared;
  readonly env: NodeJS.ProcessEnv;
  readonly dataDir: string;
  readonly audience: AudiencePlan;
  /** Counted from the first record; null for no end. */
  readonly forMs: number | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ProcessMetrics;
  /** Asks for an end in order. */
  readonly signal: AbortSignal;
  /** Unix time in ms at which this process began. */
  readonly processStartedAtMs: number;
  /** What takes so long, in words. */
  readonly say: (text: string) => void;
  readonly onWatching: (services: Services) => void;
  readonly onFirstRecord: (timing: Pick<RunTiming, 'setupMs' | 'firstRecordMs'>) => void;
  readonly onAlert: (alert: QosAlert, isOfEarlierRun: boolean) => void;
  readonly onEnding: (why: EndReason) => void;
};

export type EndReason = 'time-is-up' | 'interrupted' | 'streams-ended' | 'failed';

export type RunResult = {
  readonly run: RunRecord;
  readonly audience: AudienceRecord;
  /** What went wrong for the simulated audience; null where there was none. */
  readonly labels: LabelsFile | null;
  /** Log time up to which everything was read. */
  readonly endMs: number;
  readonly timing: RunTiming;
  readonly endedBy: EndReason;
  /** Why it failed; null when it did not. */
  readonly failure: unknown;
  /** How each stream ended; empty after a failure. */
  readonly streams: readonly StreamResult[];
};

const NOTHING_DECODED_MS = 60_000;
const SETTLE_MS_MAX = 20_000;
const SETTLE_POLL_MS = 100;
/** With a part of it gone, an end in order may never come. */
const BROKEN_END_MS_MAX = 8_000;
const NEVER = new Promise<never>(() => {});

/** Throws when it cannot even begin; what fails later is in the result, after everything was ended. */
export async function runPipeline(options: PipelineOptions): Promise<RunResult> {
  const { prepared, clock, logger, metrics, processStartedAtMs } = options;
  await using closing = new AsyncDisposableStack();
  let isOver = false;
  const watcher = await watchRun({
    port: prepared.port,
    clock,
    codec: readingCodec(prepared.registry),
    onAlert: options.onAlert,
    onUndecodable: ({ topic, partition, offset }, err) =>
      logger.warn({ topic, partition, offset, err }, `a record of ${topic} cannot be decoded`),
  });
  closing.defer(() => watcher.stop());
  const access = { brokers: prepared.cluster.brokers, registry: prepared.registry, logger };
  const { onCommit } = metrics;
  const workers = await startWorkers({
    ...access,
    topologies: TOPOLOGIES,
    onCommit,
    say: options.say,
  });
  metrics.watchWorkers(workers);
  closing.defer(() => (isOver ? undefined : soon(options, [workers.stop()])));
  const services = await startServices({
    ...options,
    port: prepared.port,
    brokers: prepared.cluster.brokers,
    registry: prepared.registry,
    postgres: prepared.postgres,
    retentionDays: RETENTION_DAYS,
    onAcknowledged: metrics.onAcknowledged,
  });
  metrics.watchCollector(services.collector);
  closing.defer(() => services.stop());
  const setupMs = clock.nowMs() - processStartedAtMs;
  const { ffmpegPath, streams } = prepared;
  const ingest = await startIngestService({
    ...access,
    port: prepared.port,
    ...{ streams, ffmpegPath, probeId: hostname(), allow: allowedAddresses(options.env) },
  });
  metrics.watchIngest(ingest);
  closing.defer(() => (isOver ? undefined : soon(options, [ingest.stop()])));
  options.onWatching(services);
  services.openDoors();
  void watcher.firstRecord.then((atMs) =>
    options.onFirstRecord({ setupMs, firstRecordMs: atMs - processStartedAtMs }),
  );
  const ended = await untilEnd(options, watcher, { workers, ingest, services });
  options.onEnding(ended.endedBy);
  const ingestEndedAtMs = clock.nowMs();
  const failure = await endInOrder(options, watcher, { workers, ingest, services }, ended.failure);
  isOver = true;
  const firstAtMs = watcher.run.firstRecordAtMs;
  return {
    run: watcher.run,
    audience: watcher.audience,
    labels: services.labels(),
    endMs: watcher.latestSourceTimeMs(),
    timing: {
      setupMs,
      firstRecordMs: firstAtMs === null ? null : firstAtMs - processStartedAtMs,
      watchedMs: firstAtMs === null ? 0 : ingestEndedAtMs - firstAtMs,
    },
    endedBy: failure === null ? ended.endedBy : 'failed',
    failure,
    streams: failure === null ? await ingest.done : [],
  };
}

type Parts = { readonly workers: Workers; readonly ingest: Ingest; readonly services: Services };

type Ended = { readonly endedBy: EndReason; readonly failure: unknown };

async function untilEnd(
  options: PipelineOptions,
  watcher: RunWatcher,
  { workers, ingest, services }: Parts,
): Promise<Ended> {
  const { clock, forMs, prepared, signal } = options;
  const settled = new AbortController();
  const by = (endedBy: EndReason) => (): Ended => ({ endedBy, failure: null });
  const timeIsUp = async (): Promise<Ended> => {
    await watcher.firstRecord;
    if (forMs === null) return new Promise(() => {});
    await clock.sleep(forMs, settled.signal);
    return { endedBy: 'time-is-up', failure: null };
  };
  const nothingDecoded = async (): Promise<never> => {
    await clock.sleep(NOTHING_DECODED_MS, settled.signal);
    if (watcher.run.firstRecordAtMs === null) throw nothingCame();
    return new Promise(() => {});
  };
  try {
    return await Promise.race([
      aborted(signal).then(by('interrupted')),
      timeIsUp(),
      nothingDecoded(),
      ingest.done.then(by('streams-ended')),
      prepared.cluster.broken.then((failure): Ended => ({ endedBy: 'failed', failure })),
      prepared.postgres?.broken.then((failure): Ended => ({ endedBy: 'failed', failure })) ?? NEVER,
      workers.failed,
      services.failed,
      watcher.failed,
    ]);
  } catch (failure) {
    return { endedBy: 'failed', failure };
  } finally {
    settled.abort();
  }
}

/** Streams first, then what is still under way, then the tasks. Resolves to the first failure, null for none. */
async function endInOrder(
  options: PipelineOptions,
  watcher: RunWatcher,
  { workers, ingest, services }: Parts,
  failedBefore: unknown,
): Promise<unknown> {
  watcher.run.endIngest(options.clock.nowMs());
  if (failedBefore === null) {
    try {
      await services.endReports();
      await ingest.stop();
      await settle(options, watcher, workers);
      await workers.stop();
      await watcher.catchUp();
      await services.sink?.catchUp();
      return null;
    } catch (error) {
      failedBefore = error;
    }
  }
  options.logger.info({ err: failedBefore }, 'the run failed');
  await soon(options, [services.stop(), ingest.stop(), workers.stop()]);
  return failedBefore;
}

/** Waits for all of them, however they end, but not for ever. */
async function soon({ clock }: PipelineOptions, endings: readonly Promise<unknown>[]): Promise<void> {
  const inTime = new AbortController();
  await Promise.race([Promise.allSettled(endings), clock.sleep(BROKEN_END_MS_MAX, inTime.signal)]);
  inTime.abort();
}

/** Waits until every task has got past the last record, so that the account holds all that follows from it. */
async function settle(
  { clock, logger }: PipelineOptions,
  watcher: RunWatcher,
  workers: Workers,
): Promise<void> {
  await watcher.catchUp();
  const lastRecordMs = watcher.latestSourceTimeMs();
  const deadlineMs = clock.nowMs() + SETTLE_MS_MAX;
  const isBehind = () =>
    workers.metrics().some(({ tasks }) => tasks.some(({ timeMs }) => timeMs < lastRecordMs));
  while (isBehind()) {
    if (clock.nowMs() > deadlineMs) {
      logger.warn(
        `not everything was processed ${SETTLE_MS_MAX} ms after the last record; the end may be missing`,
      );
      return;
    }
    await Promise.race([clock.sleep(SETTLE_POLL_MS), workers.failed]);
  }
}

function nothingCame(): ExpectedError {
  return new ExpectedError(
    `no record came within ${NOTHING_DECODED_MS / 1000} s`,
    'See the log for what the decoders say, and try one input with everyview ingest',
  );
}
