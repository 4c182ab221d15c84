/** The role that dashboards read with: it sees the views, changes nothing, and is stopped when a query takes too long. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { messageOf } from '../../schemas/errors.ts';
import { SinkError } from './errors.ts';
import { SCHEMA } from './migrate.ts';

export const DASHBOARD_ROLE = 'everyview_dashboard';

const STATEMENT_TIMEOUT = '15s';
const CONNECTIONS_MAX = 20;
const SCRAM_ITERATIONS = 4_096;

/**
 * Makes the role, or gives it this password, and lets it read the views. Throws a {@link SinkError} where the sink's own
 * user may not make roles.
 */
export async function ensureDashboardRole(client: Client, password: string): Promise<void> {
  const found = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [DASHBOARD_ROLE]);
  const verb = found.rowCount === 0 ? 'CREATE' : 'ALTER';
  try {
    // What the server keeps is sent, not the password: a statement may end up in some log.
    await client.query(
      `${verb} ROLE ${DASHBOARD_ROLE} LOGIN NOINHERIT CONNECTION LIMIT ${CONNECTIONS_MAX} PASSWORD '${scramVerifier(password)}'`,
    );
    for (const [setting, value] of [
      ['statement_timeout', STATEMENT_TIMEOUT],
      ['idle_in_transaction_session_timeout', STATEMENT_TIMEOUT],
      ['default_transaction_read_only', 'on'],
      ['search_path', SCHEMA],
      ['timezone', 'UTC'],
    ]) {
      await client.query(`ALTER ROLE ${DASHBOARD_ROLE} SET ${setting} = '${value}'`);
    }
  } catch (cause) {
    const why = messageOf(cause);
    throw new SinkError(
      `the role ${DASHBOARD_ROLE} cannot be set up: ${why}`,
      `Let the user of POSTGRES_URL make roles (ALTER ROLE ... CREATEROLE), or run without a dashboard password`,
      { cause },
    );
  }
  await grantViews(client);
}

/** Lets the role read the views where it exists: those that came with a migration too. */
export async function grantViews(client: Client): Promise<void> {
  const found = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [DASHBOARD_ROLE]);
  if (found.rowCount === 0) return;
  await client.query(`GRANT USAGE ON SCHEMA ${SCHEMA} TO ${DASHBOARD_ROLE}`);
  const views = await client.query<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.views WHERE table_schema = $1 ORDER BY 1',
    [SCHEMA],
  );
  for (const { name } of views.rows)
    await client.query(`GRANT SELECT ON ${SCHEMA}.${name} TO ${DASHBOARD_ROLE}`);
}

/** SCRAM-SHA-256 as PostgreSQL stores it (RFC 5802; PostgreSQL, "pg_authid.rolpassword"). */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, SCRAM_ITERATIONS, 32, 'sha256');
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  const serverKey = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
