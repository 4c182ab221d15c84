/**
 * What a topology is: data. Sources, reducers in the order in which a value meets them, and sinks; validated when it
 * is defined, printed by `describe.ts`, run by `task.ts` over any {@link ./port.ts LogPort}.
 */
import type { RecordOf, TopicName } from '../schemas/topics.ts';
import type { StateCodec } from './state.ts';

/** Where an input came from: the record itself, so that a reducer can cite it as evidence. */
export type Origin = { readonly topic: string; readonly partition: number; readonly offset: number };

/**
 * What a reducer is given. `timeMs` is the task's log time: the running maximum over what was merged so far.
 * `key` is the key of the state that the step owns.
 */
export type StepInput<V> =
  | {
      readonly kind: 'record';
      readonly key: string;
      readonly timeMs: number;
      readonly value: V;
      readonly origin: Origin;
    }
  | {
      readonly kind: 'timer';
      readonly key: string;
      readonly timeMs: number;
      readonly name: string;
      readonly dueMs: number;
    };

/** What a step asks for. Effects are carried out in order, after the step, by the runtime. */
export type Effect<Out = unknown> =
  /** Hand a value to every child of this node. `key` defaults to the key of the input. */
  | { readonly kind: 'forward'; readonly value: Out; readonly key?: string; readonly to?: string }
  /** Wake this reducer for this key when log time reaches `dueMs`; a timer of the same name is replaced. */
  | { readonly kind: 'schedule'; readonly name: string; readonly dueMs: number }
  | { readonly kind: 'cancel'; readonly name: string }
  /** The state of this key is not needed any more: its changelog entry becomes a tombstone, its timers go. */
  | { readonly kind: 'forget' }
  /** The input was left out on purpose; counted under `reason`. */
  | { readonly kind: 'drop'; readonly reason: string }
  /** The input came after its window closed; goes to `late-records`, counted. */
  | { readonly kind: 'late'; readonly reason: string }
  /** The input makes no sense; goes to `dead-letters`, counted. */
  | { readonly kind: 'dead-letter'; readonly code: string; readonly reason: string };

/** For the many steps that ask for nothing. */
export const NOTHING: readonly Effect<never>[] = Object.freeze([]);

/** Read-only surroundings of a step: configuration in force, by log time. */
export type StepContext = {
  /** Content hash of the configuration in force ('default' before any was put into the log). */
  readonly configHash: string;
  /** The configuration itself, as parsed from `everyview-config`; null when the defaults hold. */
  readonly config: unknown;
  /** Everything that starts up to here was sealed before: `chargeFromMs` may not be earlier. */
  readonly sealedUpToMs: number;
  /**
   * Of an input: the highest seal that was taken from the partition that murmur2 of `key` names; 0 before any, or while
   * one of several writers sealed nothing yet. Throws for a topic or a partition that the task does not read.
   */
  sealedUpToMsOf(topic: TopicName, key: string): number;
  /** The same by writer, in their order: one for each task that writes the partition. */
  sealsOf(topic: TopicName, key: string): readonly number[];
  /**
   * What another reducer keeps for a key; undefined when it keeps nothing. To look at, not to change. Throws unless the
   * node declares it in {@link ReducerNode.reads}.
   */
  read<S>(reducer: string, key: string): Readonly<S> | undefined;
};

/**
 * A pure function over one key's state. It may mutate `state`, which it owns; it touches nothing else: no clock, no
 * randomness, no I/O, no logging. The same (state, input, context) gives the same effects on every machine.
 */
export type Reducer<S, In, Out> = {
  readonly name: string;
  readonly state: StateCodec<S>;
  init(key: string): S;
  step(state: S, input: StepInput<In>, context: StepContext): readonly Effect<Out>[];
};

// biome-ignore lint/suspicious/noExplicitAny: the runtime moves values between nodes without looking at them
export type AnyReducer = Reducer<any, any, any>;

/**
 * Which partitions of a topic a task reads. `same`: the one with its own number. `all`: every partition (a gather; the
 * topology then has one task). `broadcast`: every partition, in every task; how many there are is said by the `same`
 * sources beside it. All are merged in the same way.
 */
export type SourceSpan = 'same' | 'all' | 'broadcast';

/**
 * How a task writes a topic. `same`: into the partition with its own number, as the only writer. `repartition`: into
 * the partition that murmur2 of the key names, as one of many; records carry (sourceTask, sourceSeq).
 */
export type SinkEdge = 'same' | 'repartition';

export type SourceNode = {
  readonly kind: 'source';
  readonly topic: TopicName;
  readonly span: SourceSpan;
  /** How many tasks write this topic: 0 for a source topic (outside producers), which the task may tick. */
  readonly writers: 'external' | 'same' | 'repartition';
};

export type ReducerNode = {
  readonly kind: 'reducer';
  readonly reducer: AnyReducer;
  /** Names of the nodes whose values it gets: source topics or reducers. */
  readonly from: readonly string[];
  /** Names of reducers declared before it whose state its steps may look at. */
  readonly reads?: readonly string[];
  /** State of all reducers that share a store lives side by side, one changelog entry per key. */
  readonly store: string;
  /** State key of a value; the key of the record or of the forwarding node when absent. */
  readonly keyOf?: (value: never, key: string) => string;
};

export type SinkNode = {
  readonly kind: 'sink';
  readonly topic: TopicName;
  readonly from: readonly string[];
  readonly edge: SinkEdge;
  /** Whether the runtime seals the topic about once a second: yes wherever another topology reads it in time order. */
  readonly sealed: boolean;
};

export type Topology = {
  readonly name: string;
  readonly sources: readonly SourceNode[];
  readonly reducers: readonly ReducerNode[];
  readonly sinks: readonly SinkNode[];
  /**
   * Seals say "everything that begins before partition time less this was said". Chosen by the slowest detector that
   * sessions are charged for in real time.
   */
  readonly sealDelayMs: number;
  /**
   * Without an input for this long, nothing is left of a key's state: it is as if the key had never been. Decides what a
   * run that has to warm up can vouch for. Absent: a key's state may depend on anything that ever came for it.
   */
  readonly stateHorizonMs?: number;
};

/** Type of the values on a source or sink topic. */
export type ValueOf<T extends TopicName> = RecordOf[T];
