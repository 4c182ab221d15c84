/** What a task's steps see beside their input: the configuration in force and the seals, as of log time. */
import type { TopicName } from '../schemas/topics.ts';
import { partitionOf } from './partitioner.ts';
import { type Source, sealOf } from './task-sources.ts';
import type { StepContext } from './topology.ts';

/** What is the same for all steps of one moment; {@link NodeContext} adds what each one may look at. */
export type Surroundings = Omit<StepContext, 'read'>;

/** Hash that outputs carry while no configuration was put into the log. */
export const DEFAULT_CONFIG_HASH = 'default';

export class TaskSurroundings implements Surroundings {
  configHash = DEFAULT_CONFIG_HASH;
  config: unknown = null;
  /** Log time at which it was said that this configuration holds. */
  configSinceMs = 0;
  sealedUpToMs = 0;
  readonly #sources: readonly Source[];
  readonly #partitionsOf: (topic: string) => number;

  constructor(sources: readonly Source[], partitionsOf: (topic: string) => number) {
    this.#sources = sources;
    this.#partitionsOf = partitionsOf;
  }

  sealedUpToMsOf(topic: string, key: string): number {
    return sealOf(this.#sourceOf(topic, key));
  }

  sealsOf(topic: string, key: string): readonly number[] {
    return this.#sourceOf(topic, key).channels.map(({ sealedUpToMs }) => sealedUpToMs);
  }

  #sourceOf(topic: string, key: string): Source {
    const partition = partitionOf(Buffer.from(key), this.#partitionsOf(topic));
    const source = this.#sources.find((one) => one.topic === topic && one.partition === partition);
    if (source === undefined)
      throw new Error(`the task does not read ${topic}/${partition}, where ${key} is`);
    return source;
  }
}

/** What the steps of one reducer see: its task's surroundings, and what it may look at. */
export class NodeContext implements StepContext {
  surroundings: Surroundings = NOWHERE;
  readonly #read: (reducer: string, key: string) => unknown;

  constructor(read: (reducer: string, key: string) => unknown) {
    this.#read = read;
  }

  get configHash(): string {
    return this.surroundings.configHash;
  }

  get config(): unknown {
    return this.surroundings.config;
  }

  get sealedUpToMs(): number {
    return this.surroundings.sealedUpToMs;
  }

  sealedUpToMsOf(topic: TopicName, key: string): number {
    return this.surroundings.sealedUpToMsOf(topic, key);
  }

  sealsOf(topic: TopicName, key: string): readonly number[] {
    return this.surroundings.sealsOf(topic, key);
  }

  read<S>(reducer: string, key: string): Readonly<S> | undefined {
    return this.#read(reducer, key) as Readonly<S> | undefined;
  }
}

const NOWHERE: Surroundings = {
  configHash: '',
  config: null,
  sealedUpToMs: 0,
  sealedUpToMsOf: () => 0,
  sealsOf: () => [],
};
