import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stepContext } from '../test/support/step-context.ts';
import { ReducerGraph } from './reducer-graph.ts';
import { StateError } from './state.ts';
import { structCodec } from './struct-codec.ts';
import type { Effect, Reducer, ReducerNode, StepInput, Topology } from './topology.ts';

const CONTEXT = stepContext();
const ORIGIN = { topic: 'frame-features', partition: 0, offset: 7 };

type Count = { count: number };
const countCodec = (version = 1) => structCodec({ version, fields: { count: 'int' } });

/** Counts its inputs, tells `seen` about each, and does what `effectsOf` says. */
function counter(
  name: string,
  seen: string[],
  effectsOf: (input: StepInput<string>, state: Count) => readonly Effect[] = () => [],
  version = 1,
): Reducer<Count, string, unknown> {
  return {
    name,
    state: countCodec(version),
    init: () => ({ count: 0 }),
    step(state, input) {
      state.count += 1;
      const what = input.kind === 'record' ? input.value : `timer ${input.name}@${input.dueMs}`;
      seen.push(`${name}[${input.key}] ${what} at ${input.timeMs} (${state.count})`);
      return effectsOf(input, state);
    },
  };
}

function topologyOf(reducers: readonly ReducerNode[], sinkFrom: readonly string[] = []): Topology {
  return {
    name: 'under-test',
    sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
    reducers,
    sinks: [{ kind: 'sink', topic: 'stream-defects', from: sinkFrom, edge: 'same', sealed: true }],
    sealDelayMs: 0,
  };
}

const node = (
  reducer: Reducer<Count, string, unknown>,
  from: readonly string[],
  store = 'store',
): ReducerNode => ({ kind: 'reducer', reducer, from, store });

function graphOf(topology: Topology, seen: string[]): ReducerGraph {
  return new ReducerGraph(topology, {
    onEmit: (topic, key, value, edge) => seen.push(`emit ${topic}[${key}] ${value} ${edge}`),
    onDrop: (reason, by) => seen.push(`drop ${reason} by ${by}`),
    onLate: (reason, by) => seen.push(`late ${reason} by ${by}`),
    onDeadLetter: (code, reason, by) => seen.push(`dead-letter ${code} ${reason} by ${by}`),
  });
}

const give = (graph: ReducerGraph, key: string, value: string, timeMs: number) =>
  graph.process('frame-features', key, value, timeMs, ORIGIN, CONTEXT);

test('values go depth first: children in the order of the topology, sinks last, effects in their order', () => {
  const seen: string[] = [];
  const first = counter('first', seen, () => [
    { kind: 'forward', value: 'x' },
    { kind: 'forward', value: 'y', key: 'other' },
    { kind: 'drop', reason: 'spare' },
  ]);
  const child = counter('child', seen, (input) => [
    { kind: 'forward', value: `${(input as { value: string }).value}!` },
  ]);
  const last = counter('last', seen, () => [
    { kind: 'late', reason: 'gone' },
    { kind: 'dead-letter', code: 'odd', reason: 'strange' },
  ]);
  const source = 'frame-features';
  const graph = graphOf(
    topologyOf(
      [node(first, [source]), node(child, ['first']), node(last, [source, 'child'])],
      ['first', 'child'],
    ),
    seen,
  );
  give(graph, 'k', 'a', 100);
  assert.deepEqual(seen, [
    'first[k] a at 100 (1)',
    'child[k] x at 100 (1)',
    'last[k] x! at 100 (1)',
    'late gone by last',
    'dead-letter odd strange by last',
    'emit stream-defects[k] x! same',
    'emit stream-defects[k] x same',
    'child[other] y at 100 (1)',
    'last[other] y! at 100 (1)',
    'late gone by last',
    'dead-letter odd strange by last',
    'emit stream-defects[other] y! same',
    'emit stream-defects[other] y same',
    'drop spare by first',
    'last[k] a at 100 (2)',
    'late gone by last',
    'dead-letter odd strange by last',
  ]);
});

test('timers fire before the record whose time they are due at, by due time, key bytes, name, reducer', () => {
  const seen: string[] = [];
  const setTwo = (input: StepInput<string>): readonly Effect[] =>
    input.kind === 'timer'
      ? []
      : [
          { kind: 'schedule', name: 'z', dueMs: 200 },
          { kind: 'schedule', name: 'a', dueMs: 200 },
          { kind: 'schedule', name: 'soon', dueMs: 900 },
          { kind: 'schedule', name: 'soon', dueMs: 150 },
          { kind: 'schedule', name: 'never', dueMs: 120 },
          { kind: 'cancel', name: 'never' },
        ];
  const source = 'frame-features';
  const graph = graphOf(
    topologyOf([node(counter('two', seen, setTwo), [source]), node(counter('one', seen, setTwo), [source])]),
    seen,
  );
  give(graph, '\u{1f600}', 'a', 100);
  give(graph, '\ufffd', 'a', 100);
  assert.equal(graph.nextDueMs, 150);
  assert.equal(graph.timerCount, 12);
  seen.length = 0;
  graph.advanceTo(199, CONTEXT);
  give(graph, 'k', 'b', 200);
  assert.deepEqual(
    seen.map((line) => line.replace('\ufffd', 'low').replace('\u{1f600}', 'high')),
    [
      'one[low] timer soon@150 at 199 (2)',
      'two[low] timer soon@150 at 199 (2)',
      'one[high] timer soon@150 at 199 (2)',
      'two[high] timer soon@150 at 199 (2)',
      'one[low] timer a@200 at 200 (3)',
      'two[low] timer a@200 at 200 (3)',
      'one[low] timer z@200 at 200 (4)',
      'two[low] timer z@200 at 200 (4)',
      'one[high] timer a@200 at 200 (3)',
      'two[high] timer a@200 at 200 (3)',
      'one[high] timer z@200 at 200 (4)',
      'two[high] timer z@200 at 200 (4)',
      'two[k] b at 200 (1)',
      'one[k] b at 200 (1)',
    ],
  );
});

test('a timer that sets itself again catches up step by step; one that would fire for ever is a bug', () => {
  const seen: string[] = [];
  const every = (stepMs: number) =>
    counter('every', seen, (input) => [
      {
        kind: 'schedule',
        name: 't',
        dueMs: (input.kind === 'timer' ? input.dueMs : input.timeMs) + stepMs,
      },
    ]);
  const graph = graphOf(topologyOf([node(every(10), ['frame-features'])]), seen);
  give(graph, 'k', 'a', 0);
  graph.advanceTo(35, CONTEXT);
  assert.equal(seen.length, 4);
  assert.equal(graph.nextDueMs, 40);
  const stuck = graphOf(topologyOf([node(every(0), ['frame-features'])]), seen);
  give(stuck, 'k', 'a', 0);
  assert.throws(() => stuck.advanceTo(1, CONTEXT), /every set timer t to 0 while firing at 0/);
});

test('log time never goes back', () => {
  const graph = graphOf(topologyOf([]), []);
  graph.advanceTo(10, CONTEXT);
  assert.throws(() => graph.advanceTo(9, CONTEXT), /log time went back from 10 to 9/);
});

test('forget takes the state and the timers of its reducer, and a tombstone follows when nothing is left', () => {
  const seen: string[] = [];
  const forgetOn = (word: string) => (input: StepInput<string>) =>
    input.kind === 'record' && input.value === word
      ? [{ kind: 'forget' } as const]
      : [{ kind: 'schedule', name: 't', dueMs: 1_000 } as const];
  const one = counter('one', seen, forgetOn('both'));
  const two = counter('two', seen, (input) =>
    input.kind === 'record' && input.value === 'two' ? [{ kind: 'forget' }] : forgetOn('both')(input),
  );
  const graph = graphOf(topologyOf([node(one, ['frame-features']), node(two, ['frame-features'])]), seen);
  give(graph, 'k', 'a', 0);
  give(graph, 'k', 'two', 1);
  assert.equal(graph.timerCount, 1);
  assert.notEqual([...graph.drainDirty()][0]!.bytes, null);
  give(graph, 'k', 'both', 2);
  assert.deepEqual([...graph.drainDirty()], [{ store: 'store', key: 'k', bytes: null }]);
  assert.deepEqual([graph.timerCount, graph.keyCount], [0, 0]);
  assert.deepEqual([...graph.drainDirty()], []);
});

test('a key that comes and goes within one step leaves nothing behind, not even a tombstone', () => {
  const reducer = counter('one', [], () => [{ kind: 'forget' }]);
  const graph = graphOf(topologyOf([node(reducer, ['frame-features'])]), []);
  give(graph, 'k', 'a', 0);
  assert.deepEqual([...graph.drainDirty()], []);
});

test('restored at any point, a graph goes on as the one that was never stopped', () => {
  const source = 'frame-features';
  const build = (seen: string[]) => {
    const busy = (input: StepInput<string>, state: Count): readonly Effect[] => {
      if (state.count % 5 === 0) return [{ kind: 'forget' }];
      const due = input.timeMs + 1 + (state.count % 3) * 7;
      return [
        { kind: 'forward', value: `${state.count}` },
        { kind: 'schedule', name: `t${state.count % 2}`, dueMs: due },
      ];
    };
    const reducers = [
      node(counter('one', seen, busy), [source]),
      node(counter('two', seen, busy), [source, 'one'], 'other'),
    ];
    return graphOf(topologyOf(reducers, ['two']), seen);
  };
  const inputs = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9)), { maxLength: 40 });
  fc.assert(
    fc.property(inputs, fc.nat(40), (records, stopAt) => {
      const straight: string[] = [];
      const restarted: string[] = [];
      const control = build(straight);
      let graph = build(restarted);
      const changelog = new Map<string, Uint8Array>();
      let timeMs = 0;
      for (const [index, [key, stepMs]] of records.entries()) {
        timeMs += stepMs;
        give(control, key, `r${index}`, timeMs);
        give(graph, key, `r${index}`, timeMs);
        for (const { store, key: dirty, bytes } of graph.drainDirty()) {
          if (bytes === null) changelog.delete(`${store} ${dirty}`);
          else changelog.set(`${store} ${dirty}`, bytes);
        }
        if (index !== stopAt) continue;
        graph = build(restarted);
        for (const [place, bytes] of changelog) {
          const [store, restoredKey] = place.split(' ') as [string, string];
          graph.restore(store, restoredKey, bytes);
        }
      }
      assert.deepEqual(restarted, straight);
      assert.deepEqual([...graph.walk('store')], [...control.walk('store')]);
      assert.deepEqual([...graph.walk('other')], [...control.walk('other')]);
    }),
  );
});

test('state of a reducer that was removed is left behind and counted', () => {
  const both = graphOf(
    topologyOf([
      node(counter('kept', []), ['frame-features']),
      node(counter('gone', []), ['frame-features']),
    ]),
    [],
  );
  give(both, 'k', 'a', 0);
  const [entry] = [...both.drainDirty()];
  const graph = graphOf(topologyOf([node(counter('kept', []), ['frame-features'])]), []);
  graph.restore('store', 'k', entry!.bytes);
  assert.equal(graph.slotsIgnored, 1);
  assert.equal(graph.keyCount, 1);
});

test('state of another version is refused with store, key and both versions in the message', () => {
  const old = graphOf(topologyOf([node(counter('one', []), ['frame-features'])]), []);
  give(old, 'k', 'a', 0);
  const [entry] = [...old.drainDirty()];
  const graph = graphOf(topologyOf([node(counter('one', [], undefined, 2), ['frame-features'])]), []);
  const expected =
    /store store, key k: state of reducer one was written as version 1 and this build reads version 2/;
  assert.throws(() => graph.restore('store', 'k', entry!.bytes), {
    name: StateError.name,
    message: expected,
  });
  assert.throws(() => graph.restore('store', 'k', Uint8Array.of(9)), /entry format 9/);
  assert.throws(() => graph.restore('none', 'k', null), /no store none in this topology; it has store/);
});
