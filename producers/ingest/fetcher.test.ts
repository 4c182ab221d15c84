import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../runtime/system-clock.ts';
import type { ManifestFetch, SegmentFetch } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import type { FetchSession } from './fetch-session.ts';
import { createFetcher, type FetcherOptions } from './fetcher.ts';
import { type Lookup, parseAllowRule } from './network-policy.ts';
import { temporaryFolder, until } from './testing.ts';
import { startTestOrigin, type TestHandler, type TestOrigin } from './testing-origin.ts';

const MEDIA_PLAYLIST = (...uris: string[]) =>
  [
    '#EXTM3U',
    '#EXT-X-TARGETDURATION:2',
    ...uris.flatMap((uri) => ['#EXTINF:2,', uri]),
    '#EXT-X-ENDLIST',
    '',
  ].join('\n');

type Lab = {
  readonly session: FetchSession;
  readonly manifests: ManifestFetch[];
  readonly segments: SegmentFetch[];
};

async function open(
  t: TestContext,
  input: string,
  {
    allow = [],
    rendition = 'best',
    ...options
  }: Partial<FetcherOptions> & { allow?: string[]; rendition?: string } = {},
): Promise<Lab> {
  const fetcher = createFetcher({ clock: systemClock, ...options });
  t.after(() => fetcher.close());
  const manifests: ManifestFetch[] = [];
  const segments: SegmentFetch[] = [];
  const session = await fetcher.open({
    input,
    allow: allow.map(parseAllowRule),
    rendition,
    events: { onManifest: (fetch) => manifests.push(fetch), onSegment: (fetch) => segments.push(fetch) },
  });
  return { session, manifests, segments };
}

async function origin(t: TestContext, handler: TestHandler): Promise<TestOrigin> {
  const started = await startTestOrigin(handler);
  t.after(() => started.stop());
  return started;
}

const forbidden = (what: RegExp) => (error: unknown) =>
  error instanceof FetchFailure && error.outcome === 'forbidden' && what.test(error.message);

/** Addresses that a playlist, as ffmpeg would get it, names. */
async function childrenOf(url: string): Promise<string[]> {
  const text = await (await fetch(url)).text();
  return text
    .split('\n')
    .flatMap((line) => /URI="([^"]*)"/.exec(line)?.[1] ?? (/^[^#\s]/.test(line) ? line : []));
}

test('an input on the loopback is not connected to, until it is allowed', async (t) => {
  const server = await origin(t, () => ({ body: MEDIA_PLAYLIST('1.ts') }));
  const refused = await open(t, `${server.url}/live.m3u8`);
  await assert.rejects(
    refused.session.look(),
    forbidden(new RegExp(`127.0.0.1 is a loopback address and not allowed; .*allow ${server.allow}`)),
  );
  assert.equal(server.connections, 0);
  assert.deepEqual([refused.manifests[0]?.outcome, refused.manifests[0]?.status], ['forbidden', 0]);
  const allowed = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow] });
  assert.equal((await allowed.session.look()).kind, 'hls');
  assert.deepEqual(
    allowed.manifests.map(({ kind, status, outcome, url }) => [kind, status, outcome, url]),
    [['hls-media', 200, 'ok', `${server.url}/live.m3u8`]],
  );
});

test('a name that resolves to the loopback is judged by the address, and the connection goes to the one that was judged', async (t) => {
  const server = await origin(t, () => ({ body: MEDIA_PLAYLIST('1.ts') }));
  let asked = 0;
  const loopback: Lookup = async () => [{ address: '127.0.0.1', family: 4 }];
  // As a rebinding name does: public when it is looked at, private when it is connected to.
  const rebinding: Lookup = async () => {
    asked++;
    return asked === 1 ? [{ address: '192.0.2.1', family: 4 }] : [{ address: '127.0.0.1', family: 4 }];
  };
  const input = `http://origin.test:${server.port}/live.m3u8`;
  const limits = { answerMs: 500 };
  await assert.rejects(
    (await open(t, input, { lookup: loopback })).session.look(),
    forbidden(/origin\.test is 127\.0\.0\.1/),
  );
  const moved = await open(t, input, { lookup: rebinding, limits, allow: ['192.0.2.0/24'] });
  await assert.rejects(moved.session.look(), (error: FetchFailure) =>
    /unreachable|timeout/.test(error.outcome),
  );
  assert.deepEqual([asked, server.connections], [1, 0]);
  const byName = await open(t, input, { lookup: loopback, allow: [`origin.test:${server.port}`] });
  assert.equal((await byName.session.look()).kind, 'hls');
});

test('a redirect is judged as an address of its own', async (t) => {
  const secret = await origin(t, () => ({ body: MEDIA_PLAYLIST('1.ts') }));
  let location = `${secret.url}/secret.m3u8`;
  const server = await origin(t, (path) => {
    if (path === '/seen.m3u8') return { body: MEDIA_PLAYLIST('sub/1.ts') };
    return { status: 302, headers: { location } };
  });
  const { session, manifests } = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow] });
  for (location of [
    `${secret.url}/secret.m3u8`,
    'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:127.0.0.1]/',
    'http://0/',
    'file:///etc/passwd',
  ]) {
    await assert.rejects(session.look(), forbidden(/./), location);
  }
  assert.equal(secret.connections, 0);
  location = '/again.m3u8';
  await assert.rejects(session.look(), /redirects more than 5 times/);
  location = '/seen.m3u8';
  assert.equal((await session.look()).kind, 'hls');
  assert.equal(manifests.at(-1)?.finalUrl, `${server.url}/seen.m3u8`);
});

test('whatever a playlist names comes back to the fetcher, and is neither read nor connected to unless allowed', async (t) => {
  const secret = await origin(t, () => ({ body: 'secret' }));
  const playlist = [
    '#EXTM3U',
    '#EXT-X-TARGETDURATION:2',
    `#EXT-X-KEY:METHOD=AES-128,URI="${secret.url}/key",IV=0x1`,
    `#EXT-X-KEY:METHOD=AES-128,URI=${secret.url}/unquoted`,
    '#EXT-X-MAP:URI="file:///etc/passwd"',
    ...[
      'file:///etc/passwd',
      '/etc/passwd',
      `${secret.url}/1.ts`,
      'http://169.254.169.254/x.ts',
      'data:text/plain,x',
    ],
    ...[
      'concat:file:///etc/passwd',
      'subfile,,start,0,end,9,,:/etc/passwd',
      'crypto:file:///etc/passwd',
      'tcp://x:1',
    ],
    ...[
      'http://name.test/x.ts',
      'http://[fe80::1]/x.ts',
      '\\\\host\\share',
      '#EXT-X-MAP:URI=file:///etc/passwd',
    ],
    '#EXT-X-ENDLIST',
  ].join('\n');
  const server = await origin(t, (path) => (path === '/live.m3u8' ? { body: playlist } : null));
  const lookup: Lookup = async () => [{ address: '127.0.0.1', family: 4 }];
  const lab = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow], lookup });
  const { url } = await lab.session.look();
  const own = url.slice(0, url.indexOf('/root/'));
  const children = await childrenOf(url);
  assert.equal(children.length, 16);
  for (const child of children) {
    assert.ok(child.startsWith(own), child);
    const answer = await fetch(child);
    const text = await answer.text();
    assert.ok([403, 404].includes(answer.status), `${child}: ${answer.status}`);
    assert.ok(!/root:|secret/.test(text));
  }
  assert.equal(secret.connections, 0);
  const path = '/etc/passwd';
  assert.ok(server.asked.includes(path), 'a path without a host is one of the same origin');
  const outcomes = new Set(
    lab.segments.filter((one) => !one.url.startsWith(server.url)).map(({ outcome }) => outcome),
  );
  assert.deepEqual([...outcomes], ['forbidden']);
});

test('what ffmpeg could read differently does not reach it', async (t) => {
  const texts = [
    '#EXTM3U\n#EXT-X-TARGETDURATION:2\0http://127.0.0.1/x.ts\n#EXTINF:2,\n1.ts\n',
    '#EXTM3U\n#EXT-X-TARGETDURATION:2\u000bfile:///etc/passwd\n#EXTINF:2,\n1.ts\n',
  ];
  let body = texts[0]!;
  const server = await origin(t, () => ({ body }));
  const { session } = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow] });
  for (body of texts) await assert.rejects(session.look(), /is neither a playlist nor a manifest/);
  body = '#EXTM3U\r#EXT-X-UNKNOWN:URI="file:///etc/passwd"\r#EXTINF:2,file:///etc/passwd\r1.ts\r';
  const { url } = await session.look();
  const text = await (await fetch(url)).text();
  assert.match(text, /^#EXTM3U\n#EXTINF:2,\nhttp:\S+\n$/);
});

test('only who has the token is answered', async (t) => {
  const server = await origin(t, () => ({ body: MEDIA_PLAYLIST('1.ts') }));
  const { session } = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow] });
  const { url } = await session.look();
  const token = /\/([\w-]{32})\/root/.exec(url)![1]!;
  assert.equal((await fetch(url.replace(token, 'A'.repeat(32)))).status, 404);
  assert.equal((await fetch(url, { method: 'POST' })).status, 404);
  assert.equal((await fetch(url.replace(/root.*/, 'x/y/z'))).status, 404);
  assert.equal((await fetch(url)).status, 200);
  session.close();
  assert.equal((await fetch(url)).status, 404);
});

test('segments pass whole and in part, compressed playlists are read, and each attempt is told', async (t) => {
  const bytes = Buffer.alloc(300_000, 7);
  let failures = 1;
  const server = await origin(t, (path, request) => {
    if (path === '/live.m3u8') {
      return {
        body: gzipSync(MEDIA_PLAYLIST('1.ts', 'missing.ts')),
        headers: { 'content-encoding': 'gzip' },
      };
    }
    if (path !== '/1.ts' || failures-- > 0) return null;
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
    if (range === null) return { body: bytes };
    return { status: 206, body: bytes.subarray(Number(range[1]), Number(range[2]) + 1) };
  });
  const lab = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow] });
  const { url } = await lab.session.look();
  const [first, missing] = await childrenOf(url);
  const whole = await fetch(first!, { headers: { range: 'bytes=0-' } });
  assert.deepEqual([whole.status, (await whole.arrayBuffer()).byteLength], [200, bytes.length]);
  const part = await fetch(first!, { headers: { range: 'bytes=10-19' } });
  assert.deepEqual([part.status, (await part.arrayBuffer()).byteLength], [206, 10]);
  assert.equal((await fetch(missing!)).status, 404);
  await until('all attempts', () => lab.segments.length === 5);
  assert.deepEqual(
    lab.segments.map(({ outcome, status, bytes, range }) => [outcome, status, bytes, range?.start ?? null]),
    [
      ['http-error', 404, 0, null],
      ['ok', 200, 300_000, null],
      ['ok', 206, 10, 10],
      ['http-error', 404, 0, null],
      ['http-error', 404, 0, null],
    ],
  );
  assert.ok(
    lab.segments.every(
      ({ manifestUrl, kind }) => manifestUrl === `${server.url}/live.m3u8` && kind === 'segment',
    ),
  );
  assert.equal(lab.segments[1]?.head.length, 1024);
});

test('sizes and times are bounded, and a broken answer is told apart', async (t) => {
  const server = await origin(t, (path, _request, response) => {
    if (path === '/live.m3u8')
      return { body: MEDIA_PLAYLIST('long.ts', 'slow.ts', 'broken.ts', 'silent.ts') };
    if (path === '/long.m3u8') return { body: `#EXTM3U\n${'#\n'.repeat(100_000)}` };
    if (path === '/page.m3u8') return { body: '<html>not found</html>' };
    if (path === '/long.ts') return { body: Buffer.alloc(2_000_000) };
    if (path === '/silent.ts') return undefined;
    response.writeHead(200, { 'content-length': '1000' });
    response.write('x');
    if (path === '/broken.ts') setTimeout(() => response.destroy(), 20);
    return undefined;
  });
  const limits = { answerMs: 300, idleMs: 200, segmentBytes: 1_000_000, manifestBytes: 100_000 };
  const options = { allow: [server.allow], limits };
  const lab = await open(t, `${server.url}/live.m3u8`, options);
  const { url } = await lab.session.look();
  for (const child of await childrenOf(url))
    await fetch(child)
      .then((answer) => answer.arrayBuffer())
      .catch(() => 0);
  await until('all attempts', () => lab.segments.length === 5);
  assert.deepEqual(
    lab.segments.map(({ outcome }) => outcome),
    ['too-large', 'timeout', 'truncated', 'timeout', 'timeout'],
  );
  const long = await open(t, `${server.url}/long.m3u8`, options);
  await assert.rejects(long.session.look(), /is longer than 100000 bytes/);
  const page = await open(t, `${server.url}/page.m3u8`, options);
  await assert.rejects(page.session.look(), /neither a playlist nor a manifest/);
  assert.equal(page.manifests[0]?.outcome, 'not-a-manifest');
});

test('a local playlist may name files below its own folder, and nothing else', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const server = await origin(t, () => ({ body: 'x' }));
  mkdirSync(join(folder.path, 'hls', 'sub'), { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(folder.path, name), text);
  write('secret.ts', 'secret');
  write('hls/1.ts', 'one');
  write('hls/sub/2.ts', 'two');
  symlinkSync(join(folder.path, 'secret.ts'), join(folder.path, 'hls', 'link.ts'));
  const uris = [
    '1.ts',
    'sub/2.ts',
    '../secret.ts',
    'link.ts',
    'file:///etc/passwd',
    `${server.url}/3.ts`,
    'sub',
    'none.ts',
  ];
  write('hls/list.m3u8', MEDIA_PLAYLIST(...uris));
  const { session } = await open(t, join(folder.path, 'hls', 'list.m3u8'), { allow: [server.allow] });
  const { url, kind } = await session.look();
  assert.equal(kind, 'hls');
  const got = [];
  for (const child of await childrenOf(url)) {
    const answer = await fetch(child);
    got.push(answer.ok ? await answer.text() : answer.status);
  }
  assert.deepEqual(got, ['one', 'two', 403, 403, 403, 403, 403, 404]);
  assert.equal(server.connections, 0);
  const part = await fetch((await childrenOf(url))[0]!, { headers: { range: 'bytes=1-1' } });
  assert.deepEqual([part.status, await part.text()], [206, 'n']);
});

test("ffmpeg's messages name the addresses at the origin", async (t) => {
  const server = await origin(t, () => ({ body: MEDIA_PLAYLIST('1.ts?token=x') }));
  const { session } = await open(t, `${server.url}/live.m3u8`, { allow: [server.allow] });
  const { url } = await session.look();
  const [child] = await childrenOf(url);
  assert.equal(
    session.plain(`${url}: bad, '${child}' too`),
    `${server.url}/live.m3u8: bad, '${server.url}/1.ts' too`,
  );
});
