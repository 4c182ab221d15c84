/** A topology over topics of a test's own, whose values are plain text: for tests that share a cluster with others. */
import { defineTopology } from '../../runtime/define-topology.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { snapshotTopic } from '../../runtime/snapshot.ts';
import { structCodec } from '../../runtime/struct-codec.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import type { Reducer, Topology } from '../../runtime/topology.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { uniqueName } from './local-cluster.ts';

export type TextTopology = {
  readonly topology: Topology;
  readonly applicationId: string;
  readonly input: string;
  readonly output: string;
  readonly partitions: ReadonlyMap<string, number>;
  /** Creates its topics and changelogs. */
  deploy(port: AdminPort): Promise<void>;
};

/** Numbers the values of each key: `key` 'a' with the values x, y gives `x 1`, `y 2`. State is in the store `counts`. */
export function textTopology(taskCount = 1): TextTopology {
  const name = uniqueName('text');
  const [input, output] = [`${name}-in`, `${name}-out`];
  const topology = defineTopology({
    name,
    sources: [{ kind: 'source', topic: topicNamed(input), span: 'same', writers: 'external' }],
    reducers: [{ kind: 'reducer', reducer: numbering, from: [input], store: 'counts' }],
    sinks: [{ kind: 'sink', topic: topicNamed(output), from: [numbering.name], edge: 'same', sealed: false }],
    sealDelayMs: 0,
  });
  return {
    topology,
    applicationId: name,
    input,
    output,
    partitions: new Map([
      [input, taskCount],
      [output, taskCount],
    ]),
    async deploy(port) {
      const of = (topic: string, configs: Record<string, string>) => ({
        topic,
        partitions: taskCount,
        replicas: 1,
        configs,
      });
      await port.createTopics([
        of(input, { 'message.timestamp.type': 'LogAppendTime' }),
        of(output, {}),
        of(snapshotTopic(name), {}),
        of(changelogTopic(name, 'counts'), { 'cleanup.policy': 'compact' }),
        of(changelogTopic(name, 'positions'), { 'cleanup.policy': 'compact' }),
      ]);
    },
  };
}

export const textCodec: FetchingCodec = {
  decode: (_topic, bytes) => Buffer.from(bytes).toString(),
  encode: (_topic, value) => Buffer.from(String(value)),
  fetchSchema: async () => true,
};

const numbering: Reducer<{ count: number }, string, string> = {
  name: 'numbering',
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step(state, input) {
    if (input.kind === 'timer') return [];
    state.count += 1;
    return [{ kind: 'forward', value: `${input.value} ${state.count}` }];
  },
};

/** The runtime takes any name; the list of topics is for those that are deployed. */
function topicNamed(name: string): TopicName {
  return name as TopicName;
}
