/**
 * Merges the inputs of a task into one order that does not depend on when anything was fetched: by (log time, input,
 * partition, writer, position in the log). A record leaves only when no input can still bring an earlier one.
 */
import type { LogHeader } from './record-batch.ts';

/** A committed record that waits for its turn. */
export type PendingRecord = {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
};

/** One in the queue: where its bytes lie. Two views for each record would cost more than all that the merge does. */
export class WaitingRecord implements PendingRecord {
  readonly offset: number;
  readonly timestampMs: number;
  /** `keyIn[keyStart, keyEnd)`; null when it begins below 0, as for the value. */
  readonly keyIn: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueIn: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly headers: readonly LogHeader[];

  constructor(
    offset: number,
    timestampMs: number,
    keyIn: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueIn: Uint8Array,
    valueStart: number,
    valueEnd: number,
    headers: readonly LogHeader[],
  ) {
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.keyIn = keyIn;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.valueIn = valueIn;
    this.valueStart = valueStart;
    this.valueEnd = valueEnd;
    this.headers = headers;
  }

  /** The same as plain bytes. */
  static of(record: PendingRecord): WaitingRecord {
    if (record instanceof WaitingRecord) return record;
    const { offset, timestampMs, key, value, headers } = record;
    const keyStart = key === null ? -1 : 0;
    const valueStart = value === null ? -1 : 0;
    const [keyIn, valueIn] = [key ?? NO_BYTES, value ?? NO_BYTES];
    return new WaitingRecord(
      offset,
      timestampMs,
      keyIn,
      keyStart,
      keyIn.length,
      valueIn,
      valueStart,
      valueIn.length,
      headers,
    );
  }

  get key(): Uint8Array | null {
    return this.keyStart < 0 ? null : this.keyIn.subarray(this.keyStart, this.keyEnd);
  }

  get value(): Uint8Array | null {
    return this.valueStart < 0 ? null : this.valueIn.subarray(this.valueStart, this.valueEnd);
  }
}

/** One partition that a task reads; `order` is its place among all of them, by (input, partition). */
export type MergeSource = {
  readonly topic: string;
  readonly partition: number;
  readonly order: number;
  /** One channel for each writer; a channel's records are in its writer's order. */
  readonly channels: readonly Channel[];
};

export type Channel = {
  /** What waits, from `head` on. */
  readonly queue: WaitingRecord[];
  /** Time of each record in the queue. */
  readonly times: number[];
  head: number;
  /** Nothing that this channel still brings has an earlier time than this. */
  boundMs: number;
  /** Running maximum of what was queued: a partition's time never goes back. */
  queuedUpToMs: number;
  /** Offset after the last record taken; what lies before is skipped when the partition is read again. */
  nextOffset: number;
  /** Highest seal that was taken; 0 before any. */
  sealedUpToMs: number;
};

/** The record at the head of `channel` is next. */
export type Merged = {
  readonly kind: 'ready';
  readonly source: MergeSource;
  readonly channel: Channel;
  readonly timeMs: number;
};

export type MergeState =
  | Merged
  /** Something waits, but `on` may still bring an earlier record: it has to speak, or to be sealed. */
  | { readonly kind: 'blocked'; readonly on: MergeSource; readonly untilMs: number }
  | { readonly kind: 'empty' };

export function newChannel(nextOffset: number, boundMs: number): Channel {
  return { queue: [], times: [], head: 0, boundMs, queuedUpToMs: boundMs, nextOffset, sealedUpToMs: 0 };
}

/** Queues a record; false when the channel already took it before a restart. */
export function enqueue(channel: Channel, record: WaitingRecord): boolean {
  if (record.offset < channel.nextOffset) return false;
  const timeMs = Math.max(record.timestampMs, channel.queuedUpToMs);
  channel.queuedUpToMs = timeMs;
  channel.queue.push(record);
  channel.times.push(timeMs);
  return true;
}

/** The next record in merge order, or why there is none yet. */
export function nextOf(sources: readonly MergeSource[]): MergeState {
  let first: MergeSource | null = null;
  let channel: Channel | null = null;
  let timeMs = 0;
  for (let i = 0; i < sources.length; i++) {
    const { channels } = sources[i]!;
    for (let k = 0; k < channels.length; k++) {
      const { head, queue, times } = channels[k]!;
      if (head === queue.length || (first !== null && times[head]! >= timeMs)) continue;
      first = sources[i]!;
      channel = channels[k]!;
      timeMs = times[head]!;
    }
  }
  if (first === null) return EMPTY;
  const blocker = blockerOf(sources, channel!, timeMs);
  return blocker === null
    ? { kind: 'ready', source: first, channel: channel!, timeMs }
    : { kind: 'blocked', on: blocker, untilMs: timeMs };
}

/** Takes the record that {@link nextOf} named. */
export function take(merged: Merged): WaitingRecord {
  const { channel, timeMs } = merged;
  const record = channel.queue[channel.head]!;
  channel.head += 1;
  if (timeMs > channel.boundMs) channel.boundMs = timeMs;
  channel.nextOffset = record.offset + 1;
  if (channel.head === channel.queue.length) {
    channel.queue.length = 0;
    channel.times.length = 0;
    channel.head = 0;
  } else if (channel.head >= COMPACT_AT) {
    channel.queue.splice(0, channel.head);
    channel.times.splice(0, channel.head);
    channel.head = 0;
  }
  return record;
}

/** Whether one of the source's writers has nothing waiting here. */
export function isStarved(source: MergeSource): boolean {
  for (const channel of source.channels) if (channel.head === channel.queue.length) return true;
  return false;
}

export function queuedOf(source: MergeSource): number {
  let queued = 0;
  for (const channel of source.channels) queued += channel.queue.length - channel.head;
  return queued;
}

const NO_BYTES = new Uint8Array(0);
const COMPACT_AT = 1024;
const EMPTY: MergeState = { kind: 'empty' };

/** The first empty channel that may still bring a record which sorts before the next one; null when there is none. */
function blockerOf(sources: readonly MergeSource[], next: Channel, timeMs: number): MergeSource | null {
  let before = true;
  for (let i = 0; i < sources.length; i++) {
    const { channels } = sources[i]!;
    for (let k = 0; k < channels.length; k++) {
      const channel = channels[k]!;
      if (channel === next) {
        before = false;
        continue;
      }
      if (channel.head < channel.queue.length) continue;
      const canTie = before && channel.boundMs === timeMs;
      if (channel.boundMs < timeMs || canTie) return sources[i]!;
    }
  }
  return null;
}
