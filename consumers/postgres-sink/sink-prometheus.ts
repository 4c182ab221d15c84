/** What the sink counts, in Prometheus's terms: names end in their unit, counters in `_total`. */
import type { Registry } from 'prom-client';
import type { Clock } from '../../runtime/port.ts';
import { registerCounter, registerGauge, type Sample } from '../../runtime/prometheus.ts';
import type { SinkMetrics } from './sink-counters.ts';

/** Registers all of them; values are read from `metrics` whenever they are asked for, null meaning that no sink runs. */
export function collectSinkMetrics(
  registry: Registry,
  clock: Clock,
  metrics: () => SinkMetrics | null,
): void {
  const samples = (figuresOf: (sink: SinkMetrics) => readonly Sample[]) => (): readonly Sample[] => {
    const sink = metrics();
    return sink === null ? [] : figuresOf(sink);
  };
  registerGauges(registry, clock, samples);
  registerCounters(registry, samples);
}

type Samples = (figuresOf: (sink: SinkMetrics) => readonly Sample[]) => () => readonly Sample[];

function registerGauges(registry: Registry, clock: Clock, samples: Samples): void {
  const gauge = (
    name: string,
    help: string,
    labelNames: string[],
    figuresOf: (sink: SinkMetrics) => readonly Sample[],
  ) => registerGauge(registry, name, help, labelNames, samples(figuresOf));
  gauge('everyview_sink_connected', '1 while PostgreSQL answers the sink, else 0.', [], ({ isConnected }) => [
    { labels: {}, value: isConnected ? 1 : 0 },
  ]);
  gauge(
    'everyview_sink_lag_records',
    'Offsets between what is in the tables and the stable end of the log; an upper bound, it counts markers.',
    ['topic', 'partition'],
    ({ lag }) =>
      lag.map(({ topic, partition, records }) => ({ labels: { topic, partition }, value: records })),
  );
  gauge(
    'everyview_sink_lag_seconds',
    'How far the newest record in the tables is behind the present, by log time.',
    [],
    ({ logTimeMs }) =>
      logTimeMs === null ? [] : [{ labels: {}, value: Math.max(0, (clock.nowMs() - logTimeMs) / 1000) }],
  );
  gauge('everyview_sink_pending_rows', 'Rows that wait for the next transaction.', [], ({ pendingRows }) => [
    { labels: {}, value: pendingRows },
  ]);
}

function registerCounters(registry: Registry, samples: Samples): void {
  const counter = (
    name: string,
    help: string,
    labelNames: string[],
    figuresOf: (sink: SinkMetrics) => readonly Sample[],
  ) => registerCounter(registry, name, help, labelNames, samples(figuresOf));
  const one = (name: string, help: string, figureOf: (sink: SinkMetrics) => number) =>
    counter(name, help, [], (sink) => [{ labels: {}, value: figureOf(sink) }]);
  counter('everyview_sink_records_in_total', 'Records that were read.', ['topic'], ({ topics }) =>
    topics.map((counts) => ({ labels: { topic: counts.topic }, value: counts.in })),
  );
  counter(
    'everyview_sink_records_stored_total',
    'Records that are in a table; in = stored + left out + rejected.',
    ['topic'],
    ({ topics }) => topics.map(({ topic, stored }) => ({ labels: { topic }, value: stored })),
  );
  counter(
    'everyview_sink_records_left_out_total',
    'Records that belong into no table, by reason.',
    ['topic', 'reason'],
    ({ topics }) =>
      topics.flatMap(({ topic, leftOut }) =>
        Array.from(leftOut, ([reason, value]) => ({ labels: { topic, reason }, value })),
      ),
  );
  counter(
    'everyview_sink_records_rejected_total',
    'Records that could not be decoded or stored, kept in the table sink_rejects, by code.',
    ['topic', 'code'],
    ({ topics }) =>
      topics.flatMap(({ topic, rejected }) =>
        Array.from(rejected, ([code, value]) => ({ labels: { topic, code }, value })),
      ),
  );
  counter('everyview_sink_rows_total', 'Rows that were sent to each table.', ['table'], ({ rowsByTable }) =>
    Array.from(rowsByTable, ([table, value]) => ({ labels: { table }, value })),
  );
  one('everyview_sink_batches_total', 'Transactions that were committed.', ({ batches }) => batches);
  one(
    'everyview_sink_write_seconds_total',
    'Time that they took, waiting for PostgreSQL included.',
    ({ writeMsSum }) => writeMsSum / 1000,
  );
  one(
    'everyview_sink_conflicts_total',
    'Batches dropped because another sink was faster.',
    (sink) => sink.conflicts,
  );
  one(
    'everyview_sink_reconnects_total',
    'Times that the connection was lost.',
    ({ reconnects }) => reconnects,
  );
  one(
    'everyview_sink_lost_records_total',
    'Records that retention deleted before they were written, and that were skipped as told.',
    ({ lostRecords }) => lostRecords,
  );
}
