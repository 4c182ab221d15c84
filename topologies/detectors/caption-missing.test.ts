import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captionMissing } from './caption-missing.ts';
import { cut, defectsOf, draw, everySecond, tell } from './drawn-stream.ts';

/** A character is a second: `c` captions, `.` none, `?` nobody looks. */
function check(drawing: string, expected: string): void {
  const recording = draw('..'.repeat(drawing.length), { '.': {} });
  const chunks = cut(recording, everySecond(recording)).map((chunk, second) => {
    const captionUnits = { c: 2, '.': 0, '?': null }[drawing[second]!]!;
    return { ...chunk, captionUnits };
  });
  assert.equal(tell(defectsOf([captionMissing], chunks), 'caption-missing'), expected, drawing);
}

test('a minute without captions is a defect, from the first second without', () => {
  check(`ccc${'.'.repeat(75)}cc`, 'open@3000 close@78000');
  check('.'.repeat(61), 'open@0');
});

test('shorter pauses are pauses in speech; captions now and then are captions', () => {
  check(`c${'.'.repeat(59)}c${'.'.repeat(59)}c`, '');
});

test('where nobody looks it is not judged', () => {
  check('?'.repeat(120), '');
  check(`${'?'.repeat(30)}${'.'.repeat(59)}c`, '');
});
