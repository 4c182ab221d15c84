/** Prints topologies in the text form of Kafka Streams' `Topology.describe()`, and as a Mermaid diagram made from it. */
import { childrenOf } from './define-topology.ts';
import type { SourceSpan, Topology } from './topology.ts';

/**
 * One topology is one sub-topology; `index` is its number. Sinks stand under the name of their topic, with the edge
 * (`same` or `repartition`) where Kafka Streams has nothing to say.
 *
 * @example
 * describe([streamDetection]).split('\n')[1] // '   Sub-topology: 0 (stream-detection)'
 */
export function describe(topologies: readonly Topology[]): string {
  const lines = ['Topologies:'];
  for (const [index, topology] of topologies.entries()) describeOne(topology, index, lines);
  return `${lines.join('\n')}\n`;
}

/** Boxes for topologies, rounded boxes for topics, one arrow for each source and sink. */
export function diagram(topologies: readonly Topology[]): string {
  const lines = ['flowchart LR'];
  const topics = new Set(topologies.flatMap((t) => [...t.sources, ...t.sinks].map((node) => node.topic)));
  for (const topic of topics) lines.push(`  ${topicId(topic)}([${topic}])`);
  for (const topology of topologies) {
    lines.push(`  ${topology.name}[${topology.name}]`);
    for (const source of topology.sources) {
      lines.push(`  ${topicId(source.topic)} -->|${ARROWS[source.span]}| ${topology.name}`);
    }
    for (const sink of topology.sinks)
      lines.push(`  ${topology.name} -->|${sink.edge}| ${topicId(sink.topic)}`);
  }
  return `${lines.join('\n')}\n`;
}

const ARROWS: Readonly<Record<SourceSpan, string>> = {
  same: 'same partition',
  all: 'all partitions',
  broadcast: 'broadcast',
};

function describeOne(topology: Topology, index: number, lines: string[]): void {
  lines.push(`   Sub-topology: ${index} (${topology.name})`);
  for (const source of topology.sources) {
    const span = source.span === 'same' ? '' : `, ${ARROWS[source.span]}`;
    lines.push(`    Source: ${source.topic} (topics: [${source.topic}]${span})`);
    lines.push(`      --> ${childrenOf(topology, source.topic).join(', ')}`);
  }
  for (const node of topology.reducers) {
    lines.push(`    Processor: ${node.reducer.name} (stores: [${node.store}])`);
    lines.push(`      --> ${childrenOf(topology, node.reducer.name).join(', ') || 'none'}`);
    lines.push(`      <-- ${node.from.join(', ')}`);
    if (node.reads !== undefined) lines.push(`      reads: ${node.reads.join(', ')}`);
  }
  for (const sink of topology.sinks) {
    lines.push(
      `    Sink: ${sink.topic} (topic: ${sink.topic}, edge: ${sink.edge}${sink.sealed ? ', sealed' : ''})`,
    );
    lines.push(`      <-- ${sink.from.join(', ')}`);
  }
  lines.push('');
}

function topicId(topic: string): string {
  return `topic-${topic}`;
}
