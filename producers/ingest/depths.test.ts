import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { startIngest } from './ingest.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { FFMPEG, ffmpeg, RememberingSink, temporaryFolder, until, watchToEnd } from './testing.ts';

const folder = temporaryFolder();
const clip = join(folder.path, 'clip.mp4');

before(async () => {
  // 40 s, a key picture every second, black in [16, 20).
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=40'];
  const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=40'];
  const black = ['-vf', "drawbox=color=black:t=fill:enable='gte(t,15.99)*lt(t,19.99)'"];
  const coding = [
    '-c:v',
    'mpeg4',
    '-bf',
    '2',
    '-g',
    '25',
    '-sc_threshold',
    '1000000000',
    '-pix_fmt',
    'yuv420p',
  ];
  await ffmpeg(...pictures, ...sound, ...black, ...coding, '-c:a', 'aac', clip);
});
after(() => folder.remove());

/** Depths in the order in which they came, each with the first second of it. */
function depthsOf(records: readonly FrameFeatures[]): string {
  const words = records
    .filter(({ event, depth }, at) => event === 'features' && depth !== records[at - 1]?.depth)
    .map(({ depth, basePtsMs }) => `${depth}@${Math.round(basePtsMs / 1_000)}`);
  return words.join(' ');
}

/** That no time is told twice or left out, whatever the depth. */
function assertWhole(records: readonly FrameFeatures[], durationMs: number): void {
  const told = records.filter(({ event }) => event === 'features');
  let endMs = 0;
  for (const { seq, basePtsMs, durationMs: lengthMs } of told) {
    assert.ok(
      Math.abs(basePtsMs - endMs) <= 1,
      `record ${seq} begins at ${basePtsMs}, the one before ended at ${endMs}`,
    );
    endMs = basePtsMs + lengthMs;
  }
  assert.ok(Math.abs(endMs - durationMs) < 100, `${endMs} ms`);
  const pictures = told.flatMap(({ basePtsMs, framePtsMs }) => framePtsMs.map((ms) => basePtsMs + ms));
  assert.ok(
    pictures.every((ms, at) => at === 0 || ms > pictures[at - 1]!),
    'pictures in their order',
  );
}

test('packets: every picture and every block is there, nothing was decoded', async () => {
  const { records } = await watchToEnd(clip, { depth: 'packets' });
  const shallow = records.filter(({ depth, event }) => depth === 'packets' && event === 'features');
  assert.equal(shallow[3]!.framePtsMs.length, 25);
  assert.deepEqual(shallow[3]!.framePtsMs.slice(0, 3), [0, 40, 80]);
  assert.equal(shallow[3]!.audioBlocks, 10);
  assert.deepEqual([shallow[3]!.lumaMeanCenti, shallow[3]!.audioRmsCentiDbfs], [[], []]);
  assert.ok(shallow[3]!.videoBytes! > 10_000 && shallow[3]!.audioBytes! > 1_000);
  assert.ok(Math.abs(shallow[3]!.avSkewMs!) < 200, `${shallow[3]!.avSkewMs}`);
});

test('keyframes: one picture a second, all of the sound', async () => {
  const { records } = await watchToEnd(clip, { depth: 'keyframes' });
  const shallow = records.filter(({ depth, event }) => depth === 'keyframes' && event === 'features');
  const seconds = shallow.slice(0, 10);
  assert.ok(seconds.every(({ audioBlocks }) => audioBlocks === 10));
  const pictures = seconds.reduce((sum, { framePtsMs }) => sum + framePtsMs.length, 0);
  assert.ok(pictures >= 9 && pictures <= 11, `${pictures} pictures`);
  assert.ok(shallow.every(({ darkPermille, framePtsMs }) => darkPermille.length === framePtsMs.length));
});

for (const depth of ['packets', 'keyframes'] as const) {
  test(`${depth}: what is out of the ordinary is looked at in full, and for a while after`, async () => {
    const { records, progress } = await watchToEnd(clip, { depth }, { ingest: { deepenForMs: 5_000 } });
    const depths = depthsOf(records);
    assert.match(depths, new RegExp(`^${depth}@0 full@1[678] ${depth}@2[4-6]$`), depths);
    assertWhole(records, 40_000);
    const dark = records.filter(({ depth: at, darkPermille }) => at === 'full' && darkPermille[0]! >= 950);
    assert.ok(dark.length >= 1, 'the rest of the black was seen');
    const notes = progress.flatMap((step) => (step.kind === 'note' ? [step.message] : []));
    assert.equal(notes.length, 2, notes.join('; '));
    assert.match(notes[0]!, new RegExp(`from ${depth} to full \\((a dark picture|\\d+ bytes of video)`));
  });
}

test('the same bytes give the same records in every depth, and with every change of it', async () => {
  for (const depth of ['packets', 'keyframes'] as const) {
    const [first, second] = [await watchToEnd(clip, { depth }), await watchToEnd(clip, { depth })];
    const plain = (records: readonly FrameFeatures[]) => records.map((one) => ({ ...one, decodedAtMs: 0 }));
    assert.deepEqual(plain(second.records), plain(first.records));
  }
});

test('another configuration changes the depth while the stream runs', async () => {
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'test', input: clip, loop: true })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  const isLatest = (depth: string) => () => sink.records.at(-1)?.depth === depth;
  await until('a record', isLatest('full'));
  ingest.configure({ ingest: { streams: { test: { depth: 'packets' } } } });
  await until('packets', isLatest('packets'));
  ingest.configure({ ingest: { depth: 'keyframes' } });
  await until('key pictures', isLatest('keyframes'), 40_000);
  ingest.configure(null);
  await until('all of it again', isLatest('full'), 40_000);
  await ingest.stop();
  assert.match(depthsOf(sink.records), /^full@0 packets@\d+ keyframes@\d+ full@\d+$/);
  assert.deepEqual(
    sink.records.map(({ seq }) => seq),
    sink.records.map((_, at) => at),
  );
});
