/** What can be measured, by name. */
import { playerEvents } from './player-events.ts';
import { playerReports } from './player-reports.ts';
import { streamChunks } from './stream-chunks.ts';
import { thresholdChunks } from './threshold-detectors.ts';
import type { Workload } from './workload.ts';

export const WORKLOADS: readonly Workload[] = [thresholdChunks, streamChunks, playerReports, playerEvents];

/** Throws for a name that is none. */
export function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined)
    throw new Error(`no workload ${name}: there are ${WORKLOADS.map((one) => one.name).join(', ')}`);
  return found;
}
