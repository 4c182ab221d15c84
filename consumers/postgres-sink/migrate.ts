/** Brings the schema up to date: numbered SQL files, each applied once, in order, in a transaction of its own. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Client } from 'pg';
import { messageOf } from '../../schemas/errors.ts';
import { copyText } from './columns.ts';
import { SinkError } from './errors.ts';
import { TABLES } from './tables.ts';

export const SCHEMA = 'everyview';

type Migration = { readonly name: string; readonly sql: string; readonly hash: string };

const FOLDER = path.join(import.meta.dirname, 'migrations');
const VERSION_MIN = 150_000;
/** Any number that nobody else uses: whoever migrates holds the advisory lock of this name. */
const LOCK = 0x45_56_4d_49;

/**
 * Applies what is missing; the names of what it applied. Two at once wait for each other. Throws a {@link SinkError} when
 * the database was migrated by a newer build, or a file was changed after it had been applied.
 */
export async function migrate(client: Client): Promise<readonly string[]> {
  await checkVersion(client);
  await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
  try {
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${SCHEMA}.migrations (
         name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    const applied = await client.query<{ name: string; hash: string }>(
      `SELECT name, hash FROM ${SCHEMA}.migrations ORDER BY name`,
    );
    const known = migrations();
    checkHistory(applied.rows, known);
    const missing = known.slice(applied.rows.length);
    for (const migration of missing) await apply(client, migration);
    await addNewColumns(client);
    return missing.map(({ name }) => name);
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK]);
  }
}

function migrations(): readonly Migration[] {
  return readdirSync(FOLDER)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(path.join(FOLDER, name), 'utf8');
      return { name, sql, hash: createHash('sha256').update(sql).digest('hex') };
    });
}

async function checkVersion(client: Client): Promise<void> {
  const { rows } = await client.query("SELECT current_setting('server_version_num')::int AS version");
  if (rows[0].version >= VERSION_MIN) return;
  throw new SinkError(
    `the tables need PostgreSQL ${VERSION_MIN / 10_000} or newer, and this is ${Math.floor(rows[0].version / 10_000)}`,
    'Name a newer server with POSTGRES_URL',
  );
}

function checkHistory(
  applied: readonly { readonly name: string; readonly hash: string }[],
  known: readonly Migration[],
): void {
  for (const [index, { name, hash }] of applied.entries()) {
    const mine = known[index];
    if (mine?.name === name && mine.hash === hash) continue;
    throw new SinkError(
      `the database has the migration ${name}, which this build ${mine?.name === name ? 'has with another text' : 'does not have'}`,
      'Run the build that made it, or name another database: the sink fills it from the log again',
    );
  }
}

/**
 * A field that a schema gained since the tables were made: its column holds the schema's default for what was written
 * before, as Avro's own readers have it. No migration is needed for it; builds that do not know it go on as well.
 */
async function addNewColumns(client: Client): Promise<void> {
  const { rows } = await client.query<{ place: string }>(
    `SELECT table_name || '.' || column_name AS place FROM information_schema.columns WHERE table_schema = $1`,
    [SCHEMA],
  );
  const there = new Set(rows.map(({ place }) => place));
  for (const { name, columns } of TABLES) {
    for (const column of columns) {
      if (there.has(`${name}.${column.name}`)) continue;
      // In COPY's terms, where a null is \\N and a backslash stands twice.
      const before = column.before === undefined ? '\\N' : copyText(column, column.before);
      const literal = before.replaceAll("'", "''").replaceAll('\\\\', '\\');
      const value = before === '\\N' ? '' : ` NOT NULL DEFAULT '${literal}'`;
      await client.query(`ALTER TABLE ${SCHEMA}.${name} ADD COLUMN ${column.name} ${column.type}${value}`);
    }
  }
}

async function apply(client: Client, { name, sql, hash }: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query(`INSERT INTO ${SCHEMA}.migrations (name, hash) VALUES ($1, $2)`, [name, hash]);
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK');
    const why = messageOf(cause);
    throw new SinkError(
      `the migration ${name} failed: ${why}`,
      'The user of POSTGRES_URL has to be allowed to create a schema in that database',
      { cause },
    );
  }
}
