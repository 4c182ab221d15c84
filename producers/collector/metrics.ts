/** The collector's figures in Prometheus's terms. Tenants are as many as its settings name. */
import { Histogram, type Registry } from 'prom-client';
import { registerCounter, registerGauge } from '../../runtime/prometheus.ts';
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
  registerTenantCounters(registry, stats);
  registerCounter(
    registry,
    'everyview_collector_requests_total',
    'Requests that were answered.',
    ['status'],
    () => Array.from(stats()?.requests ?? [], ([status, value]) => ({ labels: { status }, value })),
  );
  registerGauges(registry, stats);
  const acknowledged = new Histogram({
    name: 'everyview_collector_acknowledged_seconds',
    help: 'Time from the first event of a batch until Kafka acknowledged the batch.',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return { observeAcknowledged: (durationMs) => acknowledged.observe(durationMs / 1000) };
}

type TenantFigures = { readonly tenant: string; readonly figures: TenantStats };

function tenantsIn(stats: CollectorStats | null): readonly TenantFigures[] {
  return Array.from(stats?.tenants ?? [], ([tenant, figures]) => ({ tenant, figures }));
}

function registerTenantCounters(registry: Registry, stats: () => CollectorStats | null): void {
  const total = (name: string, help: string, figureOf: (tenant: TenantStats) => number) =>
    registerCounter(registry, name, help, ['tenant'], () =>
      tenantsIn(stats()).map(({ tenant, figures }) => ({ labels: { tenant }, value: figureOf(figures) })),
    );
  const totalsBy = (
    name: string,
    help: string,
    label: string,
    countsOf: (tenant: TenantStats) => ReadonlyMap<string, number>,
  ) =>
    registerCounter(registry, name, help, ['tenant', label], () =>
      tenantsIn(stats()).flatMap(({ tenant, figures }) =>
        Array.from(countsOf(figures), ([reason, value]) => ({ labels: { tenant, [label]: reason }, value })),
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
}

function registerGauges(registry: Registry, stats: () => CollectorStats | null): void {
  registerGauge(registry, 'everyview_collector_sessions', 'Sessions of the last minutes.', ['tenant'], () =>
    tenantsIn(stats()).map(({ tenant, figures }) => ({ labels: { tenant }, value: figures.sessions })),
  );
  registerGauge(registry, 'everyview_collector_queued_events', 'Events that wait for Kafka.', [], () => [
    { labels: {}, value: stats()?.queuedEvents ?? 0 },
  ]);
  registerGauge(
    registry,
    'everyview_collector_queued_bytes',
    'Bytes of events that wait for Kafka.',
    [],
    () => [{ labels: {}, value: stats()?.queuedBytes ?? 0 }],
  );
}
