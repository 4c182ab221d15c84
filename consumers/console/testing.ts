/** Records as the console gets them, for its tests. */

import { blankRecord } from '../../schemas/blank-record.ts';
import type { CohortWindow, QosAlert, QosScore, StreamDefect, StreamHealth } from '../../schemas/records.ts';

export function aHealth(fields: Partial<StreamHealth>): StreamHealth {
  const told = { renditionId: 'main', vantage: 'origin', status: 'good', depth: 'full', windowEndMs: 10_000 };
  return blankRecord('stream-health', { ...told, coveragePermille: 1_000, ...fields });
}

export function aDefect(fields: Partial<StreamDefect>): StreamDefect {
  const scope = { renditionId: 'main', vantage: 'origin', defectId: 'd1', type: 'video-freeze' };
  return blankRecord('stream-defects', { ...scope, revision: 1, severity: 'medium', ...fields });
}

export function anAlert(fields: Partial<QosAlert>): QosAlert {
  return blankRecord('qos-alerts', { alertName: 'StreamVideoFreeze', severity: 'warning', ...fields });
}

export function aScore(fields: Partial<QosScore>): QosScore {
  const told = {
    kind: 'window',
    revision: 1,
    score: 95,
    sessionScore: 95,
    outcome: 'play',
    playerState: 'playing',
  };
  return blankRecord('qos-scores', { ...told, ...fields });
}

export function aWindow(fields: Partial<CohortWindow>): CohortWindow {
  return blankRecord('cohort-windows', { programmeId: 'news', sessions: 1, ...fields });
}
