import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { livePlaylist, parseSegments, startHlsOrigin } from './hls-origin.ts';

const SEGMENTS = ['a.ts', 'b.ts', 'c.ts', 'd.ts'].map((file) => ({ file, durationS: 2 }));

/** Segments in the window, `|` for a discontinuity. */
const check = (elapsedMs: number, expected: string) => {
  const playlist = livePlaylist(SEGMENTS, elapsedMs);
  const drawn = playlist
    .split('\n')
    .map((line) => (line === '#EXT-X-DISCONTINUITY' ? '|' : /^segment-(\d+)\.ts$/.exec(line)?.[1]))
    .filter((part) => part !== undefined);
  assert.equal(drawn.join(' '), expected, `after ${elapsedMs} ms`);
  const first = /MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1];
  assert.equal(first, expected.replace('| ', '').split(' ')[0]);
};

test('the window begins with three segments and moves with time, through every repetition', () => {
  check(0, '0 1 2');
  check(1990, '0 1 2');
  check(2000, '0 1 2 3');
  check(4000, '0 1 2 3 | 4');
  check(6000, '0 1 2 3 | 4 5');
  check(8000, '1 2 3 | 4 5 6');
  check(10_000, '2 3 | 4 5 6 7');
  check(14_000, '| 4 5 6 7 | 8 9');
});

test('discontinuities that left the window are counted', () => {
  const counted = (elapsedMs: number) =>
    /DISCONTINUITY-SEQUENCE:(\d+)/.exec(livePlaylist(SEGMENTS, elapsedMs))?.[1];
  assert.deepEqual([0, 8000, 14_000, 16_000, 24_000].map(counted), ['0', '0', '0', '1', '2']);
});

test('the segments of a finished playlist', () => {
  const playlist =
    '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.000000,\na.ts\n#EXTINF:1.5,\nb.ts\n#EXT-X-ENDLIST\n';
  assert.deepEqual(parseSegments(playlist), [
    { file: 'a.ts', durationS: 2 },
    { file: 'b.ts', durationS: 1.5 },
  ]);
});

test('the origin answers on the loopback, and is gone when stopped', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'everyview-origin-'));
  try {
    const files = ['a.ts', 'b.ts', 'c.ts'];
    for (const file of files) writeFileSync(join(folder, file), `bytes of ${file}`);
    writeFileSync(join(folder, 'vod.m3u8'), files.map((file) => `#EXTINF:2,\n${file}\n`).join(''));
    const origin = await startHlsOrigin(folder, 'vod.m3u8', systemClock);
    const get = (path: string) => fetch(new URL(path, origin.url));
    assert.match(await (await get('live.m3u8')).text(), /^#EXTM3U/);
    assert.equal(await (await get('segment-4.ts')).text(), 'bytes of b.ts');
    assert.equal((await get('../vod.m3u8')).status, 404);
    assert.equal((await get('segment-x.ts')).status, 404);
    await origin.stop();
    await assert.rejects(get('live.m3u8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
