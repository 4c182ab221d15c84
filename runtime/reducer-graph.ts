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
import { decodeSlots, encodeSlots, type SlotBytes } from './slot-codec.ts';
import { type Timer, TimerQueue } from './timer-queue.ts';
import type {
  Effect,
  Origin,
  ReducerNode,
  SinkEdge,
  SinkNode,
  StepContext,
  StepInput,
  Topology,
} from './topology.ts';

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
export const NO_ORIGIN: Origin = Object.freeze({ topic: '', partition: -1, offset: -1 });

/** State in a changelog cannot be read by the reducers of this build. */
export class StateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StateError';
  }
}

export class ReducerGraph {
  readonly #stores = new Map<string, Store>();
  readonly #nodes: readonly Node[];
  readonly #childrenOf = new Map<string, readonly Child[]>();
  readonly #events: GraphEvents;
  readonly #timers = new TimerQueue<Slot>();
  #timeMs = 0;
  #slotsIgnored = 0;

  /** The topology must have passed `defineTopology`: no cycles, every name known. Discard the graph when it throws. */
  constructor(topology: Topology, events: GraphEvents) {
    this.#events = events;
    this.#nodes = topology.reducers.map((declared, index) => this.#declare(declared, index));
    const names = [...topology.sources.map((one) => one.topic), ...this.#nodes.map(nameOf)];
    for (const name of names) this.#childrenOf.set(name, this.#findChildren(topology, name));
  }

  /** Slots of reducers that this topology no longer has, left behind on restore. */
  get slotsIgnored(): number {
    return this.#slotsIgnored;
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
    for (const store of this.#stores.values()) count += store.entries.size;
    return count;
  }

  /** Fires what is due at `timeMs`, then hands a record of `sourceTopic` to the reducers that read it. */
  process(
    sourceTopic: string,
    key: string,
    value: unknown,
    timeMs: number,
    origin: Origin,
    context: StepContext,
  ): void {
    const children = this.#childrenOf.get(sourceTopic);
    if (children === undefined) throw new Error(`no source ${sourceTopic} in this topology`);
    this.advanceTo(timeMs, context);
    for (const child of children) this.#handTo(child, key, value, origin, context);
  }

  /** Moves log time to `timeMs` and fires every timer that is due, those included which fired steps set. */
  advanceTo(timeMs: number, context: StepContext): void {
    if (timeMs < this.#timeMs) throw new Error(`log time went back from ${this.#timeMs} to ${timeMs}`);
    this.#timeMs = timeMs;
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined || timer.dueMs > timeMs) return;
      const { owner, key, name, dueMs } = timer;
      this.#cancel(owner, name);
      this.#step(owner.node, { kind: 'timer', key, timeMs, name, dueMs }, context);
    }
  }

  /** What changed since the last call, by (store in topology order, key bytes). */
  *drainDirty(): Generator<DirtyEntry> {
    for (const store of this.#stores.values()) {
      if (store.dirty.size === 0) continue;
      const keys = [...store.dirty].sort(compareKeys);
      store.dirty.clear();
      for (const key of keys) {
        const entry = store.entries.get(key);
        yield { store: store.name, key, bytes: entry === undefined ? null : encodeEntry(entry) };
      }
    }
  }

  /** Every key of a store with its bytes, in key order: for snapshots and for tests. */
  *walk(storeName: string): Generator<{ readonly key: string; readonly bytes: Uint8Array }> {
    const store = this.#requireStore(storeName);
    for (const key of [...store.entries.keys()].sort(compareKeys)) {
      yield { key, bytes: encodeEntry(store.entries.get(key)!) };
    }
  }

  /**
   * Puts back what {@link drainDirty} gave; null takes the key away. Slots of reducers that the topology no longer has
   * are left behind and counted. Throws {@link StateError} for bytes that cannot be read or migrated.
   */
  restore(storeName: string, key: string, bytes: Uint8Array | null): void {
    const store = this.#requireStore(storeName);
    const old = store.entries.get(key);
    if (old !== undefined) for (const slot of old.values()) this.#cancelAll(slot);
    store.entries.delete(key);
    if (bytes === null) return;
    const entry: Entry = new Map();
    for (const saved of this.#readSlots(storeName, key, bytes)) {
      const node = store.nodes.find((one) => nameOf(one) === saved.reducer);
      if (node === undefined) {
        this.#slotsIgnored += 1;
        continue;
      }
      const slot: Slot = { node, state: decodeState(node, key, saved), timers: new Map() };
      entry.set(node.index, slot);
      for (const { name, dueMs } of saved.timers) this.#set(slot, key, name, dueMs);
    }
    if (entry.size > 0) store.entries.set(key, entry);
  }

  #readSlots(storeName: string, key: string, bytes: Uint8Array): readonly SlotBytes[] {
    try {
      return decodeSlots(bytes);
    } catch (cause) {
      throw new StateError(
        `store ${storeName}, key ${key}: the changelog entry cannot be read: ${textOf(cause)}`,
        {
          cause,
        },
      );
    }
  }

  #handTo(child: Child, key: string, value: unknown, origin: Origin, context: StepContext): void {
    if (child.kind === 'sink') {
      this.#events.onEmit(child.sink.topic, key, value, child.sink.edge);
      return;
    }
    const { node } = child;
    const stateKey = node.declared.keyOf === undefined ? key : node.declared.keyOf(value as never, key);
    this.#step(node, { kind: 'record', key: stateKey, timeMs: this.#timeMs, value, origin }, context);
  }

  #step(node: Node, input: StepInput<unknown>, context: StepContext): void {
    const { reducer } = node.declared;
    const { entries, dirty } = node.store;
    const { key } = input;
    const untouched = !entries.has(key) && !dirty.has(key);
    const slot = this.#slotOf(node, key);
    dirty.add(key);
    const effects: readonly Effect[] = reducer.step(slot.state, input, context);
    const origin = input.kind === 'record' ? input.origin : NO_ORIGIN;
    for (const effect of effects) this.#carryOut(slot, input, effect, origin, context);
    // What came and went within one step was never in the changelog and needs no tombstone there.
    if (untouched && !entries.has(key)) dirty.delete(key);
  }

  #carryOut(
    slot: Slot,
    input: StepInput<unknown>,
    effect: Effect,
    origin: Origin,
    context: StepContext,
  ): void {
    const name = nameOf(slot.node);
    switch (effect.kind) {
      case 'forward':
        for (const child of this.#childrenOf.get(name)!) {
          if (effect.to !== undefined && effect.to !== child.name) continue;
          this.#handTo(child, effect.key ?? input.key, effect.value, origin, context);
        }
        return;
      case 'schedule':
        this.#schedule(slot, input, effect.name, effect.dueMs);
        return;
      case 'cancel':
        this.#cancel(slot, effect.name);
        return;
      case 'forget':
        this.#forget(slot, input.key);
        return;
      case 'drop':
        this.#events.onDrop(effect.reason, name);
        return;
      case 'late':
        this.#events.onLate(effect.reason, name);
        return;
      case 'dead-letter':
        this.#events.onDeadLetter(effect.code, effect.reason, name);
        return;
    }
  }

  #schedule(slot: Slot, input: StepInput<unknown>, name: string, dueMs: number): void {
    const reducer = nameOf(slot.node);
    if (!Number.isSafeInteger(dueMs))
      throw new Error(`${reducer} set timer ${name} to ${dueMs}, which is no time`);
    if (input.kind === 'timer' && dueMs <= input.dueMs) {
      throw new Error(
        `${reducer} set timer ${name} to ${dueMs} while firing at ${input.dueMs}: it would fire for ever`,
      );
    }
    if (slot.node.store.entries.get(input.key)?.get(slot.node.index) !== slot) {
      throw new Error(`${reducer} set timer ${name} for key ${input.key} after it forgot that key`);
    }
    this.#cancel(slot, name);
    this.#set(slot, input.key, name, dueMs);
  }

  #set(slot: Slot, key: string, name: string, dueMs: number): void {
    const timer: Timer<Slot> = { owner: slot, reducer: nameOf(slot.node), key, name, dueMs };
    slot.timers.set(name, timer);
    this.#timers.add(timer);
  }

  #cancel(slot: Slot, name: string): void {
    const timer = slot.timers.get(name);
    if (timer === undefined) return;
    slot.timers.delete(name);
    this.#timers.delete(timer);
  }

  #cancelAll(slot: Slot): void {
    for (const name of [...slot.timers.keys()]) this.#cancel(slot, name);
  }

  #forget(slot: Slot, key: string): void {
    const { store, index } = slot.node;
    this.#cancelAll(slot);
    const entry = store.entries.get(key);
    if (entry?.get(index) !== slot) return;
    entry.delete(index);
    if (entry.size === 0) store.entries.delete(key);
  }

  #slotOf(node: Node, key: string): Slot {
    let entry = node.store.entries.get(key);
    if (entry === undefined) {
      entry = new Map();
      node.store.entries.set(key, entry);
    }
    let slot = entry.get(node.index);
    if (slot === undefined) {
      slot = { node, state: node.declared.reducer.init(key), timers: new Map() };
      entry.set(node.index, slot);
    }
    return slot;
  }

  #declare(declared: ReducerNode, index: number): Node {
    const name = declared.store;
    const store: Store = this.#stores.get(name) ?? { name, nodes: [], entries: new Map(), dirty: new Set() };
    this.#stores.set(name, store);
    const node: Node = { declared, index, store };
    store.nodes.push(node);
    return node;
  }

  #requireStore(name: string): Store {
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
      ...this.#nodes
        .filter((node) => node.declared.from.includes(name))
        .map((node): Child => ({ kind: 'reducer', name: nameOf(node), node })),
      ...topology.sinks
        .filter((sink) => sink.from.includes(name))
        .map((sink): Child => ({ kind: 'sink', name: sink.topic, sink })),
    ];
  }
}

type Node = { readonly declared: ReducerNode; readonly index: number; readonly store: Store };

type Child =
  | { readonly kind: 'reducer'; readonly name: string; readonly node: Node }
  | { readonly kind: 'sink'; readonly name: string; readonly sink: SinkNode };

type Store = {
  readonly name: string;
  readonly nodes: Node[];
  readonly entries: Map<string, Entry>;
  readonly dirty: Set<string>;
};

/** Slots of one key by the index of their reducer. */
type Entry = Map<number, Slot>;

type Slot = { readonly node: Node; readonly state: unknown; readonly timers: Map<string, Timer<Slot>> };

function nameOf(node: Node): string {
  return node.declared.reducer.name;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function encodeEntry(entry: Entry): Uint8Array {
  const slots = [...entry.values()].map(({ node, state, timers }) => {
    const codec = node.declared.reducer.state;
    return {
      reducer: nameOf(node),
      version: codec.version,
      timers: [...timers.values()].map(({ name, dueMs }) => ({ name, dueMs })),
      state: codec.encode(state),
    };
  });
  return encodeSlots(slots);
}

function decodeState(node: Node, key: string, saved: SlotBytes): unknown {
  const codec = node.declared.reducer.state;
  try {
    return codec.decode(saved.state, saved.version);
  } catch (cause) {
    throw new StateError(
      `store ${node.store.name}, key ${key}: state of reducer ${saved.reducer} was written as version ` +
        `${saved.version} and this build reads version ${codec.version}: ${textOf(cause)}. ` +
        'Run the build that wrote it, add a migration, or reset the application.',
      { cause },
    );
  }
}
