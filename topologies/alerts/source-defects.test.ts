import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepContext } from '../../test/support/step-context.ts';
import { anchor, defectRecord } from '../scoring/drawn-defects.ts';
import { defectsIn, SEEN_LATER_MS, sourceDefects } from './source-defects.ts';

test('of a stream that is never quiet, what no window looks at any more is forgotten', () => {
  const state = sourceDefects.init('news');
  const give = (timeMs: number, value: ReturnType<typeof defectRecord>) => {
    const origin = { topic: 'stream-defects', partition: 0, offset: 0 };
    sourceDefects.step(state, { kind: 'record', key: 'news', timeMs, value, origin }, stepContext());
  };
  give(0, defectRecord({ event: 'open', defectId: 'for-hours' }));
  for (let atMs = 30_000; atMs < 7_200_000; atMs += 30_000) {
    give(atMs, defectRecord({ event: 'open', defectId: `at ${atMs}`, durationMs: 1_000 }));
    give(atMs + 5_000, defectRecord({ event: 'close', defectId: `at ${atMs}`, startMs: 0, endMs: 6_000 }));
    if (atMs % 60_000 === 0) give(atMs + 6_000, anchor(0));
    // a window is judged seconds after its end, and looks two minutes back from its start
    const found = defectsIn(state, atMs - 20_000 - SEEN_LATER_MS, atMs - 10_000);
    const since = [...Array(9).keys()].map((i) => atMs - 30_000 * i).filter((ms) => ms >= 30_000);
    for (const ms of since)
      assert.equal(
        found.includes(`at ${ms}`),
        ms - 1_000 < atMs - 10_000 && ms + 5_000 > atMs - 20_000 - SEEN_LATER_MS,
        `${ms} at ${atMs}`,
      );
    assert.ok(found.includes('for-hours'));
  }
  assert.ok(state.defects.length <= 11, `${state.defects.length} defects are kept`);
});
