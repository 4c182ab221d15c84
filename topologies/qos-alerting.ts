/** Alerting: defects of streams in, every change of every alert out. One task reads all partitions. */
import { defineTopology } from '../runtime/define-topology.ts';
import { alertKeyOf, streamAlerts } from './alerts/stream-alerts.ts';

export const qosAlerting = defineTopology({
  name: 'qos-alerting',
  sources: [{ kind: 'source', topic: 'stream-defects', span: 'all', writers: 'same' }],
  reducers: [
    // One alert for each stream and type of defect: pending, firing, resolved or stale.
    {
      kind: 'reducer',
      reducer: streamAlerts,
      from: ['stream-defects'],
      store: 'alerts',
      keyOf: alertKeyOf,
    },
  ],
  sinks: [
    { kind: 'sink', topic: 'qos-alerts', from: [streamAlerts.name], edge: 'same', sealed: false },
    { kind: 'sink', topic: 'qos-alerts-current', from: [streamAlerts.name], edge: 'same', sealed: false },
  ],
  sealDelayMs: 0,
});
