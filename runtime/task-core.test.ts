import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCE_TASK_HEADER, textHeader } from './control-records.ts';
import { defineTopology } from './define-topology.ts';
import type { PendingRecord } from './merge.ts';
import { structCodec } from './struct-codec.ts';
import { TaskCore } from './task-core.ts';
import type { Reducer } from './topology.ts';

/** Drops what its name does not begin with. */
const dropping = (name: string): Reducer<{ count: number }, string, string> => ({
  name,
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step: (_state, input) =>
    input.kind === 'record' && !input.value.startsWith(name)
      ? [{ kind: 'drop', reason: `not ${name}` }]
      : input.kind === 'record'
        ? [{ kind: 'forward', value: input.value }]
        : [],
});

const topology = defineTopology({
  name: 'two-tastes',
  sources: [{ kind: 'source', topic: 'cohort-partials', span: 'same', writers: 'repartition' }],
  reducers: [
    { kind: 'reducer', reducer: dropping('a'), from: ['cohort-partials'], store: 'a' },
    { kind: 'reducer', reducer: dropping('ab'), from: ['cohort-partials'], store: 'ab' },
  ],
  sinks: [{ kind: 'sink', topic: 'cohort-windows', from: ['a', 'ab'], edge: 'same', sealed: false }],
  sealDelayMs: 1_000,
});

/** A task of two that write its input. */
function openCore() {
  const outputs: { readonly topic: string; readonly value: string }[] = [];
  const core = new TaskCore({
    topology,
    task: 0,
    partitions: new Map([
      ['cohort-partials', 2],
      ['dead-letters', 1],
    ]),
    writerTasks: new Map([['cohort-partials', 2]]),
    codec: {
      decode: (_topic, bytes) => Buffer.from(bytes).toString(),
      encode: (topic, value) => Buffer.from(topic === 'dead-letters' ? JSON.stringify(value) : String(value)),
    },
    configOf: () => undefined,
    output: ({ topic, valueBytes, valueLength }) =>
      outputs.push({ topic, value: Buffer.from(valueBytes.subarray(0, valueLength)).toString() }),
  });
  const stepAll = () => {
    while (core.step().kind === 'processed');
  };
  return { core, source: core.sources[0]!, outputs, stepAll };
}

function recordOf(offset: number, writer: string | null, value: string, timestampMs = offset): PendingRecord {
  const headers = writer === null ? [] : [textHeader(SOURCE_TASK_HEADER, writer)];
  return { offset, timestampMs, key: Buffer.from('k'), value: Buffer.from(value), headers };
}

test('a record that several reducers leave out is left out once: in = processed + left out', () => {
  const { core, source, stepAll } = openCore();
  for (const [offset, value] of ['abc', 'a', 'x', 'abc'].entries()) {
    core.offer(source, recordOf(2 * offset, '0', value));
    core.offer(source, recordOf(2 * offset + 1, '1', value));
  }
  core.offer(source, recordOf(8, '0', 'x', 100));
  core.offer(source, recordOf(9, '1', 'x', 100));
  stepAll();
  const { recordsIn, processed, leftOut, dropped } = core.counts;
  assert.equal(recordsIn, 9, 'one of the last two waits for the other writer');
  assert.deepEqual({ processed, leftOut }, { processed: 4, leftOut: 5 });
  assert.deepEqual(Object.fromEntries(dropped), { 'not a': 3, 'not ab': 5 });
});

test('a record that names no writer is a dead letter once, in its turn, also when the partition is read again', () => {
  const before = openCore();
  const records = [recordOf(0, '1', 'abc', 500), recordOf(1, null, 'abc', 10), recordOf(2, '7', 'abc', 20)];
  for (const record of records) before.core.offer(before.source, record);
  assert.equal(before.outputs.length, 0, 'what is read first decides nothing');
  before.stepAll();
  const letters = before.outputs.filter(({ topic }) => topic === 'dead-letters');
  assert.deepEqual(
    letters.map(({ value }) => JSON.parse(value).sourceOffset),
    [1, 2],
  );
  assert.equal(before.core.counts.recordsIn, before.core.counts.leftOut);

  const after = openCore();
  after.core.restore(before.core.position());
  for (const record of records) after.core.offer(after.source, record);
  after.stepAll();
  assert.deepEqual(
    after.outputs,
    [],
    'the other writer still holds the first record up, and nothing comes twice',
  );
});
