/** Whatever is in a manifest: ffmpeg is given addresses of the fetcher, and no others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDash } from './dash-manifest.ts';
import { parseMpd, rewriteDash } from './dash-rewrite.ts';
import { hlsKindOf, rewriteHls } from './hls-rewrite.ts';
import { childrenOf } from './xml-elements.ts';

const OWN = 'http://127.0.0.1:1/token/';
const MANIFEST = 'http://origin/live/index';

const uri = fc.oneof(
  fc.constantFrom(
    '1.ts',
    '/etc/passwd',
    'file:///etc/passwd',
    'http://127.0.0.1/x',
    '//host/x',
    '\\\\host\\x',
  ),
  fc.constantFrom('concat:a|b', 'subfile,,start,0,end,9,,:/etc/passwd', 'data:x', 'a b', '"', ',URI="x"', ''),
  fc.string({ maxLength: 30 }),
);
const name = fc.oneof(
  fc.constantFrom('KEY', 'MAP', 'STREAM-INF', 'MEDIA', 'I-FRAME-STREAM-INF', 'PART', 'PRELOAD-HINT'),
  fc.constantFrom(
    'SESSION-KEY',
    'SESSION-DATA',
    'DATERANGE',
    'RENDITION-REPORT',
    'DEFINE',
    'START',
    'BYTERANGE',
  ),
);
const line = fc.oneof(
  uri,
  fc
    .tuple(name, uri, uri)
    .map(([tag, a, b]) => `#EXT-X-${tag}:METHOD=AES-128,TYPE=AUDIO,GROUP-ID="${a}",URI="${b}"`),
  fc.tuple(name, uri).map(([tag, a]) => `#EXT-X-${tag}:BANDWIDTH=1,AUDIO=${a},URI=${a}`),
  uri.map((a) => `#EXTINF:2,${a}`),
  fc.constantFrom(
    '#EXTINF:2,',
    '#EXT-X-GAP',
    '#EXT-X-ENDLIST',
    '#EXT-X-TARGETDURATION:2',
    '#EXT-X-DISCONTINUITY',
  ),
);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r', '\n\n');

test('HLS: each address begins as those of the fetcher do, and nothing else is one', () => {
  const playlist = fc.array(fc.tuple(line, lineEnd), { maxLength: 30 });
  fc.assert(
    fc.property(playlist, (lines) => {
      const text = `#EXTM3U\n#EXT-X-TARGETDURATION:2\n${lines.flat().join('')}`;
      if (hlsKindOf(text) === null) return;
      const url = (address: string) => `${OWN}s/0/${Buffer.from(address).toString('base64url')}/x.ts`;
      const rewritten = rewriteHls(text, MANIFEST, url);
      for (const one of rewritten.split('\n').filter((each) => each !== '')) {
        if (!one.startsWith('#')) assert.match(one, /^http:\/\/127\.0\.0\.1:1\/token\/s\/0\/[\w-]*\/x\.ts$/);
        // Beside its quoted address no tag holds anything but figures and words of the standard.
        const rest = one.replace(/URI="http:\/\/127\.0\.0\.1:1\/token\/s\/0\/[\w-]*\/x\.ts"/, '');
        if (one.startsWith('#')) assert.match(rest, /^#EXT[A-Z0-9-]*(:[\w.,:@=" +-]*)?$/);
      }
    }),
    { numRuns: 500 },
  );
});

const text = fc.oneof(
  uri,
  fc.constantFrom('$Number$.m4s', '$RepresentationID$/$Time%05d$', '&amp;', '&#60;x'),
);
const quoted = text.map((value) => value.replace(/[<>"&]/g, (each) => `&#${each.charCodeAt(0)};`));

test('DASH: each address is put below that of the fetcher, and nothing else is left in it', () => {
  fc.assert(
    fc.property(fc.array(quoted, { minLength: 8, maxLength: 8 }), (values) => {
      const [a, b, c, d, e, f, g, h] = values;
      const body = `<MPD type="static" xmlns:xlink="x"><BaseURL serviceLocation="${a}">${b}</BaseURL><Location>${c}</Location><Period xlink:href="${d}"><BaseURL>${e}</BaseURL><AdaptationSet contentType="video"><SegmentTemplate duration="2" media="${f}" initialization="${g}" index="${h}"/><Representation id="v" height="90" bandwidth="1"><BaseURL>${a}</BaseURL><SegmentList><Initialization sourceURL="${b}"/><SegmentURL media="${c}" index="${d}"/></SegmentList></Representation></AdaptationSet><EventStream value="${e}"/></Period></MPD>`;
      const mpd = parseMpd(body);
      if (mpd === null || parseDash(body, MANIFEST) === null) return;
      const [element] = childrenOf(mpd, 'Period');
      const rewritten = rewriteDash(mpd, { element: element!, closedMs: null }, MANIFEST, null, {
        base: (url) => `${OWN}d/${Buffer.from(url).toString('base64url')}/`,
        child: (reference) => `s/${Buffer.from(reference).toString('base64url')}`,
      });
      const bases = [...rewritten.matchAll(/<BaseURL>([^<]*)<\/BaseURL>/g)].map(([, base]) => base!);
      assert.equal(bases.length, 1);
      assert.match(bases[0]!, /^http:\/\/127\.0\.0\.1:1\/token\/d\/[\w-]*\/$/);
      assert.doesNotMatch(rewritten, /<Location|<EventStream|href|index=|serviceLocation/);
      for (const [, value] of rewritten.matchAll(/ (?:media|initialization|sourceURL)="([^"]*)"/g))
        assert.match(value!, /^s\/[\w-]*$/);
    }),
    { numRuns: 300 },
  );
});
