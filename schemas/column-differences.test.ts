import assert from 'node:assert/strict';
import { test } from 'node:test';
import avro from 'avsc';
import fc from 'fast-check';
import { valuesOf } from './arbitrary-values.ts';
import { schemaText } from './avsc-files.ts';
import { blankRecord } from './blank-record.ts';
import { bodyOf, decodeValue, encodeValue, WriterSchemas } from './codec.ts';
import type { FrameFeatures } from './records.ts';

const RECORD = blankRecord('frame-features', {
  framePtsMs: [0, 40, 80, 120],
  lumaMeanCenti: [9_000, 9_010, 8_990, 8_990],
  audioChannels: 2,
  audioRmsCentiDbfs: [-2_000, -3_000, -2_010, -3_005, -1_990, -3_100],
  audioCorrelationPermille: [700, 720, 690],
});

test('what is on the wire is what the schema says: differences, channels apart', () => {
  const type = avro.Type.forSchema(JSON.parse(schemaText('frame-features')));
  const asRead = (columnsAreDifferences: boolean) => {
    const bytes = encodeValue('frame-features', 1, { ...RECORD, columnsAreDifferences });
    return type.fromBuffer(Buffer.from(bodyOf(bytes))) as FrameFeatures;
  };
  assert.deepEqual(asRead(false).lumaMeanCenti, RECORD.lumaMeanCenti);
  const written = asRead(true);
  assert.deepEqual(written.framePtsMs, [0, 40, 40, 40]);
  assert.deepEqual(written.lumaMeanCenti, [9_000, 10, -20, 0]);
  assert.deepEqual(written.audioRmsCentiDbfs, [-2_000, -3_000, -10, -5, 20, -95]);
  assert.deepEqual(written.audioCorrelationPermille, [700, 20, -30]);
});

test('readers get the figures, of this build and through the resolver of another one', () => {
  const schema = JSON.parse(schemaText('frame-features')) as { fields: { name: string }[] };
  const other = { ...schema, fields: schema.fields.filter(({ name }) => name !== 'uncertaintyMs') };
  const writers = new WriterSchemas();
  writers.learn(1, schemaText('frame-features'));
  writers.learn(2, JSON.stringify(other));
  fc.assert(
    fc.property(valuesOf('frame-features'), (value) => {
      const record = { ...value, columnsAreDifferences: true, uncertaintyMs: 0 } as unknown as FrameFeatures;
      const before = structuredClone(record);
      const bytes = encodeValue('frame-features', 1, record);
      assert.deepEqual(record, before, 'writing leaves the record as it was');
      assert.deepEqual(decodeValue('frame-features', bytes, writers), record);
      const fromOther = encodeOther(JSON.stringify(other), bytes);
      assert.deepEqual(decodeValue('frame-features', fromOther, writers), record);
    }),
    { numRuns: 50 },
  );
});

/** The same body under another schema, that of id 2. */
function encodeOther(schema: string, bytes: Uint8Array): Uint8Array {
  const mine = avro.Type.forSchema(JSON.parse(schemaText('frame-features')));
  const body = avro.Type.forSchema(JSON.parse(schema)).toBuffer(mine.fromBuffer(Buffer.from(bodyOf(bytes))));
  return Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), body]);
}
