/**
 * One batch, one transaction: positions by compare-and-set first, then rows by COPY into a staging table and from there
 * by upsert. What is not committed has left no trace, and what is committed is never written again.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type Batch, REJECT_COLUMNS, type Row, rejectLine } from './batch.ts';
import type { Column } from './columns.ts';
import { failureKind } from './errors.ts';
import { SCHEMA } from './migrate.ts';
import { columnsOf, movePositions } from './positions.ts';
import { DEAD_LETTER_COUNTS, REJECTS, TABLES, type Table } from './tables.ts';

/**
 * `written`; `there`: an earlier attempt had been committed although nobody heard of it; `conflict`: another sink moved
 * the positions, and nothing of this batch was written.
 */
export type WriteResult = 'written' | 'there' | 'conflict';

/** Staging tables belong to the connection: to be called once for each, before {@link writeBatch}. */
export async function prepareConnection(client: Client): Promise<void> {
  await client.query("SET timezone = 'UTC'; SET lock_timeout = '10s'; SET statement_timeout = '60s'");
  for (const { name } of [...TABLES, REJECTS]) {
    await client.query(`CREATE TEMP TABLE stage_${name} (LIKE ${SCHEMA}.${name}) ON COMMIT DELETE ROWS`);
  }
}

/**
 * Writes the batch. `isCareful` isolates rows that PostgreSQL refuses: they become rejects, and the others are written.
 * Throws what PostgreSQL says; the transaction is rolled back then.
 */
export async function writeBatch(client: Client, batch: Batch, isCareful: boolean): Promise<WriteResult> {
  await client.query('BEGIN');
  try {
    const moved = await movePositions(client, [...batch.moves.values()]);
    if (moved !== 'moved') {
      await client.query('ROLLBACK');
      return moved;
    }
    for (const [table, rows] of batch.rows) {
      if (isCareful) await writeIsolated(client, table, rows, batch);
      else await writeRows(client, table, rows);
    }
    await writeDeletions(client, batch);
    await writeDeadLetters(client, batch);
    if (batch.rejects.length > 0) {
      const lines = batch.rejects.map((reject) => ({ line: rejectLine(reject), record: reject.record }));
      await writeRows(client, REJECT_TARGET, lines);
    }
    await client.query('COMMIT');
    return 'written';
  } catch (error) {
    // Where the connection is gone, the server has rolled back by itself.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

type Target = {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly rank: string | null;
};

const REJECT_TARGET: Target = {
  name: REJECTS.name,
  columns: REJECT_COLUMNS,
  key: ['topic', 'partition', 'log_offset', 'log_time'],
  rank: null,
};

const CHUNK_CHARACTERS = 65_536;

async function writeRows(client: Client, target: Target, rows: readonly Row[]): Promise<void> {
  const { name, columns, key } = target;
  const names = columns.map((column) => column.name).join(', ');
  const copy = client.query(copyFrom(`COPY stage_${name} (${names}) FROM STDIN`));
  await pipeline(Readable.from(chunksOf(rows)), copy);
  const order = [...(target.rank === null ? [] : [target.rank]), 'log_offset'];
  const keys = key.join(', ');
  const updates = columns.filter((column) => !key.includes(column.name));
  await client.query(
    `INSERT INTO ${SCHEMA}.${name} AS held (${names})
     SELECT DISTINCT ON (${keys}) ${names} FROM stage_${name}
      ORDER BY ${keys}, ${order.map((one) => `${one} DESC`).join(', ')}
     ON CONFLICT (${keys}) DO UPDATE SET ${updates.map((column) => `${column.name} = EXCLUDED.${column.name}`).join(', ')}
      WHERE (${order.map((one) => `held.${one}`).join(', ')}) < (${order.map((one) => `EXCLUDED.${one}`).join(', ')})`,
  );
  // The same staging table serves further parts of this transaction.
  await client.query(`DELETE FROM stage_${name}`);
}

/** Halves the rows until those that cannot be written stand alone. */
async function writeIsolated(
  client: Client,
  target: Table,
  rows: readonly Row[],
  batch: Batch,
): Promise<void> {
  await client.query('SAVEPOINT part');
  try {
    await writeRows(client, target, rows);
    await client.query('RELEASE SAVEPOINT part');
  } catch (error) {
    if (failureKind(error) !== 'data') throw error;
    await client.query('ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part');
    const half = Math.ceil(rows.length / 2);
    if (rows.length === 1) batch.refuse(target, rows[0]!, error);
    else
      for (const part of [rows.slice(0, half), rows.slice(half)])
        await writeIsolated(client, target, part, batch);
  }
}

async function writeDeletions(client: Client, { deletions }: Batch): Promise<void> {
  if (deletions.size === 0) return;
  await client.query(
    `DELETE FROM ${SCHEMA}.catalogue AS held USING unnest($1::text[], $2::bigint[]) AS gone (name, log_offset)
      WHERE held.name = gone.name AND held.log_offset < gone.log_offset`,
    columnsOf([...deletions]),
  );
}

async function writeDeadLetters(client: Client, { deadLetters }: Batch): Promise<void> {
  if (deadLetters.size === 0) return;
  const { name, key } = DEAD_LETTER_COUNTS;
  await client.query(
    `INSERT INTO ${SCHEMA}.${name} AS held (${key.join(', ')}, records)
     SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
      ORDER BY ${key.map((_, index) => index + 1).join(', ')}
     ON CONFLICT (${key.join(', ')}) DO UPDATE SET records = held.records + EXCLUDED.records`,
    columnsOf(
      Array.from(deadLetters.values(), ({ minuteMs, topology, node, code, sourceTopic, records }) => [
        ...[new Date(minuteMs), topology, node, code, sourceTopic, records],
      ]),
    ),
  );
}

/** Lines joined, so that not each of them is a packet. */
function* chunksOf(rows: readonly Row[]): Generator<string> {
  let chunk = '';
  for (const { line } of rows) {
    chunk += `${line}\n`;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}
