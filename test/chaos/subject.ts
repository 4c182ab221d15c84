/** What a run is about: the topologies whose processes are treated badly, and what is known of their topics. */
import { TOPOLOGIES } from '../../cli/topologies.ts';
import type { Topology } from '../../runtime/topology.ts';
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
  real: {
    topologies: TOPOLOGIES,
    frozenTopics: [...externalTopics(TOPOLOGIES), 'everyview-config'],
    derivedTopics: [...new Set(TOPOLOGIES.flatMap(({ sinks }) => sinks.map(({ topic }): string => topic)))],
  },
} as const satisfies Readonly<Record<string, Subject>>;

export type SubjectName = keyof typeof SUBJECTS;

/** Compared as multisets: their order is nobody's promise. */
export const SIDELINE_TOPICS: readonly string[] = ['late-records', 'dead-letters'];

/** Everything that comes out. */
export function comparedTopics({ derivedTopics }: Subject): readonly string[] {
  return [...derivedTopics, ...SIDELINE_TOPICS];
}

function externalTopics(topologies: readonly Topology[]): readonly string[] {
  const sources = topologies.flatMap((topology) => topology.sources);
  return [...new Set(sources.filter(({ writers }) => writers === 'external').map(({ topic }) => topic))];
}
