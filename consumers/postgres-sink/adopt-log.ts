/** Tables belong to one Kafka: what was read of another one is set aside, whole, and found again when that one is back. */
import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import { SinkError } from './errors.ts';
import { SCHEMA } from './migrate.ts';

/**
 * Whether the tables are of this cluster; those of nobody are its from now on. If they are not, and `mayMove`, they are
 * renamed out of the way, those that were set aside for this cluster take their place, and the answer is false: migrate
 * once more, and ask again. Throws a {@link SinkError} where they may not be moved.
 */
export async function adoptLog(client: Client, clusterId: string, mayMove: boolean): Promise<boolean> {
  const { rows } = await client.query<{ cluster_id: string }>(`SELECT cluster_id FROM ${SCHEMA}.sink_log`);
  const owner = rows[0]?.cluster_id;
  if (owner === undefined) {
    await client.query(`INSERT INTO ${SCHEMA}.sink_log (cluster_id) VALUES ($1)`, [clusterId]);
    return true;
  }
  if (owner === clusterId) return true;
  if (!mayMove) {
    throw new SinkError(
      `the tables were filled from the Kafka cluster ${owner}, and this one is ${clusterId}`,
      'Name the Kafka that they belong to, or an empty database: the sink fills it from the log',
    );
  }
  const mine = asideName(clusterId);
  await client.query('BEGIN');
  try {
    await client.query(`ALTER SCHEMA ${SCHEMA} RENAME TO ${asideName(owner)}`);
    const kept = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [mine]);
    if (kept.rowCount !== 0) await client.query(`ALTER SCHEMA ${mine} RENAME TO ${SCHEMA}`);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
  return false;
}

function asideName(clusterId: string): string {
  return `${SCHEMA}_${createHash('sha256').update(clusterId).digest('hex').slice(0, 12)}`;
}
