/** All topologies, in the order in which data meets them. */
import type { Topology } from '../runtime/topology.ts';
import { cohortMerge } from '../topologies/cohort-merge.ts';
import { qosAlerting } from '../topologies/qos-alerting.ts';
import { sessionScoring } from '../topologies/session-scoring.ts';
import { streamDetection } from '../topologies/stream-detection.ts';
import { UsageError } from './failure.ts';

export const TOPOLOGIES: readonly Topology[] = [streamDetection, sessionScoring, cohortMerge, qosAlerting];

/** The topologies of these names, in the order of {@link TOPOLOGIES}; all of them when no name is given. */
export function topologiesNamed(names: readonly string[]): readonly Topology[] {
  const known = TOPOLOGIES.map(({ name }) => name);
  for (const name of names) {
    if (!known.includes(name)) {
      throw new UsageError(
        `there is no topology '${name}'`,
        `There are ${known.slice(0, -1).join(', ')} and ${known.at(-1)}`,
      );
    }
  }
  return names.length === 0 ? TOPOLOGIES : TOPOLOGIES.filter(({ name }) => names.includes(name));
}
