import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCE_SEQ_HEADER, SOURCE_TASK_HEADER, textHeader } from '../../runtime/control-records.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { ValueCodec } from '../../runtime/task-core.ts';
import { compare, type Side } from './comparison.ts';

test('a late record of the repartition edge is compared by its place among the records of its writer', () => {
  const one = { 'cohort-partials': [partials('a0', 'b0', 'a1', 'b1')] };
  const other = { 'cohort-partials': [partials('b0', 'b1', 'a0', 'a1')] };
  const of = (contents: Topics, said: string) =>
    side({ ...contents, 'late-records': [[late(contents, said)]] });
  assert.deepEqual(differences(of(one, 'a1'), of(other, 'a1')), []);
  assert.equal(differences(of(one, 'a1'), of(other, 'a0')).length, 1);
  assert.equal(differences(of(one, 'a1'), of(other, 'b1')).length, 1);
});

test('what a run over recorded inputs found late is looked up there, not in what it wrote itself', () => {
  const recorded = { 'cohort-partials': [partials('a0', 'b0', 'a1', 'b1')] };
  const lateRecords = { 'late-records': [[late(recorded, 'b1')]] };
  const anew = { 'cohort-partials': [partials('b0', 'b1')], ...lateRecords };
  const faulty = side({ ...recorded, ...lateRecords }, recorded);
  assert.deepEqual(differences(faulty, side(anew, recorded)), []);
  assert.equal(differences(faulty, side(anew)).length, 1);
  const wrong = { ...anew, 'late-records': [[late(recorded, 'b0')]] };
  assert.equal(differences(faulty, side(wrong, recorded)).length, 1);
});

type Topics = Readonly<Record<string, readonly (readonly CommittedRecord[])[]>>;

function differences(left: Side, right: Side): readonly string[] {
  return compare(left, right, ['late-records']).differences;
}

function side(contents: Topics, cited?: Topics): Side {
  return {
    name: 'one of two',
    contents: new Map(Object.entries(contents)),
    ...(cited === undefined ? {} : { cited: new Map(Object.entries(cited)) }),
    codec: JSON_CODEC,
    fingerprintOf: String,
  };
}

const JSON_CODEC: ValueCodec = {
  decode: (_topic, bytes) => JSON.parse(Buffer.from(bytes).toString()),
  encode: (_topic, value) => Buffer.from(JSON.stringify(value)),
};

/** By writer (a is task 0) and number. */
function partials(...said: readonly string[]): readonly CommittedRecord[] {
  return said.map((text, offset) => ({
    offset,
    timestampMs: 0,
    key: Buffer.from('leaf'),
    value: Buffer.from(text),
    headers: [
      textHeader(SOURCE_TASK_HEADER, text.startsWith('a') ? '0' : '1'),
      textHeader(SOURCE_SEQ_HEADER, text.slice(1)),
    ],
  }));
}

function late(topics: Topics, said: string): CommittedRecord {
  const { offset } = topics['cohort-partials']![0]!.find(
    ({ value }) => Buffer.from(value!).toString() === said,
  )!;
  const value = {
    sourceTopic: 'cohort-partials',
    sourcePartition: 0,
    sourceOffset: offset,
    reason: 'window-closed',
  };
  const key = Buffer.from('cohort-partials-0');
  return { offset: 0, timestampMs: 0, key, value: Buffer.from(JSON.stringify(value)), headers: [] };
}
