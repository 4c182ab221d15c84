/**
 * What a run has to say, without the runtime: states in a map, one record after the other. A topology of one reducer is
 * folded by calling its `step`; one of several goes through their graph, one for each partition: no log, no batches, no merge, no tasks.
 */
import { ReducerGraph } from '../../runtime/reducer-graph.ts';
import type { AnyReducer, StepContext } from '../../runtime/topology.ts';
import { Digest } from './feed.ts';
import { type InputRecord, PARTITIONS, type Workload } from './workload.ts';

/** Count and hash of the records of each output partition, by `topic/partition`. */
export type Expected = ReadonlyMap<string, { readonly records: number; readonly hash: string }>;

export function fold(workload: Workload, count: number): Expected {
  const digests = new Map<string, Digest>();
  const codec = workload.codec();
  const tell = (topic: string, partition: number, key: string, value: unknown, timeMs: number): void => {
    const name = `${topic}/${partition}`;
    const digest = digests.get(name) ?? new Digest();
    digests.set(name, digest);
    digest.add(Buffer.from(key), codec.encode(topic, value), timeMs);
  };
  const { reducers } = workload.topology;
  const take =
    reducers.length === 1 ? stepping(workload, reducers[0]!.reducer, tell) : graphing(workload, tell);
  for (const record of workload.generate(count)) take(record);
  return new Map([...digests].map(([name, digest]) => [name, digest.result()]));
}

type Tell = (topic: string, partition: number, key: string, value: unknown, timeMs: number) => void;

function stepping({ inputTopic, outputTopics }: Workload, reducer: AnyReducer, tell: Tell) {
  const states = new Map<string, unknown>();
  const context = { configHash: 'default', config: null, sealedUpToMs: 0 } as StepContext;
  const origin = { topic: inputTopic, partition: 0, offset: 0 };
  return ({ key, partition, value, timestampMs: timeMs }: InputRecord): void => {
    const name = Buffer.from(key).toString();
    if (!states.has(name)) states.set(name, reducer.init(name));
    const input = { kind: 'record', key: name, timeMs, value, origin } as const;
    for (const effect of reducer.step(states.get(name), input, context)) {
      if (effect.kind !== 'forward') throw new Error(`a fold of one reducer does not know ${effect.kind}`);
      for (const topic of outputTopics) tell(topic, partition, name, effect.value, timeMs);
    }
  };
}

function graphing({ topology, inputTopic, outputTopics }: Workload, tell: Tell) {
  const { sealDelayMs } = topology;
  const graphs = Array.from({ length: PARTITIONS }, (_, partition) => {
    let nowMs = 0;
    let offset = 0;
    let context = NO_SEALS;
    const unwanted = (what: string) => () => {
      throw new Error(`the fold of ${topology.name} left a record out: ${what}`);
    };
    const graph = new ReducerGraph(topology, {
      onEmit: (topic, key, value) => {
        if (!outputTopics.includes(topic)) throw new Error(`the fold wrote to ${topic}`);
        tell(topic, partition, key, value, nowMs);
      },
      onDrop: unwanted('dropped'),
      onLate: unwanted('late'),
      onDeadLetter: unwanted('dead letter'),
    });
    return ({ key, value, timestampMs }: InputRecord): void => {
      const beforeMs = nowMs;
      nowMs = timestampMs;
      graph.advanceTo(nowMs, context);
      // a task seals whenever log time passes a whole second
      if (Math.floor(nowMs / 1_000) !== Math.floor(beforeMs / 1_000))
        context = { ...context, sealedUpToMs: nowMs - sealDelayMs };
      const origin = { topic: inputTopic, partition, offset: offset++ };
      graph.process(inputTopic, Buffer.from(key).toString(), value, nowMs, origin, context);
    };
  });
  return (record: InputRecord): void => graphs[record.partition]!(record);
}

type Context = Parameters<ReducerGraph['advanceTo']>[1];

const NO_SEALS = { configHash: 'default', config: null, sealedUpToMs: 0 } as Context;
