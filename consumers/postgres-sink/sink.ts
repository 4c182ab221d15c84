/**
 * The PostgreSQL sink: topics into tables, exactly once. Rows and positions are of one SQL transaction, and a position is
 * only moved from where the batch found it: a sink that died, was suspended, or runs twice cannot write anything twice,
 * nor leave anything out.
 */
import { decodeFollowed, type FollowedRecord, followLog } from '../../runtime/follow-log.ts';
import { type Clock, LogError, type LogPort } from '../../runtime/port.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { Batch } from './batch.ts';
import { retentionAt } from './partitions.ts';
import { findGaps, type Gap, gapError, loadPositions, type Position, skipGaps } from './positions.ts';
import { SinkCounters, type SinkMetrics } from './sink-counters.ts';
import { SINK_TOPICS, type SinkTopic } from './tables.ts';
import { TablesConnection } from './tables-connection.ts';

export type SinkOptions = {
  /** Not closed by the sink. */
  readonly port: LogPort;
  readonly clock: Clock;
  readonly codec: FetchingCodec;
  /** Owner of the tables; holds a password. */
  readonly postgresUrl: string;
  /** Password for the role `everyview_dashboard`; null leaves the role alone. */
  readonly dashboardPassword: string | null;
  /** Of the Kafka behind the port, which the tables remember; not looked at where it is not given. */
  readonly clusterId?: string;
  /** Tables that were filled from another Kafka are set aside, and found again when that one is back; else an error. */
  readonly tablesPerLog?: boolean;
  /** Days that the tables keep, today not counted; 0 keeps everything. */
  readonly retentionDays: number;
  /** Go on where retention has deleted records before they were written; else that is an error. */
  readonly skipLost?: boolean;
  readonly onEvent?: (event: SinkEvent) => void;
  readonly limits?: Partial<SinkLimits>;
};

export type SinkLimits = {
  /** A batch is written when it has so many rows. */
  readonly rowsMax: number;
  /** Or so many bytes. */
  readonly bytesMax: number;
  /** Or when its first row is so old. */
  readonly ageMsMax: number;
  /** How long it waits before it looks again where another sink was faster. */
  readonly standByMs: number;
};

export type SinkEvent =
  | { readonly kind: 'migrated'; readonly migrations: readonly string[] }
  | { readonly kind: 'disconnected'; readonly error: unknown }
  | { readonly kind: 'connected' }
  /** Another sink writes the same tables. */
  | { readonly kind: 'conflict' }
  | {
      readonly kind: 'rejected';
      readonly record: FollowedRecord;
      readonly code: string;
      readonly reason: string;
    }
  | { readonly kind: 'skipped'; readonly gaps: readonly Gap[] }
  | { readonly kind: 'retained'; readonly partitions: number; readonly rows: number };

export type Sink = {
  metrics(): SinkMetrics;
  /** Resolves when everything that is committed in the log by now was written. Rejects when the sink failed. */
  catchUp(): Promise<void>;
  /** Rejects when the sink cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Writes what was read, where PostgreSQL answers, and disconnects. Safe to call twice. */
  close(): Promise<void>;
};

const SINK_LIMITS: SinkLimits = {
  rowsMax: 10_000,
  bytesMax: 8 * 1024 * 1024,
  ageMsMax: 500,
  standByMs: 1_000,
};

/**
 * Connects, brings the tables up to date, and goes on reading where they end. Throws a {@link SinkError} when that cannot
 * be done; failures that may pass are waited out for half a minute, and for ever once it runs.
 */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const runner = new SinkRunner(options);
  await runner.open();
  return runner.start();
}

/** Maintenance: partitions for the days ahead, and what retention ends. */
const MAINTAIN_EVERY_MS = 600_000;
/** Positions that moved past nothing but control records are written this seldom. */
const IDLE_WRITE_MS = 10_000;

class SinkRunner {
  readonly #options: SinkOptions;
  readonly #limits: SinkLimits;
  readonly #tables: TablesConnection;
  readonly #counters = new SinkCounters();
  readonly #ending = new AbortController();
  #batch: Batch;
  #batchSinceMs = 0;
  #maintainAtMs = 0;
  #positions = new Map<string, number>();
  #fetches = 0;
  #waiting: { readonly afterFetch: number; readonly resolve: () => void }[] = [];

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#limits = { ...SINK_LIMITS, ...options.limits };
    this.#tables = new TablesConnection({
      url: options.postgresUrl,
      clock: options.clock,
      signal: this.#ending.signal,
      onDisconnected: (error) => {
        this.#counters.reconnects += 1;
        this.#tell({ kind: 'disconnected', error });
      },
      onConnected: () => this.#tell({ kind: 'connected' }),
    });
    this.#batch = this.#newBatch();
  }

  async open(): Promise<void> {
    try {
      const { dashboardPassword, clusterId = null, tablesPerLog = false } = this.#options;
      const migrations = await this.#tables.open({ dashboardPassword, clusterId, tablesPerLog });
      if (migrations.length > 0) this.#tell({ kind: 'migrated', migrations });
      await this.#maintain();
      await this.#loadPositions();
    } catch (error) {
      await this.#tables.close();
      throw error;
    }
  }

  start(): Sink {
    const done = this.#run();
    const failed = new Promise<never>((_resolve, reject) => done.catch(reject));
    failed.catch(() => {});
    let closing: Promise<void> | null = null;
    return {
      metrics: () => this.#counters.metrics(this.#tables.isConnected, this.#batch),
      failed,
      catchUp: () => {
        // The fetch that is under way may have been answered before now; the one after it was not.
        const afterFetch = this.#fetches + 1;
        const caughtUp = new Promise<void>((resolve) => this.#waiting.push({ afterFetch, resolve }));
        return Promise.race([caughtUp, failed]);
      },
      close: () => {
        closing ??= (async () => {
          this.#ending.abort();
          await Promise.allSettled([done]);
          await this.#tables.close();
        })();
        return closing;
      },
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.#follow();
        if (!signal.aborted) throw new Error('reading ended by itself');
        await this.#writeLast();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Conflict) {
          this.#counters.conflicts += 1;
          this.#tell({ kind: 'conflict' });
          await this.#options.clock.sleep(this.#limits.standByMs, signal);
        } else if (!(error instanceof LogError && error.code === 'offset-out-of-range')) throw error;
        this.#batch = this.#newBatch();
        await this.#loadPositions();
      }
    }
  }

  async #follow(): Promise<void> {
    const { port, clock } = this.#options;
    await followLog({
      port,
      clock,
      positions: Array.from(this.#positions, ([name, offset]) => ({ ...placeOf(name), offset })),
      signal: this.#ending.signal,
      onRecord: async (record) => {
        await this.#take(record);
        return this.#ending.signal.aborted;
      },
      onRead: (at, bounds) => {
        const from = this.#positionOf(at);
        if (at.offset > from) this.#batch.move(at, from, null);
        this.#counters.noteBounds({ ...at, offset: from }, bounds.stableEnd);
      },
      onCaughtUp: async (isCaughtUp) => {
        this.#fetches += 1;
        if (isCaughtUp || this.#isDue()) await this.#writeIfAny();
        if (this.#options.clock.nowMs() >= this.#maintainAtMs) await this.#maintain();
        if (isCaughtUp) this.#resolveWaiting();
      },
    });
  }

  async #take(record: FollowedRecord): Promise<void> {
    const { codec, clock } = this.#options;
    const value =
      record.value === null
        ? null
        : await decodeFollowed(codec, clock, record.topic as SinkTopic, record.value);
    if (this.#batch.isEmpty) this.#batchSinceMs = clock.nowMs();
    const rejectsBefore = this.#batch.rejects.length;
    this.#batch.add(record, value);
    const next = { topic: record.topic, partition: record.partition, offset: record.offset + 1 };
    this.#batch.move(next, this.#positionOf(record), value === null ? null : record.timestampMs);
    for (const { code, reason } of this.#batch.rejects.slice(rejectsBefore))
      this.#tell({ kind: 'rejected', record, code, reason });
    if (this.#isDue()) await this.#write();
  }

  #isDue(): boolean {
    const { rowsMax, bytesMax, ageMsMax } = this.#limits;
    const { isEmpty, rowCount, bytes } = this.#batch;
    if (rowCount >= rowsMax || bytes >= bytesMax) return true;
    return !isEmpty && this.#options.clock.nowMs() - this.#batchSinceMs >= ageMsMax;
  }

  async #writeIfAny(): Promise<void> {
    const { moves, isEmpty } = this.#batch;
    if (moves.size === 0) return;
    const idleMs = this.#options.clock.nowMs() - this.#counters.writtenAtMs;
    if (!isEmpty || idleMs >= IDLE_WRITE_MS) await this.#write();
  }

  /** Writes the batch, however often PostgreSQL goes away meanwhile. Reading waits, so memory is bounded. */
  async #write(): Promise<void> {
    const { clock } = this.#options;
    const batch = this.#batch;
    const startedMs = clock.nowMs();
    const result = await this.#tables.write(batch);
    if (result === 'conflict') throw new Conflict();
    for (const { topic, partition, to } of batch.moves.values())
      this.#positions.set(`${topic}/${partition}`, to);
    this.#counters.noteWritten(batch, clock.nowMs(), clock.nowMs() - startedMs);
    this.#batch = this.#newBatch();
  }

  /** What was read when the end came. If PostgreSQL is away just now, it is read again another time. */
  async #writeLast(): Promise<void> {
    if (this.#batch.moves.size > 0 && this.#tables.isConnected) await this.#write();
  }

  async #maintain(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    this.#maintainAtMs = nowMs + MAINTAIN_EVERY_MS;
    const { fromMs } = retentionAt(nowMs, this.#options.retentionDays);
    const { partitions, rows } = await this.#tables.maintain(nowMs, fromMs);
    if (partitions + rows > 0) this.#tell({ kind: 'retained', partitions, rows });
  }

  async #loadPositions(): Promise<void> {
    const { port, skipLost } = this.#options;
    for (;;) {
      const positions: readonly Position[] = await this.#tables.use((client) =>
        loadPositions(client, port, SINK_TOPICS),
      );
      const gaps = await findGaps(port, positions);
      if (gaps.length === 0) {
        this.#positions = new Map(positions.map((at) => [`${at.topic}/${at.partition}`, at.offset]));
        return;
      }
      if (skipLost !== true) throw gapError(gaps);
      if (await this.#tables.use((client) => skipGaps(client, gaps))) this.#tell({ kind: 'skipped', gaps });
      this.#counters.noteGaps(gaps);
    }
  }

  #positionOf({ topic, partition }: { readonly topic: string; readonly partition: number }): number {
    return this.#positions.get(`${topic}/${partition}`)!;
  }

  #newBatch(): Batch {
    const nowMs = this.#options.clock.nowMs();
    return new Batch(retentionAt(nowMs, this.#options.retentionDays), nowMs);
  }

  #resolveWaiting(): void {
    for (const { afterFetch, resolve } of this.#waiting) if (this.#fetches > afterFetch) resolve();
    this.#waiting = this.#waiting.filter(({ afterFetch }) => this.#fetches <= afterFetch);
  }

  #tell(event: SinkEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** Another sink moved the positions. */
class Conflict extends Error {}

function placeOf(name: string): { readonly topic: string; readonly partition: number } {
  const slash = name.lastIndexOf('/');
  return { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) };
}
