/** One changelog entry: the slots of all reducers that share a store, for one key, in the order of their names. */
import { compareKeys } from './key-order.ts';
import type { StateCodec } from './state.ts';
import { StateReader, StateWriter } from './state-bytes.ts';

/** What one reducer keeps for one key. */
export type SlotBytes = {
  readonly reducer: string;
  /** Version of the state codec that wrote `state`. */
  readonly version: number;
  readonly timers: readonly SlotTimer[];
  readonly state: Uint8Array;
};

export type SlotTimer = { readonly name: string; readonly dueMs: number };

/** How a reducer's slots are written: what they begin with, and the codec of their state. */
export type SlotFormat = { readonly head: Uint8Array; readonly codec: StateCodec<unknown> };

export function slotFormat(reducer: string, codec: StateCodec<unknown>): SlotFormat {
  const writer = new StateWriter();
  writer.string(reducer);
  writer.unsigned(codec.version);
  return { head: writer.finish(), codec };
}

/** Begins an entry; exactly `count` calls of {@link writeSlot} follow, in the order of the reducers' names. */
export function beginEntry(writer: StateWriter, count: number): void {
  writer.byte(FORMAT);
  writer.unsigned(count);
}

/** The same state and timers, in whatever order, give the same bytes. */
export function writeSlot(
  writer: StateWriter,
  format: SlotFormat,
  timers: readonly SlotTimer[],
  state: unknown,
): void {
  writer.raw(format.head);
  writer.unsigned(timers.length);
  const ordered = timers.length < 2 ? timers : [...timers].sort((a, b) => compareKeys(a.name, b.name));
  for (const { name, dueMs } of ordered) {
    writer.string(name);
    writer.signed(dueMs);
  }
  const { codec } = format;
  if (codec.write === undefined) {
    writer.bytes(codec.encode(state));
    return;
  }
  // the length goes in front of bytes whose number is not known before
  stateWriter.reset();
  codec.write(state, stateWriter);
  writer.bytes(stateWriter.buffer, stateWriter.length);
}

/** Throws a `RangeError` for bytes that are no entry. */
export function decodeSlots(bytes: Uint8Array): readonly SlotBytes[] {
  const reader = new StateReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT) throw new RangeError(`entry format ${format} is not ${FORMAT}`);
  const slots: SlotBytes[] = [];
  for (let left = reader.unsigned(); left > 0; left--) {
    const reducer = reader.string();
    const version = reader.unsigned();
    const timers: SlotTimer[] = [];
    for (let count = reader.unsigned(); count > 0; count--) {
      timers.push({ name: reader.string(), dueMs: reader.signed() });
    }
    slots.push({ reducer, version, timers, state: reader.bytes().slice() });
  }
  reader.end();
  return slots;
}

const FORMAT = 1;
const stateWriter = new StateWriter();
