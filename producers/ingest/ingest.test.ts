import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { createFetcher } from './fetcher.ts';
import { ffmpegAbilities } from './ffmpeg-abilities.ts';
import { startIngest } from './ingest.ts';
import { IngestError } from './ingest-error.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { Probe } from './probe.ts';
import {
  blocksOf,
  FFMPEG,
  ffmpeg,
  isAlive,
  picturesOf,
  RememberingSink,
  spans,
  stillRuns,
  temporaryFolder,
  until,
  watchToEnd,
} from './testing.ts';

const MEDIA = fileURLToPath(new URL('../../test/media/', import.meta.url));
const folder = temporaryFolder();
const inFolder = (name: string) => join(folder.path, name);

before(async () => {
  // 10 s: black in [2, 4.4), frozen in [6, 8.4), silent in [1, 3.5).
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=10'];
  const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=10,volume=0.5'];
  const black = "drawbox=color=black:t=fill:enable='gte(t,1.99)*lt(t,4.39)'";
  const frozen = "select='not(gte(t,5.99)*lt(t,8.39))',fps=25";
  const silent = "asetnsamples=n=480,volume=volume=0:enable='gte(t,0.999)*lt(t,3.499)'";
  const coding = ['-c:v', 'mpeg4', '-q:v', '3', '-pix_fmt', 'yuv420p', '-c:a', 'flac', '-strict', '-2'];
  await ffmpeg(
    ...pictures,
    ...sound,
    '-vf',
    `${black},${frozen}`,
    '-af',
    silent,
    ...coding,
    inFolder('faults.mp4'),
  );
});
after(() => folder.remove());

test('black, freeze and silence stand in the features where they are in the clip', async () => {
  const { records, result } = await watchToEnd(inFolder('faults.mp4'));
  assert.deepEqual(result.outcome, { kind: 'ended', reason: '' });
  const pictures = picturesOf(records);
  assert.equal(pictures.length, 250);
  const ptsOf = (picture: { ptsMs: number }) => picture.ptsMs;
  assert.deepEqual(
    spans(pictures, ptsOf, (picture) => picture.darkPermille >= 950, 1000),
    [[2000, 4400]],
  );
  assert.deepEqual(stillRuns(pictures, 1500), [
    [2000, 4360],
    [5960, 8360],
  ]);
  assert.deepEqual(
    spans(
      blocksOf(records),
      (block) => block.startMs,
      (block) => block.rmsCentiDbfs < -6000,
      1000,
    ),
    [[1000, 3500]],
  );
});

test('records: one per second, numbered without gaps, an end, whole columns', async () => {
  const { records } = await watchToEnd(inFolder('faults.mp4'));
  assert.deepEqual(
    records.map((record) => [record.seq, record.event, record.basePtsMs, record.durationMs]),
    [...Array.from({ length: 10 }, (_, i) => [i, 'features', i * 1000, 1000]), [10, 'end', 10_000, 0]],
  );
  for (const record of records) {
    const columns = [record.lumaMeanCenti, record.darkPermille, record.diffMeanCenti, record.anchorAgeMs];
    assert.ok(columns.every((column) => column.length === record.framePtsMs.length));
    assert.ok(record.hasVideo && record.hasAudio && record.decodeErrors === 0);
    assert.deepEqual([record.programTimeMs, record.programTimeSource], [null, 'none'], 'a file is not live');
    assert.equal(record.frameIntervalUs, 40_000);
  }
});

test('the same bytes give the same records, damaged ones too', async () => {
  const transport = inFolder('damaged.ts');
  const cut = ['-i', join(MEDIA, 'city-360p.mp4'), '-t', '4', '-c', 'copy'];
  await ffmpeg(...cut, '-bsf:v', 'h264_mp4toannexb,noise=amount=1500', '-f', 'mpegts', transport);
  for (const input of [inFolder('faults.mp4'), transport]) {
    const first = await watchToEnd(input);
    const second = await watchToEnd(input);
    assert.equal(digestOf(second.records), digestOf(first.records), input);
    if (input === transport) assert.ok(first.records.some((record) => record.decodeErrors > 0));
  }
});

test('key frames of a frozen picture at a starved bitrate do not end its still run; nearly still content is not one', async () => {
  const frozen = inFolder('frozen.mpg');
  const held = [
    '-i',
    join(MEDIA, 'city-360p.mp4'),
    '-vf',
    'select=eq(n\\,75),loop=loop=-1:size=1,setpts=N/25/TB',
  ];
  const starved = ['-c:v', 'mpeg2video', '-b:v', '600k', '-maxrate', '600k', '-bufsize', '600k', '-g', '12'];
  await ffmpeg(...held, ...starved, '-r', '25', '-t', '6', '-f', 'mpegts', frozen);
  const still = picturesOf((await watchToEnd(frozen)).records);
  assert.ok(
    still.some((picture) => picture.diffMeanCenti > 100 && picture.ptsMs > 1000),
    'it does pulse',
  );
  assert.ok(still.at(-1)!.anchorAgeMs >= 5000, `age ${still.at(-1)!.anchorAgeMs} ms`);
  // From 41 s to 44 s three small figures move in a wide shot that is still otherwise.
  const trailer = picturesOf((await watchToEnd(join(MEDIA, 'big-buck-bunny-trailer-360p.mp4'))).records);
  const lit = trailer.filter((picture) => picture.darkPermille < 950);
  assert.ok(Math.max(...lit.map((picture) => picture.anchorAgeMs)) < 1000);
});

test('pictures that are missing stay missing', async () => {
  const gap = inFolder('gap.mkv');
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=4'];
  const dropped = ['-vf', "select='not(between(t,1.0,1.8))'", '-fps_mode', 'passthrough'];
  await ffmpeg(...pictures, ...dropped, '-c:v', 'mpeg4', '-pix_fmt', 'yuv420p', gap);
  const { records } = await watchToEnd(gap);
  const pts = picturesOf(records).map((picture) => picture.ptsMs);
  assert.equal(pts.length, 79);
  assert.ok(pts.includes(960) && pts.includes(1840) && !pts.some((ms) => ms > 960 && ms < 1840));
});

test('sound alone and pictures alone are streams as well', async () => {
  const speech = await watchToEnd(join(MEDIA, 'speech-jfk-1961.wav'));
  assert.equal(blocksOf(speech.records).length, 110);
  assert.ok(speech.records.every((record) => record.hasAudio && !record.hasVideo));
  const city = await watchToEnd(join(MEDIA, 'city-360p.mp4'));
  assert.equal(picturesOf(city.records).length, 190);
  assert.ok(city.records.every((record) => record.hasVideo && !record.hasAudio));
});

test('a declared track that never delivers does not keep the other from being watched', async () => {
  const whole = inFolder('whole.ts');
  const empty = inFolder('empty-audio.ts');
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=3'];
  const sound = ['-f', 'lavfi', '-i', 'sine=duration=3'];
  await ffmpeg(...pictures, ...sound, '-c:v', 'mpeg2video', '-pix_fmt', 'yuv420p', '-c:a', 'aac', whole);
  await ffmpeg('-i', whole, '-map', '0', '-c', 'copy', '-bsf:a', 'noise=drop=1', empty);
  const { records, result } = await watchToEnd(empty);
  assert.equal(result.outcome.kind, 'ended');
  assert.equal(picturesOf(records).length, 75);
  assert.ok(records.every((record) => record.hasAudio && record.audioChannels === 0));
});

test('a missing, a broken and a forbidden input each give one line that says what to do', async () => {
  const missing = await watchToEnd(inFolder('nothing.mp4'));
  assert.match(missing.result.outcome.reason, /^\S+nothing\.mp4: there is no such file; give the path/);
  assert.deepEqual(
    missing.records.map((record) => record.event),
    ['signal-lost'],
  );
  writeFileSync(inFolder('broken.mp4'), 'this is no film');
  const broken = await watchToEnd(inFolder('broken.mp4'));
  assert.match(
    broken.result.outcome.reason,
    /broken\.mp4: ffmpeg finds no picture or sound in it \(.+\); check it with/,
  );
  assert.ok(!broken.result.outcome.reason.includes('\n'));
  writeFileSync(inFolder('list.mp4'), `ffconcat version 1.0\nfile '${inFolder('faults.mp4')}'\n`);
  const list = await watchToEnd(inFolder('list.mp4'));
  assert.equal(list.result.outcome.kind, 'failed');
  await assert.rejects(watchToEnd('concat:a.ts|b.ts'), IngestError);
});

test('a decoder that is killed is probe-lost, and the features go on as if it had not been', async () => {
  const input = inFolder('faults.mp4');
  const undisturbed = await watchToEnd(input);
  const records: FrameFeatures[] = [];
  const pids: number[] = [];
  const fetcher = createFetcher({ clock: systemClock });
  const probe = new Probe(
    parseStreamSpec({ programmeId: 'test', input, pace: 'fast' }),
    {
      ffmpegPath: FFMPEG,
      sources: { fetcher, abilities: await ffmpegAbilities(FFMPEG) },
      probeId: 'test-probe',
      probeEpochMs: 1_000_000,
      clock: systemClock,
      note: () => {},
      onDecoder: (pid) => pids.push(pid),
      async emit(made) {
        records.push(...made);
        if (pids.length === 1 && records.length === 4) process.kill(pids[0]!, 'SIGKILL');
      },
    },
    new AbortController().signal,
  );
  // Its pipe and ours hold less than is still to come, so the decoder cannot have ended by then.
  const outcome = await probe.run();
  assert.equal(outcome.kind, 'ended');
  assert.equal(pids.length, 2);
  assert.deepEqual(
    records.filter((record) => record.event !== 'features').map((record) => record.event),
    ['probe-lost', 'end'],
  );
  assert.match(records.find((record) => record.event === 'probe-lost')!.eventReason, /SIGKILL/);
  assert.deepEqual(picturesOf(records), picturesOf(undisturbed.records));
  assert.deepEqual(blocksOf(records), blocksOf(undisturbed.records));
  assert.ok(pids.every((pid) => !isAlive(pid)));
});

test('a looped file goes on upwards at the pace of its timestamps, and stops when told', async () => {
  const short = inFolder('short.mp4');
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=0.8', '-c:v', 'mpeg4', short);
  const sink = new RememberingSink();
  const startedAtMs = Date.now();
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'loop', input: short, loop: true })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  await until('two seconds of it', () => sink.records.length >= 2);
  assert.ok(Date.now() - startedAtMs >= 1900, 'not faster than live');
  // What is live is what is decoded now, and the mapping stands through the repetitions.
  const program = sink.records.map((record) => record.programTimeMs! - record.basePtsMs);
  assert.ok(Math.max(...program) - Math.min(...program) <= 500, program.join());
  assert.ok(program[0]! >= startedAtMs && program[0]! <= Date.now());
  assert.ok(sink.records.every((record) => record.programTimeSource === 'arrival'));
  await ingest.stop();
  const pts = picturesOf(sink.records).map((picture) => picture.ptsMs);
  assert.deepEqual(
    pts.slice(0, 50),
    Array.from({ length: 50 }, (_, i) => i * 40),
  );
  const [result] = await ingest.done;
  assert.equal(result?.outcome.kind, 'stopped');
});

test('at file pace a slow sink is waited for and gets everything', async () => {
  let open = 0;
  let openMax = 0;
  const written: number[] = [];
  const sink = {
    async write(_key: string, record: FrameFeatures) {
      openMax = Math.max(openMax, ++open);
      await systemClock.sleep(5);
      written.push(record.seq);
      open--;
    },
  };
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'slow', input: inFolder('faults.mp4'), pace: 'fast' })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  await ingest.done;
  assert.deepEqual(
    written,
    Array.from({ length: 11 }, (_, i) => i),
  );
  const [stats] = ingest.stats();
  assert.deepEqual([stats?.pictures, stats?.records, stats?.dropped['sink-queue-full']], [250, 11, 0]);
});

test('two streams with one name are refused', async () => {
  const stream = parseStreamSpec({ programmeId: 'same', input: inFolder('faults.mp4') });
  await assert.rejects(
    startIngest({
      streams: [stream, stream],
      sink: new RememberingSink(),
      ffmpegPath: FFMPEG,
      clock: systemClock,
      probeId: 'test-probe',
    }),
    /two streams are called same \/ main \/ origin/,
  );
});

/** Everything but the wall clock. */
function digestOf(records: readonly FrameFeatures[]): string {
  const hash = createHash('sha256');
  for (const record of records) hash.update(JSON.stringify({ ...record, decodedAtMs: 0 }));
  return hash.digest('hex');
}
