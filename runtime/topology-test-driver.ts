/**
 * Runs a topology without a log, in the way of Kafka Streams' `TopologyTestDriver`: records go in with their log times,
 * log time moves when told to, outputs are collected. The reducers run in the same {@link ReducerGraph} as in a task, so
 * what passes here does the same there.
 *
 * @example
 * const driver = new TopologyTestDriver(streamDetection);
 * driver.pipe('frame-features', 'news', chunk, 1_000);
 * driver.advanceTo(10_000);
 * driver.outputs('stream-defects'); // [{ topic, key, value, timeMs }]
 */
import type { RecordOf, TopicName } from '../schemas/topics.ts';
import { partitionOf } from './partitioner.ts';
import { ReducerGraph } from './reducer-graph.ts';
import type { Surroundings } from './surroundings.ts';
import type { Topology } from './topology.ts';

export type DriverOutput<V = unknown> = {
  readonly topic: TopicName;
  readonly key: string;
  readonly value: V;
  /** Log time of the record or timer that caused it. */
  readonly timeMs: number;
};

/** State of every store, as a changelog would hold it. */
export type DriverState = {
  readonly timeMs: number;
  readonly offset: number;
  readonly sealedUpToMs: number;
  /** Highest seal of each partition that was sealed, by `topic/partition`. */
  readonly seals: Readonly<Record<string, number>>;
  readonly entries: readonly { readonly store: string; readonly key: string; readonly bytes: Uint8Array }[];
};

export type DriverOptions = {
  /** Configuration in force; null means the defaults. */
  readonly config?: unknown;
  readonly configHash?: string;
  /** Seals are said when log time passes a multiple of this, as a task does; 1000 where nothing is given. */
  readonly sealEveryMs?: number;
  /** Partitions of each source topic, for the seals that were taken of them; 1 where nothing is given. */
  readonly partitions?: number;
  readonly restoreFrom?: DriverState;
};

export class TopologyTestDriver {
  readonly graph: ReducerGraph;
  /** What reducers left out, by `kind reason`, for example `drop repeated-chunk`. */
  readonly leftOut = new Map<string, number>();
  readonly #topology: Topology;
  readonly #outputs: DriverOutput[] = [];
  readonly #changelog = new Map<string, { store: string; key: string; bytes: Uint8Array }>();
  readonly #sealEveryMs: number;
  readonly #partitions: number;
  readonly #seals: Record<string, number>;
  #context: Surroundings;
  #timeMs = 0;
  #offset = 0;

  constructor(topology: Topology, options: DriverOptions = {}) {
    this.#topology = topology;
    this.#sealEveryMs = options.sealEveryMs ?? 1_000;
    const { config = null, configHash = 'default', restoreFrom, partitions = 1 } = options;
    this.#partitions = partitions;
    this.#seals = { ...restoreFrom?.seals };
    const sealedUpToMs = restoreFrom?.sealedUpToMs ?? 0;
    this.#context = {
      config,
      configHash,
      sealedUpToMs,
      sealedUpToMsOf: (topic, key) => this.#sealOf(topic, key),
      sealsOf: (topic, key) => [this.#sealOf(topic, key)],
    };
    this.graph = new ReducerGraph(topology, {
      onEmit: (topic, key, value) => this.#outputs.push({ topic, key, value, timeMs: this.#timeMs }),
      onDrop: (reason) => this.#count(`drop ${reason}`),
      onLate: (reason) => this.#count(`late ${reason}`),
      onDeadLetter: (code) => this.#count(`dead-letter ${code}`),
    });
    if (restoreFrom === undefined) return;
    this.#offset = restoreFrom.offset;
    this.#timeMs = restoreFrom.timeMs;
    for (const entry of restoreFrom.entries) {
      this.#changelog.set(placeOf(entry.store, entry.key), entry);
      this.graph.restore(entry.store, entry.key, entry.bytes);
    }
  }

  get timeMs(): number {
    return this.#timeMs;
  }

  /** One record of a source topic at a log time; a time before the present one counts as the present one. */
  pipe<T extends TopicName>(topic: T, key: string, value: RecordOf[T], timeMs: number): void {
    this.advanceTo(Math.max(timeMs, this.#timeMs));
    const origin = { topic, partition: 0, offset: this.#offset };
    this.#offset += 1;
    this.graph.process(topic, key, value, this.#timeMs, origin, this.#context);
  }

  /** Moves log time on, as a tick would: timers that are due fire, then seals are said. */
  advanceTo(timeMs: number): void {
    const before = this.#timeMs;
    this.#timeMs = timeMs;
    this.graph.advanceTo(timeMs, this.#context);
    if (Math.floor(timeMs / this.#sealEveryMs) === Math.floor(before / this.#sealEveryMs)) return;
    this.#context = { ...this.#context, sealedUpToMs: timeMs - this.#topology.sealDelayMs };
  }

  /** A seal that the writer of a partition of a source topic says at a log time; of the only partition where none is named. */
  pipeSeal(topic: TopicName, sealedUpToMs: number, timeMs: number, partition = 0): void {
    this.#sourceNamed(topic);
    if (!(partition < this.#partitions)) throw new Error(`${topic} has ${this.#partitions} partitions here`);
    this.advanceTo(Math.max(timeMs, this.#timeMs));
    const place = `${topic}/${partition}`;
    this.#seals[place] = Math.max(this.#seals[place] ?? 0, sealedUpToMs);
  }

  /** Puts another configuration in force from here on. */
  configure(configHash: string, config: unknown): void {
    this.#context = { ...this.#context, configHash, config };
  }

  /** Everything that was written to a topic so far, in order. */
  outputs<T extends TopicName>(topic: T): readonly DriverOutput<RecordOf[T]>[] {
    return this.#outputs.filter((one) => one.topic === topic) as DriverOutput<RecordOf[T]>[];
  }

  /** State as it would be read back from the changelogs; a driver made with `restoreFrom` goes on from it. */
  save(): DriverState {
    for (const { store, key, bytes } of this.graph.drainDirty()) {
      if (bytes === null) this.#changelog.delete(placeOf(store, key));
      else this.#changelog.set(placeOf(store, key), { store, key, bytes });
    }
    const { sealedUpToMs } = this.#context;
    return {
      timeMs: this.#timeMs,
      offset: this.#offset,
      sealedUpToMs,
      seals: { ...this.#seals },
      entries: [...this.#changelog.values()],
    };
  }

  #sealOf(topic: TopicName, key: string): number {
    this.#sourceNamed(topic);
    return this.#seals[`${topic}/${partitionOf(Buffer.from(key), this.#partitions)}`] ?? 0;
  }

  #sourceNamed(topic: TopicName): void {
    if (!this.#topology.sources.some((source) => source.topic === topic))
      throw new Error(`no source ${topic} in topology ${this.#topology.name}`);
  }

  #count(what: string): void {
    this.leftOut.set(what, (this.leftOut.get(what) ?? 0) + 1);
  }
}

function placeOf(store: string, key: string): string {
  return `${store}\n${key}`;
}
