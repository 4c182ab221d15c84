/** The collector's figures in Prometheus's terms. Tenants are as many as its settings name. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CollectorStats, TenantStats } from './counts.ts';

export type CollectorMetrics = {
  /** To be told of each batch that Kafka acknowledged. */
  observeAcknowledged(durationMs: number): void;
};

/** Registers all of them; values are read from `stats` whenever they are asked for, none while it answers null. */
export function collectCollectorMetrics(
  registry: Registry,
  stats: () => CollectorStats | null,
): CollectorMetrics {
  const tenants = () => Array.from(stats()?.tenants ?? [], ([tenant, figures]) => ({ tenant, figures }));
  const total = (name: string, help: string, figureOf: (tenant: TenantStats) => number) =>
    counter(registry, name, help, ['tenant'], () =>
      tenants().map(({ tenant, figures }) => [{ tenant }, figureOf(figures)]),
    );
  const totalsBy = (
    name: string,
    help: string,
    label: string,
    countsOf: (tenant: TenantStats) => ReadonlyMap<string, number>,
  ) =>
    counter(registry, name, help, ['tenant', label], () =>
      tenants().flatMap(({ tenant, figures }) =>
        Array.from(countsOf(figures), ([reason, count]) => [{ tenant, [label]: reason }, count] as const),
      ),
    );
  total(
    'everyview_collector_reports_total',
    'Reports that came: = events + dropped + not written.',
    (one) => one.reportsIn,
  );
  total('everyview_collector_events_total', 'Events that Kafka acknowledged.', (one) => one.accepted);
  total(
    'everyview_collector_salvaged_total',
    'Events from which unreadable values were left out.',
    (one) => one.salvaged,
  );
  totalsBy(
    'everyview_collector_dropped_total',
    'Reports that no event was made of.',
    'reason',
    (one) => one.dropped,
  );
  totalsBy(
    'everyview_collector_not_written_total',
    'Events whose sender was told to come back.',
    'reason',
    (one) => one.notWritten,
  );
  totalsBy(
    'everyview_collector_lost_values_total',
    'Values that could not be read, by key.',
    'key',
    (one) => one.lostValues,
  );
  counter(registry, 'everyview_collector_requests_total', 'Requests that were answered.', ['status'], () =>
    Array.from(stats()?.requests ?? [], ([status, count]) => [{ status }, count] as const),
  );
  gauge(registry, 'everyview_collector_sessions', 'Sessions of the last minutes.', ['tenant'], () =>
    tenants().map(({ tenant, figures }) => [{ tenant }, figures.sessions]),
  );
  gauge(registry, 'everyview_collector_queued_events', 'Events that wait for Kafka.', [], () => [
    [{}, stats()?.queuedEvents ?? 0],
  ]);
  gauge(registry, 'everyview_collector_queued_bytes', 'Bytes of events that wait for Kafka.', [], () => [
    [{}, stats()?.queuedBytes ?? 0],
  ]);
  const acknowledged = new Histogram({
    name: 'everyview_collector_acknowledged_seconds',
    help: 'Time from the first event of a batch until Kafka acknowledged the batch.',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return { observeAcknowledged: (durationMs) => acknowledged.observe(durationMs / 1000) };
}

type Sample = readonly [labels: Readonly<Record<string, string | number>>, value: number];

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  samples: () => readonly Sample[],
): void {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of samples()) this.set(labels, value);
    },
  });
}

/** The values are totals already; prom-client only knows how to add. */
function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  samples: () => readonly Sample[],
): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of samples()) this.inc(labels, value);
    },
  });
}
