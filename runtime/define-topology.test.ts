import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineTopology, TopologyError } from './define-topology.ts';
import { structCodec } from './struct-codec.ts';
import type { Reducer, ReducerNode, SourceNode, Topology } from './topology.ts';
import { taskCountOf } from './worker.ts';

const reducer = (name: string): Reducer<{ count: number }, unknown, unknown> => ({
  name,
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step: () => [],
});

const EVENTS: SourceNode = { kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' };
const DEFECTS: SourceNode = { kind: 'source', topic: 'stream-defects', span: 'broadcast', writers: 'same' };
const TABLE: ReducerNode = {
  kind: 'reducer',
  reducer: reducer('table'),
  from: ['stream-defects'],
  store: 'table',
};
const SESSION: ReducerNode = {
  kind: 'reducer',
  reducer: reducer('session'),
  from: ['playback-events'],
  reads: ['table'],
  store: 'sessions',
};

const joining: Topology = {
  name: 'joining',
  sources: [EVENTS, DEFECTS],
  reducers: [TABLE, SESSION],
  sinks: [{ kind: 'sink', topic: 'qos-scores', from: ['session'], edge: 'same', sealed: false }],
  sealDelayMs: 0,
};

function faultsOf(topology: Topology): readonly string[] {
  try {
    defineTopology(topology);
    return [];
  } catch (error) {
    assert.ok(error instanceof TopologyError);
    return error.faults;
  }
}

test('a table that is only looked at is read by somebody', () => {
  assert.deepEqual(faultsOf(joining), []);
  const { reads, ...alone } = SESSION;
  assert.deepEqual(reads, ['table']);
  assert.deepEqual(faultsOf({ ...joining, reducers: [TABLE, alone] }), ["nobody reads 'table'"]);
});

test('only reducers that were declared before can be looked at', () => {
  const fault = (name: string) => `'session' looks at '${name}', which is no reducer declared before it`;
  for (const name of ['session', 'stream-defects', 'nobody'])
    assert.deepEqual(faultsOf({ ...joining, reducers: [TABLE, { ...SESSION, reads: ['table', name] }] }), [
      fault(name),
    ]);
  assert.deepEqual(faultsOf({ ...joining, reducers: [SESSION, TABLE] }), [fault('table')]);
});

test('a broadcast has a source beside it that says how many tasks there are', () => {
  const counts = new Map([
    ['playback-events', 6],
    ['stream-defects', 4],
  ]);
  assert.equal(taskCountOf(joining, counts), 6);
  const onlyBroadcast = {
    ...joining,
    sources: [DEFECTS],
    reducers: [TABLE, { ...SESSION, from: ['stream-defects'] }],
  };
  assert.match(faultsOf(onlyBroadcast).join(), /broadcast sources only/);
  const all = { ...joining, sources: [{ ...EVENTS, span: 'all' as const }, DEFECTS] };
  assert.match(faultsOf(all).join(), /sources mix the span 'all' with 'broadcast'/);
  const outside = { ...joining, sources: [EVENTS, { ...DEFECTS, writers: 'external' as const }] };
  assert.match(faultsOf(outside).join(), /'stream-defects' is broadcast and written from outside/);
});
