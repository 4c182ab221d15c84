import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures, StreamHealth } from '../../schemas/records.ts';
import { streamDetection } from '../stream-detection.ts';
import { arrivalMs, cut, draw, eventChunk, everySecond, LOG_START_MS, type Looks } from './drawn-stream.ts';

const LOOKS: Looks = {
  '.': {},
  b: { darkPermille: 1_000, still: true, diffMeanCenti: 0, lumaMeanCenti: 1_600 },
  s: { rmsCentiDbfs: [-9_000, -8_000] },
};

function chunksOf(drawing: string): readonly FrameFeatures[] {
  const recording = draw(drawing, LOOKS);
  return cut(recording, everySecond(recording));
}

/** Health records up to a log time at least; the log begins on a multiple of 10 s. */
function healthOf(chunks: readonly FrameFeatures[], untilMs: number): readonly StreamHealth[] {
  const driver = new TopologyTestDriver(streamDetection);
  for (const chunk of chunks) {
    driver.pipe('frame-features', chunk.programmeId, chunk, arrivalMs(chunk.basePtsMs + chunk.durationMs));
  }
  driver.advanceTo(Math.max(driver.timeMs, LOG_START_MS + untilMs));
  return driver.outputs('stream-health').map(({ value }) => value);
}

test('a good stream: figures over 10 s of log time', () => {
  const [first, second] = healthOf(chunksOf('.'.repeat(40)), 20_000);
  // Chunks come 300 ms after their second: nine of them within the first window.
  assert.deepEqual(first, {
    programmeId: 'news',
    renditionId: 'main',
    vantage: 'origin',
    windowStartMs: LOG_START_MS,
    windowEndMs: LOG_START_MS + 10_000,
    status: 'good',
    statusReason: '',
    probeId: 'probe-1',
    depth: 'full',
    chunks: 9,
    frames: 180,
    framesExpected: 180,
    mediaMs: 9_000,
    coveragePermille: 900,
    openDefects: 0,
    defectTypes: [],
    worstSeverity: '',
    defectMs: 0,
    lumaMeanCenti: 11_000,
    lumaSpreadCenti: 4_000,
    darkPermilleMax: 50,
    diffMeanCenti: 300,
    stillMsMax: 0,
    blurPermille: null,
    blockinessPermille: null,
    audioRmsCentiDbfsMax: -2_000,
    audioPeakCentiDbfsMax: -1_400,
    silentMs: 0,
    loudnessCentiLufs: null,
    avSkewMs: null,
    bitrateBps: null,
    decodeErrors: 0,
    ptsGaps: 0,
    programLagMs: null,
    decodeToLogMsMax: 300,
    configHash: 'default',
  });
  assert.equal(second!.chunks, 10);
  assert.equal(second!.coveragePermille, 1_000);
});

test('a defect counts in each window that it reaches into, once where two overlap', () => {
  const [first, second, third] = healthOf(
    chunksOf(`..........${'b'.repeat(10)}${'s'.repeat(10)}..........`),
    30_000,
  );
  assert.equal(first!.status, 'defective');
  assert.deepEqual(first!.defectTypes, ['video-black']);
  // Opened and not yet closed when the window ended: 5 s to 9 s of what its chunks cover.
  assert.deepEqual([first!.openDefects, first!.defectMs, first!.worstSeverity], [1, 4_000, 'medium']);
  assert.deepEqual(second!.defectTypes, ['audio-silence', 'video-black']);
  assert.deepEqual([second!.openDefects, second!.defectMs, second!.silentMs], [0, 6_000, 5_000]);
  assert.deepEqual([third!.status, third!.chunks, third!.defectTypes], ['defective', 1, ['signal-lost']]);
});

test('no data is a value, for as long as the stream is not given up', () => {
  const windows = healthOf(chunksOf('....'), 40_000);
  assert.deepEqual(
    windows.map(({ status, chunks, lumaMeanCenti, silentMs }) => [status, chunks, lumaMeanCenti, silentMs]),
    [
      ['defective', 2, 11_000, 0],
      ['no-data', 0, null, null],
      ['no-data', 0, null, null],
      ['no-data', 0, null, null],
    ],
  );
  assert.match(windows[1]!.statusReason, /no word from the probe/);
});

test('after the end of the input no window follows, and nothing is left of it', () => {
  const windows = healthOf([...chunksOf('....'), eventChunk('end', 2, 2_000)], 60_000);
  assert.deepEqual(
    windows.map(({ status }) => status),
    ['good'],
  );
});

test('what is not looked at in depth is not watched, never good', () => {
  const shallow = chunksOf('.'.repeat(20)).map((chunk) => ({ ...chunk, depth: 'keyframes' }));
  const [window] = healthOf(shallow, 10_000);
  assert.equal(window!.status, 'not-watched');
  assert.match(
    window!.statusReason,
    /^depth keyframes cannot judge video-freeze, video-missing, .*, bitrate-drop$/,
  );
  assert.equal(window!.framesExpected, null);
});

test('packets: how many bytes and pictures there were, and nothing of what they show', () => {
  const columns = Object.fromEntries(
    Object.entries(chunksOf('..')[0]!)
      .filter(([name, value]) => Array.isArray(value) && name !== 'framePtsMs')
      .map(([name]) => [name, []]),
  );
  const unseen = { ...columns, audioChannels: 0, audioOnsets: new Uint8Array(0), depth: 'packets' };
  const counted = { audioBlocks: 10, videoBytes: 50_000, audioBytes: 12_500, avSkewMs: -12 };
  const [window] = healthOf(
    chunksOf('.'.repeat(20)).map((chunk) => ({ ...chunk, ...unseen, ...counted })),
    10_000,
  );
  assert.deepEqual(
    [window!.status, window!.frames, window!.bitrateBps, window!.avSkewMs, window!.lumaMeanCenti],
    ['not-watched', 180, 500_000, -12, null],
  );
});

test('missing pictures show as gaps and as fewer than expected', () => {
  const [window] = healthOf(chunksOf('....__....._...'), 10_000);
  assert.equal(window!.ptsGaps, 2);
  assert.ok(window!.frames < window!.framesExpected!);
});
