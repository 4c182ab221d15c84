/** What the reducers that share a store keep for each key, and which keys changed since the changelog was last written. */
import { compareKeys } from './key-order.ts';
import {
  beginEntry,
  decodeSlots,
  type SlotBytes,
  type SlotFormat,
  slotFormat,
  writeSlot,
} from './slot-codec.ts';
import { StateError } from './state.ts';
import { StateWriter } from './state-bytes.ts';
import type { Timer } from './timer-queue.ts';
import type { AnyReducer } from './topology.ts';

/** What one reducer keeps for one key. */
export type Slot<Node> = {
  readonly node: Node;
  /** Place of the reducer among those of its store. */
  readonly place: number;
  readonly key: string;
  /** Undecoded as long as {@link savedIn} is set: ask {@link StateStore.stateOf}. */
  state: unknown;
  /** Bytes of a restored state that no step has asked for yet: `[savedStart, savedEnd)` of this. */
  savedIn: Uint8Array | null;
  savedStart: number;
  savedEnd: number;
  /** {@link NO_TIMERS} until one is set: most slots never have any. */
  timers: Timer<Slot<Node>>[];
  /** False once it was forgotten. */
  isKept: boolean;
};

/** Slots of one key, by the place of their reducer. */
export type Entry<Node> = {
  readonly key: string;
  readonly slots: (Slot<Node> | null)[];
  slotCount: number;
  isDirty: boolean;
  /** Number of the last capture that has it, or that began before it was there. */
  capture: number;
};

export type RestoredSlot<Node> = { readonly slot: Slot<Node>; readonly saved: SlotBytes };

/** Called with the entry's bytes `[0, length)`, which are valid during the call only; null when nothing is left of the key. */
export type DirtyVisitor = (key: string, bytes: Uint8Array | null, length: number) => void;

export class StateStore<Node> {
  readonly name: string;
  readonly #topology: string;
  readonly #formats: SlotFormat[] = [];
  readonly #reducers: AnyReducer[] = [];
  readonly #nodes: Node[] = [];
  /** Places in the order of the reducers' names. */
  #placesByName: readonly number[] = [];
  readonly #entries = new Map<string, Entry<Node>>();
  /** Changed entries; one that was dropped since is passed over. */
  #dirty: Entry<Node>[] = [];
  /** Changed keys of which nothing is left. */
  readonly #gone = new Set<string>();
  /** The entry that was asked for last: a step's children mostly ask for it again. */
  #latest: Entry<Node> | undefined;
  readonly #writer = new StateWriter();
  #capture = 0;
  /** What of the capture that goes on was not looked at yet; null when there is none. */
  #uncaptured: Iterator<Entry<Node>> | null = null;
  /** Entries that changed while a capture goes on, as they were when it began. */
  #before: { readonly key: string; readonly bytes: Uint8Array }[] = [];
  /** Where bytes of restored states are kept side by side: a buffer for each would cost more than its content. */
  #slab = NO_BYTES;
  #slabEnd = 0;
  /** Bytes that were put into slabs, those that something newer replaced since included. */
  #slabbed = 0;

  /** `topology` is for errors, which say how it is reset. */
  constructor(name: string, topology: string) {
    this.name = name;
    this.#topology = topology;
  }

  /** Takes a reducer in, before there are keys; its place in every entry. */
  addReducer(reducer: AnyReducer, node: Node): number {
    const place = this.#reducers.length;
    this.#reducers.push(reducer);
    this.#nodes.push(node);
    this.#formats.push(slotFormat(reducer.name, reducer.state));
    this.#placesByName = this.#reducers
      .map((_, index) => index)
      .sort((a, b) => compareKeys(this.#reducers[a]!.name, this.#reducers[b]!.name));
    return place;
  }

  get keyCount(): number {
    return this.#entries.size;
  }

  find(key: string): Entry<Node> | undefined {
    const latest = this.#latest;
    if (latest !== undefined && latest.key === key) return latest;
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#latest = entry;
    return entry;
  }

  /** An empty entry for a key that has none. */
  add(key: string): Entry<Node> {
    const entry: Entry<Node> = {
      key,
      slots: this.#reducers.map(() => null),
      slotCount: 0,
      isDirty: false,
      capture: this.#capture,
    };
    this.#entries.set(key, entry);
    this.#latest = entry;
    return entry;
  }

  /** Whether the key's changelog entry is out of date. */
  isDirty(key: string): boolean {
    return this.find(key)?.isDirty ?? this.#gone.has(key);
  }

  markDirty(entry: Entry<Node>): void {
    if (entry.isDirty) return;
    entry.isDirty = true;
    this.#dirty.push(entry);
    if (this.#gone.size > 0) this.#gone.delete(entry.key);
  }

  /** The changelog holds nothing of this key, and nothing is left of it. */
  leaveOut(key: string): void {
    this.#gone.delete(key);
  }

  /** A reducer's slot in an entry that has none for it yet. */
  addSlot(entry: Entry<Node>, place: number): Slot<Node> {
    return this.#keep(entry, place, this.#reducers[place]!.init(entry.key));
  }

  /** The state of a slot, which is decoded when it is asked for first. Throws {@link StateError}. */
  stateOf(slot: Slot<Node>): unknown {
    if (slot.savedIn !== null) {
      const { version } = this.#formats[slot.place]!.codec;
      slot.state = this.#decode(slot.place, slot.key, savedBytesOf(slot)!, version);
      slot.savedIn = null;
    }
    return slot.state;
  }

  /** Forgets a slot; with the last one goes the entry. */
  dropSlot(slot: Slot<Node>): void {
    if (!slot.isKept) return;
    slot.isKept = false;
    const entry = this.#entries.get(slot.key)!;
    entry.slots[slot.place] = null;
    entry.slotCount -= 1;
    if (entry.slotCount > 0) return;
    this.#drop(entry);
    if (entry.isDirty) this.#gone.add(entry.key);
  }

  /** What changed since the last call: each key once, in the order in which they changed, then those that are gone. */
  takeDirty(visit: DirtyVisitor): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (let i = 0; i < dirty.length; i++) {
      const entry = dirty[i]!;
      entry.isDirty = false;
      if (entry.slotCount === 0) continue;
      this.#write(entry);
      visit(entry.key, this.#writer.buffer, this.#writer.length);
    }
    if (this.#gone.size === 0) return;
    for (const key of this.#gone) visit(key, null, 0);
    this.#gone.clear();
  }

  get isCapturing(): boolean {
    return this.#uncaptured !== null;
  }

  /** From now on {@link captureNext} gives the store as it is at this moment, piece by piece. */
  beginCapture(): void {
    this.#capture += 1;
    this.#before = [];
    this.#uncaptured = this.#entries.values();
  }

  /** To be called before an entry changes, while {@link isCapturing}. */
  keepBefore(entry: Entry<Node>): void {
    if (entry.capture === this.#capture) return;
    entry.capture = this.#capture;
    this.#write(entry);
    this.#before.push({ key: entry.key, bytes: this.#writer.finish() });
  }

  /** The next key of the capture with its bytes; null when it is whole, which ends it. In no particular order. */
  captureNext(): { readonly key: string; readonly bytes: Uint8Array } | null {
    const kept = this.#before.pop();
    if (kept !== undefined) return kept;
    for (;;) {
      const next = this.#uncaptured?.next();
      if (next === undefined || next.done) {
        this.#uncaptured = null;
        return null;
      }
      const entry = next.value;
      if (entry.capture === this.#capture) continue;
      entry.capture = this.#capture;
      this.#write(entry);
      return { key: entry.key, bytes: this.#writer.finish() };
    }
  }

  /** Every key with its bytes, in key order. */
  *walk(): Generator<{ readonly key: string; readonly bytes: Uint8Array }> {
    for (const key of [...this.#entries.keys()].sort(compareKeys)) {
      this.#write(this.#entries.get(key)!);
      yield { key, bytes: this.#writer.finish() };
    }
  }

  /**
   * Puts back what {@link takeDirty} gave, in the place of `old`, what there was; null takes the key away. Returns the slots
   * with what was saved of each, and how many are of reducers that the store no longer has. Throws {@link StateError}.
   */
  restore(
    key: string,
    bytes: Uint8Array | null,
    old: Entry<Node> | undefined,
  ): { readonly slots: readonly RestoredSlot<Node>[]; ignored: number } {
    if (old !== undefined) for (const slot of old.slots) if (slot != null) this.dropSlot(slot);
    const restored = { slots: [] as RestoredSlot<Node>[], ignored: 0 };
    if (bytes === null) return restored;
    let entry: Entry<Node> | null = null;
    for (const saved of this.#slotsIn(key, bytes)) {
      const isOurs = saved.place >= 0;
      const place = isOurs ? saved.place : this.#reducers.findIndex(({ name }) => name === saved.reducer);
      if (place < 0) {
        restored.ignored += 1;
        continue;
      }
      if (entry === null) {
        entry = this.add(key);
        if (this.#gone.has(key)) this.markDirty(entry);
      }
      // what is not in the present form is refused or migrated now, never when a record comes for it
      const slot = this.#keep(entry, place, isOurs ? undefined : this.#migrated(place, key, saved));
      if (isOurs) this.#keepBytes(slot, saved.state);
      restored.slots.push({ slot, saved });
    }
    return restored;
  }

  /**
   * Ends a restore. A changelog holds many states of one key, and a slab that held them all lives as long as the one that is
   * still needed: where most of what was read is out of date, what is left moves together.
   */
  endRestore(): void {
    let keptBytes = 0;
    for (const { savedStart, savedEnd } of this.#undecoded()) keptBytes += savedEnd - savedStart;
    if (this.#slabbed > 2 * keptBytes) {
      this.#slab = NO_BYTES;
      this.#slabEnd = 0;
      for (const slot of this.#undecoded()) this.#keepBytes(slot, savedBytesOf(slot)!);
    }
    this.#slab = NO_BYTES;
    this.#slabEnd = 0;
    this.#slabbed = 0;
  }

  *#undecoded(): Generator<Slot<Node>> {
    for (const { slots } of this.#entries.values())
      for (const slot of slots) if (slot != null && slot.savedIn !== null) yield slot;
  }

  #keepBytes(slot: Slot<Node>, bytes: Uint8Array): void {
    const { length } = bytes;
    this.#slabbed += length;
    if (this.#slabEnd + length > this.#slab.length) {
      const grown = Math.min(Math.max(SLAB_BYTES_MIN, 2 * this.#slab.length), SLAB_BYTES_MAX);
      this.#slab = new Uint8Array(Math.max(grown, length));
      this.#slabEnd = 0;
    }
    this.#slab.set(bytes, this.#slabEnd);
    slot.savedIn = this.#slab;
    slot.savedStart = this.#slabEnd;
    this.#slabEnd += length;
    slot.savedEnd = this.#slabEnd;
  }

  #keep(entry: Entry<Node>, place: number, state: unknown): Slot<Node> {
    const slot: Slot<Node> = {
      node: this.#nodes[place]!,
      place,
      key: entry.key,
      state,
      savedIn: null,
      savedStart: 0,
      savedEnd: 0,
      timers: NO_TIMERS,
      isKept: true,
    };
    entry.slots[place] = slot;
    entry.slotCount += 1;
    return slot;
  }

  #drop(entry: Entry<Node>): void {
    this.#entries.delete(entry.key);
    if (this.#latest === entry) this.#latest = undefined;
  }

  #write(entry: Entry<Node>): void {
    const writer = this.#writer;
    writer.reset();
    beginEntry(writer, entry.slotCount);
    for (const place of this.#placesByName) {
      const slot = entry.slots[place];
      if (slot != null) writeSlot(writer, this.#formats[place]!, slot.timers, slot.state, savedBytesOf(slot));
    }
  }

  #slotsIn(key: string, bytes: Uint8Array): readonly SlotBytes[] {
    try {
      return decodeSlots(bytes, this.#formats);
    } catch (cause) {
      throw new StateError(
        `store ${this.name}, key ${key}: the changelog entry cannot be read: ${textOf(cause)}. ${this.#wayOut}`,
        { cause },
      );
    }
  }

  /** A state that another build wrote, or that says nothing of its shape. */
  #migrated(place: number, key: string, saved: SlotBytes): unknown {
    const { version, shape = 0 } = this.#formats[place]!.codec;
    const isOther = saved.version === version && saved.shape !== 0 && shape !== 0 && saved.shape !== shape;
    if (isOther) {
      throw new StateError(
        `store ${this.name}, key ${key}: state of reducer ${saved.reducer} was written as version ${version}, and this ` +
          `build has other fields under the same version ${version}: raise the version and add a migration. ${this.#wayOut}`,
      );
    }
    return this.#decode(place, key, saved.state, saved.version);
  }

  #decode(place: number, key: string, bytes: Uint8Array, version: number): unknown {
    const { codec, reducer } = this.#formats[place]!;
    try {
      return codec.decode(bytes, version);
    } catch (cause) {
      throw new StateError(
        `store ${this.name}, key ${key}: state of reducer ${reducer} was written as version ${version} and this build ` +
          `reads version ${codec.version}: ${textOf(cause)}. ${this.#wayOut}`,
        { cause },
      );
    }
  }

  get #wayOut(): string {
    return `Run the build that wrote it, add a migration, or delete the state with: everyview reset ${this.#topology}`;
  }
}

const NO_BYTES = new Uint8Array(0);
/** Never written to. */
export const NO_TIMERS: never[] = [];
/** A slab is twice the one before it, so that a store with a few keys costs little. */
const SLAB_BYTES_MIN = 1024;
const SLAB_BYTES_MAX = 1024 * 1024;

function savedBytesOf<Node>({ savedIn, savedStart, savedEnd }: Slot<Node>): Uint8Array | null {
  return savedIn === null ? null : savedIn.subarray(savedStart, savedEnd);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
