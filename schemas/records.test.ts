import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { valuesOf } from './arbitrary-values.ts';
import { fingerprintOf, parseSchema, schemaText } from './avsc-files.ts';
import { SchemaError } from './errors.ts';
import { RECORDS_FILE, renderRecords, SCHEMA_FILES } from './generate.ts';
import { readCursor, readIntArray, readLong, readString } from './read-cursor.ts';
import { RECORD_SCHEMAS, type RecordSchema } from './records.ts';
import { writeCursor, writeLong } from './write-cursor.ts';

function generated(file: string): RecordSchema<unknown> {
  return RECORD_SCHEMAS[file as keyof typeof RECORD_SCHEMAS] as RecordSchema<unknown>;
}

function write(file: string, value: unknown): Uint8Array {
  const cursor = writeCursor(16);
  generated(file).write(cursor, value);
  return cursor.bytes.subarray(0, cursor.pos);
}

/** avsc takes and gives Buffers where we have plain bytes. */
function mapBytes(value: unknown, map: (bytes: Uint8Array) => Uint8Array): unknown {
  if (value instanceof Uint8Array) return map(value);
  if (Array.isArray(value)) return value.map((item) => mapBytes(item, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapBytes(item, map)]));
}

const toBuffers = (value: unknown) => mapBytes(value, (bytes) => Buffer.from(bytes));
const toPlain = (value: unknown) => mapBytes(value, (bytes) => new Uint8Array(bytes));

describe('records.ts', () => {
  it('is what the schemas generate', () => {
    const stale = 'schemas/records.ts is older than the schemas: run `npm run generate` and commit it';
    assert.ok(readFileSync(RECORDS_FILE, 'utf8') === renderRecords(), stale);
  });

  it('has the fingerprint that other Avro libraries compute', () => {
    // Worked out by hand from the specification's canonical form, so that it does not rest on avsc.
    const canonical = '{"name":"everyview.A","type":"record","fields":[{"name":"b","type":["null","long"]}]}';
    const text = `{"type":"record","namespace":"everyview","name":"A","doc":"x","fields":[
      {"name":"b","doc":"y","default":null,"type":["null",{"type":"long"}]}]}`;
    assert.deepEqual(JSON.stringify(parseSchema(text).schema()), canonical);
    assert.equal(
      fingerprintOf(parseSchema(text)),
      '6f8869299641f32c480e7612830741f1741b96b0b289e430392f2a0c2422b528',
    );
  });

  for (const file of SCHEMA_FILES) {
    it(`${file}: the same bytes as avsc, and back`, () => {
      const type = parseSchema(schemaText(file));
      fc.assert(
        fc.property(valuesOf(file), (value) => {
          const bytes = write(file, value);
          assert.deepEqual(Buffer.from(bytes), type.toBuffer(toBuffers(value)));
          const cursor = readCursor(bytes);
          assert.deepEqual(generated(file).read(cursor), value);
          assert.equal(cursor.pos, bytes.length);
          assert.deepEqual(toPlain(type.fromBuffer(Buffer.from(bytes))), value);
        }),
        { numRuns: 60 },
      );
    });

    it(`${file}: no cut or changed byte makes it read past the end, hang or throw anything else`, () => {
      fc.assert(
        fc.property(valuesOf(file), fc.nat(), fc.nat(255), (value, at, byte) => {
          // The surroundings are as readable as the value: reading into them would show.
          const bytes = Buffer.concat([write(file, value), Buffer.alloc(64, 2)]);
          const end = bytes.length - 64;
          const cut = readCursor(bytes, 0, at % end);
          assert.throws(() => generated(file).read(cut), SchemaError);
          assert.ok(cut.pos <= cut.end, `read up to ${cut.pos} of ${cut.end}`);
          bytes[at % end] = byte;
          checkHostile(file, bytes, end);
        }),
        { numRuns: 60 },
      );
    });
  }
});

function checkHostile(file: string, bytes: Uint8Array, end: number): void {
  const cursor = readCursor(bytes, 0, end);
  try {
    generated(file).read(cursor);
  } catch (error) {
    assert.ok(error instanceof SchemaError, String(error));
  }
  assert.ok(cursor.pos <= end, `read up to ${cursor.pos} of ${end}`);
}

describe('cursors', () => {
  function checkCode(
    code: string,
    bytes: readonly number[],
    read: (cursor: ReturnType<typeof readCursor>) => unknown,
  ) {
    assert.throws(
      () => read(readCursor(Uint8Array.from(bytes))),
      (error) => error instanceof SchemaError && error.code === code,
    );
  }

  it('refuses an array that claims more items than there are bytes, before it makes room for them', () => {
    checkCode('truncated', [0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 2], readIntArray);
    // 2^40 items: more than any array may have.
    checkCode('truncated', [0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 2, 2], readIntArray);
  });

  it('does not take the next item of an array from behind the end', () => {
    const cut = readCursor(Uint8Array.of(4, 0x80, 0x01, 2, 0), 0, 3);
    assert.throws(() => readIntArray(cut), { code: 'truncated' });
    assert.ok(cut.pos <= cut.end);
  });

  it('reads an array in several blocks, with and without byte sizes', () => {
    const bytes = [4, 2, 4, 3, 4, 6, 8, 2, 0x80, 0x01, 0];
    assert.deepEqual(readIntArray(readCursor(Uint8Array.from(bytes))), [1, 2, 3, 4, 64]);
  });

  it('refuses what is not UTF-8, and keeps a byte order mark', () => {
    checkCode('malformed-utf8', [4, 0xc3, 0x28], readString);
    assert.equal(readString(readCursor(Uint8Array.from([6, 0xef, 0xbb, 0xbf]))), '\ufeff');
  });

  it('refuses negative lengths, overlong varints and longs that a number cannot hold', () => {
    checkCode('malformed', [1], readString);
    checkCode('malformed', [...new Array<number>(10).fill(0xff), 1], readLong);
    checkCode('long-out-of-range', [...new Array<number>(9).fill(0xff), 1], readLong);
    checkCode('truncated', [0xff, 0xff], readLong);
  });

  it('writes every safe integer as the specification says, and reads it back', () => {
    const check = (value: number) => {
      const cursor = writeCursor(16);
      writeLong(cursor, value);
      assert.deepEqual([...cursor.bytes.subarray(0, cursor.pos)], zigzagVarint(BigInt(value)));
      assert.equal(readLong(readCursor(cursor.bytes, 0, cursor.pos)), value);
    };
    for (const value of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 31, -(2 ** 31) - 1])
      check(value);
    fc.assert(fc.property(fc.maxSafeInteger(), check));
    assert.throws(() => writeLong(writeCursor(), 2 ** 53), /beyond 2\^53/);
  });
});

function zigzagVarint(value: bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return out;
}
