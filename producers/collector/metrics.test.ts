import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import type { CollectorStats } from './counts.ts';
import { collectCollectorMetrics } from './metrics.ts';

test('figures are read when they are asked for, by tenant and reason', async () => {
  const registry = new Registry();
  let stats: CollectorStats | null = null;
  const metrics = collectCollectorMetrics(registry, () => stats);
  assert.doesNotMatch(await registry.metrics(), /tenant=/);
  const tenant = {
    reportsIn: 9,
    accepted: 5,
    salvaged: 2,
    dropped: new Map([['no-session-id', 3]]),
    notWritten: new Map([['kafka', 1]]),
    lostValues: new Map([['br', 2]]),
    sessions: 4,
  };
  stats = {
    tenants: new Map([['acme', tenant]]),
    requests: new Map([[204, 5]]),
    queuedEvents: 7,
    queuedBytes: 700,
  };
  metrics.observeAcknowledged(12);
  const text = await registry.metrics();
  for (const line of [
    'everyview_collector_reports_total{tenant="acme"} 9',
    'everyview_collector_events_total{tenant="acme"} 5',
    'everyview_collector_salvaged_total{tenant="acme"} 2',
    'everyview_collector_dropped_total{tenant="acme",reason="no-session-id"} 3',
    'everyview_collector_not_written_total{tenant="acme",reason="kafka"} 1',
    'everyview_collector_lost_values_total{tenant="acme",key="br"} 2',
    'everyview_collector_requests_total{status="204"} 5',
    'everyview_collector_sessions{tenant="acme"} 4',
    'everyview_collector_queued_events 7',
    'everyview_collector_queued_bytes 700',
    'everyview_collector_acknowledged_seconds_bucket{le="0.02"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
});
