/**
 * Alerting: defects of streams and windows of cohorts in, every change of every alert out. One task reads all partitions.
 */
import { defineTopology } from '../runtime/define-topology.ts';
import { audienceAlerts } from './alerts/audience-alerts.ts';
import { audienceView, VIEW_KEY } from './alerts/audience-view.ts';
import { sourceDefects } from './alerts/source-defects.ts';
import { alertKeyOf, streamAlerts } from './alerts/stream-alerts.ts';

export const qosAlerting = defineTopology({
  name: 'qos-alerting',
  sources: [
    { kind: 'source', topic: 'stream-defects', span: 'all', writers: 'same' },
    { kind: 'source', topic: 'cohort-windows', span: 'all', writers: 'same' },
  ],
  reducers: [
    // One alert for each stream and type of defect: pending, firing, resolved or stale.
    {
      kind: 'reducer',
      reducer: streamAlerts,
      from: ['stream-defects'],
      store: 'alerts',
      keyOf: alertKeyOf,
    },
    // What is wrong at the source of each programme.
    { kind: 'reducer', reducer: sourceDefects, from: ['stream-defects'], store: 'sources' },
    // The whole audience of a window: which cohorts are bad, and which of them is the cause.
    {
      kind: 'reducer',
      reducer: audienceView,
      from: ['cohort-windows'],
      reads: [sourceDefects.name],
      store: 'audience',
      keyOf: () => VIEW_KEY,
    },
    // One alert for each rule and cohort.
    { kind: 'reducer', reducer: audienceAlerts, from: [audienceView.name], store: 'audience-alerts' },
  ],
  sinks: [
    {
      kind: 'sink',
      topic: 'qos-alerts',
      from: [streamAlerts.name, audienceAlerts.name],
      edge: 'same',
      sealed: false,
    },
    {
      kind: 'sink',
      topic: 'qos-alerts-current',
      from: [streamAlerts.name, audienceAlerts.name],
      edge: 'same',
      sealed: false,
    },
  ],
  sealDelayMs: 0,
});
