import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys } from './key-order.ts';
import { type Timer, TimerQueue } from './timer-queue.ts';

const KEYS = ['a', 'b', '\ufffd', '\u{1f600}'];
const NAMES = ['x', 'y'];
const REDUCERS = ['one', 'two'];
const anyAct = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    place: fc.nat(KEYS.length * NAMES.length * REDUCERS.length - 1),
    dueMs: fc.nat(30),
  }),
  fc.record({ kind: fc.constant('delete' as const), place: fc.nat(15) }),
  fc.record({ kind: fc.constant('fire' as const) }),
);

/** Sets, moves, deletes and fires, beside a list that is sorted each time. */
test('timers fire in their order, however often they were put off or brought forward', () => {
  fc.assert(
    fc.property(fc.array(anyAct, { maxLength: 200 }), (acts) => {
      const queue = new TimerQueue<number>();
      const set = new Map<number, Timer<number>>();
      const model = new Map<number, number>();
      for (const act of acts) {
        if (act.kind === 'set') {
          const { place, dueMs } = act;
          const timer = set.get(place);
          if (timer === undefined) set.set(place, queue.add(place, ...nameOf(place), dueMs));
          else queue.move(timer, dueMs);
          model.set(place, dueMs);
        } else {
          const place = act.kind === 'fire' ? firstOf(model) : act.place;
          if (act.kind === 'fire') assert.equal(queue.peek()?.owner, place);
          const timer = place === undefined ? undefined : set.get(place);
          if (place === undefined || timer === undefined) continue;
          assert.equal(timer.dueMs, model.get(place));
          queue.delete(timer);
          set.delete(place);
          model.delete(place);
        }
        assert.equal(queue.size, model.size);
      }
    }),
    { numRuns: 500 },
  );
});

test('timers that are put off, brought forward and deleted for ever do not pile up', () => {
  const queue = new TimerQueue<number>();
  const far = queue.add(0, 'one', 'k', 'far', 1_000_000);
  for (let i = 0; i < 20_000; i++) {
    queue.move(far, 1_000_000 - i);
    queue.delete(queue.add(i, 'one', 'k', 'near', 2_000_000 + i));
  }
  assert.equal(queue.size, 1);
  assert.ok(queue.heapSize < 200, `${queue.heapSize} entries for one timer`);
  assert.equal(queue.peek(), far);
});

function nameOf(place: number): [reducer: string, key: string, name: string] {
  return [REDUCERS[place & 1]!, KEYS[(place >> 1) & 3]!, NAMES[place >> 3]!];
}

function firstOf(model: ReadonlyMap<number, number>): number | undefined {
  return [...model.keys()].sort((a, b) => {
    const [reducerA, keyA, nameA] = nameOf(a);
    const [reducerB, keyB, nameB] = nameOf(b);
    return (
      model.get(a)! - model.get(b)! ||
      compareKeys(keyA, keyB) ||
      compareKeys(nameA, nameB) ||
      compareKeys(reducerA, reducerB)
    );
  })[0];
}
