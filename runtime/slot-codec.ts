/** One changelog entry: the slots of all reducers that share a store, for one key, in the order of their names. */
import { compareKeys } from './key-order.ts';
import { StateReader, StateWriter } from './state-bytes.ts';

/** What one reducer keeps for one key. */
export type SlotBytes = {
  readonly reducer: string;
  /** Version of the state codec that wrote `state`. */
  readonly version: number;
  readonly timers: readonly { readonly name: string; readonly dueMs: number }[];
  readonly state: Uint8Array;
};

/** The same slots and timers, in whatever order, give the same bytes. */
export function encodeSlots(slots: readonly SlotBytes[]): Uint8Array {
  const writer = new StateWriter();
  writer.byte(FORMAT);
  writer.unsigned(slots.length);
  for (const slot of [...slots].sort((a, b) => compareKeys(a.reducer, b.reducer))) {
    writer.string(slot.reducer);
    writer.unsigned(slot.version);
    writer.unsigned(slot.timers.length);
    for (const { name, dueMs } of [...slot.timers].sort((a, b) => compareKeys(a.name, b.name))) {
      writer.string(name);
      writer.signed(dueMs);
    }
    writer.bytes(slot.state);
  }
  return writer.finish();
}

/** Throws a `RangeError` for bytes that {@link encodeSlots} did not write. */
export function decodeSlots(bytes: Uint8Array): readonly SlotBytes[] {
  const reader = new StateReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT) throw new RangeError(`entry format ${format} is not ${FORMAT}`);
  const slots: SlotBytes[] = [];
  for (let left = reader.unsigned(); left > 0; left--) {
    const reducer = reader.string();
    const version = reader.unsigned();
    const timers: { name: string; dueMs: number }[] = [];
    for (let count = reader.unsigned(); count > 0; count--) {
      timers.push({ name: reader.string(), dueMs: reader.signed() });
    }
    slots.push({ reducer, version, timers, state: reader.bytes().slice() });
  }
  reader.end();
  return slots;
}

const FORMAT = 1;
