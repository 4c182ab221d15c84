/** The PostgreSQL sink as a service of this process: what it has to say goes into the log. */
import type { Logger } from 'pino';
import { type Sink, type SinkEvent, startSink } from '../consumers/postgres-sink/sink.ts';
import { clusterIdOf } from '../local/kafka.ts';
import type { LogPort } from '../runtime/port.ts';
import { systemClock } from '../runtime/system-clock.ts';
import type { FetchingCodec } from '../runtime/task.ts';

export type SinkServiceOptions = {
  readonly port: LogPort;
  /** Where the port's Kafka is. */
  readonly brokers: readonly string[];
  /** A database of this machine has tables for each Kafka that it met. */
  readonly tablesPerLog: boolean;
  readonly codec: FetchingCodec;
  readonly postgresUrl: string;
  readonly dashboardPassword: string | null;
  readonly retentionDays: number;
  readonly skipLost?: boolean;
  readonly logger: Logger;
};

export const RETENTION_DAYS = 30;
const CLUSTER_ID_TIMEOUT_MS = 10_000;

/** Starts it; throws a SinkError that says what to do. */
export async function startSinkService({ logger, brokers, ...options }: SinkServiceOptions): Promise<Sink> {
  const log = logger.child({ part: 'sink' });
  return await startSink({
    ...options,
    clusterId: await clusterIdOf(brokers, CLUSTER_ID_TIMEOUT_MS),
    clock: systemClock,
    onEvent: (event) => logEvent(log, event),
  });
}

function logEvent(log: Logger, event: SinkEvent): void {
  switch (event.kind) {
    case 'migrated':
      log.info({ migrations: event.migrations }, 'the tables were brought up to date');
      break;
    case 'connected':
      log.info('connected to PostgreSQL');
      break;
    case 'disconnected':
      log.warn({ err: event.error }, 'PostgreSQL is away; the sink waits for it and loses nothing');
      break;
    case 'conflict':
      log.info('another sink writes the same tables and was faster');
      break;
    case 'rejected': {
      const { topic, partition, offset } = event.record;
      log.warn(
        { topic, partition, offset, code: event.code },
        `a record cannot be stored and is kept in sink_rejects: ${event.reason}`,
      );
      break;
    }
    case 'skipped':
      log.warn({ gaps: event.gaps }, 'went on without records that retention had deleted');
      break;
    case 'retained':
      log.info(
        { partitions: event.partitions, rows: event.rows },
        'what is older than the retention was dropped',
      );
      break;
  }
}
