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
  readonly queue: PendingRecord[];
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

export type Merged = { readonly source: MergeSource; readonly channel: Channel; readonly timeMs: number };

export type MergeState =
  | { readonly kind: 'ready'; readonly next: Merged }
  /** Something waits, but `on` may still bring an earlier record: it has to speak, or to be sealed. */
  | { readonly kind: 'blocked'; readonly on: MergeSource; readonly untilMs: number }
  | { readonly kind: 'empty' };

export function newChannel(nextOffset: number, boundMs: number): Channel {
  return { queue: [], times: [], head: 0, boundMs, queuedUpToMs: boundMs, nextOffset, sealedUpToMs: 0 };
}

/** Queues a record; false when the channel already took it before a restart. */
export function enqueue(channel: Channel, record: PendingRecord): boolean {
  if (record.offset < channel.nextOffset) return false;
  const timeMs = Math.max(record.timestampMs, channel.queuedUpToMs);
  channel.queuedUpToMs = timeMs;
  channel.queue.push(record);
  channel.times.push(timeMs);
  return true;
}

/** The next record in merge order, or why there is none yet. */
export function nextOf(sources: readonly MergeSource[]): MergeState {
  let best: Merged | null = null;
  for (const source of sources) {
    for (const channel of source.channels) {
      const timeMs = channel.times[channel.head];
      if (timeMs !== undefined && (best === null || timeMs < best.timeMs)) best = { source, channel, timeMs };
    }
  }
  if (best === null) return EMPTY;
  const blocker = blockerOf(sources, best);
  return blocker === null
    ? { kind: 'ready', next: best }
    : { kind: 'blocked', on: blocker, untilMs: best.timeMs };
}

/** Takes the record that {@link nextOf} named. */
export function take(merged: Merged): PendingRecord {
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

const COMPACT_AT = 1024;
const EMPTY: MergeState = { kind: 'empty' };

/** The first empty channel that may still bring a record which sorts before `best`; null when there is none. */
function blockerOf(sources: readonly MergeSource[], best: Merged): MergeSource | null {
  let before = true;
  for (const source of sources) {
    for (const channel of source.channels) {
      if (channel === best.channel) {
        before = false;
        continue;
      }
      if (channel.head < channel.queue.length) continue;
      const canTie = before && channel.boundMs === best.timeMs;
      if (channel.boundMs < best.timeMs || canTie) return source;
    }
  }
  return null;
}
