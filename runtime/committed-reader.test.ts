import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compactBatch, controlBatch, restampBatch } from './broker-batch.ts';
import { CommittedReader } from './committed-reader.ts';
import type { AbortedTransaction, FetchedPartition } from './port.ts';
import { BatchBuilder, NO_HEADERS } from './record-batch.ts';

/**
 * A log is drawn batch by batch: `A2` two records of producer A in a transaction, `x3` three outside of any, `A!` commit,
 * `A?` abort; `-` behind a batch means that compaction emptied it. What is read is written as offsets.
 */
function check(drawing: string, read: string, position: number, from = 0): void {
  const log = drawn(drawing);
  const reader = new CommittedReader();
  reader.reset(fetchedOf(log, from), from);
  const offsets: number[] = [];
  while (reader.next()) {
    offsets.push(reader.cursor.offset);
    assert.equal(reader.position, reader.cursor.offset + 1);
  }
  assert.equal(offsets.join(' '), read, drawing);
  assert.equal(reader.position, position, drawing);
}

test('committed and plain records are read, markers are not', () => {
  check('x2 A2 A! x1', '0 1 2 3 5', 6);
  check('A1 A! A1 A!', '0 2', 4);
});

test('aborted records are left out, also of a producer that goes on', () => {
  check('A2 A? A1 A!', '3', 5);
  check('A1 A? A1 A? A1 A!', '4', 6);
  check('A1 B1 A? B! x1', '1 4', 5);
});

test('transactions that abort in another order than they began are left out all the same', () => {
  check('A2 B1 B? A? A1 A!', '5', 7);
  check('A1 B1 C1 C? A? B! C1 C!', '1 6', 8);
});

test('the position moves past markers, aborted data and emptied batches', () => {
  check('A3 A?', '', 4);
  check('x2 x2- ', '0 1', 4);
  check('x2- x2-', '', 4);
  check('A2- A!- x1', '3', 4);
});

test('a walk may begin inside a batch, and inside an aborted transaction', () => {
  check('x5', '3 4', 5, 3);
  check('A2 B1 A? B!', '2', 5, 1);
  check('A2 A? A2 A!', '4', 6, 4);
});

test('a data key that looks like an abort marker ends nothing', () => {
  const { bytes, aborted } = drawn('');
  assert.deepEqual([bytes.length, aborted.length], [0, 0]);
  const builder = new BatchBuilder();
  builder.append(new Uint8Array(4), null, NO_HEADERS, 0);
  builder.append(null, new Uint8Array(1), NO_HEADERS, 0);
  const lookalike = builder.finish({
    producerId: 7n,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: true,
  });
  const marker = controlBatch({ producerId: 7n, producerEpoch: 0, type: 'abort', timestampMs: 0 });
  const batches = Buffer.concat([
    restampBatch(lookalike, 0, null),
    restampBatch(lookalike, 2, null),
    restampBatch(marker, 4, null),
  ]);
  const reader = new CommittedReader();
  reader.reset({ ...fetchedOf(drawn(''), 0), batches, aborted: [{ producerId: 7n, firstOffset: 0 }] }, 0);
  assert.equal(reader.next(), false);
  assert.deepEqual([reader.position, reader.abortedRecords], [5, 4]);
});

test('a last batch that was cut short is left for the next fetch', () => {
  const log = drawn('x2 x2');
  const reader = new CommittedReader();
  reader.reset({ ...fetchedOf(log, 0), batches: log.bytes.subarray(0, log.bytes.length - 1) }, 0);
  while (reader.next());
  assert.equal(reader.position, 2);
});

test('damage is an error that names the partition', () => {
  const log = drawn('x2 x2');
  log.bytes[log.bytes.length - 1]! ^= 1;
  const reader = new CommittedReader();
  reader.reset(fetchedOf(log, 0), 0);
  assert.equal(reader.next(), true);
  assert.equal(reader.next(), true);
  assert.throws(() => reader.next(), {
    code: 'corrupt-batch',
    message: /^t\/3: The batch at offset 2 .*checksum/,
  });
  assert.equal(reader.position, 2);
});

test('any interleaving of transactions, read in any cuts, gives what was committed', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom('A', 'B', 'C', 'x'), fc.constantFrom('1', '2', '3')) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.constantFrom('!', '?')) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.array(fc.nat(400), { maxLength: 10 }),
      (steps, cuts) => {
        // what is still open at the end lies above the stable end: a broker would not send it
        const log = drawn([...steps.map((one) => one.join('')), 'A!', 'B?', 'C!'].join(' '));
        const reader = new CommittedReader();
        const offsets: number[] = [];
        let position = 0;
        for (let round = 0; position < log.end; round++) {
          const fetched = fetchedOf(log, position);
          const cut = cuts[round] ?? 0;
          reader.reset(
            { ...fetched, batches: fetched.batches.subarray(0, Math.max(400, fetched.batches.length - cut)) },
            position,
          );
          while (reader.next()) offsets.push(reader.cursor.offset);
          assert.ok(reader.position > position, 'every fetch makes progress');
          position = reader.position;
        }
        assert.deepEqual(offsets, log.committed);
      },
    ),
  );
});

type DrawnLog = {
  readonly bytes: Uint8Array;
  readonly starts: readonly { readonly offset: number; readonly at: number }[];
  readonly end: number;
  readonly aborted: readonly (AbortedTransaction & { readonly lastOffset: number })[];
  readonly committed: readonly number[];
};

function drawn(drawing: string): DrawnLog {
  const builder = new BatchBuilder();
  const parts: Uint8Array[] = [];
  const starts: { offset: number; at: number }[] = [];
  const open = new Map<string, number[]>();
  const aborted: (AbortedTransaction & { lastOffset: number })[] = [];
  const committed: number[] = [];
  let offset = 0;
  let size = 0;
  const add = (batch: Uint8Array, isEmptied: boolean): void => {
    const stored = restampBatch(batch, offset, null);
    starts.push({ offset, at: size });
    parts.push(isEmptied ? compactBatch(stored, () => false) : stored);
    size += parts.at(-1)!.length;
  };
  for (const word of drawing.split(' ').filter((one) => one !== '')) {
    const [who, what, dash] = word as unknown as [string, string, string | undefined];
    const producerId = who === 'x' ? -1n : BigInt(who.charCodeAt(0));
    if (what === '!' || what === '?') {
      const offsets = open.get(who);
      open.delete(who);
      const type = what === '!' ? 'commit' : 'abort';
      add(controlBatch({ producerId, producerEpoch: 0, type, timestampMs: 0 }), dash === '-');
      if (type === 'commit') committed.push(...(offsets ?? []));
      else if (offsets !== undefined)
        aborted.push({ producerId, firstOffset: offsets[0]!, lastOffset: offset });
      offset += 1;
      continue;
    }
    builder.reset();
    const offsets = Array.from({ length: Number(what) }, (_, i) => offset + i);
    for (const one of offsets) builder.append(null, Buffer.from(String(one)), NO_HEADERS, one);
    add(
      builder.finish({ producerId, producerEpoch: 0, baseSequence: 0, isTransactional: who !== 'x' }),
      dash === '-',
    );
    offset += offsets.length;
    if (who === 'x') committed.push(...offsets);
    else open.set(who, [...(open.get(who) ?? []), ...offsets]);
  }
  return {
    bytes: Buffer.concat(parts),
    starts,
    end: offset,
    aborted,
    committed: committed.sort((a, b) => a - b),
  };
}

/** As a broker answers: from the batch that holds the offset, with every aborted transaction that ends behind it. */
function fetchedOf(log: DrawnLog, from: number): FetchedPartition {
  const at = log.starts.findLast((one) => one.offset <= from)?.at ?? 0;
  return {
    topic: 't',
    partition: 3,
    batches: log.bytes.subarray(at),
    bounds: { start: 0, stableEnd: log.end, highWatermark: log.end },
    aborted: log.aborted.filter((one) => one.lastOffset >= from),
  };
}
