/** One changelog entry: the slots of all reducers that share a store, for one key, in the order of their names. */
import { compareKeys } from './key-order.ts';
import type { StateCodec } from './state.ts';
import { StateReader, StateWriter } from './state-bytes.ts';

/** What one reducer keeps for one key. */
export type SlotBytes = {
  /** Place of the reducer among `formats` where all that stands before the timers is as this build writes it; else -1. */
  readonly place: number;
  readonly reducer: string;
  /** Version of the state codec that wrote `state`, and the shape of its states; 0 when it named none. */
  readonly version: number;
  readonly shape: number;
  readonly timers: readonly SlotTimer[];
  /** A view of the entry's bytes. */
  readonly state: Uint8Array;
};

export type SlotTimer = { readonly name: string; readonly dueMs: number };

/** How a reducer's slots are written: what they begin with, and the codec of their state. */
export type SlotFormat = {
  readonly reducer: string;
  readonly head: Uint8Array;
  readonly codec: StateCodec<unknown>;
};

export function slotFormat(reducer: string, codec: StateCodec<unknown>): SlotFormat {
  const writer = new StateWriter();
  writer.string(reducer);
  writer.unsigned(codec.version);
  writer.unsigned(codec.shape ?? 0);
  return { reducer, head: writer.finish(), codec };
}

/** Begins an entry; exactly `count` calls of {@link writeSlot} follow, in the order of the reducers' names. */
export function beginEntry(writer: StateWriter, count: number): void {
  writer.byte(FORMAT);
  writer.unsigned(count);
}

/**
 * The same state and timers, in whatever order, give the same bytes. `saved` are bytes of a state that was written in
 * this format before; `state` is not looked at then.
 */
export function writeSlot(
  writer: StateWriter,
  format: SlotFormat,
  timers: readonly SlotTimer[],
  state: unknown,
  saved: Uint8Array | null,
): void {
  writer.raw(format.head);
  writer.unsigned(timers.length);
  const ordered = timers.length < 2 ? timers : [...timers].sort((a, b) => compareKeys(a.name, b.name));
  for (const { name, dueMs } of ordered) {
    writer.string(name);
    writer.signed(dueMs);
  }
  const { codec } = format;
  if (saved !== null) {
    writer.bytes(saved);
    return;
  }
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
export function decodeSlots(bytes: Uint8Array, formats: readonly SlotFormat[]): readonly SlotBytes[] {
  const reader = new StateReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT && format !== FORMAT_WITHOUT_SHAPE)
    throw new RangeError(`entry format ${format} is not ${FORMAT}`);
  const slots: SlotBytes[] = [];
  for (let left = reader.unsigned(); left > 0; left--) {
    slots.push(format === FORMAT ? slotIn(reader, formats) : foreignSlotIn(reader, false));
  }
  reader.end();
  return slots;
}

const FORMAT = 2;
/** The first one, which said nothing of the shape. */
const FORMAT_WITHOUT_SHAPE = 1;
const stateWriter = new StateWriter();

function slotIn(reader: StateReader, formats: readonly SlotFormat[]): SlotBytes {
  for (let place = 0; place < formats.length; place++) {
    const { head, reducer, codec } = formats[place]!;
    // almost always it is: no word is made out of bytes then
    if (!reader.takes(head)) continue;
    const { version, shape = 0 } = codec;
    return { place, reducer, version, shape, timers: timersIn(reader), state: reader.bytes() };
  }
  return foreignSlotIn(reader, true);
}

function foreignSlotIn(reader: StateReader, hasShape: boolean): SlotBytes {
  return {
    place: -1,
    reducer: reader.string(),
    version: reader.unsigned(),
    shape: hasShape ? reader.unsigned() : 0,
    timers: timersIn(reader),
    state: reader.bytes(),
  };
}

function timersIn(reader: StateReader): readonly SlotTimer[] {
  const count = reader.unsigned();
  if (count === 0) return NO_TIMERS;
  const timers: SlotTimer[] = [];
  for (let left = count; left > 0; left--) timers.push({ name: nameIn(reader), dueMs: reader.signed() });
  return timers;
}

const NO_TIMERS: readonly SlotTimer[] = [];

/** Names of timers that were read lately, with their bytes: most keys have timers of the same few names. */
const knownNames: { readonly bytes: Uint8Array; readonly name: string }[] = [];
const KNOWN_NAMES_MAX = 8;

function nameIn(reader: StateReader): string {
  for (const { bytes, name } of knownNames) if (reader.takes(bytes)) return name;
  const name = reader.string();
  const writer = new StateWriter();
  writer.string(name);
  knownNames.push({ bytes: writer.finish(), name });
  if (knownNames.length > KNOWN_NAMES_MAX) knownNames.shift();
  return name;
}
