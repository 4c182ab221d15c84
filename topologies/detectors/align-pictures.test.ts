import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignPictures } from './align-pictures.ts';
import type { Pictures } from './av-fingerprint.ts';
import { Film } from './drawn-points.ts';

const film = new Film(11);

/** What a film of so many pictures a second shows from `fromMs` to `toMs` of it, at its own time `lagMs` later. */
function shown(fps: number, fromMs: number, toMs: number, lagMs: number): Pictures {
  const seconds = Math.ceil(toMs / 1_000);
  const chunks = film.seenBy({ fps, seconds, pictureAt: (ms) => ms, soundAt: () => null });
  const pictures: Pictures = { ms: [], luma: [], diff: [] };
  for (const { basePtsMs, framePtsMs, lumaMeanCenti, diffMeanCenti } of chunks) {
    for (const [i, offsetMs] of framePtsMs.entries()) {
      const ms = basePtsMs + offsetMs;
      if (ms < fromMs || ms >= toMs) continue;
      pictures.ms.push(ms + lagMs);
      pictures.luma.push(lumaMeanCenti[i]!);
      pictures.diff.push(diffMeanCenti[i]!);
    }
  }
  return pictures;
}

test('the same pictures are found exactly, whatever the lag is in pictures', () => {
  for (const fps of [12, 24, 25, 30, 50, 60]) {
    const there = shown(fps, 3_000, 13_000, 0);
    for (const lagMs of [-333, 0, 17, 200]) {
      const peak = alignPictures(there, shown(fps, 6_000, 10_000, lagMs), 0, 1_500);
      assert.ok(
        peak !== null && Math.abs(peak.lagUs - lagMs * 1_000) <= 1_000,
        `${fps}, ${lagMs}: ${peak?.lagUs}`,
      );
      assert.ok(peak.score > 950_000);
    }
  }
});

test('every other picture of them is as good', () => {
  const peak = alignPictures(shown(60, 3_000, 13_000, 0), shown(30, 6_000, 10_000, 90), 0, 1_500);
  assert.ok(peak !== null && Math.abs(peak.lagUs - 90_000) <= 1_000, `${peak?.lagUs}`);
});

test('what stands still, and what is beyond the reach, has no lag', () => {
  const there = shown(25, 3_000, 13_000, 0);
  const here = shown(25, 6_000, 10_000, 0);
  const still = { ...here, luma: here.luma.map(() => 9_000), diff: here.diff.map(() => 0) };
  assert.equal(alignPictures(there, still, 0, 1_500), null);
  const far = alignPictures(there, shown(25, 6_000, 10_000, 2_500), 0, 1_500);
  assert.ok(far === null || far.score < 600_000);
});
