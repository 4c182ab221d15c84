/** The metrics of this process, and the options that say where they are served. */
import { type Command, InvalidArgumentError } from 'commander';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Sink } from '../consumers/postgres-sink/sink.ts';
import { collectSinkMetrics } from '../consumers/postgres-sink/sink-prometheus.ts';
import { choosePort, LOOPBACK } from '../local/ports.ts';
import { type CollectorMetrics, collectCollectorMetrics } from '../producers/collector/metrics.ts';
import type { Collector } from '../producers/collector/server.ts';
import type { Ingest, StreamStats } from '../producers/ingest/ingest.ts';
import { type Health, type MetricsServer, serveMetrics } from '../runtime/metrics-server.ts';
import type { Clock } from '../runtime/port.ts';
import { registerCounter } from '../runtime/prometheus.ts';
import { collectWorkerMetrics, type WorkerMetricsCollector } from '../runtime/worker-metrics.ts';
import { messageOf } from '../schemas/errors.ts';
import { ExpectedError, UsageError } from './failure.ts';
import { wholeNumber } from './values.ts';
import type { Workers } from './workers.ts';

export type MetricsFlags = { readonly metricsPort?: number; readonly metricsHost?: string };

/** The port that Prometheus's own exporters for OpenTelemetry use. */
export const USUAL_METRICS_PORT = 9464;

export function addMetricsOptions(command: Command, unlessGiven: string): Command {
  return command
    .option(
      '--metrics-port <n>',
      `serve Prometheus metrics at /metrics, and /healthz, on this port (${unlessGiven})`,
      wholeNumber('port', 1, 65_535),
    )
    .option(
      '--metrics-host <address>',
      `address to serve them on: there is no login, so ${LOOPBACK} unless given`,
      hostAddress,
    );
}

export class ProcessMetrics {
  readonly #clock: Clock;
  readonly #registry = new Registry();
  readonly #workerMetrics: WorkerMetricsCollector;
  #workers: Workers | null = null;
  #ingest: Ingest | null = null;
  #sink: Sink | null = null;
  readonly #collectorMetrics: CollectorMetrics;
  #collector: Collector | null = null;
  #health: Health = { status: 'starting' };

  constructor(version: string, clock: Clock) {
    this.#clock = clock;
    collectDefaultMetrics({ register: this.#registry });
    const build = new Gauge({
      name: 'everyview_build_info',
      help: 'Always 1; the label says which version runs.',
      labelNames: ['version'],
      registers: [this.#registry],
    });
    build.set({ version }, 1);
    this.#workerMetrics = collectWorkerMetrics(
      this.#registry,
      this.#clock,
      () => this.#workers?.metrics() ?? [],
    );
    registerIngest(this.#registry, () => this.#ingest?.stats() ?? []);
    collectSinkMetrics(this.#registry, this.#clock, () => this.#sink?.metrics() ?? null);
    this.#collectorMetrics = collectCollectorMetrics(this.#registry, () => this.#collector?.stats() ?? null);
  }

  readonly onCommit = (topology: string, durationMs: number): void =>
    this.#workerMetrics.observeCommit(topology, durationMs);

  watchWorkers(workers: Workers): void {
    this.#workers = workers;
    this.#health = { status: 'ok' };
    workers.failed.catch((error: unknown) => {
      this.#health = { status: 'failed', detail: messageOf(error) };
    });
  }

  watchIngest(ingest: Ingest): void {
    this.#ingest = ingest;
    if (this.#workers === null) this.#health = { status: 'ok' };
  }

  readonly onAcknowledged = (durationMs: number): void =>
    this.#collectorMetrics.observeAcknowledged(durationMs);

  watchCollector(collector: Collector): void {
    this.#collector = collector;
    if (this.#workers === null) this.#health = { status: 'ok' };
    collector.done.catch((error: unknown) => {
      this.#health = { status: 'failed', detail: messageOf(error) };
    });
  }

  watchSink(sink: Sink): void {
    this.#sink = sink;
    if (this.#workers === null) this.#health = { status: 'ok' };
    sink.failed.catch((error: unknown) => {
      this.#health = { status: 'failed', detail: messageOf(error) };
    });
  }

  /** Serves where the flags say; null where they say nothing. */
  async serveIfAsked(flags: MetricsFlags): Promise<MetricsServer | null> {
    const { metricsPort, metricsHost = LOOPBACK } = flags;
    if (metricsPort !== undefined) return this.#serve(metricsHost, metricsPort);
    if (flags.metricsHost === undefined) return null;
    throw new UsageError('--metrics-host says where, but not on which port', 'Add --metrics-port 9464');
  }

  /** Serves where the flags say, else on loopback: on the usual port where it is free, on another one where not. */
  async serve(flags: MetricsFlags): Promise<MetricsServer> {
    const asked = await this.serveIfAsked(flags);
    return asked ?? this.#serve(LOOPBACK, await choosePort(USUAL_METRICS_PORT, new Set()));
  }

  async #serve(host: string, port: number): Promise<MetricsServer> {
    try {
      return await serveMetrics({ registry: this.#registry, host, port, health: () => this.#health });
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      const why = code === 'EADDRINUSE' ? 'somebody else listens there' : messageOf(cause);
      throw new ExpectedError(
        `metrics cannot be served on ${host}, port ${port}: ${why}`,
        'Choose another one with --metrics-port',
        { cause },
      );
    }
  }
}

function registerIngest(registry: Registry, stats: () => readonly StreamStats[]): void {
  const labelsOf = ({ stream }: StreamStats) => ({
    programme: stream.programmeId,
    rendition: stream.renditionId,
    vantage: stream.vantage,
  });
  const labelNames = ['programme', 'rendition', 'vantage'];
  const total = (name: string, help: string, figureOf: (stats: StreamStats) => number) =>
    registerCounter(registry, name, help, labelNames, () =>
      stats().map((one) => ({ labels: labelsOf(one), value: figureOf(one) })),
    );
  total('everyview_ingest_pictures_total', 'Pictures that were decoded.', ({ pictures }) => pictures);
  total(
    'everyview_ingest_audio_blocks_total',
    'Blocks of sound that were measured.',
    (one) => one.audioBlocks,
  );
  total('everyview_ingest_records_total', 'Feature records that were made.', ({ records }) => records);
  total(
    'everyview_ingest_restarts_total',
    'Times that a decoder was started again.',
    ({ restarts }) => restarts,
  );
  registerCounter(
    registry,
    'everyview_ingest_dropped_records_total',
    'Feature records that never reached Kafka, by reason.',
    [...labelNames, 'reason'],
    () =>
      stats().flatMap((one) =>
        Object.entries(one.dropped).map(([reason, value]) => ({
          labels: { ...labelsOf(one), reason },
          value,
        })),
      ),
  );
}

function hostAddress(text: string): string {
  if (/^[\w.:-]+$/.test(text)) return text;
  throw new InvalidArgumentError('It is no address: write for example 0.0.0.0 for all, or a host name.');
}
