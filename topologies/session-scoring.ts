/**
 * Session scoring: what players report in; a score for every session and window, and each cohort's share of the window
 * out. One task per partition of sessions; every task also reads all defects of streams.
 */
import { defineTopology } from '../runtime/define-topology.ts';
import { capKeyOf, leafCap } from './cohorts/leaf-cap.ts';
import { leafWindows } from './cohorts/leaf-windows.ts';
import { defectTable } from './scoring/defect-table.ts';
import { sessionScores } from './scoring/score-reducer.ts';
import { session } from './scoring/session-reducer.ts';

export const sessionScoring = defineTopology({
  name: 'session-scoring',
  sources: [
    { kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' },
    { kind: 'source', topic: 'stream-defects', span: 'broadcast', writers: 'same' },
  ],
  reducers: [
    // The defects of every programme as intervals, ten minutes back.
    { kind: 'reducer', reducer: defectTable, from: ['stream-defects'], store: 'defects' },
    // Each session's events as windows of 10 s and finals.
    { kind: 'reducer', reducer: session, from: ['playback-events'], store: 'sessions' },
    // Scores them, with the defects that this viewer saw, once those are settled.
    {
      kind: 'reducer',
      reducer: sessionScores,
      from: [session.name],
      reads: [defectTable.name],
      store: 'sessions',
    },
    // As many leaf tuples as there is room for, the rest as `other`.
    { kind: 'reducer', reducer: leafCap, from: [sessionScores.name], store: 'leaves', keyOf: capKeyOf },
    // Sums over the sessions of a leaf, per window.
    { kind: 'reducer', reducer: leafWindows, from: [leafCap.name], store: 'cohorts' },
  ],
  sinks: [
    { kind: 'sink', topic: 'qos-scores', from: [sessionScores.name], edge: 'same', sealed: false },
    { kind: 'sink', topic: 'cohort-partials', from: [leafWindows.name], edge: 'repartition', sealed: true },
  ],
  sealDelayMs: 0,
  // A session lasts 24 h at most, and may be reopened for a while.
  stateHorizonMs: 25 * 3_600_000,
});
