/** What a run has beside streams and topologies: the collector, a simulated audience, the tables, the console. */
import type { Logger } from 'pino';
import { type Console, startConsole } from '../consumers/console/server.ts';
import type { Sink } from '../consumers/postgres-sink/sink.ts';
import { choosePort, LOOPBACK } from '../local/ports.ts';
import type { Postgres } from '../local/postgres.ts';
import type { Collector } from '../producers/collector/server.ts';
import type { LabelsFile } from '../producers/simulator/labels.ts';
import type { Programme } from '../producers/simulator/population.ts';
import type { Scenario } from '../producers/simulator/scenario.ts';
import { type RunningAudience, startAudience } from '../producers/simulator/start-audience.ts';
import type { AdminPort } from '../runtime/port.ts';
import { systemClock } from '../runtime/system-clock.ts';
import { registryCodec } from '../runtime/value-codec.ts';
import type { Registry } from '../schemas/registry.ts';
import { putCatalogue } from './catalogue.ts';
import { readingCodec } from './cluster.ts';
import { localTenants, startCollectorService } from './collector-service.ts';
import { USUAL_CONSOLE_PORT } from './commands/console.ts';
import { startSinkService } from './sink-service.ts';

/** Null for a run without a simulated audience. */
export type AudiencePlan = {
  readonly viewers: number;
  readonly seed: number;
  readonly scenario: Scenario;
  readonly programmeIds: readonly string[];
} | null;

export type ServicesOptions = {
  readonly port: AdminPort;
  readonly brokers: readonly string[];
  readonly registry: Registry;
  readonly env: NodeJS.ProcessEnv;
  readonly dataDir: string;
  readonly logger: Logger;
  readonly postgres: Postgres | null;
  readonly retentionDays: number;
  readonly audience: AudiencePlan;
  readonly onAcknowledged?: (durationMs: number) => void;
};

export type Services = {
  readonly collector: Collector;
  readonly console: Console;
  readonly sink: Sink | null;
  /** Where the token of the local tenant is kept. */
  readonly tokenFile: string;
  /** Rejects when one of them cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Lets the audience in; null where the run has none. */
  openDoors(): RunningAudience | null;
  /** What went wrong for the audience; null where the run has none. */
  labels(): LabelsFile | null;
  /** Nobody watches any more, and everything that was reported is in the log. Safe to call twice. */
  endReports(): Promise<void>;
  /** Ends all of them; safe to call twice. */
  stop(): Promise<void>;
};

/** Throws what a part throws; what was started until then is ended. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { port, registry, env, dataDir, logger, audience } = options;
  await using closing = new AsyncDisposableStack();
  const local = localTenants(dataDir);
  const [tenant] = local.tenants;
  await putCatalogue(
    port,
    systemClock,
    await registryCodec(registry, systemClock),
    (audience?.programmeIds ?? []).map((programmeId) => ({
      tenant: tenant!.tenant,
      contentId: programmeId,
      programmeId,
    })),
  );
  const collector = await startCollectorService({
    port,
    registry,
    dataDir,
    env,
    tenants: local.tenants,
    logger,
    ...(options.onAcknowledged === undefined ? {} : { onAcknowledged: options.onAcknowledged }),
  });
  let closed: Promise<void> | null = null;
  const closeCollector = (): Promise<void> => {
    closed ??= collector.close();
    return closed;
  };
  closing.defer(closeCollector);
  const served = await startConsole({
    port,
    codec: readingCodec(registry),
    clock: systemClock,
    host: LOOPBACK,
    listenPort: await choosePort(USUAL_CONSOLE_PORT, new Set()),
    onUndecodable: ({ topic, partition, offset }, error) =>
      logger.warn({ topic, partition, offset, err: error }, `a record of ${topic} cannot be decoded`),
  });
  closing.defer(() => served.close());
  const sink = await openSink(options);
  if (sink !== null) closing.defer(() => sink.close());
  const parts = closing.move();
  return handleOf(
    options,
    { collector: { ...collector, close: closeCollector }, console: served, sink, tokenFile: local.file },
    tenant!.tokens[0]!,
    parts,
  );
}

async function openSink(options: ServicesOptions): Promise<Sink | null> {
  const { port, brokers, registry, postgres, logger, retentionDays } = options;
  if (postgres === null) return null;
  return startSinkService({
    port,
    brokers,
    tablesPerLog: postgres.isLocal,
    codec: readingCodec(registry),
    postgresUrl: postgres.url,
    dashboardPassword: postgres.dashboardPassword,
    retentionDays,
    // a demonstration that was left alone for weeks goes on with what is there
    skipLost: postgres.isLocal,
    logger,
  });
}

function handleOf(
  options: ServicesOptions,
  parts: Pick<Services, 'collector' | 'console' | 'sink' | 'tokenFile'>,
  token: string,
  closing: AsyncDisposableStack,
): Services {
  const { audience } = options;
  const { collector, sink } = parts;
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  for (const one of [collector.done, parts.console.failed, sink?.failed]) one?.catch(failure.reject);
  let running: RunningAudience | null = null;
  let ending: Promise<void> | null = null;
  const endReports = async (): Promise<void> => {
    await running?.stop();
    await collector.close();
  };
  return {
    ...parts,
    failed: failure.promise,
    openDoors() {
      if (audience === null) return null;
      const { viewers, seed, scenario, programmeIds } = audience;
      running ??= startAudience({
        collectorUrl: collector.url,
        token,
        seed,
        viewers,
        programmes: programmesOf(programmeIds),
        scenario,
        clock: systemClock,
      });
      running.done.catch(failure.reject);
      return running;
    },
    labels: () => running?.labels() ?? null,
    endReports: () => {
      ending ??= endReports();
      return ending;
    },
    async stop() {
      ending ??= endReports();
      await Promise.allSettled([ending]);
      await closing.disposeAsync();
    },
  };
}

/** Each as popular as the other. */
function programmesOf(programmeIds: readonly string[]): readonly Programme[] {
  return programmeIds.map((programmeId) => ({ programmeId, contentId: programmeId, weight: 1 }));
}
