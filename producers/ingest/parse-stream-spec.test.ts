import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IngestError } from './ingest-error.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';

test('defaults are filled in', () => {
  assert.deepEqual(parseStreamSpec({ programmeId: 'news', input: 'news.mp4' }), {
    programmeId: 'news',
    renditionId: 'main',
    vantage: 'origin',
    input: 'news.mp4',
    listen: false,
    renditions: 'best',
    allow: [],
    loop: false,
    pace: 'live',
    depth: 'full',
    captions: false,
    signalLostMs: 5000,
    limits: { memoryMb: 1000, busyMs: 30_000, stalledMs: 60_000 },
  });
});

test('a bad specification names the field', () => {
  const refuses = (value: unknown, message: RegExp) =>
    assert.throws(
      () => parseStreamSpec(value),
      (error) => error instanceof IngestError && message.test(error.message),
    );
  refuses({ input: 'a.mp4' }, /programmeId/);
  refuses({ programmeId: 'a\nb', input: 'a.mp4' }, /programmeId: must be 1 to 200 characters/);
  refuses({ programmeId: 'a', input: '' }, /input: must name a file/);
  refuses({ programmeId: 'a', input: 'a.mp4', vantage: 'moon' }, /vantage: must be "origin" or "cdn:NAME"/);
  refuses({ programmeId: 'a', input: 'a.mp4', speed: 2 }, /speed/);
  refuses({ programmeId: 'a', input: 'http://x/y.m3u8', loop: true }, /only a file can be looped/);
  refuses(
    { programmeId: 'a', input: 'udp://127.0.0.1:5000', listen: true },
    /only rtmp: and srt: inputs can listen/,
  );
  refuses(
    { programmeId: 'a', input: 'a.mp4', allow: ['http://x/'] },
    /"http:\/\/x\/" cannot be allowed: write host:port/,
  );
  refuses({ programmeId: 'a', input: 'a.mp4', limits: { memoryMb: 1 } }, /limits\.memoryMb/);
});

test('a rendition that is named is the renditionId, where no other is given', () => {
  const input = 'https://origin.example/live.m3u8';
  assert.equal(parseStreamSpec({ programmeId: 'a', input, renditions: '720p' }).renditionId, '720p');
  const own = parseStreamSpec({ programmeId: 'a', input, renditions: '720p', renditionId: 'middle' });
  assert.equal(own.renditionId, 'middle');
  assert.equal(parseStreamSpec({ programmeId: 'a', input, renditions: 'all' }).renditionId, 'main');
});
