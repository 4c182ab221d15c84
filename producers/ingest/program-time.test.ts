/** From a picture on the wall clock to a defect in programme time: what a viewer's place is compared with. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { startIngest } from './ingest.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { FFMPEG, ffmpeg, RememberingSink, temporaryFolder } from './testing.ts';

const folder = temporaryFolder();
after(() => folder.remove());

test('anchors and defects of a stream at live pace say when they were live, the same in every replay', async () => {
  const clip = join(folder.path, 'freeze.mp4');
  const held = "select='not(between(t,0.99,3.99))',fps=25";
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=5', '-vf', held];
  await ffmpeg(...pictures, '-c:v', 'mpeg4', '-q:v', '3', clip);
  const sink = new RememberingSink();
  const logged: { readonly record: FrameFeatures; readonly atMs: number }[] = [];
  const startedAtMs = Date.now();
  const ingest = await startIngest({
    streams: [parseStreamSpec({ programmeId: 'live', input: clip })],
    sink: {
      write: async (key, record) => {
        logged.push({ record, atMs: Date.now() });
        await sink.write(key, record);
      },
    },
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'probe',
  });
  await ingest.done;
  const lastedMs = Date.now() - startedAtMs;

  const replay = (): StreamDefect[] => {
    const driver = new TopologyTestDriver(streamDetection);
    for (const { record, atMs } of logged) driver.pipe('frame-features', 'live', record, atMs);
    return driver.outputs('stream-defects').map(({ value }) => value);
  };
  const said = replay();
  assert.deepEqual(replay(), said);
  const offsets = said.map((defect) => defect.programTimeStartMs! - defect.startMs);
  assert.ok(said.some(({ event }) => event === 'anchor'));
  for (const offsetMs of offsets) {
    assert.ok(Math.abs(offsetMs - offsets[0]!) <= 500, `steady: ${offsets.join(' ')}`);
    assert.ok(offsetMs >= startedAtMs && offsetMs <= startedAtMs + lastedMs, 'of this run');
  }
  const opened = said.find(({ event, type }) => event === 'open' && type === 'video-freeze');
  const closed = said.find(({ event, type }) => event === 'close' && type === 'video-freeze');
  assert.ok(opened !== undefined && closed !== undefined);
  const frozenForMs = closed.programTimeEndMs! - opened.programTimeStartMs!;
  assert.ok(Math.abs(frozenForMs - 3_000) <= 600, `frozen for ${frozenForMs} ms`);
  // Decoded when it was live: not later than the record that tells of it was written, as far as its time is certain.
  const { atMs } = logged.find(({ record }) => record.basePtsMs + record.durationMs > opened.startMs)!;
  assert.ok(opened.programTimeStartMs! - opened.programTimeUncertaintyMs <= atMs);
});
