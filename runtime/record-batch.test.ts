import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compactBatch, controlBatch, markerOf, restampBatch } from './broker-batch.ts';
import { crc32c } from './crc32c.ts';
import {
  BatchBuilder,
  type BatchSeal,
  batchesOf,
  type LogHeader,
  NO_HEADERS,
  NO_PRODUCER,
} from './record-batch.ts';
import { RecordCursor } from './record-cursor.ts';

type TestRecord = {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
  readonly timestampMs: number;
};

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const record: fc.Arbitrary<TestRecord> = fc.record({
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(fc.tuple(fc.string(), fc.uint8Array({ maxLength: 40 })), { maxLength: 3 }),
  timestampMs: fc.oneof(
    fc.integer({ min: -1, max: 1000 }),
    fc.integer({ min: 1_700_000_000_000, max: 2 ** 51 }),
  ),
});
const records = fc.array(record, { minLength: 1, maxLength: 200 });
const seal: fc.Arbitrary<BatchSeal> = fc.record({
  producerId: fc.bigInt({ min: -1n, max: 2n ** 62n }),
  producerEpoch: fc.integer({ min: -1, max: 32767 }),
  baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  isTransactional: fc.boolean(),
});
/** Header names that kafkajs, which keeps headers as an object, can hold. */
const plainHeaders = fc.uniqueArray(
  fc.tuple(fc.stringMatching(/^h[a-z]{1,8}$/), fc.uint8Array({ maxLength: 40 })),
  {
    maxLength: 3,
    selector: ([name]) => name,
  },
);
const plainRecords = fc.array(
  record.chain((one) =>
    plainHeaders.map((headers) => ({ ...one, headers, timestampMs: Math.abs(one.timestampMs) })),
  ),
  { minLength: 1, maxLength: 50 },
);
const at = (offset: number, text = `v${offset}`): TestRecord => ({
  key: Buffer.from('k'),
  value: Buffer.from(text),
  headers: NO_HEADERS,
  timestampMs: 1000 + offset,
});

test('what was appended is walked again, key by key and header by header', () => {
  const builder = new BatchBuilder(61);
  fc.assert(
    fc.property(records, seal, fc.nat(2 ** 40), (written, batchSeal, baseOffset) => {
      const bytes = restampBatch(sealed(written, batchSeal, builder), baseOffset, null);
      assert.deepEqual(
        walked(bytes, baseOffset),
        written.map((one, i) => ({ ...plain(one), offset: baseOffset + i })),
      );
      const { start, end, lastOffset, maxTimestampMs, recordCount, ...header } = batchesOf(bytes)[0]!;
      assert.deepEqual(
        [start, end, lastOffset, recordCount],
        [0, bytes.length, baseOffset + written.length - 1, written.length],
      );
      assert.equal(maxTimestampMs, Math.max(...written.map((one) => one.timestampMs)));
      assert.deepEqual(header, {
        ...batchSeal,
        baseOffset,
        isControl: false,
        timestampType: 'create',
        baseTimestampMs: written[0]!.timestampMs,
        compression: 'none',
      });
    }),
  );
});

test('a walk from any offset gives the tail, over several batches and a cut last one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
      fc.nat(100),
      fc.nat(),
      (sizes, from, cut) => {
        const log: Uint8Array[] = [];
        let offset = 0;
        for (const size of sizes) {
          log.push(
            restampBatch(sealed(Array.from({ length: size }, (_, i) => at(offset + i))), offset, null),
          );
          offset += size;
        }
        const cutBytes = cut % log.at(-1)!.length;
        const bytes = Buffer.concat(log).subarray(
          0,
          log.reduce((sum, one) => sum + one.length, 0) - cutBytes,
        );
        const wholeEnd = cutBytes > 0 ? offset - sizes.at(-1)! : offset;
        const expected = Array.from({ length: Math.max(0, wholeEnd - from) }, (_, i) => from + i);
        assert.deepEqual(
          walked(bytes, from).map((one) => one.offset),
          expected,
        );
      },
    ),
  );
});

test('stamped by the broker, every record has the time of the append', () => {
  const bytes = restampBatch(sealed([at(0), at(1)]), 7, 5_000);
  assert.equal(batchesOf(bytes)[0]!.timestampType, 'log-append');
  assert.deepEqual(
    walked(bytes, 0).map(({ offset, timestampMs }) => [offset, timestampMs]),
    [
      [7, 5_000],
      [8, 5_000],
    ],
  );
});

test('any flipped bit under the checksum is found', () => {
  const bytes = sealed([at(0), at(1)]);
  fc.assert(
    fc.property(fc.integer({ min: 21, max: bytes.length - 1 }), fc.nat(7), (index, bit) => {
      const damaged = new Uint8Array(bytes);
      damaged[index]! ^= 1 << bit;
      assert.throws(() => walked(damaged, 0), {
        code: 'corrupt-batch',
        message: /checksum.*Check the broker/,
      });
    }),
  );
});

test('records that lie about their length are found even under a right checksum', () => {
  const bytes = new Uint8Array(sealed([at(0)]));
  for (let index = 61; index < bytes.length; index++) {
    for (const forged of [0x00, 0x01, 0x7e, 0x7f, 0xff]) {
      const damaged = new Uint8Array(bytes);
      damaged[index] = forged;
      new DataView(damaged.buffer).setUint32(17, crc32c(damaged, 21, damaged.length));
      try {
        walked(damaged, 0);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'corrupt-batch');
      }
    }
  }
});

test('other formats and compressions say what to do', () => {
  const old = new Uint8Array(sealed([at(0)]));
  old[16] = 1;
  assert.throws(() => walked(old, 0), { code: 'corrupt-batch', message: /record format 1/ });
  assert.throws(
    () =>
      walked(
        compressed([at(0)], 2, (raw) => raw),
        0,
      ),
    { code: 'corrupt-batch', message: /snappy.*zstd, gzip or none/ },
  );
  assert.throws(
    () =>
      walked(
        compressed([at(0)], 3, (raw) => raw),
        0,
      ),
    { message: /lz4/ },
  );
  assert.throws(
    () =>
      walked(
        compressed([at(0)], 1, (raw) => raw),
        0,
      ),
    { code: 'corrupt-batch', message: /cannot be decompressed \(gzip\)/ },
  );
});

test('gzip and zstd are read', () => {
  const written = Array.from({ length: 50 }, (_, i) => at(i, 'the same again '.repeat(5)));
  const expected = walked(sealed(written), 0);
  assert.deepEqual(walked(compressed(written, 1, gzipSync), 0), expected);
  assert.deepEqual(walked(compressed(written, 4, zstdCompressSync), 0), expected);
});

test('markers are told by the batch alone, never by the look of a key', () => {
  for (const type of ['commit', 'abort'] as const) {
    const marker = controlBatch({ producerId: 9n, producerEpoch: 3, type, timestampMs: 42 });
    const [header] = batchesOf(marker);
    assert.deepEqual(
      [header!.isControl, header!.producerId, header!.producerEpoch, header!.recordCount],
      [true, 9n, 3, 1],
    );
    assert.equal(markerOf(marker, header!), type);
    assert.deepEqual(walked(marker, 0), []);
  }
  const lookalike = sealed([{ ...at(0), key: new Uint8Array(4) }]);
  assert.equal(batchesOf(lookalike)[0]!.isControl, false);
  assert.throws(() => markerOf(lookalike, batchesOf(lookalike)[0]!), { code: 'corrupt-batch' });
});

test('compaction keeps offsets, and may leave an empty batch', () => {
  const bytes = restampBatch(sealed([0, 1, 2, 3].map((offset) => at(offset))), 10, null);
  assert.deepEqual(
    walked(
      compactBatch(bytes, (offset) => offset % 2 === 1),
      0,
    ).map((one) => one.offset),
    [11, 13],
  );
  const [empty] = batchesOf(compactBatch(bytes, () => false));
  assert.deepEqual([empty!.baseOffset, empty!.lastOffset, empty!.recordCount, empty!.end], [10, 13, 0, 61]);
});

test('a timestamp that is no whole number of milliseconds is refused', () => {
  const builder = new BatchBuilder();
  for (const timestampMs of [Number.NaN, 1.5, -2, 2 ** 53, Number.POSITIVE_INFINITY]) {
    assert.throws(() => builder.append(null, null, NO_HEADERS, timestampMs), RangeError);
  }
  assert.equal(builder.recordCount, 0);
});

test("kafkajs's decoder reads our batches", async () => {
  await fc.assert(
    fc.asyncProperty(plainRecords, seal, async (written, batchSeal) => {
      const decoded = await kafkajsDecode(Buffer.from(sealed(written, batchSeal)));
      assert.equal(decoded.producerId, String(batchSeal.producerId));
      assert.equal(decoded.producerEpoch, batchSeal.producerEpoch);
      assert.equal(decoded.inTransaction, batchSeal.isTransactional);
      assert.deepEqual(
        decoded.records.map(({ offset, timestamp, key, value, headers }) => ({
          offset,
          timestamp,
          key,
          value,
          headers,
        })),
        written.map((one, i) => ({
          offset: String(i),
          timestamp: String(one.timestampMs),
          ...asKafkajs(one),
        })),
      );
    }),
    { numRuns: 50 },
  );
});

test("we read the batches of kafkajs's encoder", async () => {
  await fc.assert(
    fc.asyncProperty(plainRecords, fc.nat(1000), async (written, baseSequence) => {
      const bytes = await kafkajsEncode(written, baseSequence);
      assert.equal(batchesOf(bytes)[0]!.baseSequence, baseSequence);
      assert.deepEqual(
        walked(bytes, 0),
        written.map((one, i) => ({ ...plain(one), offset: i })),
      );
    }),
    { numRuns: 50 },
  );
});

function sealed(
  written: readonly TestRecord[],
  batchSeal: BatchSeal = NO_PRODUCER,
  builder = new BatchBuilder(),
): Uint8Array {
  builder.reset();
  for (const one of written) builder.append(one.key, one.value, one.headers, one.timestampMs);
  assert.equal(builder.recordCount, written.length);
  const bytes = builder.finish(batchSeal);
  assert.equal(bytes.length, builder.sizeBytes);
  return bytes;
}

function walked(bytes: Uint8Array, fromOffset: number) {
  const cursor = new RecordCursor();
  cursor.reset(bytes, fromOffset);
  const seen = [];
  while (cursor.next()) {
    const key = cursor.key();
    const value = cursor.value();
    const headers = cursor.headers().map(([name, bytesOf]) => [name, Array.from(bytesOf)]);
    assert.equal(cursor.hasHeaders, headers.length > 0);
    seen.push({
      key: key === null ? null : Array.from(key),
      value: value === null ? null : Array.from(value),
      headers,
      timestampMs: cursor.timestampMs,
      offset: cursor.offset,
    });
  }
  return seen;
}

function plain(one: TestRecord) {
  return {
    key: one.key === null ? null : Array.from(one.key),
    value: one.value === null ? null : Array.from(one.value),
    headers: one.headers.map(([name, value]) => [name, Array.from(value)]),
    timestampMs: one.timestampMs,
  };
}

function compressed(
  written: readonly TestRecord[],
  type: number,
  pack: (raw: Uint8Array) => Uint8Array,
): Uint8Array {
  const bytes = sealed(written);
  const packed = Buffer.concat([bytes.subarray(0, 61), pack(bytes.subarray(61))]);
  packed.writeInt32BE(packed.length - 12, 8);
  packed.writeInt16BE(type, 21);
  packed.writeUInt32BE(crc32c(packed, 21, packed.length), 17);
  return packed;
}

function asKafkajs(one: TestRecord) {
  return {
    key: one.key === null ? null : Buffer.from(one.key),
    value: one.value === null ? null : Buffer.from(one.value),
    headers: Object.fromEntries(one.headers.map(([name, value]) => [name, Buffer.from(value)])),
  };
}

// kafkajs's own codec, as the second opinion

type KafkajsRecord = {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: object;
};
type KafkajsBatch = {
  producerId: string;
  producerEpoch: number;
  inTransaction: boolean;
  records: KafkajsRecord[];
};

async function kafkajsDecode(bytes: Buffer): Promise<KafkajsBatch> {
  const require = createRequire(import.meta.url);
  const Decoder = require('kafkajs/src/protocol/decoder');
  const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder');
  return decode(new Decoder(bytes));
}

async function kafkajsEncode(written: readonly TestRecord[], firstSequence: number): Promise<Uint8Array> {
  const require = createRequire(import.meta.url);
  const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0/index');
  const EncodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0/index');
  const firstTimestamp = written[0]!.timestampMs;
  const encoded = written.map((one, offsetDelta) =>
    EncodeRecord({ offsetDelta, timestampDelta: one.timestampMs - firstTimestamp, ...asKafkajs(one) }),
  );
  const maxTimestamp = Math.max(...written.map((one) => one.timestampMs));
  const { buffer } = await RecordBatch({
    firstTimestamp,
    maxTimestamp,
    firstSequence,
    lastOffsetDelta: written.length - 1,
    records: encoded,
  });
  return buffer;
}
