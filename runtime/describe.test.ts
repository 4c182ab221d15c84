import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineTopology } from './define-topology.ts';
import { describe, diagram } from './describe.ts';
import { structCodec } from './struct-codec.ts';
import type { Reducer } from './topology.ts';

const reducer = (name: string): Reducer<{ count: number }, unknown, unknown> => ({
  name,
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step: () => [],
});

const joining = defineTopology({
  name: 'joining',
  sources: [
    { kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' },
    { kind: 'source', topic: 'stream-defects', span: 'broadcast', writers: 'same' },
  ],
  reducers: [
    { kind: 'reducer', reducer: reducer('table'), from: ['stream-defects'], store: 'table' },
    {
      kind: 'reducer',
      reducer: reducer('session'),
      from: ['playback-events'],
      reads: ['table'],
      store: 'sessions',
    },
  ],
  sinks: [{ kind: 'sink', topic: 'qos-scores', from: ['session'], edge: 'same', sealed: false }],
  sealDelayMs: 0,
});

test('a broadcast, and who looks at whose state, can be seen', () => {
  assert.equal(
    describe([joining]),
    `Topologies:
   Sub-topology: 0 (joining)
    Source: playback-events (topics: [playback-events])
      --> session
    Source: stream-defects (topics: [stream-defects], broadcast)
      --> table
    Processor: table (stores: [table])
      --> none
      <-- stream-defects
    Processor: session (stores: [sessions])
      --> qos-scores
      <-- playback-events
      reads: table
    Sink: qos-scores (topic: qos-scores, edge: same)
      <-- session

`,
  );
  assert.match(diagram([joining]), /topic-stream-defects -->\|broadcast\| joining/);
});
