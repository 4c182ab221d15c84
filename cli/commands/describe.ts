import type { Command } from 'commander';
import { describe, diagram } from '../../runtime/describe.ts';
import type { Action } from '../context.ts';
import { jsonLine } from '../terminal.ts';
import { topologiesNamed } from '../topologies.ts';

export type DescribeOptions = {
  readonly topologies: readonly string[];
  readonly json: boolean;
  readonly mermaid: boolean;
};

export function addDescribe(command: Command, run: (options: DescribeOptions) => Promise<void>): void {
  command
    .description("Prints topologies in the form of Kafka Streams' Topology.describe(). Needs no Kafka.")
    .argument('[topology...]', 'only these')
    .option('--json', 'the same as one line of JSON', false)
    .option('--mermaid', 'a Mermaid flowchart of topologies and topics', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview describe                      all of them, in the order in which data meets them
  $ everyview describe stream-detection     one of them
  $ everyview describe --mermaid            a diagram for a document

Next: 'everyview topics' says what lies between them, 'everyview run' runs them.`,
    )
    .action((topologies: string[], flags: Omit<DescribeOptions, 'topologies'>) =>
      run({ topologies, ...flags }),
    );
}

export const runDescribe: Action<DescribeOptions> = async ({ out }, { topologies: names, json, mermaid }) => {
  const topologies = topologiesNamed(names);
  if (json) jsonLine(out, topologies.map(jsonOf));
  else out.write(mermaid ? diagram(topologies) : describe(topologies));
  return 0;
};

/** Names and edges; what a reducer does is code. */
function jsonOf({ name, sources, reducers, sinks, sealDelayMs }: ReturnType<typeof topologiesNamed>[number]) {
  return {
    name,
    sealDelayMs,
    sources: sources.map(({ topic, span, writers }) => ({ topic, span, writers })),
    reducers: reducers.map(({ reducer, from, store }) => ({
      name: reducer.name,
      from,
      store,
      stateVersion: reducer.state.version,
    })),
    sinks: sinks.map(({ topic, from, edge, sealed }) => ({ topic, from, edge, sealed })),
  };
}
