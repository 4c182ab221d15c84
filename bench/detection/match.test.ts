import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchOf } from './match.ts';

/** `black 2-5` is a video-black of [2 s, 5 s). */
function spans(text: string) {
  return text
    .split(', ')
    .filter(Boolean)
    .map((one) => {
      const [type, fromS, toS] = one.split(/[ -]/);
      return { type: type!, startMs: Number(fromS) * 1_000, endMs: Number(toS) * 1_000 };
    });
}

function check(truths: string, found: string, expected: readonly [hit: number, miss: number, alarm: number]) {
  const { matched, missed, false: alarms } = matchOf(spans(truths), spans(found));
  assert.deepEqual([matched.length, missed.length, alarms.length], expected, `${truths} / ${found}`);
}

test('half of the time that either takes has to be common', () => {
  check('black 2-6', 'black 2-6', [1, 0, 0]);
  check('black 2-6', 'black 2-4', [1, 0, 0]);
  check('black 2-6', 'black 2-3.9', [0, 1, 1]);
  check('black 2-6', 'black 2-10', [1, 0, 0]);
  check('black 2-6', 'black 2-10.1', [0, 1, 1]);
  check('black 2-6', 'flat 2-6', [0, 1, 1]);
});

test('one to one: a fault that is found twice is one hit and one false alarm', () => {
  check('black 2-6', 'black 2-6, black 2.1-6', [1, 0, 1]);
  check('black 2-6, black 8-12', 'black 2-12', [0, 2, 1]);
  check('black 2-6, black 8-12', 'black 8-12, black 2-6', [2, 0, 0]);
});

test('a point is found within half a second', () => {
  check('step 5-5', 'step 5.5-5.5', [1, 0, 0]);
  check('step 5-5', 'step 5.6-5.6', [0, 1, 1]);
  check('step 5-5, step 5.4-5.4', 'step 5.3-5.3', [1, 1, 0]);
});
