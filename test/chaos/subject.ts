/** What a run is about: the topologies whose processes are treated badly, and what is known of their topics. */
import type { Topology } from '../../runtime/topology.ts';
import { qosAlerting } from '../../topologies/qos-alerting.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { DERIVED_TOPICS, SIMULATED_TOPOLOGIES, SOURCE_TOPICS } from '../simulation/topologies.ts';

export type Subject = {
  /** In the order in which data meets them. */
  readonly topologies: readonly Topology[];
  /** Written from outside, records and configuration. */
  readonly frozenTopics: readonly string[];
  /** Compared record by record. */
  readonly derivedTopics: readonly string[];
};

/** By name, because processes are told which it is. */
export const SUBJECTS = {
  simulated: {
    topologies: SIMULATED_TOPOLOGIES,
    frozenTopics: [...SOURCE_TOPICS, 'everyview-config'],
    derivedTopics: DERIVED_TOPICS,
  },
  streams: {
    topologies: [streamDetection, qosAlerting],
    frozenTopics: ['frame-features', 'everyview-config'],
    derivedTopics: ['stream-defects', 'stream-health', 'qos-alerts', 'qos-alerts-current'],
  },
} as const satisfies Readonly<Record<string, Subject>>;

export type SubjectName = keyof typeof SUBJECTS;

/** Compared as multisets: their order is nobody's promise. */
export const SIDELINE_TOPICS: readonly string[] = ['late-records', 'dead-letters'];

/** Everything that comes out. */
export function comparedTopics({ derivedTopics }: Subject): readonly string[] {
  return [...derivedTopics, ...SIDELINE_TOPICS];
}
