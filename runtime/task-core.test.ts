import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeControl, encodeControl, SOURCE_TASK_HEADER, textHeader } from './control-records.ts';
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

const passing = (name: string): Reducer<{ count: number }, string, string> => ({
  name,
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step: (_state, input, { configHash }) =>
    input.kind === 'record' ? [{ kind: 'forward', value: `${input.value} under ${configHash}` }] : [],
});

/** Two inputs, three outputs: sealed into its own partition, sealed into all of them, and one that nobody waits for. */
const passingOn = defineTopology({
  name: 'passing-on',
  sources: [
    { kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' },
    { kind: 'source', topic: 'stream-defects', span: 'broadcast', writers: 'same' },
  ],
  reducers: [
    { kind: 'reducer', reducer: passing('pass'), from: ['playback-events', 'stream-defects'], store: 'a' },
  ],
  sinks: [
    { kind: 'sink', topic: 'cohort-windows', from: ['pass'], edge: 'same', sealed: true },
    { kind: 'sink', topic: 'cohort-partials', from: ['pass'], edge: 'repartition', sealed: true },
    { kind: 'sink', topic: 'qos-scores', from: ['pass'], edge: 'same', sealed: false },
  ],
  sealDelayMs: 1_000,
});

function openPassing() {
  const said: string[] = [];
  const core = new TaskCore({
    topology: passingOn,
    task: 1,
    partitions: new Map([...passingOn.sources, ...passingOn.sinks].map(({ topic }) => [topic, 2])),
    writerTasks: new Map(),
    codec: {
      decode: (_topic, bytes) => Buffer.from(bytes).toString(),
      encode: (_topic, value) => Buffer.from(String(value)),
    },
    configOf: (hash) => ({ hash }),
    output: (draft) => {
      const { topic, partition, value, headers, timestampMs } = draft.toRecord();
      const control = value === null ? decodeControl(headers) : null;
      const writer = headers.find(([name]) => name === SOURCE_TASK_HEADER)?.[1];
      const from = writer === undefined ? '' : ` from ${Buffer.from(writer)}`;
      if (value !== null) said.push(`${topic}/${partition}: ${Buffer.from(value)}`);
      else if (control !== null && control !== 'unknown' && control.kind === 'config-effective')
        said.push(`${topic}/${partition}: ${control.configHash} holds${from} at ${timestampMs}`);
    },
  });
  const offsets = new Map<string, number>();
  const give = (topic: string, partition: number, what: string, timestampMs: number) => {
    const place = `${topic}/${partition}`;
    const offset = offsets.get(place) ?? 0;
    offsets.set(place, offset + 1);
    const source = core.sources.find((one) => one.topic === topic && one.partition === partition)!;
    const [, hash] = what.split('config ');
    const headers = hash === undefined ? [] : encodeControl({ kind: 'config-effective', configHash: hash });
    const [key, value] = hash === undefined ? [Buffer.from('d'), Buffer.from(what)] : [null, null];
    core.offer(source, { offset, timestampMs, key, value, headers });
  };
  const takeSaid = () => {
    while (core.step().kind === 'processed');
    return said.splice(0);
  };
  return { core, give, takeSaid };
}

test('a configuration goes on to the readers of every sealed sink, once for each change', () => {
  const { give, takeSaid } = openPassing();
  for (const hash of ['one', 'one', 'two']) {
    const atMs = hash === 'one' ? 5_100 : 5_300;
    give('playback-events', 1, `config ${hash}`, atMs);
    give('stream-defects', 0, `config ${hash}`, atMs + 10);
    give('stream-defects', 1, `config ${hash}`, atMs + 20);
  }
  give('playback-events', 1, 'event', 5_400);
  for (const partition of [0, 1]) give('stream-defects', partition, 'defect', 5_500);
  const told = (hash: string, atMs: number) => [
    `cohort-windows/1: ${hash} holds at ${atMs}`,
    `cohort-partials/0: ${hash} holds from 1 at ${atMs}`,
    `cohort-partials/1: ${hash} holds from 1 at ${atMs}`,
  ];
  const said = takeSaid();
  assert.deepEqual(said.slice(0, 6), [...told('one', 5_100), ...told('two', 5_300)]);
  assert.equal(said[6], 'cohort-windows/1: event under two');
  assert.equal(said.filter((one) => one.includes('holds')).length, 6);
});

test('who passes an older configuration on later takes nothing back, also after a restart', () => {
  const before = openPassing();
  before.give('playback-events', 1, 'config new', 5_300);
  before.give('stream-defects', 0, 'nothing', 5_290);
  before.give('stream-defects', 1, 'nothing', 5_280);
  for (const partition of [0, 1]) before.give('stream-defects', partition, 'nothing', 5_310);
  assert.ok(before.takeSaid().includes('cohort-windows/1: new holds at 5300'));

  const { core, give, takeSaid } = openPassing();
  core.restore(before.core.position());
  for (const source of core.sources) for (const channel of source.channels) channel.nextOffset = 0;
  // its writer was gone for a while: what it says now counts as said at the time that the partition has
  give('stream-defects', 0, 'config old', 5_200);
  give('stream-defects', 0, 'defect', 5_400);
  give('stream-defects', 1, 'defect', 5_400);
  give('playback-events', 1, 'event', 5_500);
  const said = takeSaid();
  assert.ok(said.includes('cohort-windows/1: defect under new'), said.join('; '));
  assert.equal(said.filter((one) => one.includes('holds')).length, 0);
});

test("a configuration holds also after the broker's clock was put back", () => {
  const { give, takeSaid } = openPassing();
  give('playback-events', 1, 'config first', 5_300);
  give('playback-events', 1, 'config second', 4_100);
  for (const partition of [0, 1]) give('stream-defects', partition, 'defect', 5_400);
  assert.ok(takeSaid().includes('cohort-windows/1: second holds at 5300'));
});

test('a tick speaks for the writer that it names, and the others are still waited for', () => {
  const { core, source, stepAll } = openCore();
  const tickFor = (writer: string) => [
    ...encodeControl({ kind: 'tick' }),
    textHeader(SOURCE_TASK_HEADER, writer),
  ];
  core.offer(source, recordOf(0, '0', 'abc', 100));
  stepAll();
  assert.equal(core.counts.recordsIn, 0, 'writer 1 may still bring something earlier');
  core.offer(source, { offset: 1, timestampMs: 150, key: null, value: null, headers: tickFor('1') });
  stepAll();
  assert.equal(core.counts.recordsIn, 1);
  core.offer(source, recordOf(2, '1', 'abc', 140));
  core.offer(source, { offset: 3, timestampMs: 200, key: null, value: null, headers: tickFor('1') });
  stepAll();
  assert.deepEqual([core.counts.recordsIn, core.timeMs], [1, 100], 'nobody spoke for writer 0');
});
