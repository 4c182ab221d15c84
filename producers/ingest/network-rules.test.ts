/**
 * Whatever a manifest, a redirect or a media file points at: nothing is read from this machine, and no connection is made
 * to an address that is not allowed. Each way to write such an address, in each place that can hold one.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchOutcome } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import { createFetcher } from './fetcher.ts';
import { startIngest } from './ingest.ts';
import { type Address, type Lookup, parseAllowRule } from './network-policy.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { FFMPEG, temporaryFolder } from './testing.ts';
import { startTestOrigin, type TestAnswer, type TestOrigin } from './testing-origin.ts';

/** Ways to write an address behind which a service of the probe's own machine or network listens at `port`. */
const FORBIDDEN: readonly ((port: number) => string)[] = [
  () => 'file:///etc/passwd',
  (port) => `http://127.0.0.1:${port}/x`,
  (port) => `https://127.0.0.1:${port}/x`,
  (port) => `http://127.255.255.254:${port}/x`,
  (port) => `http://localhost:${port}/x`,
  (port) => `http://localhost.:${port}/x`,
  // The same address as one number, in octal, in hexadecimal, cut short, in wide digits.
  (port) => `http://2130706433:${port}/x`,
  (port) => `http://0177.0.0.1:${port}/x`,
  (port) => `http://0x7f000001:${port}/x`,
  (port) => `http://0x7f.1:${port}/x`,
  (port) => `http://127.1:${port}/x`,
  (port) => `http://127.0.0.1.:${port}/x`,
  (port) => `http://%31%32%37.0.0.1:${port}/x`,
  (port) => `http://１２７.0.0.1:${port}/x`,
  (port) => `http://user:password@127.0.0.1:${port}/x`,
  (port) => `http://0.0.0.0:${port}/x`,
  (port) => `http://0:${port}/x`,
  (port) => `http://[::]:${port}/x`,
  (port) => `http://[::1]:${port}/x`,
  (port) => `http://[0:0:0:0:0:0:0:1]:${port}/x`,
  (port) => `http://[::ffff:127.0.0.1]:${port}/x`,
  (port) => `http://[::ffff:7f00:1]:${port}/x`,
  (port) => `http://[::127.0.0.1]:${port}/x`,
  (port) => `http://[64:ff9b::127.0.0.1]:${port}/x`,
  () => 'http://[fe80::1]/x',
  () => 'http://169.254.1.1/x',
  () => 'http://169.254.169.254/latest/meta-data/',
  () => 'http://10.0.0.1/x',
  () => 'http://192.168.1.1/x',
  // Names that resolve to one, by IPv4, by IPv6, and beside a second one.
  (port) => `http://loopback.test:${port}/x`,
  (port) => `http://mapped.test:${port}/x`,
  () => 'http://link-local.test/x',
  () => 'http://scoped.test/x',
  (port) => `http://both.test:${port}/x`,
  // What an operator may give as a stream's own address is refused in a manifest.
  (port) => `rtmp://127.0.0.1:${port}/live/x`,
  () => 'rtmp://origin.example/live/x',
  () => 'rtmps://origin.example/live/x',
  (port) => `srt://127.0.0.1:${port}`,
  (port) => `udp://127.0.0.1:${port}`,
  (port) => `rtp://127.0.0.1:${port}`,
  (port) => `tcp://127.0.0.1:${port}`,
  (port) => `ftp://127.0.0.1:${port}/x`,
  () => 'data:video/mp2t;base64,R0AREA==',
  () => 'concat:file:///etc/passwd|file:///etc/hosts',
  () => 'pipe:0',
  () => 'javascript:x',
];

const v4 = (address: string): Address => ({ address, family: 4 });
const v6 = (address: string): Address => ({ address, family: 6 });
const NAMES: { readonly [name: string]: readonly Address[] } = {
  localhost: [v6('::1'), v4('127.0.0.1')],
  'localhost.': [v4('127.0.0.1')],
  'loopback.test': [v4('127.0.0.1')],
  'mapped.test': [v6('::ffff:127.0.0.1')],
  'link-local.test': [v6('fe80::1')],
  'scoped.test': [v6('fe80::1%2')],
  'both.test': [v6('::1'), v4('127.0.0.1')],
};
const lookup: Lookup = async (name) => NAMES[name] ?? [];

type Asked = { readonly what: string; readonly outcome: FetchOutcome };

type Lab = {
  /** Where manifests come from: allowed. */
  readonly origin: TestOrigin;
  /** What must not be connected to. */
  readonly secret: TestOrigin;
  readonly answers: Map<string, TestAnswer>;
  /** Asks for a manifest as ffmpeg would, and for all that it names; what came of each child. */
  childrenOf(path: string): Promise<readonly Asked[]>;
};

async function startLab(t: TestContext): Promise<Lab> {
  const secret = await startTestOrigin(() => ({ body: 'secret' }));
  const answers = new Map<string, TestAnswer>();
  const origin = await startTestOrigin((path) =>
    path.startsWith('/own')
      ? { body: path.endsWith('.m3u8') ? `${HLS}${END}` : 'x' }
      : (answers.get(path) ?? null),
  );
  const fetcher = createFetcher({ clock: systemClock, lookup });
  t.after(() => Promise.all([fetcher.close(), origin.stop(), secret.stop()]));
  return {
    origin,
    secret,
    answers,
    async childrenOf(path) {
      const asked: Asked[] = [];
      const session = await fetcher.open({
        input: origin.url + path,
        allow: [parseAllowRule(origin.allow)],
        rendition: 'best',
        events: {
          onManifest: ({ url: what, outcome }) => asked.push({ what, outcome }),
          onSegment: ({ url: what, outcome }) => asked.push({ what, outcome }),
        },
      });
      const { url } = await session.look();
      asked.length = 0;
      for (const child of childrenIn(await (await fetch(url)).text())) {
        const body = await (await fetch(child)).text();
        assert.ok(!/root:|secret/.test(body), `${child} gives what is secret`);
      }
      session.close();
      return asked.filter(({ what }) => what !== origin.url + path);
    },
  };
}

/** Addresses that ffmpeg would ask for. */
function childrenIn(text: string): readonly string[] {
  if (!text.includes('<MPD')) {
    return text
      .split('\n')
      .flatMap((line) => /URI="([^"]*)"/.exec(line)?.[1] ?? (/^[^#\s]/.test(line) ? line : []));
  }
  const plain = (xml: string) => xml.replace(/&#(\d+);/g, (_all, code) => String.fromCharCode(Number(code)));
  const base = plain(/<BaseURL>([^<]*)</.exec(text)![1]!);
  const named = [...text.matchAll(/ (?:media|initialization|sourceURL)="([^"]*)"/g)];
  const paths = named.map(([, path]) => plain(path!).replace(/\$\w+(?:%\d+d)?\$/g, '1'));
  return paths.length === 0 ? [base] : paths.map((path) => base + path);
}

const HLS = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n';
const END = '#EXTINF:2,\nown.ts\n#EXT-X-ENDLIST\n';
const mpd = (inside: string, outside = '') =>
  `<MPD type="static" mediaPresentationDuration="PT4S" xmlns:xlink="http://www.w3.org/1999/xlink">${outside}<Period>${inside}</Period></MPD>`;
const set = (inside: string) =>
  `<AdaptationSet contentType="video"><Representation id="v" height="90" bandwidth="1">${inside}</Representation></AdaptationSet>`;
const OWN = '<SegmentTemplate duration="2" media="own-$Number$.m4s"/>';
const xml = (url: string) => url.replaceAll('&', '&amp;');

/** Places in manifests that can hold an address. */
const PLACES: { readonly [place: string]: (url: string) => string } = {
  segment: (url) => `${HLS}#EXTINF:2,\n${url}\n#EXT-X-ENDLIST\n`,
  key: (url) => `${HLS}#EXT-X-KEY:METHOD=AES-128,URI="${url}"\n${END}`,
  map: (url) => `${HLS}#EXT-X-MAP:URI="${url}",BYTERANGE="10@0"\n${END}`,
  variant: (url) => `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${url}\n`,
  audio: (url) =>
    `#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="${url}"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nown.m3u8\n`,
  'BaseURL of the manifest': (url) => mpd(set(OWN), `<BaseURL>${xml(url)}/</BaseURL>`),
  'BaseURL of a period': (url) => mpd(`<BaseURL>${xml(url)}/</BaseURL>${set(OWN)}`),
  'BaseURL of a representation': (url) => mpd(set(`<BaseURL>${xml(url)}</BaseURL><SegmentBase/>`)),
  'media of a template': (url) => mpd(set(`<SegmentTemplate duration="2" media="${xml(url)}?$Number$"/>`)),
  'initialization of a template': (url) =>
    mpd(set(`<SegmentTemplate duration="2" initialization="${xml(url)}" media="own-$Number$.m4s"/>`)),
  'sourceURL and SegmentURL': (url) =>
    mpd(
      set(
        `<SegmentList duration="2"><Initialization sourceURL="${xml(url)}"/><SegmentURL media="${xml(url)}"/></SegmentList>`,
      ),
    ),
};

test('in every place of a manifest, every address that is not allowed is refused without a connection', async (t) => {
  const lab = await startLab(t);
  for (const [place, write] of Object.entries(PLACES)) {
    for (const address of FORBIDDEN) {
      const url = address(lab.secret.port);
      const shownAs = `${place}: ${url}`;
      // What these are the base of is no address at all.
      if (place.startsWith('BaseURL') && /^(data|concat|pipe|javascript):/.test(url)) continue;
      lab.answers.set('/live', { body: write(url) });
      const asked = await lab.childrenOf('/live');
      const others = asked.filter(({ what }) => !what.startsWith(lab.origin.url));
      assert.ok(others.length > 0, `${shownAs} was not even asked for: ${JSON.stringify(asked)}`);
      assert.deepEqual(new Set(others.map(({ outcome }) => outcome)), new Set(['forbidden']), shownAs);
    }
  }
  assert.equal(lab.secret.connections, 0);
});

test('a redirect of anything that a manifest names is judged as an address of its own', async (t) => {
  const lab = await startLab(t);
  const places = ['segment', 'key', 'map', 'variant', 'audio', 'media of a template'];
  for (const place of places) {
    for (const address of [...FORBIDDEN, (port: number) => `//127.0.0.1:${port}/x`]) {
      const location = address(lab.secret.port).replace(/[^ -~]+/g, encodeURIComponent);
      lab.answers.set('/live', { body: PLACES[place]!(`${lab.origin.url}/moved`) });
      for (const path of ['/moved', '/moved?1'])
        lab.answers.set(path, { status: 302, headers: { location } });
      const asked = await lab.childrenOf('/live');
      const moved = asked.filter(({ what }) => what.startsWith(`${lab.origin.url}/moved`));
      assert.ok(moved.length > 0, `${place}: ${location}`);
      assert.deepEqual(new Set(moved.map(({ outcome }) => outcome)), new Set(['forbidden']), location);
    }
  }
  assert.equal(lab.secret.connections, 0);
});

test('parts of a DASH manifest that name other documents do not reach ffmpeg', async (t) => {
  const lab = await startLab(t);
  const url = `${lab.secret.url}/x`;
  const outside = `<Location>${url}</Location><PatchLocation>${url}</PatchLocation><UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="${url}"/>`;
  const inside = `<AssetIdentifier value="${url}"/>${set(OWN)}`;
  const body = mpd(inside, outside)
    .replace('<Period>', `<Period xlink:href="${url}" xlink:actuate="onLoad">`)
    .replace('<MPD ', `<!DOCTYPE MPD [<!ENTITY x SYSTEM "${url}">]><MPD `);
  for (const text of [body, body.replace(/<!DOCTYPE.*?]>/, '')]) {
    lab.answers.set('/live.mpd', { body: text });
    try {
      const asked = await lab.childrenOf('/live.mpd');
      assert.ok(asked.every(({ what }) => what.startsWith(lab.origin.url)));
    } catch (error) {
      assert.ok(error instanceof FetchFailure, String(error));
    }
  }
  assert.equal(lab.secret.connections, 0);
});

test('a name is judged each time: one that moves into the network later is refused from then on', async (t) => {
  let address = '127.0.0.1';
  const server = await startTestOrigin(() => ({ body: `${HLS}#EXTINF:2,\n1.ts\n` }));
  const fetcher = createFetcher({ clock: systemClock, lookup: async () => [v4(address)] });
  t.after(() => Promise.all([fetcher.close(), server.stop()]));
  const outcomes: FetchOutcome[] = [];
  const session = await fetcher.open({
    input: `http://moving.test:${server.port}/live.m3u8`,
    // Stands for a public address: everything else on the loopback is forbidden.
    allow: [parseAllowRule('127.0.0.1/32')],
    rendition: 'best',
    events: {
      onManifest: ({ outcome }) => outcomes.push(outcome),
      onSegment: ({ outcome }) => outcomes.push(outcome),
    },
  });
  const { url } = await session.look();
  const [child] = childrenIn(await (await fetch(url)).text());
  assert.equal((await fetch(child!)).status, 200);
  address = '127.0.0.2';
  assert.equal((await fetch(child!)).status, 403);
  assert.equal((await fetch(url)).status, 403);
  const question = { url: `http://moving.test:${server.port}/2.ts`, manifestUrl: '', range: null };
  await session.pollSegment(question);
  await session.poll(`http://moving.test:${server.port}/other.m3u8`);
  assert.deepEqual(outcomes, ['ok', 'ok', 'forbidden', 'forbidden', 'forbidden', 'forbidden']);
});

test('an input is judged in each way of writing it, and what it is allowed as is what a URL makes of it', async (t) => {
  const server = await startTestOrigin(() => ({ body: `${HLS}#EXTINF:2,\n1.ts\n` }));
  const fetcher = createFetcher({ clock: systemClock, lookup });
  t.after(() => Promise.all([fetcher.close(), server.stop()]));
  const look = async (input: string, ...allow: readonly string[]) => {
    const rules = allow.map(parseAllowRule);
    const session = await fetcher.open({ input, allow: rules, rendition: 'best', events: {} });
    return await session.look();
  };
  for (const address of FORBIDDEN) {
    const input = address(server.port);
    if (!/^https?:/.test(input)) continue;
    await assert.rejects(
      look(input),
      (error) => error instanceof FetchFailure && error.outcome === 'forbidden',
      input,
    );
  }
  assert.equal(server.connections, 0);
  assert.equal((await look(`http://2130706433:${server.port}/x.m3u8`, server.allow)).kind, 'hls');
});

test('a media file that is a playlist or a script opens nothing', async (t) => {
  const folder = temporaryFolder();
  const secret = await startTestOrigin(() => ({ body: 'secret' }));
  t.after(() => Promise.all([folder.remove(), secret.stop()]));
  const url = `${secret.url}/x.ts`;
  const texts: { readonly [name: string]: string } = {
    'playlist.mp4': `${HLS}#EXTINF:2,\n${url}\n#EXT-X-ENDLIST\n`,
    'script.ts': `ffconcat version 1.0\nfile '${url}'\n`,
    'manifest.mkv': mpd(set(`<BaseURL>${url}</BaseURL><SegmentBase/>`)),
    'session.mov': `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video ${secret.port} RTP/AVP 96\n`,
  };
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder.path, name), text);
  const ingest = await startIngest({
    streams: Object.keys(texts).map((programmeId) =>
      parseStreamSpec({ programmeId, input: join(folder.path, programmeId) }),
    ),
    sink: { write: async () => {} },
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  const results = await ingest.done;
  assert.deepEqual(
    results.map(({ outcome }) => outcome.kind),
    ['failed', 'failed', 'failed', 'failed'],
  );
  assert.equal(secret.connections, 0);
});
