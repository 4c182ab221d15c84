import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ffmpegAbilities, refuseUnreadable } from './ffmpeg-abilities.ts';
import { IngestError } from './ingest-error.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { FFMPEG } from './testing.ts';

const refused = (message: RegExp) => (error: unknown) =>
  error instanceof IngestError && message.test(error.message);

test('the build and what it can do are told; what is not ffmpeg is refused with what to do', async () => {
  const abilities = await ffmpegAbilities(FFMPEG);
  assert.match(abilities.build, /^\S+$/);
  for (const protocol of ['file', 'http', 'tcp', 'udp'])
    assert.ok(abilities.protocols.has(protocol), protocol);
  for (const demuxer of ['hls', 'mpegts', 'mov', 'mp4']) assert.ok(abilities.demuxers.has(demuxer), demuxer);
  assert.ok(abilities.hlsOptions.has('max_reload'));
  assert.ok(!abilities.protocols.has('md5'), 'that is one for output');
  await assert.rejects(ffmpegAbilities('/nowhere/ffmpeg'), refused(/install ffmpeg 5\.1 or newer/));
  await assert.rejects(ffmpegAbilities('/bin/true'), refused(/is not ffmpeg/));
});

test('an input that this ffmpeg cannot read is refused, and the error names what it lacks', () => {
  const abilities = {
    build: '5.1',
    protocols: new Set(['file', 'http']),
    demuxers: new Set(['hls']),
    hlsOptions: new Set<string>(),
  };
  const check = (input: string, lacks: RegExp | null) => {
    const refuse = () => refuseUnreadable(parseStreamSpec({ programmeId: 'x', input }), 'ffmpeg', abilities);
    if (lacks === null) refuse();
    else assert.throws(refuse, refused(lacks), input);
  };
  check('a.mp4', null);
  check('https://origin.example/live.m3u8', null);
  check('srt://origin.example:9000', /ffmpeg \(5\.1\) was built without the protocol srt; install/);
  check('rtmps://origin.example/live/x', /protocol rtmps/);
  check('udp://239.1.1.1:5000', /protocol udp/);
  check('rtp://127.0.0.1:5000', /protocol rtp/);
  check('https://origin.example/live.mpd?x=1', /without DASH/);
});
