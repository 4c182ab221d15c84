import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpectedError } from './failure.ts';
import { parseStreams, readStreamsFile } from './streams-file.ts';

const FILE = '/somewhere/streams.json';

test('a list of streams, bare or under its name; files lie beside it', () => {
  const entry = { programmeId: 'news', input: 'clips/news.mp4', loop: true };
  for (const value of [[entry], { streams: [entry] }]) {
    const [stream] = parseStreams(JSON.stringify(value), FILE);
    assert.equal(stream?.input, '/somewhere/clips/news.mp4');
    assert.deepEqual([stream?.programmeId, stream?.loop, stream?.pace], ['news', true, 'live']);
  }
  const [absolute, remote] = parseStreams(
    JSON.stringify([
      { programmeId: 'a', input: '/clips/a.mp4' },
      { programmeId: 'b', input: 'https://host/live.m3u8' },
    ]),
    FILE,
  );
  assert.deepEqual([absolute?.input, remote?.input], ['/clips/a.mp4', 'https://host/live.m3u8']);
});

test('what is wrong is said with the file, the stream, the field and an example', () => {
  const check = (text: string, why: RegExp) =>
    assert.throws(
      () => parseStreams(text, FILE),
      (error: ExpectedError) =>
        error instanceof ExpectedError && why.test(error.message) && error.fix.includes('"programmeId"'),
      text,
    );
  check('{', /streams\.json is no JSON/);
  check('{}', /lists no streams/);
  check('[]', /lists no streams/);
  check('3', /lists no streams/);
  check('[{"programmeId": "a", "input": "x"}, {"programmeId": "b"}]', /stream 2: .*input/);
  check('[{"programmeId": "a", "input": "x", "speed": 2}]', /stream 1: .*speed/);
  assert.throws(() => readStreamsFile('/nowhere/streams.json'), /cannot be read \(ENOENT\)/);
});
