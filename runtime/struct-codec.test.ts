import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { list, map, nullable, oneOf, struct, structCodec } from './struct-codec.ts';

const codec = structCodec({
  version: 3,
  fields: {
    count: 'int',
    startMs: 'long?',
    open: 'bool',
    note: 'string?',
    phase: oneOf('pending', 'firing'),
    run: nullable(struct({ seen: list('int'), deep: struct({ flag: 'bool?' }) })),
    byKey: map(struct({ sumMs: 'long' })),
  },
  migrate: {
    2: (bytes) => ({ ...EMPTY, count: older.decode(bytes, 2).count }),
  },
});
const older = structCodec({ version: 2, fields: { count: 'int' } });

const EMPTY = {
  count: 0,
  startMs: null,
  open: false,
  note: null,
  phase: 'pending' as const,
  run: null,
  byKey: new Map<string, { sumMs: number }>(),
};

const anyInt = fc.integer();
const anyLong = fc.maxSafeInteger();
const anyText = fc.string({ unit: 'grapheme' });
const plain = { noNullPrototype: true };
const anyState = fc.record(
  {
    count: anyInt,
    startMs: fc.option(anyLong),
    open: fc.boolean(),
    note: fc.option(anyText),
    phase: fc.constantFrom('pending' as const, 'firing' as const),
    run: fc.option(
      fc.record({ seen: fc.array(anyInt), deep: fc.record({ flag: fc.option(fc.boolean()) }, plain) }, plain),
    ),
    byKey: fc
      .array(fc.tuple(anyText, fc.record({ sumMs: anyLong }, plain)))
      .map((entries) => new Map(entries)),
  },
  plain,
);

test('what was encoded is decoded, and encodes to the same bytes again', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const bytes = codec.encode(state);
      const back = codec.decode(bytes, 3);
      assert.deepEqual(back, state);
      assert.deepEqual(codec.encode(back), bytes);
    }),
  );
});

test('a map gives the same bytes in whatever order it was filled', () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyText), (keys) => {
      const filled = (order: readonly string[]) =>
        codec.encode({ ...EMPTY, byKey: new Map(order.map((key) => [key, { sumMs: key.length }])) });
      assert.deepEqual(filled(keys), filled([...keys].reverse()));
    }),
  );
});

test('a value that does not fit is an error that names the field', () => {
  const check = (state: object, message: RegExp) =>
    assert.throws(() => codec.encode({ ...EMPTY, ...state }), { name: 'TypeError', message });
  check({ count: 0.5 }, /state\.count has to be a 32-bit integer, and is 0\.5/);
  check({ count: 2 ** 31 }, /state\.count/);
  check({ startMs: Number.NaN }, /state\.startMs has to be a safe integer/);
  check({ startMs: undefined }, /state\.startMs/);
  check({ note: 'half of a pair: \ud800' }, /state\.note has to be a well-formed string/);
  check({ phase: 'lost' }, /state\.phase has to be one of pending, firing/);
  check({ run: { seen: [1, 'two'], deep: { flag: null } } }, /state\.run\.seen\[1\]/);
  check({ byKey: new Map([['a', { sumMs: 1.5 }]]) }, /state\.byKey\["a"\]\.sumMs/);
});

test('bytes of an older version are migrated where there is a migration, and refused where not', () => {
  assert.equal(codec.decode(older.encode({ count: 7 }), 2).count, 7);
  assert.throws(() => codec.decode(older.encode({ count: 7 }), 1), /no migration from version 1 to 3/);
});

test('bytes that were cut, lengthened or damaged never decode to a state that was not written', () => {
  const bytes = codec.encode({ ...EMPTY, note: 'kept', count: 300 });
  for (let end = 0; end < bytes.length; end++) assert.throws(() => codec.decode(bytes.subarray(0, end), 3));
  assert.throws(() => codec.decode(Uint8Array.of(...bytes, 0), 3), /1 bytes too many/);
  assert.throws(() => codec.decode(Uint8Array.of(2, ...bytes.subarray(1)), 3), /sign/);
});
