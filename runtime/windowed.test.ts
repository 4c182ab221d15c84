import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stepContext } from '../test/support/step-context.ts';
import { structCodec } from './struct-codec.ts';
import type { Effect } from './topology.ts';
import { hopping, sessions, tumbling, type Windows, windowsOf } from './window.ts';
import { windowed } from './windowed.ts';

type Value = { readonly atMs: number };
type Sum = { count: number };

const counting = (windows: Windows) =>
  windowed<Value, Sum, string>({
    name: 'count',
    windows,
    timeOf: (value) => value.atMs,
    aggregate: structCodec({ version: 1, fields: { count: 'int' } }),
    init: () => ({ count: 0 }),
    add: (sum) => {
      sum.count += 1;
    },
    merge: (into, other) => {
      into.count += other.count;
    },
    result: (_key, { startMs, endMs }, { count }) => `[${startMs},${endMs})=${count}`,
  });

const context = stepContext();

/** Runs values at (event time, log time) through one key and a last timer sweep; what was forwarded, and how many late. */
function run(windows: Windows, values: readonly (readonly [atMs: number, logMs: number])[]) {
  const reducer = counting(windows);
  let state = reducer.init('k');
  const timers = new Map<string, number>();
  const results: string[] = [];
  let late = 0;
  const apply = (effects: readonly Effect<string>[]) => {
    for (const effect of effects) {
      if (effect.kind === 'schedule') timers.set(effect.name, effect.dueMs);
      if (effect.kind === 'cancel') timers.delete(effect.name);
      if (effect.kind === 'forward') results.push(effect.value);
      if (effect.kind === 'late') late += 1;
    }
  };
  const advance = (timeMs: number) => {
    for (const [name, dueMs] of [...timers].sort((a, b) => a[1] - b[1])) {
      if (dueMs > timeMs) continue;
      timers.delete(name);
      // Through the codec each time: a restore at any point must not show.
      state = reducer.state.decode(reducer.state.encode(state), reducer.state.version);
      apply(reducer.step(state, { kind: 'timer', key: 'k', timeMs, name, dueMs }, context));
    }
  };
  const origin = { topic: 't', partition: 0, offset: 0 };
  for (const [atMs, timeMs] of values) {
    advance(timeMs);
    apply(reducer.step(state, { kind: 'record', key: 'k', timeMs, value: { atMs }, origin }, context));
  }
  advance(Number.MAX_SAFE_INTEGER);
  return { results, late };
}

test('tumbling windows are half-open and aligned', () => {
  const { results } = run(tumbling({ sizeMs: 10, graceMs: 0 }), [
    [0, 0],
    [9, 9],
    [10, 10],
    [29, 29],
  ]);
  assert.deepEqual(results, ['[0,10)=2', '[10,20)=1', '[20,30)=1']);
});

test('hopping windows overlap, and a record is in each that holds it', () => {
  assert.deepEqual(windowsOf(hopping({ sizeMs: 30, advanceMs: 10, graceMs: 0 }), 25), [
    { startMs: 0, endMs: 30 },
    { startMs: 10, endMs: 40 },
    { startMs: 20, endMs: 50 },
  ]);
});

test('within grace a record counts, at its end it is late', () => {
  const windows = tumbling({ sizeMs: 10, graceMs: 5 });
  assert.deepEqual(
    run(windows, [
      [1, 1],
      [9, 14],
    ]),
    { results: ['[0,10)=2'], late: 0 },
  );
  assert.deepEqual(
    run(windows, [
      [1, 1],
      [9, 15],
    ]),
    { results: ['[0,10)=1'], late: 1 },
  );
});

test('sessions join when a late record closes the gap between them', () => {
  const windows = sessions({ gapMs: 10, graceMs: 100 });
  assert.deepEqual(
    run(windows, [
      [0, 0],
      [18, 18],
      [9, 20],
    ]).results,
    ['[0,28)=3'],
  );
  assert.deepEqual(
    run(windows, [
      [0, 0],
      [25, 25],
    ]).results,
    ['[0,10)=1', '[25,35)=1'],
  );
});

test('arrival order within grace changes nothing', () => {
  const times = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 30 });
  const kinds: readonly Windows[] = [
    tumbling({ sizeMs: 20, graceMs: 300 }),
    hopping({ sizeMs: 30, advanceMs: 10, graceMs: 300 }),
    sessions({ gapMs: 15, graceMs: 300 }),
  ];
  fc.assert(
    fc.property(times, fc.constantFrom(...kinds), fc.infiniteStream(fc.nat()), (atMs, windows, order) => {
      const shuffled = [...atMs].map((at) => ({ at, by: order.next().value })).sort((a, b) => a.by - b.by);
      const inOrder = run(
        windows,
        [...atMs].sort((a, b) => a - b).map((at) => [at, 200]),
      );
      assert.deepEqual(
        run(
          windows,
          shuffled.map(({ at }) => [at, 200]),
        ),
        inOrder,
      );
      assert.equal(inOrder.late, 0);
    }),
  );
});

test('windows say no to nonsense', () => {
  assert.throws(() => tumbling({ sizeMs: 0, graceMs: 0 }), /sizeMs is 0/);
  assert.throws(() => hopping({ sizeMs: 10, advanceMs: 20, graceMs: 0 }), /would be lost/);
  assert.throws(() => sessions({ gapMs: 10, graceMs: -1 }), /graceMs is -1/);
});
