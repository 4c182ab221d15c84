import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import avro from 'avsc';
import fc from 'fast-check';
import { valuesOf } from './arbitrary-values.ts';
import { schemaText } from './avsc-files.ts';
import { bodyOf, decodeValue, encodeValue, recordSchema, schemaIdOf, WriterSchemas } from './codec.ts';
import { SchemaError, UnknownSchemaId } from './errors.ts';
import type { CatalogueEntry, DeadLetter } from './records.ts';
import { TOPIC_NAMES } from './topics.ts';

const ENTRY: CatalogueEntry = {
  name: 'acme/news',
  tenant: 'acme',
  contentId: 'news',
  programmeId: 'news-1',
  title: 'Nachrichten für alle',
  streamType: 'live',
  retired: false,
  retiredReason: '',
  renditionIds: ['720p', '360p'],
  renditionBitratesBps: [3_000_000, 800_000],
  renditionHeightsPx: [720, 360],
  vantagePoints: [],
  vantageInputs: [],
  expectationsHash: '',
  playheadOffsetMs: -40,
  updatedAtMs: 1_795_000_000_000,
};

type FieldJson = { name: string; type: unknown; default?: unknown };

/** The catalogue's schema with its fields changed, as another build may have written it. */
function otherCatalogue(change: (fields: FieldJson[]) => FieldJson[]): string {
  const schema = JSON.parse(schemaText('catalogue')) as { fields: FieldJson[] };
  return JSON.stringify({ ...schema, fields: change(schema.fields) });
}

function framed(schemaId: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(schemaId, 1);
  return Buffer.concat([head, body]);
}

function writersWith(schemaId: number, text: string): WriterSchemas {
  const writers = new WriterSchemas();
  writers.learn(schemaId, text);
  return writers;
}

function checkCode(code: string, message: RegExp, run: () => unknown): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof SchemaError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

describe('encodeValue and decodeValue', () => {
  it('frame as Confluent clients expect', () => {
    const bytes = encodeValue('catalogue', 0x01020304, ENTRY);
    assert.deepEqual([...bytes.subarray(0, 5)], [0, 1, 2, 3, 4]);
    assert.equal(schemaIdOf(bytes), 0x01020304);
    const type = avro.Type.forSchema(JSON.parse(schemaText('catalogue')));
    assert.deepEqual({ ...type.fromBuffer(Buffer.from(bodyOf(bytes))) }, ENTRY);
  });

  it("give back every topic's values", () => {
    for (const topic of TOPIC_NAMES) {
      const { file } = recordSchema(topic);
      const writers = writersWith(7, schemaText(file));
      fc.assert(
        fc.property(valuesOf(file), (value) => {
          assert.deepEqual(decodeValue(topic, encodeValue(topic, 7, value as never), writers), value);
        }),
        { numRuns: 10 },
      );
    }
  });

  it('do not share memory between results, nor with the input', () => {
    const first = encodeValue('catalogue', 1, ENTRY);
    const copy = Buffer.from(first);
    encodeValue('catalogue', 2, { ...ENTRY, name: 'x'.repeat(3_000_000) });
    encodeValue('catalogue', 2, { ...ENTRY, name: 'other' });
    assert.deepEqual(Buffer.from(first), copy);

    const letter = deadLetter(Uint8Array.of(1, 2, 3));
    const bytes = encodeValue('dead-letters', 3, letter);
    const decoded = decodeValue('dead-letters', bytes, writersWith(3, schemaText('dead-letters')));
    bytes.fill(0xff);
    assert.deepEqual(decoded, letter);
  });

  it('name the field that does not fit', () => {
    const check = (code: string, message: RegExp, change: object) =>
      checkCode(code, message, () => encodeValue('catalogue', 1, { ...ENTRY, ...change } as CatalogueEntry));
    check('int-out-of-range', /^catalogue\.playheadOffsetMs: int is 4000000000$/, { playheadOffsetMs: 4e9 });
    check('invalid-value', /^catalogue\.playheadOffsetMs: not a whole number: 0\.5$/, {
      playheadOffsetMs: 0.5,
    });
    check('long-out-of-range', /^catalogue\.updatedAtMs: /, { updatedAtMs: 2 ** 60 });
    check('invalid-value', /^catalogue\.title: not a string: undefined$/, { title: undefined });
    check('invalid-value', /^catalogue\.renditionIds: not a string: 3$/, { renditionIds: ['a', 3] });
    checkCode('invalid-value', /^dead-letters\.code: /, () =>
      encodeValue('dead-letters', 1, { ...deadLetter(Uint8Array.of(9)), code: null as unknown as string }),
    );
  });

  it('refuse bytes that are not framed, cut or too long', () => {
    const writers = writersWith(1, schemaText('catalogue'));
    const good = encodeValue('catalogue', 1, ENTRY);
    const check = (code: string, message: RegExp, bytes: Uint8Array) =>
      checkCode(code, message, () => decodeValue('catalogue', bytes, writers));
    check('bad-framing', /4 bytes/, good.subarray(0, 4));
    check('bad-framing', /byte 123/, Buffer.from('{"json":1}'));
    check('truncated', /end before/, good.subarray(0, good.length - 1));
    check('trailing-bytes', /1 bytes after/, Buffer.concat([good, Buffer.of(0)]));
  });
});

describe('decodeValue of records that another build wrote', () => {
  const older = otherCatalogue((fields) => fields.filter((field) => field.name !== 'playheadOffsetMs'));
  const newer = otherCatalogue((fields) => [{ name: 'extra', type: 'string', default: '' }, ...fields]);

  it('fills what the writer did not know from the defaults', () => {
    const { playheadOffsetMs: _, ...value } = ENTRY;
    const body = avro.Type.forSchema(JSON.parse(older)).toBuffer(value);
    const read = decodeValue('catalogue', framed(5, body), writersWith(5, older));
    assert.deepEqual(read, { ...ENTRY, playheadOffsetMs: 0 });
  });

  it('leaves out what this build does not know', () => {
    const body = avro.Type.forSchema(JSON.parse(newer)).toBuffer({ ...ENTRY, extra: 'x' });
    assert.deepEqual(decodeValue('catalogue', framed(5, body), writersWith(5, newer)), ENTRY);
  });

  it('goes by the fingerprint: another doc is the same schema, another order of fields is not', () => {
    const bytes = encodeValue('catalogue', 5, ENTRY);
    const reworded = schemaText('catalogue').replace('The tenant.', 'Somebody.');
    assert.notEqual(reworded, schemaText('catalogue'));
    const writers = writersWith(5, reworded);
    assert.equal(writers.fingerprintOf(5), recordSchema('catalogue').fingerprint);
    assert.deepEqual(decodeValue('catalogue', bytes, writers), ENTRY);

    const swapped = otherCatalogue((fields) => [fields[1]!, fields[0]!, ...fields.slice(2)]);
    const body = avro.Type.forSchema(JSON.parse(swapped)).toBuffer(ENTRY);
    assert.deepEqual(decodeValue('catalogue', framed(5, body), writersWith(5, swapped)), ENTRY);
  });

  it('is as careful with their bytes as with our own', () => {
    const writers = writersWith(5, newer);
    const body = avro.Type.forSchema(JSON.parse(newer)).toBuffer({ ...ENTRY, extra: 'x' });
    const check = (code: string, bytes: Uint8Array) =>
      checkCode(code, /./, () => decodeValue('catalogue', framed(5, bytes), writers));
    for (let end = 0; end < body.length; end++) check('truncated', body.subarray(0, end));
    check('trailing-bytes', Buffer.concat([body, Buffer.of(0)]));
    // An array that claims 2^40 items: avsc alone would believe it.
    const huge = JSON.stringify({
      type: 'record',
      namespace: 'everyview',
      name: 'CatalogueEntry',
      fields: [
        { name: 'nothing', type: { type: 'array', items: 'null' } },
        ...JSON.parse(schemaText('catalogue')).fields,
      ],
    });
    const claim = Buffer.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01);
    checkCode('truncated', /./, () => decodeValue('catalogue', framed(6, claim), writersWith(6, huge)));
  });

  it('never misreads: what does not resolve is refused, each time', () => {
    const noTenant = otherCatalogue((fields) => fields.filter((field) => field.name !== 'tenant'));
    const writers = writersWith(5, noTenant);
    const bytes = encodeValue('catalogue', 5, ENTRY);
    for (let i = 0; i < 2; i++) {
      checkCode('incompatible-schema', /tenant/, () => decodeValue('catalogue', bytes, writers));
    }
    const alien = writersWith(5, schemaText('dead-letters'));
    checkCode('incompatible-schema', /./, () => decodeValue('catalogue', bytes, alien));
  });

  it('keeps nobody who met a schema that does not resolve: an error knows by its stack who asked', async () => {
    const writers = writersWith(5, schemaText('dead-letters'));
    const bytes = encodeValue('catalogue', 5, ENTRY);
    class Asker {
      ask(): unknown {
        try {
          return decodeValue('catalogue', bytes, writers);
        } catch (error) {
          return (error as SchemaError).code;
        }
      }
    }
    const askers = Array.from({ length: 2 }, () => {
      const asker = new Asker();
      assert.equal(asker.ask(), 'incompatible-schema');
      return new WeakRef(asker);
    });
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    // a weak reference that was made in this turn holds
    await setImmediate();
    collect();
    assert.deepEqual(
      askers.map((asker) => asker.deref()),
      [undefined, undefined],
    );
  });

  it('asks for an id once, and remembers that there is none', () => {
    const writers = new WriterSchemas();
    const bytes = encodeValue('catalogue', 9, ENTRY);
    assert.throws(
      () => decodeValue('catalogue', bytes, writers),
      (error) =>
        error instanceof UnknownSchemaId && error.schemaId === 9 && error.code === 'unknown-schema-id',
    );
    writers.refuse(9, 'the registry has no schema 9');
    checkCode('no-such-schema', /has no schema 9/, () => decodeValue('catalogue', bytes, writers));
    writers.learn(10, '{"type":"object"}');
    checkCode('no-such-schema', /schema 10 cannot be parsed as Avro/, () =>
      decodeValue('catalogue', encodeValue('catalogue', 10, ENTRY), writers),
    );
    writers.learn(9, schemaText('catalogue'));
    assert.deepEqual(decodeValue('catalogue', bytes, writers), ENTRY);
  });
});

function deadLetter(recordValue: Uint8Array): DeadLetter {
  return {
    topology: 'stream-detection',
    task: 3,
    node: '',
    code: 'truncated',
    reason: 'the bytes end before the value does',
    sourceTopic: 'frame-features',
    sourcePartition: 3,
    sourceOffset: 12,
    sourceTimestampMs: 1_795_000_000_000,
    taskTimeMs: 1_795_000_000_500,
    recordKey: null,
    recordValue,
    headerKeys: ['a', 'a'],
    headerValues: [Uint8Array.of(1), null],
    configHash: '',
  };
}
