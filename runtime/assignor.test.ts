import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assignTasks, type Claimant } from './assignor.ts';

/** Members and what they own: `a:0,1,2 b:`, with the claim's generation behind an @ (default 1). */
function check(taskCount: number, drawing: string, expected: string): void {
  const members = drawing.split(' ').map((word): Claimant => {
    const [, memberId, owned, generation] = /^(\w+):([\d,]*)(?:@(-?\d+))?$/.exec(word)!;
    const tasks = owned === '' ? [] : owned!.split(',').map(Number);
    return { memberId: memberId!, owned: tasks, generationId: Number(generation ?? 1) };
  });
  const given = [...assignTasks(taskCount, members)].map(
    ([memberId, tasks]) => `${memberId}:${tasks.join(',')}`,
  );
  assert.equal(given.join(' '), expected, drawing);
}

test('the first members share evenly', () => {
  check(4, 'a: b:', 'a:0,1 b:2,3');
  check(5, 'a: b:', 'a:0,1,2 b:3,4');
  check(2, 'a: b: c:', 'a:0 b:1 c:');
  check(0, 'a: b:', 'a: b:');
});

test('a newcomer takes as few as make it even', () => {
  check(4, 'a:0,1,2,3 b:', 'a:0,1 b:2,3');
  check(6, 'a:0,1,2 b:3,4,5 c:', 'a:0,1 b:3,4 c:2,5');
});

test('who stays keeps what it had, and the rest goes where there is room', () => {
  check(6, 'a:0,3 c:2,5', 'a:0,1,3 c:2,4,5');
  check(5, 'a:1 b:0,2,3', 'a:1,4 b:0,2,3');
});

test('of two claims the later one is believed; claims to what is no task are not', () => {
  check(2, 'a:0@3 b:0,1@4', 'a:1 b:0');
  check(2, 'a:0,1@5 b:0,1@4', 'a:0 b:1');
  check(2, 'a:7 b:1', 'a:0 b:1');
});

const members = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 9 })
  .chain((ids) =>
    fc.tuple(
      ...ids.map((memberId) =>
        fc.record({
          memberId: fc.constant(memberId),
          owned: fc.uniqueArray(fc.integer({ min: -1, max: 45 }), { maxLength: 45 }),
          generationId: fc.integer({ min: -1, max: 3 }),
        }),
      ),
    ),
  );

test('every task goes to exactly one member, evenly, whatever they claim and in whatever order they come', () => {
  fc.assert(
    fc.property(fc.nat(40), members, fc.infiniteStream(fc.nat()), (taskCount, claimants, order) => {
      const given = assignTasks(taskCount, claimants);
      assert.deepEqual(
        [...given.values()].flat().sort((a, b) => a - b),
        Array.from({ length: taskCount }, (_, i) => i),
      );
      const sizes = [...given.values()].map((tasks) => tasks.length);
      assert.equal(given.size, claimants.length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      const shuffled = claimants.map((one) => [order.next().value, one] as const).sort(([a], [b]) => a - b);
      assert.deepEqual(
        assignTasks(
          taskCount,
          shuffled.map(([, one]) => one),
        ),
        given,
      );
    }),
  );
});

test('as many tasks stay as an even share allows', () => {
  const owners = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(11), { maxLength: 40 }));
  fc.assert(
    fc.property(owners, ([memberCount, ownerOfTask]) => {
      // owners beyond the member count have left
      const claimants = Array.from({ length: memberCount }, (_, member): Claimant => {
        const owned = ownerOfTask.flatMap((owner, task) => (owner === member ? [task] : []));
        return { memberId: `m${member}`, owned, generationId: 1 };
      });
      const given = assignTasks(ownerOfTask.length, claimants);
      const stayed = claimants.reduce((sum, { memberId, owned }) => {
        return sum + owned.filter((task) => given.get(memberId)!.includes(task)).length;
      }, 0);
      const share = Math.floor(ownerOfTask.length / memberCount);
      const over = claimants.filter(({ owned }) => owned.length > share).length;
      const mayStay = claimants.reduce((sum, { owned }) => sum + Math.min(owned.length, share), 0);
      assert.equal(stayed, mayStay + Math.min(over, ownerOfTask.length % memberCount));
    }),
  );
});

test('an assignment that is balanced already is left as it is', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 1, max: 9 }), (taskCount, memberCount) => {
      const fresh = Array.from({ length: memberCount }, (_, i) => ({
        memberId: `m${i}`,
        owned: [],
        generationId: -1,
      }));
      const first = assignTasks(taskCount, fresh);
      const again = [...first].map(([memberId, owned]) => ({ memberId, owned, generationId: 1 }));
      assert.deepEqual(assignTasks(taskCount, again), first);
    }),
  );
});
