import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { streamDetection } from '../stream-detection.ts';
import { arrivalMs, cut, draw, eventChunk, everySecond, LOG_START_MS, tell } from './drawn-stream.ts';
import { closeCauseOf } from './stream-step.ts';

const LOOKS = { '.': {}, '#': { darkPermille: 1_000 } };

function chunksOf(drawing: string): readonly FrameFeatures[] {
  const recording = draw(drawing, LOOKS);
  return cut(recording, everySecond(recording));
}

function newDriver(chunks: readonly FrameFeatures[] = []) {
  const driver = new TopologyTestDriver(streamDetection);
  for (const chunk of chunks) arrive(driver, chunk);
  return driver;
}

function arrive(driver: TopologyTestDriver, chunk: FrameFeatures): void {
  driver.pipe('frame-features', 'news', chunk, arrivalMs(chunk.basePtsMs + chunk.durationMs));
}

function told(driver: TopologyTestDriver): string {
  return tell(
    driver.outputs('stream-defects').map(({ value }) => value),
    'video-black',
  );
}

function causes(driver: TopologyTestDriver): readonly string[] {
  return driver
    .outputs('stream-defects')
    .filter(({ value }) => value.event === 'close')
    .map(({ value }) => `${value.type} ${closeCauseOf(value.reason)}`);
}

test('repeated chunks, and those of an earlier run of the probe, are dropped and counted', () => {
  const chunks = chunksOf('..######..');
  const driver = newDriver();
  for (const chunk of chunks) {
    arrive(driver, chunk);
    arrive(driver, chunk);
  }
  arrive(driver, chunks[1]!);
  arrive(driver, { ...chunks[4]!, probeEpochMs: LOG_START_MS - 1, seq: 99 });
  assert.equal(told(driver), 'open@1000 close@4000');
  assert.deepEqual(Object.fromEntries(driver.leftOut), {
    'drop chunk-repeated': 5,
    'drop chunk-repeated-or-late': 1,
    'drop chunk-of-earlier-probe-run': 1,
  });
});

test('chunks that make no sense are dead letters, and leave no state behind for an unknown stream', () => {
  const [good] = chunksOf('..') as [FrameFeatures];
  const bad = [
    { ...good, darkPermille: [1, 2] },
    { ...good, framePtsMs: good.framePtsMs.map(() => 0) },
    { ...good, audioChannels: 0 },
    { ...good, audioChannels: 3 },
    { ...good, audioPeakCentiDbfs: [] },
    { ...good, audioBlockMs: 0 },
    { ...good, durationMs: -1 },
  ];
  const driver = newDriver();
  for (const chunk of bad) driver.pipe('frame-features', 'news', chunk, LOG_START_MS);
  assert.equal(driver.leftOut.get('dead-letter bad-chunk'), bad.length);
  assert.equal(driver.graph.keyCount, 0);
});

test('an event that nobody knows is dropped and counted', () => {
  const driver = newDriver([...chunksOf('..'), eventChunk('hiccup', 1, 1_000)]);
  assert.equal(driver.leftOut.get('drop unknown-probe-event'), 1);
});

test('signal-lost by the word of the probe: what is open closes where it was seen last', () => {
  const driver = newDriver(chunksOf('..######'));
  arrive(driver, eventChunk('signal-lost', 4, 4_000));
  const back = chunksOf('................').slice(4);
  for (const chunk of back) arrive(driver, { ...chunk, seq: chunk.seq + 1 });
  assert.equal(told(driver), 'open@1000 close@4000 signal-lost:open@4000');
  // 5 s of signal end it: a shorter return would have been joined.
  arrive(driver, { ...chunksOf('..').at(0)!, seq: 9, basePtsMs: 8_000 });
  assert.equal(told(driver), 'open@1000 close@4000 signal-lost:open@4000 signal-lost:close@4000');
  assert.deepEqual(causes(driver), ['video-black signal-lost', 'signal-lost recovered']);
});

test('a probe that says nothing is found by a deadline on log time, on a partition that others keep busy', () => {
  const driver = newDriver(chunksOf('......'));
  const lastMs = driver.timeMs;
  const other = { ...chunksOf('..')[0]!, programmeId: 'sports' };
  driver.pipe('frame-features', 'sports', other, lastMs + 5_999);
  assert.equal(told(driver), '');
  driver.pipe('frame-features', 'sports', { ...other, seq: 1, basePtsMs: 1_000 }, lastMs + 6_000);
  assert.equal(told(driver), 'signal-lost:open@3000');
  const { value, key } = driver.outputs('stream-defects').find((one) => one.value.type === 'signal-lost')!;
  assert.equal(key, 'news');
  assert.equal(value.durationMs, 6_000);
  assert.equal(value.confidencePermille, 600);
});

test('a run of the probe that begins anew is another timeline: defects of the old one end with it', () => {
  const driver = newDriver(chunksOf('..######'));
  const startMs = driver.timeMs;
  for (const [index, chunk] of chunksOf('######..').entries()) {
    const renewed = { ...chunk, probeEpochMs: LOG_START_MS + 60_000 };
    driver.pipe('frame-features', 'news', renewed, startMs + 1_000 * (index + 1));
  }
  assert.equal(told(driver), 'open@1000 close@4000 open@0 close@3000');
  assert.deepEqual(causes(driver), ['video-black new-probe-run', 'video-black recovered']);
  const ids = driver.outputs('stream-defects').map(({ value }) => value.defectId);
  assert.equal(new Set(ids.filter((id) => id !== '')).size, 2);
});

test('the end of the input closes what is open, and no deadline follows', () => {
  const driver = newDriver([...chunksOf('..######'), eventChunk('end', 4, 4_000)]);
  driver.advanceTo(driver.timeMs + 60_000);
  assert.equal(told(driver), 'open@1000 close@4000');
  assert.deepEqual(causes(driver), ['video-black stream-ended']);
});

test('a dead decoder is probe-lost, not signal-lost: nobody is looking', () => {
  const driver = newDriver([...chunksOf('....'), eventChunk('probe-lost', 2, 2_000)]);
  assert.equal(told(driver), 'probe-lost:open@2000');
});

test('a stream without a word for a day is given up: nothing is left of it', () => {
  const driver = newDriver(chunksOf('..######'));
  driver.advanceTo(driver.timeMs + 25 * 60 * 60 * 1_000);
  assert.equal(told(driver), 'open@1000 close@4000 signal-lost:open@4000 signal-lost:close@4000');
  assert.deepEqual(causes(driver), ['video-black probe-silent', 'signal-lost retired']);
  assert.equal(driver.graph.keyCount, 0);
  assert.deepEqual(driver.save().entries, []);
});
