/**
 * The part of a task that runs reducers: state per (store, key), timers, forwarding. It knows nothing of logs, codecs
 * of values, seals or transactions; `task-core.ts` and the topology test driver put those around it.
 *
 * The rules that make two runs equal:
 * - A step's effects are carried out in order, after the step. A forward walks the children depth first, reducers in
 *   the order of the topology, then sinks.
 * - Timers fire by (due time, key bytes, name, reducer); those due at or before the log time of a record fire before
 *   that record. A timer's step sees the log time that the graph was advanced to.
 * - Stores are walked in the order of their keys' bytes.
 */

import { compareKeys } from './key-order.ts';
import { StateError } from './state.ts';
import { type Entry, NO_TIMERS, type Slot, StateStore } from './state-store.ts';
import { NodeContext, type Surroundings } from './surroundings.ts';
import { TimerQueue } from './timer-queue.ts';
import type { Effect, Origin, ReducerNode, SinkEdge, SinkNode, StepInput, Topology } from './topology.ts';
import type { WarmUp } from './warm-up.ts';

/** What a graph tells its owner, at once, in the order in which it happens. `node` is the reducer that asked. */
export type GraphEvents = {
  onEmit(topic: SinkNode['topic'], key: string, value: unknown, edge: SinkEdge): void;
  onDrop(reason: string, node: string): void;
  onLate(reason: string, node: string): void;
  onDeadLetter(code: string, reason: string, node: string): void;
};

/** One changed key of a store, as its changelog holds it; null bytes mean that nothing is left of the key. */
export type DirtyEntry = { readonly store: string; readonly key: string; readonly bytes: Uint8Array | null };

/** Origin of values that a timer's step forwards: no single record led to them. */
const NO_ORIGIN: Origin = Object.freeze({ topic: '', partition: -1, offset: -1 });

const NO_KEYS: ReadonlySet<string> = new Set();

export class ReducerGraph {
  readonly #stores = new Map<string, StateStore<Node>>();
  readonly #nodes: readonly Node[];
  readonly #declared = new Map<string, Node>();
  readonly #childrenOfSource = new Map<string, readonly Child[]>();
  readonly #events: GraphEvents;
  readonly #timers = new TimerQueue<NodeSlot>();
  readonly #warmUp: WarmUp | null;
  #isPartial = false;
  /** Whose step goes on, or went on last. */
  #stepping: NodeSlot | null = null;
  #timeMs = 0;
  #slotsIgnored = 0;

  /** The topology must have passed `defineTopology`: no cycles, every name known. Discard the graph when it throws. */
  constructor(topology: Topology, events: GraphEvents, warmUp: WarmUp | null = null) {
    this.#events = events;
    this.#warmUp = warmUp;
    this.#nodes = topology.reducers.map((declared) => this.#declare(topology.name, declared));
    for (const node of this.#nodes) node.children = this.#findChildren(topology, node.name);
    for (const { topic } of topology.sources)
      this.#childrenOfSource.set(topic, this.#findChildren(topology, topic));
  }

  /** Slots of reducers that this topology no longer has, left behind on restore. */
  get slotsIgnored(): number {
    return this.#slotsIgnored;
  }

  /** Within a step: it follows from state, or from an input, that a warm-up cannot vouch for. */
  get isPartial(): boolean {
    return this.#isPartial;
  }

  /** `reducer key` of every key that a warm-up could not vouch for at some time; none where there was no warm-up. */
  get partialKeys(): ReadonlySet<string> {
    return this.#warmUp?.keys ?? NO_KEYS;
  }

  /** Due time of the next timer; null when none is set. */
  get nextDueMs(): number | null {
    return this.#timers.peek()?.dueMs ?? null;
  }

  /** Timers that are set. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Keys that have state, over all stores. */
  get keyCount(): number {
    let count = 0;
    for (const store of this.#stores.values()) count += store.keyCount;
    return count;
  }

  /** Fires what is due at `timeMs`, then hands a record of `sourceTopic` to the reducers that read it. */
  process(
    sourceTopic: string,
    key: string,
    value: unknown,
    timeMs: number,
    origin: Origin,
    context: Surroundings,
    isPartial = false,
  ): void {
    const children = this.#childrenOfSource.get(sourceTopic);
    if (children === undefined) throw new Error(`no source ${sourceTopic} in this topology`);
    this.advanceTo(timeMs, context);
    this.#isPartial = isPartial;
    this.#handTo(children, undefined, key, value, origin, context);
    this.#isPartial = false;
  }

  /** Moves log time to `timeMs` and fires every timer that is due, those included which fired steps set. */
  advanceTo(timeMs: number, context: Surroundings): void {
    if (timeMs < this.#timeMs) throw new Error(`log time went back from ${this.#timeMs} to ${timeMs}`);
    this.#timeMs = timeMs;
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined || timer.dueMs > timeMs) return;
      const { owner, key, name, dueMs } = timer;
      const { store } = owner.node;
      if (store.isCapturing) store.keepBefore(store.find(key)!);
      this.#cancel(owner, name);
      this.#step(owner.node, { kind: 'timer', key, timeMs, name, dueMs }, NO_ORIGIN, context);
    }
  }

  /** What changed since the last call, store by store, each key once. The bytes are valid during the call only. */
  takeDirty(visit: (store: string, key: string, bytes: Uint8Array | null, length: number) => void): void {
    for (const store of this.#stores.values())
      store.takeDirty((key, bytes, length) => visit(store.name, key, bytes, length));
  }

  /** The same as a list, by (store in topology order, key bytes), with bytes to keep. */
  drainDirty(): readonly DirtyEntry[] {
    return [...this.#stores.values()].flatMap((store) => {
      const entries: DirtyEntry[] = [];
      store.takeDirty((key, bytes, length) =>
        entries.push({ store: store.name, key, bytes: bytes === null ? null : bytes.slice(0, length) }),
      );
      return entries.sort((a, b) => compareKeys(a.key, b.key));
    });
  }

  /**
   * All state as it is at this moment, in no particular order; null when it is whole. It may be taken piece by piece:
   * what steps change meanwhile is kept as it was. A new capture ends the one before.
   */
  capture(): () => { readonly store: string; readonly key: string; readonly bytes: Uint8Array } | null {
    const stores = [...this.#stores.values()];
    for (const store of stores) store.beginCapture();
    let at = 0;
    return () => {
      for (; at < stores.length; at++) {
        const store = stores[at]!;
        const next = store.captureNext();
        if (next !== null) return { store: store.name, ...next };
      }
      return null;
    };
  }

  /** Every key of a store with its bytes, in key order: for tests. */
  walk(storeName: string): Generator<{ readonly key: string; readonly bytes: Uint8Array }> {
    return this.#requireStore(storeName).walk();
  }

  /**
   * Puts back what {@link drainDirty} gave; null takes the key away. Slots of reducers that the topology no longer has
   * are left behind and counted. Throws {@link StateError} for bytes that cannot be read or migrated.
   */
  restore(storeName: string, key: string, bytes: Uint8Array | null): void {
    const store = this.#requireStore(storeName);
    const old = store.find(key);
    if (old !== undefined) for (const slot of old.slots) if (slot != null) this.#cancelAll(slot);
    const { slots, ignored } = store.restore(key, bytes, old);
    this.#slotsIgnored += ignored;
    for (const { slot, saved } of slots)
      for (const { name, dueMs } of saved.timers) this.#set(slot, name, dueMs);
  }

  /** To be called when all of a store was given to {@link restore}: gives memory back. */
  endRestore(storeName: string): void {
    this.#requireStore(storeName).endRestore();
  }

  /** Hands a value to all of `children`, or to the one that is called `to`. */
  #handTo(
    children: readonly Child[],
    to: string | undefined,
    key: string,
    value: unknown,
    origin: Origin,
    context: Surroundings,
  ): void {
    let input: (StepInput<unknown> & { kind: 'record' }) | null = null;
    for (let i = 0; i < children.length; i++) {
      const child = children[i]!;
      if (to !== undefined && to !== child.name) continue;
      if (child.kind === 'sink') {
        this.#events.onEmit(child.topic, key, value, child.edge);
        continue;
      }
      const { keyOf } = child.declared;
      const stateKey = keyOf === undefined ? key : keyOf(value as never, key);
      if (input === null || input.key !== stateKey)
        input = { kind: 'record', key: stateKey, timeMs: this.#timeMs, value, origin };
      this.#step(child, input, origin, context);
    }
  }

  #step(node: Node, input: StepInput<unknown>, origin: Origin, context: Surroundings): void {
    const { store, place } = node;
    const { key } = input;
    let entry: Entry<Node> | undefined = store.find(key);
    const isNew = entry === undefined && !store.isDirty(key);
    entry ??= store.add(key);
    if (store.isCapturing) store.keepBefore(entry);
    const slot = entry.slots[place] ?? store.addSlot(entry, place);
    store.markDirty(entry);
    const isInputPartial = this.#isPartial;
    if (this.#warmUp !== null) {
      const step = { timeMs: this.#timeMs, isRecord: input.kind === 'record', isInputPartial };
      this.#isPartial = this.#warmUp.enter(slot, node.name, key, step);
    }
    node.context.surroundings = context;
    this.#stepping = slot;
    const effects: readonly Effect[] = node.reducer.step(store.stateOf(slot), input, node.context);
    for (let i = 0; i < effects.length; i++) this.#carryOut(slot, input, effects[i]!, origin, context);
    this.#isPartial = isInputPartial;
    // What came and went within one step was never in the changelog and needs no tombstone there.
    if (isNew && store.find(key) === undefined) store.leaveOut(key);
  }

  /** What a step sees of another reducer's state. */
  #read(by: Node, reducer: string, key: string): unknown {
    const read = by.reads.get(reducer);
    if (read === undefined) throw new Error(`${by.name} looks at ${reducer}, which is not among its 'reads'`);
    const slot = read.store.find(key)?.slots[read.place] ?? undefined;
    if (this.#warmUp?.isPartial(slot, reducer, key, this.#timeMs) === true) {
      this.#warmUp.taint(this.#stepping!, by.name, this.#stepping!.key);
      this.#isPartial = true;
    }
    return slot === undefined ? undefined : read.store.stateOf(slot);
  }

  #carryOut(
    slot: NodeSlot,
    input: StepInput<unknown>,
    effect: Effect,
    origin: Origin,
    context: Surroundings,
  ): void {
    const { node } = slot;
    switch (effect.kind) {
      case 'forward':
        this.#handTo(node.children, effect.to, effect.key ?? input.key, effect.value, origin, context);
        return;
      case 'schedule':
        this.#schedule(slot, input, effect.name, effect.dueMs);
        return;
      case 'cancel':
        this.#cancel(slot, effect.name);
        return;
      case 'forget':
        this.#cancelAll(slot);
        this.#warmUp?.forget(slot, node.name, slot.key);
        node.store.dropSlot(slot);
        return;
      case 'drop':
        this.#events.onDrop(effect.reason, node.name);
        return;
      case 'late':
        this.#events.onLate(effect.reason, node.name);
        return;
      case 'dead-letter':
        this.#events.onDeadLetter(effect.code, effect.reason, node.name);
        return;
    }
  }

  #schedule(slot: NodeSlot, input: StepInput<unknown>, name: string, dueMs: number): void {
    const reducer = slot.node.name;
    if (!Number.isSafeInteger(dueMs))
      throw new Error(`${reducer} set timer ${name} to ${dueMs}, which is no time`);
    if (input.kind === 'timer' && dueMs <= input.dueMs) {
      throw new Error(
        `${reducer} set timer ${name} to ${dueMs} while firing at ${input.dueMs}: it would fire for ever`,
      );
    }
    if (!slot.isKept)
      throw new Error(`${reducer} set timer ${name} for key ${input.key} after it forgot that key`);
    this.#set(slot, name, dueMs);
  }

  #set(slot: NodeSlot, name: string, dueMs: number): void {
    for (let i = 0; i < slot.timers.length; i++) {
      const timer = slot.timers[i]!;
      if (timer.name !== name) continue;
      this.#timers.move(timer, dueMs);
      return;
    }
    if (slot.timers === NO_TIMERS) slot.timers = [];
    slot.timers.push(this.#timers.add(slot, slot.node.name, slot.key, name, dueMs));
  }

  #cancel(slot: NodeSlot, name: string): void {
    const at = slot.timers.findIndex((timer) => timer.name === name);
    if (at < 0) return;
    const [timer] = slot.timers.splice(at, 1);
    this.#timers.delete(timer!);
  }

  #cancelAll(slot: NodeSlot): void {
    for (const timer of slot.timers.splice(0)) this.#timers.delete(timer);
  }

  #declare(topologyName: string, declared: ReducerNode): Node {
    const { reducer, store: storeName } = declared;
    const store = this.#stores.get(storeName) ?? new StateStore<Node>(storeName, topologyName);
    this.#stores.set(storeName, store);
    const node: Node = {
      kind: 'reducer',
      name: reducer.name,
      reducer,
      declared,
      store,
      place: -1,
      children: [],
      reads: new Map(),
      context: new NodeContext((reducer, key) => this.#read(node, reducer, key)),
    };
    for (const name of declared.reads ?? []) node.reads.set(name, this.#declared.get(name)!);
    this.#declared.set(reducer.name, node);
    node.place = store.addReducer(reducer, node);
    return node;
  }

  #requireStore(name: string): StateStore<Node> {
    const store = this.#stores.get(name);
    if (store === undefined) {
      throw new StateError(
        `no store ${name} in this topology; it has ${[...this.#stores.keys()].join(', ')}`,
      );
    }
    return store;
  }

  #findChildren(topology: Topology, name: string): readonly Child[] {
    return [
      ...this.#nodes.filter((node) => node.declared.from.includes(name)),
      ...topology.sinks
        .filter((sink) => sink.from.includes(name))
        .map(({ topic, edge }): Child => ({ kind: 'sink', name: topic, topic, edge })),
    ];
  }
}

type Node = {
  readonly kind: 'reducer';
  readonly name: string;
  readonly reducer: ReducerNode['reducer'];
  readonly declared: ReducerNode;
  readonly store: StateStore<Node>;
  /** Place among the reducers of its store. */
  place: number;
  children: readonly Child[];
  /** Reducers whose state its steps may look at, by name. */
  readonly reads: Map<string, Node>;
  readonly context: NodeContext;
};

type NodeSlot = Slot<Node>;

type Child =
  | Node
  | {
      readonly kind: 'sink';
      readonly name: string;
      readonly topic: SinkNode['topic'];
      readonly edge: SinkEdge;
    };
