import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restoreView } from './restore-view.ts';

function watch() {
  let nowMs = 1_000_000;
  const said: string[] = [];
  const view = restoreView('counting', { nowMs: () => nowMs, sleep: async () => {} }, (text) =>
    said.push(text),
  );
  return {
    said,
    at(afterMs: number, restored: number, remaining: number, store = 'counts') {
      nowMs = 1_000_000 + afterMs;
      view({ kind: 'restoring', task: 3, store, restored, remaining, offsets: 1_000_000 });
    },
    opened(afterMs: number) {
      nowMs = 1_000_000 + afterMs;
      view({ kind: 'task-opened', task: 3 });
    },
  };
}

test('a task that is restored at once is not worth a word', () => {
  const { said, at, opened } = watch();
  at(0, 1, 999_999);
  at(900, 1_000_000, 0);
  at(950, 1, 0, 'positions');
  opened(1_100);
  assert.deepEqual(said, []);
});

test('one that takes longer says how far it is, now and then, and when it is done', () => {
  const { said, at, opened } = watch();
  at(0, 0, 1_000_000);
  at(1_200, 300_000, 690_000);
  at(2_000, 500_000, 490_000);
  at(3_300, 800_000, 190_000);
  at(4_000, 990_000, 0);
  at(4_000, 1, 0, 'positions');
  opened(4_000);
  assert.deepEqual(said, [
    'restoring counting, task 3, store counts: 300000 records, 31 %, at most 690000 to go',
    'restoring counting, task 3, store counts: 800000 records, 81 %, at most 190000 to go',
    'counting, task 3 is restored: 990001 records in 4.0 s, 247500 a second',
  ]);
});
