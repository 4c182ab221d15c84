import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoderArguments } from './ffmpeg-command.ts';
import { IngestError, inputKindOf, parseStreamSpec } from './stream-spec.ts';

test('defaults are filled in', () => {
  assert.deepEqual(parseStreamSpec({ programmeId: 'news', input: 'news.mp4' }), {
    programmeId: 'news',
    renditionId: 'main',
    vantage: 'origin',
    input: 'news.mp4',
    loop: false,
    pace: 'live',
    signalLostMs: 5000,
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
  refuses({ programmeId: 'a', input: 'http://x/y.m3u8', loop: true }, /cannot be looped/);
});

test('only files and HTTP are opened, whatever else ffmpeg could', () => {
  assert.equal(inputKindOf('/a/b.mp4'), 'file');
  assert.equal(inputKindOf('./odd:name.mp4'), 'file');
  assert.equal(inputKindOf('https://example.org/live.m3u8'), 'hls');
  for (const input of [
    'concat:a|b',
    'data:text/plain,x',
    'subfile:x',
    'file:/etc/passwd',
    'tcp://x',
    'crypto:x',
  ]) {
    assert.throws(() => inputKindOf(input), IngestError, input);
  }
});

test('the decoder may open what the input needs and nothing else', () => {
  const file = decoderArguments('clip.mp4', 'both');
  assert.equal(file[file.indexOf('-protocol_whitelist') + 1], 'file');
  assert.ok(!/hls|concat|image2|sdp|lavfi/.test(file[file.indexOf('-format_whitelist') + 1]!));
  assert.match(file[file.indexOf('-i') + 1]!, /^file:\/.*clip\.mp4$/);
  const hls = decoderArguments('https://example.org/live.m3u8', 'both');
  assert.equal(hls[hls.indexOf('-protocol_whitelist') + 1], 'http,https,tcp,tls');
});
