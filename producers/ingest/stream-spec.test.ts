import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoderArguments } from './ffmpeg-command.ts';
import { IngestError } from './ingest-error.ts';
import { fileArguments, loopbackArguments, streamArguments } from './input-arguments.ts';
import { checkStreamSpec, inputKindOf, STREAM_DEFAULTS } from './stream-spec.ts';

test('a stream that no user wrote is held to the same rules', () => {
  const check = (given: object, message: RegExp) => {
    const spec = { ...STREAM_DEFAULTS, programmeId: 'a', input: 'a.mp4', ...given };
    assert.throws(
      () => checkStreamSpec(spec),
      (error) => error instanceof IngestError && message.test(error.message),
      JSON.stringify(given),
    );
  };
  checkStreamSpec({ ...STREAM_DEFAULTS, programmeId: 'x'.repeat(200), input: 'a.mp4' });
  for (const name of ['', 'a\u0007b', 'x'.repeat(201)]) {
    check({ programmeId: name }, /programmeId: must be 1 to 200 characters/);
    check({ renditionId: name }, /renditionId: must be 1 to 200 characters/);
    check({ renditions: name }, /renditions: must be 1 to 200 characters/);
  }
  check({ vantage: 'cdn:' }, /vantage: must be "origin" or "cdn:NAME"/);
  check({ input: '' }, /input: must name a file/);
  check({ input: 'pipe:0' }, /inputs of the kind "pipe:" are not read/);
  check({ input: 'a.mpd', loop: true }, /only a file can be looped/);
  check({ listen: true }, /only rtmp: and srt: inputs can listen/);
  check({ allow: ['a/b'] }, /"a\/b" cannot be allowed/);
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
