/** Validates a topology when it is defined, so that a wrong edge fails at start with a name in it, never at 3 a.m. */
import type { Topology } from './topology.ts';

/** Thrown by {@link defineTopology}; the message lists every fault at once. */
export class TopologyError extends Error {
  readonly faults: readonly string[];

  constructor(topologyName: string, faults: readonly string[]) {
    super(`topology ${topologyName} is not valid: ${faults.join('; ')}`);
    this.name = 'TopologyError';
    this.faults = faults;
  }
}

/**
 * Checks and returns the topology. Rules: names are unique; every `from` names a source or an earlier reducer (so
 * there is no cycle, and a flow reads from top to bottom), every `reads` an earlier reducer; every reducer and sink gets
 * something, every source and reducer is read by somebody; a topology that gathers (`span: 'all'`) does so in every
 * source; one that takes a broadcast has a source of its own beside it, and the broadcast is written by tasks.
 */
export function defineTopology(topology: Topology): Topology {
  const faults: string[] = [];
  if (!/^[a-z][a-z0-9-]*$/.test(topology.name))
    faults.push(`name '${topology.name}' is not lower-case-with-dashes`);
  if (topology.sources.length === 0) faults.push('it has no source');
  const known = new Set<string>();
  for (const source of topology.sources) declare(known, source.topic, faults);
  const reducers = new Set<string>();
  for (const node of topology.reducers) {
    checkInputs(node.reducer.name, node.from, known, faults);
    for (const name of node.reads ?? []) {
      if (!reducers.has(name))
        faults.push(`'${node.reducer.name}' looks at '${name}', which is no reducer declared before it`);
    }
    reducers.add(node.reducer.name);
    declare(known, node.reducer.name, faults);
    if (!/^[a-z][a-z0-9-]*$/.test(node.store))
      faults.push(`store '${node.store}' is not lower-case-with-dashes`);
    if (RESERVED_STORES.has(node.store)) faults.push(`store '${node.store}' is a name of the runtime's own`);
    if (!(node.reducer.state.version >= 1))
      faults.push(`reducer '${node.reducer.name}' has no state version`);
  }
  const sinkTopics = new Set<string>();
  for (const sink of topology.sinks) {
    checkInputs(sink.topic, sink.from, known, faults);
    if (sinkTopics.has(sink.topic)) faults.push(`sink '${sink.topic}' is declared twice`);
    sinkTopics.add(sink.topic);
  }
  if (topology.stateHorizonMs !== undefined && !(topology.stateHorizonMs > 0))
    faults.push(`stateHorizonMs is ${topology.stateHorizonMs}, and has to be above 0`);
  checkReaders(topology, faults);
  checkSpans(topology, faults);
  if (faults.length > 0) throw new TopologyError(topology.name, faults);
  return topology;
}

/** The topology's stores in the order in which they first appear. */
export function storesOf(topology: Topology): readonly string[] {
  return [...new Set(topology.reducers.map((node) => node.store))];
}

/** Names of the nodes (reducers, then sinks) that get what `name` hands on. */
export function childrenOf(topology: Topology, name: string): readonly string[] {
  return [
    ...topology.reducers.filter((node) => node.from.includes(name)).map((node) => node.reducer.name),
    ...topology.sinks.filter((sink) => sink.from.includes(name)).map((sink) => sink.topic),
  ];
}

/** Store that holds a task's own position; not available to topologies. */
export const POSITIONS_STORE = 'positions';
const RESERVED_STORES: ReadonlySet<string> = new Set([POSITIONS_STORE]);

function declare(known: Set<string>, name: string, faults: string[]): void {
  if (known.has(name)) faults.push(`'${name}' is declared twice`);
  known.add(name);
}

function checkInputs(
  name: string,
  from: readonly string[],
  known: ReadonlySet<string>,
  faults: string[],
): void {
  if (from.length === 0) faults.push(`'${name}' reads from nothing`);
  for (const input of from) {
    if (!known.has(input)) faults.push(`'${name}' reads from '${input}', which is not declared before it`);
  }
}

function checkSpans({ sources }: Topology, faults: string[]): void {
  const spans = new Set(sources.map(({ span }) => span));
  if (spans.has('all') && spans.size > 1) {
    spans.delete('all');
    faults.push(`sources mix the span 'all' with '${[...spans].join("' and '")}'`);
  }
  if (spans.has('broadcast') && !spans.has('same'))
    faults.push("it has broadcast sources only: a source with the span 'same' says how many tasks there are");
  for (const { topic, span, writers } of sources) {
    // every task would tick every partition
    if (span === 'broadcast' && writers === 'external')
      faults.push(
        `'${topic}' is broadcast and written from outside: let a topology read it, and broadcast what that says`,
      );
  }
}

function checkReaders(topology: Topology, faults: string[]): void {
  const read = new Set([
    ...topology.reducers.flatMap((node) => [...node.from, ...(node.reads ?? [])]),
    ...topology.sinks.flatMap((sink) => sink.from),
  ]);
  for (const name of [
    ...topology.sources.map((source) => source.topic),
    ...topology.reducers.map((node) => node.reducer.name),
  ]) {
    if (!read.has(name)) faults.push(`nobody reads '${name}'`);
  }
}
