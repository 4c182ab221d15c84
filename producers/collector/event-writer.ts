/**
 * Playback events into Kafka, acks=all: what many requests bring within some milliseconds travels together, and each
 * request learns when its own events are in the log. Memory is bounded: a full queue refuses.
 *
 * A batch whose reply was lost is sent again, so that an event may be in the log twice; sessions leave out the second by
 * (session, target, event, client time, sn), as they do with events that players send again.
 */
import { partitionOf } from '../../runtime/partitioner.ts';
import { type Clock, LogError, type LogPort, type ProduceBatch } from '../../runtime/port.ts';
import { BatchBuilder, NO_HEADERS, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';

export type EventWriterOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  /** Partitions of `playback-events`. */
  readonly partitions: number;
  readonly encode: (event: PlaybackEvent) => Uint8Array;
  /** How long events wait for others, in ms. */
  readonly lingerMs: number;
  /** Bytes of encoded events that wait or are under way, all together. */
  readonly queueBytesMax: number;
  /** For how long a batch is tried again before its events are refused, in ms. */
  readonly giveUpAfterMs: number;
  /** Told of each batch that was acknowledged, with the time since its first event came. */
  readonly onAcknowledged?: (durationMs: number, events: number) => void;
};

/** Why events were not taken. `overloaded`: the queue is full. `kafka`: the log did not acknowledge them in time. */
export class NotWritten extends Error {
  readonly reason: 'overloaded' | 'kafka' | 'closed';

  constructor(reason: 'overloaded' | 'kafka' | 'closed', options?: { cause?: unknown }) {
    super(reason, options);
    this.name = 'NotWritten';
    this.reason = reason;
  }
}

type Waiting = {
  readonly rows: readonly Row[];
  readonly sizeBytes: number;
  readonly sinceMs: number;
  readonly resolve: () => void;
  readonly reject: (cause: NotWritten) => void;
};

type Row = {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly partition: number;
  readonly timeMs: number;
};

export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #hurrying = new AbortController();
  #isClosed = false;
  #waiting: Waiting[] = [];
  #queuedBytes = 0;
  #queuedEvents = 0;
  #running: Promise<void> | null = null;
  #failingSinceMs: number | null = null;

  constructor(options: EventWriterOptions) {
    this.#options = options;
  }

  /** Events that wait or are under way. */
  get queuedEvents(): number {
    return this.#queuedEvents;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isFull(): boolean {
    return this.#queuedBytes >= this.#options.queueBytesMax;
  }

  /** Since when Kafka has not acknowledged a batch, by the clock; null when the latest one was. */
  get failingSinceMs(): number | null {
    return this.#failingSinceMs;
  }

  /** Resolves once all events are in the log; else rejects with {@link NotWritten}, and some may be. */
  write(events: readonly PlaybackEvent[]): Promise<void> {
    if (events.length === 0) return Promise.resolve();
    if (this.#isClosed) return Promise.reject(new NotWritten('closed'));
    if (this.isFull) return Promise.reject(new NotWritten('overloaded'));
    const rows = events.map((event) => this.#rowOf(event));
    const sizeBytes = rows.reduce((sum, { value }) => sum + value.length + ROW_BYTES, 0);
    this.#queuedBytes += sizeBytes;
    this.#queuedEvents += rows.length;
    return new Promise((resolve, reject) => {
      const sinceMs = this.#options.clock.nowMs();
      this.#waiting.push({ rows, sizeBytes, sinceMs, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** From now on events wait for no others: the process is about to end. */
  hurry(): void {
    this.#hurrying.abort();
  }

  /** Takes no more events, and waits until those that it has are in the log or refused. */
  async close(): Promise<void> {
    this.hurry();
    this.#isClosed = true;
    await this.#running;
  }

  #rowOf(event: PlaybackEvent): Row {
    const key = Buffer.from(event.sessionKey);
    const partition = partitionOf(key, this.#options.partitions);
    return { key, value: this.#options.encode(event), partition, timeMs: event.receivedAtMs };
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#options.clock.sleep(this.#options.lingerMs, this.#hurrying.signal);
      const group = this.#take();
      const cause = await this.#send(batchesOf(group));
      this.#settle(group, cause);
      // Nobody waits for Kafka to come back, once for each batch, in a process that is to end.
      if (cause !== null && this.#hurrying.signal.aborted) this.#settle(this.#waiting.splice(0), cause);
    }
    this.#running = null;
  }

  /** `cause` is null for events that are in the log. */
  #settle(group: readonly Waiting[], cause: unknown): void {
    let events = 0;
    for (const { rows, sizeBytes, resolve, reject } of group) {
      this.#queuedBytes -= sizeBytes;
      events += rows.length;
      if (cause === null) resolve();
      else reject(new NotWritten('kafka', { cause }));
    }
    this.#queuedEvents -= events;
    const durationMs = this.#options.clock.nowMs() - (group[0]?.sinceMs ?? 0);
    if (cause === null) this.#options.onAcknowledged?.(durationMs, events);
  }

  /** As many of those that wait as fit into one request; never a part of what one request brought. */
  #take(): readonly Waiting[] {
    let sizeBytes = 0;
    let count = 0;
    for (const { sizeBytes: next } of this.#waiting) {
      if (count > 0 && sizeBytes + next > BATCH_BYTES_MAX) break;
      sizeBytes += next;
      count++;
    }
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return taken;
  }

  /** Null when all was acknowledged, else the last failure. */
  async #send(rounds: readonly (readonly ProduceBatch[])[]): Promise<unknown> {
    const { port, clock, giveUpAfterMs } = this.#options;
    const startedAtMs = clock.nowMs();
    let waitMs = RETRY_MIN_MS;
    for (let round = 0; round < rounds.length; ) {
      try {
        await port.produce(null, rounds[round]!);
        this.#failingSinceMs = null;
        round++;
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        this.#failingSinceMs ??= clock.nowMs();
        const isHopeless = error.kind === 'fatal' || error.kind === 'fenced';
        if (isHopeless || clock.nowMs() - startedAtMs + waitMs > giveUpAfterMs) return error;
        await clock.sleep(waitMs);
        waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
      }
    }
    return null;
  }
}

/** What a record costs beside its value: key, batch framing and bookkeeping. */
const ROW_BYTES = 128;
/** Under Kafka's usual limit of 1 MiB for a batch, also when all goes to one partition. */
const BATCH_BYTES_MAX = 768 * 1024;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;
const TOPIC = 'playback-events';

/** One batch per partition and round, in the order of arrival; a further round where one would grow too large. */
function batchesOf(group: readonly Waiting[]): readonly (readonly ProduceBatch[])[] {
  const rounds: Map<number, BatchBuilder>[] = [];
  const roundOf = new Map<number, number>();
  for (const { key, value, partition, timeMs } of group.flatMap(({ rows }) => rows)) {
    let round = roundOf.get(partition) ?? 0;
    const open = rounds[round]?.get(partition);
    if (open !== undefined && open.sizeBytes + value.length + ROW_BYTES > BATCH_BYTES_MAX) round++;
    roundOf.set(partition, round);
    rounds[round] ??= new Map();
    let builder = rounds[round]!.get(partition);
    if (builder === undefined) {
      builder = new BatchBuilder();
      rounds[round]!.set(partition, builder);
    }
    // The broker replaces the time by its own: the topic has log-append time.
    builder.append(key, value, NO_HEADERS, timeMs);
  }
  return rounds.map((builders) =>
    Array.from(builders, ([partition, builder]) => ({
      topic: TOPIC,
      partition,
      bytes: builder.finish(NO_PRODUCER),
      baseSequence: -1,
    })),
  );
}
