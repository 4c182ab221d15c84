/** Where reading goes on: kept beside the rows, and changed in the transaction that writes them. */
import type { Client } from 'pg';
import { startPositions } from '../../runtime/follow-log.ts';
import type { LogPort, TopicPartition } from '../../runtime/port.ts';
import type { Move } from './batch.ts';
import { SinkError } from './errors.ts';
import { SCHEMA } from './migrate.ts';

export type Position = TopicPartition & { readonly offset: number };

/** Records that were deleted from the log before they were written: offsets `[from, to)`. */
export type Gap = TopicPartition & { readonly from: number; readonly to: number };

/** The position of each partition of the topics; the beginning of the log for those that were never read. */
export async function loadPositions(
  client: Client,
  port: LogPort,
  topics: readonly string[],
): Promise<readonly Position[]> {
  const starts = await startPositions(port, topics, { kind: 'beginning' });
  await client.query(
    `INSERT INTO ${SCHEMA}.sink_positions (topic, partition, next_offset)
     SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[]) ON CONFLICT DO NOTHING`,
    columnsOf(starts.map(({ topic, partition, offset }) => [topic, partition, offset])),
  );
  const { rows } = await client.query<{ topic: string; partition: number; next_offset: string }>(
    `SELECT topic, partition, next_offset FROM ${SCHEMA}.sink_positions WHERE topic = ANY($1) ORDER BY 1, 2`,
    [topics],
  );
  return rows.map(({ topic, partition, next_offset }) => ({ topic, partition, offset: Number(next_offset) }));
}

/**
 * What retention deleted before it was read. Throws a {@link SinkError} where the log ends before the position: it is
 * not the log that the tables were filled from.
 */
export async function findGaps(port: LogPort, positions: readonly Position[]): Promise<readonly Gap[]> {
  const bounds = await port.bounds(positions.map(({ topic, partition }) => ({ topic, partition })));
  const gaps: Gap[] = [];
  for (const { topic, partition, start, highWatermark } of bounds) {
    const offset = positions.find((one) => one.topic === topic && one.partition === partition)!.offset;
    if (offset > highWatermark) {
      throw new SinkError(
        `the tables were filled up to offset ${offset} of ${topic}, partition ${partition}, and that log ends at ${highWatermark}: it is another log`,
        'Name the Kafka that these tables belong to, or an empty database: the sink fills it from the log',
      );
    }
    if (offset < start) gaps.push({ topic, partition, from: offset, to: start });
  }
  return gaps;
}

/** The loud error for gaps that nobody has accepted. */
export function gapError(gaps: readonly Gap[]): SinkError {
  const shown = gaps
    .slice(0, 8)
    .map(({ topic, partition, from, to }) => `${topic} partition ${partition} offsets ${from} to ${to - 1}`);
  const more = gaps.length > shown.length ? ` and ${gaps.length - shown.length} more` : '';
  return new SinkError(
    `retention has deleted records from the log before they were written: ${shown.join(', ')}${more}`,
    'Go on without them with: everyview sink --skip-lost. The table sink_gaps then says what is missing',
  );
}

/** Goes on behind the gaps and writes down what is missing; false when another sink has moved on meanwhile. */
export async function skipGaps(client: Client, gaps: readonly Gap[]): Promise<boolean> {
  await client.query('BEGIN');
  try {
    const moved = await movePositions(
      client,
      gaps.map((gap) => ({ ...gap, logTimeMs: null })),
    );
    await client.query(
      `INSERT INTO ${SCHEMA}.sink_gaps (topic, partition, from_offset, to_offset)
       SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) ON CONFLICT DO NOTHING`,
      columnsOf(gaps.map(({ topic, partition, from, to }) => [topic, partition, from, to])),
    );
    await client.query(moved === 'moved' ? 'COMMIT' : 'ROLLBACK');
    return moved === 'moved';
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/**
 * Compare and set, within the transaction that is open: each position has to be where this batch found it. The rows stay
 * locked, in one order for everybody, until the transaction ends. `there`: all are where the batch would have put them.
 */
export async function movePositions(
  client: Client,
  moves: readonly Move[],
): Promise<'moved' | 'there' | 'conflict'> {
  const { rows } = await client.query<{ topic: string; partition: number; next_offset: string }>(
    `SELECT topic, partition, next_offset FROM ${SCHEMA}.sink_positions
      JOIN unnest($1::text[], $2::int[]) AS wanted (topic, partition) USING (topic, partition)
      ORDER BY topic, partition FOR UPDATE OF sink_positions`,
    columnsOf(moves.map(({ topic, partition }) => [topic, partition])),
  );
  const found = new Map(rows.map((row) => [`${row.topic}/${row.partition}`, Number(row.next_offset)]));
  const isAt = (end: 'from' | 'to') =>
    moves.every((move) => found.get(`${move.topic}/${move.partition}`) === move[end]);
  if (!isAt('from')) return isAt('to') ? 'there' : 'conflict';
  await client.query(
    `UPDATE ${SCHEMA}.sink_positions AS held
        SET next_offset = moved.next_offset, log_time = coalesce(moved.log_time, held.log_time), written_at = now()
       FROM unnest($1::text[], $2::int[], $3::bigint[], $4::timestamptz[])
            AS moved (topic, partition, next_offset, log_time)
      WHERE held.topic = moved.topic AND held.partition = moved.partition`,
    columnsOf(
      moves.map(({ topic, partition, to, logTimeMs }) => [
        ...[topic, partition, to],
        logTimeMs === null || logTimeMs < 0 ? null : new Date(logTimeMs),
      ]),
    ),
  );
  return 'moved';
}

/** Rows of values as one array for each parameter of `unnest`. */
export function columnsOf(rows: readonly (readonly unknown[])[]): unknown[][] {
  const width = rows[0]?.length ?? 0;
  return Array.from({ length: width }, (_, index) => rows.map((row) => row[index]));
}
