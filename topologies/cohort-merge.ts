/** Cohort merge: each scoring task's share of a cohort's window in, the whole window out. One task per partition of leaves. */
import { defineTopology } from '../runtime/define-topology.ts';
import { mergeWindows } from './cohorts/merge-windows.ts';

export const cohortMerge = defineTopology({
  name: 'cohort-merge',
  sources: [{ kind: 'source', topic: 'cohort-partials', span: 'same', writers: 'repartition' }],
  reducers: [
    // A window leaves once every scoring task has sealed past it, or has had its time.
    { kind: 'reducer', reducer: mergeWindows, from: ['cohort-partials'], store: 'windows' },
  ],
  sinks: [{ kind: 'sink', topic: 'cohort-windows', from: [mergeWindows.name], edge: 'same', sealed: true }],
  sealDelayMs: 0,
  // Far longer than a window is open.
  stateHorizonMs: 300_000,
});
