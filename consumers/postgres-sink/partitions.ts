/** Partitions by day (UTC): made when a row or tomorrow needs them, dropped when retention ends. */
import type { Client } from 'pg';
import { SCHEMA } from './migrate.ts';
import { PARTITIONED, TABLES } from './tables.ts';

export const DAY_MS = 86_400_000;
/** Days beyond today that are made ahead. A row that is further in the future has a wrong time. */
const DAYS_AHEAD = 2;

export type Retention = {
  /** Rows before it are not stored; null keeps everything. */
  readonly fromMs: number | null;
  /** Rows at or after it have a wrong time. */
  readonly beforeMs: number;
};

/** What may be stored at `nowMs` when tables keep `days` days and today; 0 keeps everything. */
export function retentionAt(nowMs: number, days: number): Retention {
  const today = startOfDay(nowMs);
  return {
    fromMs: days === 0 ? null : today - days * DAY_MS,
    beforeMs: today + (DAYS_AHEAD + 1) * DAY_MS,
  };
}

export function startOfDay(timeMs: number): number {
  return timeMs - (timeMs % DAY_MS);
}

/** Makes partitions, and remembers which there are. */
export class Partitions {
  readonly #known = new Set<string>();

  /** Forgets what it remembers: somebody else dropped or made some. */
  forget(): void {
    this.#known.clear();
  }

  /** Makes the partition of each day that is not there yet. */
  async ensure(
    client: Client,
    days: Iterable<{ readonly table: string; readonly dayMs: number }>,
  ): Promise<void> {
    for (const { table, dayMs } of days) {
      const name = partitionName(table, dayMs);
      if (this.#known.has(name)) continue;
      await makePartition(client, table, name, dayMs);
      this.#known.add(name);
    }
  }

  /** Today and the days ahead, for every table. */
  async ensureAhead(client: Client, nowMs: number): Promise<void> {
    const days = Array.from({ length: DAYS_AHEAD + 1 }, (_, ahead) => startOfDay(nowMs) + ahead * DAY_MS);
    await this.ensure(
      client,
      PARTITIONED.flatMap(({ name }) => days.map((dayMs) => ({ table: name, dayMs }))),
    );
  }

  /** Drops partitions whose day has ended before `fromMs`, and old rows of tables without; how many of each. */
  async retain(
    client: Client,
    fromMs: number,
  ): Promise<{ readonly partitions: number; readonly rows: number }> {
    const { rows: found } = await client.query<{ name: string }>(
      `SELECT child.relname AS name FROM pg_inherits
         JOIN pg_class child ON child.oid = inhrelid
         JOIN pg_class parent ON parent.oid = inhparent
         JOIN pg_namespace ON pg_namespace.oid = parent.relnamespace
        WHERE nspname = $1 AND parent.relname = ANY($2) AND child.relkind = 'r'`,
      [SCHEMA, PARTITIONED.map(({ name }) => name)],
    );
    let partitions = 0;
    for (const { name } of found) {
      const dayMs = dayOf(name);
      if (dayMs === null || dayMs >= fromMs) continue;
      await client.query(`DROP TABLE IF EXISTS ${SCHEMA}.${name}`);
      this.#known.delete(name);
      partitions += 1;
    }
    let rows = 0;
    for (const { name, forgettable } of TABLES) {
      if (forgettable === null) continue;
      const deleted = await client.query(
        `DELETE FROM ${SCHEMA}.${name} WHERE log_time < $1 AND ${forgettable}`,
        [new Date(fromMs)],
      );
      rows += deleted.rowCount ?? 0;
    }
    return { partitions, rows };
  }
}

function partitionName(table: string, dayMs: number): string {
  return `${table}_${new Date(dayMs).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

function dayOf(name: string): number | null {
  const match = /_(\d{4})(\d{2})(\d{2})$/.exec(name);
  return match === null ? null : Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
}

/**
 * Attached rather than created as a partition: attaching does not lock out those who read the table. Whoever makes the
 * same one at the same time waits.
 */
async function makePartition(client: Client, table: string, name: string, dayMs: number): Promise<void> {
  const [from, to] = [dayMs, dayMs + DAY_MS].map((ms) => new Date(ms).toISOString());
  await client.query(
    `DO $$ BEGIN
       PERFORM pg_advisory_xact_lock(hashtext('${SCHEMA}.${name}'));
       IF to_regclass('${SCHEMA}.${name}') IS NULL THEN
         CREATE TABLE ${SCHEMA}.${name} (LIKE ${SCHEMA}.${table} INCLUDING DEFAULTS);
         ALTER TABLE ${SCHEMA}.${table} ATTACH PARTITION ${SCHEMA}.${name} FOR VALUES FROM ('${from}') TO ('${to}');
       END IF;
     END $$`,
  );
}
