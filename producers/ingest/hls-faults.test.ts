/** An HLS origin that does everything wrong in turn: the probe stays, and the features go on. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { startIngest } from './ingest.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import {
  assertGoesOn,
  FFMPEG,
  ffmpeg,
  picturesOf,
  RememberingSink,
  temporaryFolder,
  until,
} from './testing.ts';
import { startTestOrigin } from './testing-origin.ts';

const folder = temporaryFolder();
const SEGMENTS = 10;

before(async () => {
  mkdirSync(join(folder.path, 'hls'));
  const pictures = ['-f', 'lavfi', '-i', `testsrc2=size=160x90:rate=25:duration=${SEGMENTS}`];
  const coding = ['-c:v', 'mpeg2video', '-g', '25', '-bf', '0', '-pix_fmt', 'yuv420p'];
  const cutting = ['-f', 'hls', '-hls_time', '1', '-hls_list_size', '0', '-hls_segment_filename'];
  await ffmpeg(
    ...pictures,
    ...coding,
    ...cutting,
    join(folder.path, 'hls', '%d.ts'),
    join(folder.path, 'x.m3u8'),
  );
});
after(() => folder.remove());

test('404, garbage, a slow segment, an empty one, old segments again, a broken playlist: what comes after is watched', async () => {
  let first = 0;
  let listed = 3;
  let isBroken = false;
  const origin = await startTestOrigin((path, _request, response) => {
    if (path === '/live.m3u8') {
      if (isBroken) return { body: '<html>502 Bad Gateway</html>' };
      const lines = ['#EXTM3U', '#EXT-X-TARGETDURATION:1', `#EXT-X-MEDIA-SEQUENCE:${first}`];
      for (let i = first; i < listed; i++) lines.push('#EXTINF:1.0,', `${i}.ts`);
      return { body: `${lines.join('\n')}\n` };
    }
    const number = Number(/^\/(\d+)\.ts$/.exec(path)?.[1] ?? -1);
    if (number === 3) return null;
    if (number === 4) return { body: Buffer.alloc(40_000, 'garbage ') };
    if (number === 5) return { body: '' };
    const bytes = readFileSync(join(folder.path, 'hls', `${number}.ts`));
    if (number !== 6) return { body: bytes };
    response.writeHead(200, { 'content-length': String(bytes.length) });
    response.write(bytes.subarray(0, 1_000));
    setTimeout(() => response.end(bytes.subarray(1_000)), 1_000);
    return undefined;
  });
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [
      parseStreamSpec({
        ...{ programmeId: 'live', input: `${origin.url}/live.m3u8`, allow: [origin.allow] },
        signalLostMs: 1_500,
      }),
    ],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  const pictures = () => picturesOf(sink.records).length;
  const asked = (number: number) => origin.asked.includes(`/${number}.ts`);
  try {
    await until('the first segments', () => pictures() > 0, 60_000);
    listed = 7;
    await until('the slow segment', () => asked(6), 60_000);
    isBroken = true;
    const playlists = () => origin.asked.filter((path) => path === '/live.m3u8').length;
    const before = playlists();
    await until('the broken playlist', () => playlists() > before, 60_000);
    isBroken = false;
    // An old list again, as a cache that lags gives it.
    listed = 5;
    const stale = playlists();
    await until('the old list', () => playlists() > stale + 1, 60_000);
    const seen = pictures();
    first = 7;
    listed = SEGMENTS;
    await until('what comes after', () => pictures() >= seen + 25, 60_000);
    assertGoesOn(sink.records);
    assert.ok(asked(3) && asked(4) && asked(5));
  } finally {
    await ingest.stop();
    await origin.stop();
  }
});
