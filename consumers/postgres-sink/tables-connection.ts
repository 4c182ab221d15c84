/** The one connection to PostgreSQL: opened again whenever it is lost, with every call made again until it is answered. */
import { Client } from 'pg';
import type { Clock } from '../../runtime/port.ts';
import { messageOf } from '../../schemas/errors.ts';
import { adoptLog } from './adopt-log.ts';
import type { Batch } from './batch.ts';
import { ensureDashboardRole, grantViews } from './dashboard-role.ts';
import { failureKind, SinkError } from './errors.ts';
import { migrate } from './migrate.ts';
import { Partitions } from './partitions.ts';
import { prepareConnection, type WriteResult, writeBatch } from './write-batch.ts';

export type TablesConnectionOptions = {
  readonly url: string;
  readonly clock: Clock;
  /** Ends waiting for a server that is away. */
  readonly signal: AbortSignal;
  readonly onDisconnected: (error: unknown) => void;
  readonly onConnected: () => void;
};

export type OpenOptions = {
  readonly dashboardPassword: string | null;
  /** Of the Kafka that is read; null where it is not known. */
  readonly clusterId: string | null;
  /** Tables of another Kafka are set aside; else they are an error. */
  readonly tablesPerLog: boolean;
};

export class TablesConnection {
  readonly #options: TablesConnectionOptions;
  readonly #partitions = new Partitions();
  #client: Client | null = null;

  constructor(options: TablesConnectionOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#client !== null;
  }

  /** Connects for the first time, migrates, and sets the dashboards' role up where there is a password for it. */
  async open({ dashboardPassword, clusterId, tablesPerLog }: OpenOptions): Promise<readonly string[]> {
    const { clock, signal } = this.#options;
    const deadlineMs = clock.nowMs() + FIRST_CONNECT_MS;
    for (;;) {
      const client = newClient(this.#options.url, () => {});
      try {
        await client.connect();
        let applied = await migrate(client);
        while (clusterId !== null && !(await adoptLog(client, clusterId, tablesPerLog)))
          applied = await migrate(client);
        if (dashboardPassword === null) await grantViews(client);
        else await ensureDashboardRole(client, dashboardPassword);
        return applied;
      } catch (error) {
        if (error instanceof SinkError) throw error;
        if (failureKind(error) !== 'gone' || signal.aborted || clock.nowMs() > deadlineMs)
          throw unusable(this.#options.url, error);
        await clock.sleep(BACKOFF_MS_MIN, signal);
      } finally {
        discard(client);
      }
    }
  }

  /** Runs `work`, again and again while the server is away. It has to be safe to run twice. */
  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { clock, signal } = this.#options;
    for (let backoffMs = BACKOFF_MS_MIN; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MS_MAX)) {
      try {
        return await work(await this.#connected());
      } catch (error) {
        if (error instanceof SinkError) throw error;
        const kind = failureKind(error);
        if (kind === 'data' || kind === 'no-partition') throw error;
        if (kind === 'fatal') throw unusable(this.#options.url, error);
        this.#lose(error);
        if (signal.aborted) throw error;
        await clock.sleep(backoffMs, signal);
        if (signal.aborted) throw error;
      }
    }
  }

  /** Writes a batch whole, however often the connection is lost. Rows that PostgreSQL refuses become rejects of it. */
  async write(batch: Batch): Promise<WriteResult> {
    let isCareful = false;
    for (let tries = 0; ; tries++) {
      try {
        return await this.use(async (client) => {
          await this.#partitions.ensure(client, batch.days());
          return await writeBatch(client, batch, isCareful);
        });
      } catch (error) {
        const kind = failureKind(error);
        if (kind === 'data' && !isCareful) isCareful = true;
        // Another sink's retention may have dropped what this one remembers.
        else if (kind === 'no-partition' && tries < PARTITION_TRIES) this.#partitions.forget();
        else throw error;
      }
    }
  }

  /** Partitions ahead, and what is older than `fromMs` away; a day that is being read is left for the next time. */
  async maintain(
    nowMs: number,
    fromMs: number | null,
  ): Promise<{ readonly partitions: number; readonly rows: number }> {
    return await this.use(async (client) => {
      await this.#partitions.ensureAhead(client, nowMs);
      if (fromMs === null) return { partitions: 0, rows: 0 };
      try {
        return await this.#partitions.retain(client, fromMs);
      } catch (error) {
        if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return { partitions: 0, rows: 0 };
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end();
  }

  async #connected(): Promise<Client> {
    if (this.#client !== null) return this.#client;
    const client = newClient(this.#options.url, (error) => {
      if (this.#client === client) this.#lose(error);
    });
    try {
      await client.connect();
      await prepareConnection(client);
    } catch (error) {
      discard(client);
      throw error;
    }
    this.#client = client;
    this.#options.onConnected();
    return client;
  }

  #lose(error: unknown): void {
    if (this.#client === null) return;
    discard(this.#client);
    this.#client = null;
    this.#options.onDisconnected(error);
  }
}

const FIRST_CONNECT_MS = 30_000;
const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 5_000;
const PARTITION_TRIES = 3;
const LOCK_NOT_AVAILABLE = '55P03';

function newClient(connectionString: string, onError: (error: unknown) => void): Client {
  const client = new Client({
    connectionString,
    application_name: 'everyview-sink',
    connectionTimeoutMillis: 5_000,
    // A server that is suspended answers nothing, and closes nothing.
    query_timeout: 90_000,
    keepAlive: true,
  });
  client.on('error', onError);
  return client;
}

/** Not waited for: the other end may be gone for good. */
function discard(client: Client): void {
  client.end().catch(() => {});
}

function unusable(url: string, cause: unknown): SinkError {
  const { hostname, port, pathname } = new URL(url);
  const why = messageOf(cause);
  return new SinkError(
    `PostgreSQL at ${hostname}:${port === '' ? 5432 : port}${pathname} cannot be used: ${why}`,
    'Check that it runs, and that POSTGRES_URL names it with a user that owns the database',
    { cause },
  );
}
