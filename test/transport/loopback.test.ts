/** A real origin on the loopback, real segments, the real probe: what is done to the origin is told, and that it is over. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startIngest } from '../../producers/ingest/ingest.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import {
  FFMPEG,
  ffmpeg,
  picturesOf,
  RememberingSink,
  temporaryFolder,
  until,
} from '../../producers/ingest/testing.ts';
import { startTestOrigin } from '../../producers/ingest/testing-origin.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';

const folder = temporaryFolder();
/** They come again and again. */
const SEGMENTS = 30;
const WAIT_MS = 120_000;

before(async () => {
  mkdirSync(join(folder.path, 'hls'));
  const pictures = ['-f', 'lavfi', '-i', `testsrc2=size=160x90:rate=10:duration=${SEGMENTS}`];
  const coding = ['-c:v', 'mpeg2video', '-g', '10', '-bf', '0', '-pix_fmt', 'yuv420p'];
  const cutting = ['-f', 'hls', '-hls_time', '1', '-hls_list_size', '0', '-hls_segment_filename'];
  const target = [join(folder.path, 'hls', '%d.ts'), join(folder.path, 'hls', 'all.m3u8')];
  await ffmpeg(...pictures, ...coding, ...cutting, ...target);
});
after(() => folder.remove());

/**
 * An origin with a ladder of two, whose rungs hold the same. It publishes a segment whenever the first one's playlist is
 * asked for, so that it is never ahead of a machine that is slow.
 */
async function startLiveOrigin() {
  const state = { published: 4, isFrozen: false, isEnded: false, missing: new Set<string>() };
  const playlist = (name: string): string => {
    const first = Math.max(0, state.published - 6);
    const lines = [
      '#EXTM3U',
      '#EXT-X-VERSION:3',
      '#EXT-X-TARGETDURATION:1',
      `#EXT-X-MEDIA-SEQUENCE:${first}`,
    ];
    for (let at = first; at < state.published; at++) lines.push('#EXTINF:1.0,', `${name}-${at}.ts`);
    if (state.isEnded) lines.push('#EXT-X-ENDLIST');
    return `${lines.join('\n')}\n`;
  };
  const ladder = ['hi', 'lo'].map(
    (name, at) => `#EXT-X-STREAM-INF:BANDWIDTH=${900_000 - at},RESOLUTION=160x${90 - at * 10}\n${name}.m3u8`,
  );
  const origin = await startTestOrigin((path) => {
    const name = path.slice(1);
    if (state.missing.has(name)) return null;
    if (name === 'hi.m3u8' && !state.isFrozen) state.published++;
    if (name === 'index.m3u8') return { body: `#EXTM3U\n${ladder.join('\n')}\n` };
    if (name.endsWith('.m3u8')) return { body: playlist(name.slice(0, -5)) };
    const segment = /^(?:hi|lo)-(\d+)\.ts$/.exec(name)?.[1];
    if (segment === undefined) return null;
    return { body: readFileSync(join(folder.path, 'hls', `${Number(segment) % SEGMENTS}.ts`)) };
  });
  return Object.assign(state, { origin });
}

test('what is done to an origin opens and closes: stale, segments gone, a rung gone, all gone', async () => {
  const live = await startLiveOrigin();
  const { origin } = live;
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [
      parseStreamSpec({ programmeId: 'live', input: `${origin.url}/index.m3u8`, signalLostMs: 1_000 }),
    ],
    sink,
    allow: [origin.allow],
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  let from = 0;
  const told = async (what: string, isIt: (record: FrameFeatures) => boolean): Promise<void> => {
    await until(what, () => sink.records.slice(from).some(isIt), WAIT_MS);
    from = sink.records.findIndex((record, at) => at >= from && isIt(record)) + 1;
  };
  const own = ({ ownVariant }: FrameFeatures) => ownVariant;
  try {
    await until('pictures', () => picturesOf(sink.records).length > 0, WAIT_MS);
    live.isFrozen = true;
    await told(
      'a playlist that stands still',
      (one) => one.variantUnchangedMs[own(one)]! - one.variantLoadedMs[own(one)]! > 2_000,
    );
    live.isFrozen = false;
    await told('one that moves on', (one) => own(one) >= 0 && one.variantUnchangedMs[own(one)]! < 1_000);

    for (const ahead of [2, 3, 4]) live.missing.add(`hi-${live.published + ahead}.ts`);
    await told('a segment that is not there', ({ segmentStatus }) => segmentStatus.includes(404));
    await told('segments that are there again', (one) =>
      one.segmentStatus.some((status, at) => status === 200 && one.segmentVariant[at] === own(one)),
    );

    live.missing.add('lo.m3u8');
    await told('a rung that is gone', ({ variantFailedReloads }) =>
      variantFailedReloads.some((count) => count >= 2),
    );
    live.missing.delete('lo.m3u8');
    await told(
      'all rungs',
      ({ event, variantFailedReloads }) =>
        event === 'transport' && variantFailedReloads.every((count) => count === 0),
    );

    await origin.pause();
    await told('signal-lost', ({ event }) => event === 'signal-lost');
    await origin.resume();
    await told('signal-restored', ({ event }) => event === 'signal-restored');
    await told('pictures again', ({ framePtsMs }) => framePtsMs.length > 0);
    live.isEnded = true;
    await ingest.done;
  } finally {
    await ingest.stop();
    await origin.stop();
  }
  const words = defectsOf(sink.records);
  for (const name of ['manifest-stale', 'segment-error', 'rendition-missing[80p]', 'signal-lost']) {
    assert.ok(words.includes(`${name} open`), `${name} opens: ${words.join(', ')}`);
    assert.ok(words.includes(`${name} close`), `${name} closes: ${words.join(', ')}`);
  }
});

/** By the time at which the probe looked, as a log would have it. */
function defectsOf(records: readonly FrameFeatures[]): readonly string[] {
  const driver = new TopologyTestDriver(streamDetection, {});
  let timeMs = 0;
  for (const record of records) {
    timeMs = Math.max(timeMs, record.decodedAtMs);
    driver.pipe('frame-features', record.programmeId, record, timeMs);
  }
  return driver.outputs('stream-defects').map(({ value: { type, renditionId, event } }) => {
    return `${type}${renditionId === 'main' ? '' : `[${renditionId}]`} ${event}`;
  });
}
