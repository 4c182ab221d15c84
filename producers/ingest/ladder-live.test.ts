/** Ladders as packagers write them: ffmpeg makes live HLS and DASH, an origin on the loopback serves what it writes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { startIngest } from './ingest.ts';
import { parseStreamSpec, type StreamSpecInput } from './parse-stream-spec.ts';
import { FFMPEG, ffmpeg, picturesOf, RememberingSink, temporaryFolder, until } from './testing.ts';
import { startTestOrigin, type TestOrigin } from './testing-origin.ts';
import { startSender } from './testing-sender.ts';

const folder = temporaryFolder();
let origin: TestOrigin;

before(async () => {
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=20'];
  const sound = ['-f', 'lavfi', '-i', 'sine=sample_rate=48000:duration=20'];
  const coding = ['-pix_fmt', 'yuv420p', '-g', '25', '-bf', '0', '-c:v', 'mpeg2video', '-c:a', 'aac'];
  const renditions = ['-map', '0:v', '-map', '0:v', '-map', '1:a', '-s:v:0', '320x180', '-s:v:1', '160x90'];
  const rates = ['-b:v:0', '300k', '-b:v:1', '100k'];
  await ffmpeg(...pictures, ...sound, ...renditions, ...coding, ...rates, join(folder.path, 'ladder.mp4'));
  origin = await startTestOrigin(packaged);
});
after(async () => {
  await origin.stop();
  folder.remove();
});

function packaged(path: string): { readonly body: Buffer } | null {
  try {
    return { body: readFileSync(join(folder.path, path.slice(1))) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

const PACKAGER = ['-re', '-stream_loop', '-1', '-i', join(folder.path, 'ladder.mp4'), '-c', 'copy'];
const HLS = [
  ...['-map', '0:v:0', '-map', '0:v:1', '-map', '0:a', '-map', '0:a', '-f', 'hls', '-hls_time', '1'],
  ...['-hls_list_size', '6', '-hls_flags', 'delete_segments', '-master_pl_name', 'master.m3u8'],
  ...['-var_stream_map', 'v:0,a:0 v:1,a:1', '-hls_segment_filename', join(folder.path, 'hls-%v-%d.ts')],
  join(folder.path, 'hls-%v.m3u8'),
];
const DASH = [
  ...['-map', '0', '-f', 'dash', '-seg_duration', '1', '-window_size', '6', '-extra_window_size', '6'],
  ...['-use_timeline', '1', '-use_template', '1', '-adaptation_sets', 'id=0,streams=v id=1,streams=a'],
  join(folder.path, 'manifest.mpd'),
];

/** Names of renditions with the number of pictures and whether there was sound. */
async function watchUntilAllRun(stream: Omit<StreamSpecInput, 'programmeId'>, names: readonly string[]) {
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'ladder', ...stream })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  const of = (name: string) => sink.records.filter(({ renditionId }) => renditionId === name);
  try {
    await until(
      `a second of ${names.join(' and ')}`,
      () => names.every((name) => picturesOf(of(name)).length >= 25),
      40_000,
    );
    assert.ok(names.every((name) => of(name).some(({ audioChannels }) => audioChannels > 0)));
    return { sink, ingest, of };
  } finally {
    await ingest.stop();
  }
}

test('every rendition of a live HLS ladder is a stream of its own, and a manifest that is not there yet is waited for', async () => {
  const at = ({ url, allow }: TestOrigin) => ({ input: `${url}/master.m3u8`, allow: [allow] });
  const watching = watchUntilAllRun({ ...at(origin), renditions: 'all', signalLostMs: 500 }, ['180p', '90p']);
  await until('the first question', () => origin.asked.includes('/master.m3u8'));
  const packager = startSender([...PACKAGER, ...HLS]);
  try {
    const { ingest, of } = await watching;
    const results = await ingest.done;
    assert.deepEqual(
      results.map(({ stream, outcome }) => [stream.renditionId, outcome.kind]),
      [
        ['180p', 'stopped'],
        ['90p', 'stopped'],
      ],
    );
    const events = of('main').map(({ event }) => event);
    assert.deepEqual(events, events.length === 0 ? [] : ['signal-lost', 'signal-restored', 'end']);
    assert.ok(ingest.stats().every(({ pictures }) => pictures >= 25));
    const { sink } = await watchUntilAllRun({ ...at(origin), renditions: '90p' }, ['90p']);
    assert.ok(sink.records.every(({ renditionId }) => renditionId === '90p'));
  } finally {
    await packager.stop();
  }
});

test('a live DASH ladder: all renditions, and one', async () => {
  const at = ({ url, allow }: TestOrigin) => ({ input: `${url}/manifest.mpd`, allow: [allow] });
  const packager = startSender([...PACKAGER, ...DASH]);
  try {
    await watchUntilAllRun({ ...at(origin), renditions: 'all' }, ['180p', '90p']);
    const { sink } = await watchUntilAllRun(at(origin), ['main']);
    assert.ok(
      sink.records.every(({ renditionId, event }) => renditionId === 'main' && event !== 'probe-lost'),
    );
  } finally {
    await packager.stop();
  }
});

test('a rendition that is not there is said with those that are', async () => {
  const packager = startSender([...PACKAGER, ...HLS]);
  const notes: string[] = [];
  await until('the ladder', () => readdirHas('master.m3u8'));
  const ingest = await startIngest({
    streams: [
      parseStreamSpec({
        ...{ programmeId: 'x', input: `${origin.url}/master.m3u8`, allow: [origin.allow] },
        renditions: '720p',
      }),
    ],
    sink: new RememberingSink(),
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
    onProgress: (step) => step.kind === 'note' && notes.push(step.message),
  });
  try {
    await until('a word about it', () => notes.some((note) => /"720p"; there are 180p, 90p/.test(note)));
  } finally {
    await ingest.stop();
    await packager.stop();
  }
});

function readdirHas(name: string): boolean {
  try {
    return readFileSync(join(folder.path, name)).length > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
