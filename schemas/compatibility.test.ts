import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { schemaText } from './avsc-files.ts';
import { breaks, type KeptSchema, keptVersions, levelOf, sameMeaning } from './compatibility.ts';
import { SCHEMA_FILES } from './generate.ts';

describe('schemas against their released versions', () => {
  for (const file of SCHEMA_FILES) {
    it(`${file} may follow every one of them, and is kept`, () => {
      const kept = keptVersions(file);
      assert.deepEqual(breaks(levelOf(file), schemaText(file), kept), []);
      assert.deepEqual(
        kept.map((one) => one.version),
        kept.map((_, index) => index + 1),
        'versions are numbered from 1 without gaps',
      );
      const newest = kept.at(-1);
      assert.ok(
        newest !== undefined && sameMeaning(newest.text, schemaText(file)),
        `${file}.avsc differs from its newest version in schemas/history: run \`npm run generate -- --keep\``,
      );
    });
  }

  it('are judged by the strictest topic that uses them', () => {
    assert.equal(levelOf('qos-alerts'), 'FULL_TRANSITIVE');
    assert.equal(levelOf('cohort-partials'), 'BACKWARD_TRANSITIVE');
  });
});

type FieldJson = { name: string; type: unknown; default?: unknown; doc?: string };

/** The schema of qos-alerts with its fields changed on purpose. */
function changed(change: (fields: FieldJson[]) => FieldJson[]): string {
  const schema = JSON.parse(schemaText('qos-alerts')) as { fields: FieldJson[] };
  return JSON.stringify({ ...schema, fields: change(schema.fields) });
}

const FIRST: KeptSchema = { file: 'qos-alerts', version: 1, text: schemaText('qos-alerts') };

describe('breaks', () => {
  function check(
    level: 'FULL_TRANSITIVE' | 'BACKWARD_TRANSITIVE',
    text: string,
    expected: readonly RegExp[],
  ) {
    const found = breaks(level, text, [FIRST]);
    assert.equal(found.length, expected.length, found.join('; '));
    for (const [index, pattern] of expected.entries()) assert.match(found[index]!, pattern);
  }
  const forward = /new schema cannot read records of v1/;
  const backward = /readers of v1 cannot read new records/;

  it('lets a field with a default come and go, and docs change', () => {
    const added = changed((fields) => [...fields, { name: 'owner', type: 'string', default: '' }]);
    const removed = changed((fields) => fields.filter((field) => field.name !== 'verdict'));
    const reworded = changed((fields) => fields.map((field) => ({ ...field, doc: 'other' })));
    for (const text of [added, removed, reworded]) check('FULL_TRANSITIVE', text, []);
  });

  it('finds a field that came without a default', () => {
    const text = changed((fields) => [...fields, { name: 'owner', type: 'string' }]);
    check('FULL_TRANSITIVE', text, [forward]);
    check('BACKWARD_TRANSITIVE', text, [forward]);
  });

  it('finds a field without a default that went, where there are readers that we do not know', () => {
    const text = changed((fields) => fields.filter((field) => field.name !== 'summary'));
    check('FULL_TRANSITIVE', text, [backward]);
    check('BACKWARD_TRANSITIVE', text, []);
  });

  it('finds a renamed field and a changed type, also where only one direction breaks', () => {
    const renamed = changed((fields) =>
      fields.map((field) => (field.name === 'summary' ? { ...field, name: 'title' } : field)),
    );
    check('FULL_TRANSITIVE', renamed, [forward, backward]);
    const widened = changed((fields) =>
      fields.map((field) => (field.name === 'version' ? { ...field, type: 'long' } : field)),
    );
    check('FULL_TRANSITIVE', widened, [backward]);
    check('BACKWARD_TRANSITIVE', widened, []);
    const nullable = changed((fields) =>
      fields.map((field) => (field.name === 'summary' ? { ...field, type: ['null', 'string'] } : field)),
    );
    check('FULL_TRANSITIVE', nullable, [backward]);
  });

  it('looks at every version, not only at the newest', () => {
    // v2 dropped a field that had a default; v3 brings it back with another type.
    const second = {
      ...FIRST,
      version: 2,
      text: changed((fields) => fields.filter(({ name }) => name !== 'verdict')),
    };
    const third = changed((fields) =>
      fields.map((field) => (field.name === 'verdict' ? { ...field, type: 'int', default: 0 } : field)),
    );
    assert.deepEqual(breaks('FULL_TRANSITIVE', third, [second]), []);
    assert.equal(breaks('FULL_TRANSITIVE', third, [FIRST, second]).length, 2);
  });
});
