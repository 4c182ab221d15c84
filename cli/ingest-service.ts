/** Ingest into a Kafka cluster: probes, their sink, and what they say, told to the log and to the caller. */
import { Kafka, logLevel } from 'kafkajs';
import type { Logger } from 'pino';
import { type Ingest, type IngestProgress, startIngest } from '../producers/ingest/ingest.ts';
import { createKafkaSink } from '../producers/ingest/kafka-sink.ts';
import type { StreamSpec } from '../producers/ingest/stream-spec.ts';
import type { LogPort } from '../runtime/port.ts';
import { systemClock } from '../runtime/system-clock.ts';
import { registryCodec } from '../runtime/value-codec.ts';
import { lookUpSchemaIds, type Registry } from '../schemas/registry.ts';
import { followConfiguration } from './follow-configuration.ts';

export type IngestServiceOptions = {
  readonly brokers: readonly string[];
  /** Where the configuration in force is read from. */
  readonly port: LogPort;
  readonly registry: Registry;
  readonly streams: readonly StreamSpec[];
  /** Addresses that every stream may connect to beside the public ones. */
  readonly allow: readonly string[];
  readonly ffmpegPath: string;
  readonly probeId: string;
  readonly logger: Logger;
};

/** As {@link startIngest}, in the depths that the configuration in force says; stopping it also empties the sink. */
export async function startIngestService(options: IngestServiceOptions): Promise<Ingest> {
  const { brokers, registry, logger } = options;
  const ids = await lookUpSchemaIds(registry, ['frame-features']);
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId: `everyview-ingest-${options.probeId}`,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => logger.info({ kafkajs: entry.log }, `kafkajs: ${entry.log.message}`),
  });
  const sink = await createKafkaSink({ kafka, schemaId: ids.get('frame-features')!, clock: systemClock });
  await using closing = new AsyncDisposableStack();
  closing.defer(() => sink.close());
  let config: unknown = null;
  let ingest: Ingest | null = null;
  const following = await followConfiguration({
    port: options.port,
    codec: await registryCodec(registry, systemClock),
    clock: systemClock,
    onConfiguration(latest) {
      config = latest;
      ingest?.configure(latest);
    },
    onProblem: (message) => logger.warn(message),
  });
  closing.defer(() => following.stop());
  ingest = await startIngest({
    streams: options.streams,
    sink,
    allow: options.allow,
    ffmpegPath: options.ffmpegPath,
    clock: systemClock,
    probeId: options.probeId,
    config,
    onProgress: (progress) => logProgress(logger, progress),
  });
  // A configuration that came while it started.
  ingest.configure(config);
  const started = ingest;
  const rest = closing.move();
  return {
    done: started.done,
    stats: () => started.stats(),
    configure: (latest) => started.configure(latest),
    async stop() {
      await started.stop();
      await rest.disposeAsync();
    },
  };
}

function logProgress(logger: Logger, progress: IngestProgress): void {
  const stream = progress.stream.programmeId;
  switch (progress.kind) {
    case 'started':
      logger.info({ stream }, `${stream}: the first record is on its way`);
      break;
    case 'note':
      logger.warn({ stream }, `${stream}: ${progress.message}`);
      break;
    case 'dropped':
      logger.warn({ stream, reason: progress.reason }, progress.message);
      break;
    case 'finished': {
      const { kind, reason } = progress.outcome;
      const what = `${stream}: ${kind}${reason === '' ? '' : `, ${reason}`}`;
      if (kind === 'failed') logger.error({ stream, reason }, what);
      else logger.info({ stream }, what);
      break;
    }
  }
}
