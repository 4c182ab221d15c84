import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MinHeap } from './min-heap.ts';

test('a heap gives back what was pushed, least first, also between pushes', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: null, freq: 3 })), (steps) => {
      const heap = new MinHeap<number>((a, b) => a < b);
      let model: number[] = [];
      for (const step of steps) {
        if (step === null) {
          model.sort((a, b) => a - b);
          assert.equal(heap.peek(), model[0]);
          assert.equal(heap.pop(), model[0]);
          model = model.slice(1);
        } else {
          heap.push(step);
          model.push(step);
        }
        assert.equal(heap.size, model.length);
      }
    }),
  );
});
