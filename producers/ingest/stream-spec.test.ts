import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoderArguments } from './ffmpeg-command.ts';
import { IngestError } from './ingest-error.ts';
import { fileArguments, loopbackArguments, streamArguments } from './input-arguments.ts';
import { inputKindOf, parseStreamSpec } from './stream-spec.ts';

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

test('inputs are told apart by their scheme, and only those that are meant are read', () => {
  const check = (input: string, kind: string) => assert.equal(inputKindOf(input), kind, input);
  check('/a/b.mp4', 'file');
  check('./odd:name.mp4', 'file');
  check('/a/list.m3u8', 'playlist');
  check('manifest.mpd', 'playlist');
  check('https://example.org/live.m3u8', 'web');
  check('RTMP://example.org/live/x', 'rtmp');
  check('rtmps://example.org/live/x', 'rtmp');
  check('srt://example.org:9000?mode=listener', 'srt');
  check('udp://239.1.1.1:5000', 'udp');
  check('rtp://127.0.0.1:5000', 'rtp');
  for (const input of [
    ...['concat:a|b', 'data:text/plain,x', 'subfile:x', 'file:/etc/passwd', 'tcp://x', 'crypto:x', 'http://'],
    ...[
      'crypto+http://x/y',
      'unix:/x',
      'pipe:0',
      'fd:0',
      'async:file:x',
      'cache:http://x/',
      'ftp://x/y',
      'ipfs:x',
    ],
  ]) {
    assert.throws(() => inputKindOf(input), IngestError, input);
  }
});

test('the decoder may open what the input needs and nothing else', () => {
  const check = (given: readonly string[], protocols: string, formats: RegExp) => {
    const whole = decoderArguments({ arguments: given, isLive: true }, 'both');
    assert.equal(whole[whole.indexOf('-protocol_whitelist') + 1], protocols);
    const allowed = whole[whole.indexOf('-format_whitelist') + 1]!;
    assert.match(allowed, formats);
    assert.ok(!/concat|image2|lavfi|playlist|rtsp/.test(allowed), allowed);
  };
  const stream = (input: string, listen = false) => streamArguments({ input, listen });
  check(fileArguments('clip.mp4'), 'file', /^(?!.*(hls|dash|sdp))/);
  assert.match(fileArguments('clip.mp4').at(-1)!, /^file:\/.*clip\.mp4$/);
  const options = new Set(['extension_picky']);
  check(
    loopbackArguments('hls', 'http://127.0.0.1:1/t/root/index.m3u8', options),
    'http,tcp,crypto',
    /^hls,/,
  );
  check(loopbackArguments('dash', 'http://127.0.0.1:1/t/root/manifest.mpd', options), 'http,tcp', /^dash,/);
  check(
    loopbackArguments('media', 'http://127.0.0.1:1/t/root/input', options),
    'http,tcp',
    /^(?!.*(hls|dash|sdp))/,
  );
  check(stream('rtmp://example.org/live/x'), 'rtmp,tcp', /^flv/);
  check(stream('srt://example.org:9000'), 'srt', /^mpegts$/);
  check(stream('udp://239.1.1.1:5000'), 'udp', /^mpegts$/);
});

test('what comes to one address of this machine is taken from that one only', () => {
  const localOf = (input: string) => {
    const given = streamArguments({ input, listen: false });
    return given.includes('-localaddr') ? given[given.indexOf('-localaddr') + 1] : null;
  };
  assert.equal(localOf('udp://127.0.0.1:5000'), '127.0.0.1');
  assert.equal(localOf('udp://239.1.1.1:5000'), null);
  assert.equal(localOf('udp://0.0.0.0:5000'), null);
  assert.equal(localOf('udp://10.0.0.1:5000?localaddr=10.0.0.2'), null);
});
