import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkIngestPart, DEEPEN_FOR_MS, depthPlanFor } from './depths.ts';

const STREAM = { programmeId: 'news', renditionId: '720p', vantage: 'cdn:west' };

test('without a word of it a stream is looked at as it was started', () => {
  for (const config of [null, {}, { ingest: {} }, { detectors: {} }])
    assert.deepEqual(depthPlanFor(config, STREAM, 'keyframes'), {
      depth: 'keyframes',
      deepenForMs: DEEPEN_FOR_MS,
    });
});

test('all streams, then the programme, then the stream: the last one that says it holds', () => {
  const all = { depth: 'packets', deepenForMs: 5_000 };
  const depthOf = (streams: object) => depthPlanFor({ ingest: { ...all, streams } }, STREAM, 'full');
  assert.deepEqual(depthOf({}), { depth: 'packets', deepenForMs: 5_000 });
  assert.deepEqual(depthOf({ news: { depth: 'keyframes' } }), { depth: 'keyframes', deepenForMs: 5_000 });
  const both = { news: { depth: 'keyframes', deepenForMs: 7_000 }, 'news/720p/cdn:west': { depth: 'full' } };
  assert.deepEqual(depthOf(both), { depth: 'full', deepenForMs: 7_000 });
  assert.deepEqual(depthOf({ 'news/360p/cdn:west': { depth: 'full' } }).depth, 'packets');
});

test('every fault is named', () => {
  assert.deepEqual(
    checkIngestPart({ depth: 'full', deepenForMs: 1_000, streams: { news: { depth: 'packets' } } }),
    [],
  );
  assert.deepEqual(checkIngestPart(undefined), []);
  assert.deepEqual(checkIngestPart([]), ['ingest has to be an object']);
  assert.deepEqual(checkIngestPart({ streams: 3 }), ['ingest.streams has to be an object']);
  assert.deepEqual(
    checkIngestPart({ deph: 'full', streams: { news: { depth: 'deep', deepenForMs: 0.5 } } }),
    [
      'ingest.deph: no such setting; there are depth, deepenForMs, streams',
      'ingest.streams.news.depth has to be one of packets, keyframes, full, and is "deep"',
      'ingest.streams.news.deepenForMs has to be an integer of at least 1000, and is 0.5',
    ],
  );
});
