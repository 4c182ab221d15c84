import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, type Script, type ScriptedAnswer } from './scripted-origin.ts';

const SEGMENT_MS = 2_000;
const LISTED = 5;
/** Segments that are there when the test begins. */
const BEFORE = 10;

type Live = {
  /** Time of the encoder, which may stand still. */
  readonly encoderMs?: (atMs: number) => number;
  /** Takes the place of an answer. */
  readonly instead?: (path: string, atMs: number) => ScriptedAnswer | null;
  readonly renditions?: readonly string[];
  readonly tags?: (sequence: number) => string;
  readonly videoBytes?: (path: string) => number;
};

/** One playlist, or a ladder whose first rung is decoded; segments of 2 s, five of them listed. */
function live({ encoderMs = (ms) => ms, instead, renditions, tags, videoBytes }: Live): Script {
  const playlist = (name: string, atMs: number): string => {
    const newest = BEFORE + Math.floor(encoderMs(atMs) / SEGMENT_MS) - 1;
    const lines = ['#EXTM3U', '#EXT-X-TARGETDURATION:2', `#EXT-X-MEDIA-SEQUENCE:${newest - LISTED + 1}`];
    for (let sequence = newest - LISTED + 1; sequence <= newest; sequence++) {
      const said = tags?.(sequence) ?? '';
      lines.push(...(said === '' ? [] : [said]), '#EXTINF:2.0,', `${name}-${sequence}.ts`);
    }
    return `${lines.join('\n')}\n`;
  };
  const master = ['#EXTM3U'];
  for (const [at, name] of (renditions ?? []).entries()) {
    master.push(
      `#EXT-X-STREAM-INF:BANDWIDTH=${1_000_000 * (9 - at)},RESOLUTION=100x${name.slice(0, -1)}`,
      `${name}.m3u8`,
    );
  }
  const own = renditions?.[0] ?? 'one';
  return {
    input: renditions === undefined ? 'one.m3u8' : 'index.m3u8',
    decoded: `${own}.m3u8`,
    ...(videoBytes === undefined ? {} : { videoBytes }),
    answer: (path, atMs) => {
      const other = instead?.(path, atMs) ?? null;
      if (other !== null) return other;
      if (path === 'index.m3u8') return { body: `${master.join('\n')}\n` };
      if (path.endsWith('.m3u8')) return { body: playlist(path.slice(0, -5), atMs) };
      return {};
    },
  };
}

const isIn = (atMs: number, fromMs: number, toMs: number) => atMs >= fromMs && atMs < toMs;

test('an origin that does as it should shows nothing', () => {
  check(live({}), 120_000, '');
  check(live({ renditions: ['720p', '360p'] }), 120_000, '');
});

test('manifest-stale begins where what was listed ends, and is over with one update', () => {
  // 3 segments back at the start, so 6 s of presentation are there; the encoder stands still from 20 s to 35 s.
  const encoderMs = (ms: number) => (ms < 20_000 ? ms : Math.max(20_000, ms - 15_000));
  check(live({ encoderMs }), 60_000, 'manifest-stale open@26000, manifest-stale close@43000');
});

test('a pause of less than twice the target duration is none', () => {
  // The list stands still for 4 s, which is not more than twice 2 s.
  const encoderMs = (ms: number) => (ms < 20_000 ? ms : Math.max(20_000, ms - 2_000));
  check(live({ encoderMs }), 60_000, '');
});

test('an origin that repeats what it listed before is stale', () => {
  const encoderMs = (ms: number) => (isIn(ms, 20_000, 40_000) ? 12_000 + (ms % 4_000) : ms);
  check(live({ encoderMs }), 60_000, 'manifest-stale open@24000, manifest-stale close@46000');
});

test('of a ladder that stands still as a whole, the stream is told and not each rung', () => {
  const encoderMs = (ms: number) => (ms < 20_000 ? ms : Math.max(20_000, ms - 15_000));
  const renditions = ['720p', '360p', '180p'];
  check(live({ encoderMs, renditions }), 60_000, 'manifest-stale open@26000, manifest-stale close@43000');
});

test('of a rung that stands still by itself, that rung is told', () => {
  let frozen = '';
  const script: Script = live({
    renditions: ['720p', '360p'],
    instead: (path, ms) => {
      if (path !== '360p.m3u8' || !isIn(ms, 20_000, 40_000)) return null;
      if (frozen === '') frozen = script.answer('720p.m3u8', 19_900).body!.replaceAll('720p', '360p');
      return { body: frozen };
    },
  });
  check(script, 60_000, 'manifest-stale[360p] open@24000, manifest-stale[360p] close@46000');
});

test('two segments in a row that cannot be had are segment-error, from the first to the end of the last', () => {
  // Segment 10 begins at 6 s of presentation: three before it are got at the start.
  const missing = ['one-15.ts', 'one-16.ts', 'one-17.ts'];
  const instead = (path: string) => (missing.includes(path) ? { status: 404 } : null);
  check(live({ instead }), 60_000, 'segment-error open@16000, segment-error close@22000');
});

test('one segment is none, and neither is one that comes at the second attempt', () => {
  check(live({ instead: (path) => (path === 'one-15.ts' ? { status: 503 } : null) }), 60_000, '');
  const first = new Set<string>();
  const instead = (path: string) => {
    if (!path.endsWith('.ts') || first.has(path)) return null;
    first.add(path);
    return { status: 404 };
  };
  check(live({ instead }), 60_000, '');
});

test('5 % of a minute are segment-error, though none follows another', () => {
  const instead = (path: string) => (['one-15.ts', 'one-18.ts'].includes(path) ? { status: 404 } : null);
  check(live({ instead }), 60_000, 'segment-error open@16000, segment-error close@24000');
});

test('garbage, and what is cut short or does not come in time, is as bad as an error', () => {
  for (const answer of [
    { body: '<html>sorry</html>' },
    { outcome: 'timeout' },
    { outcome: 'truncated' },
  ] as const) {
    const instead = (path: string) => (['one-15.ts', 'one-16.ts'].includes(path) ? answer : null);
    check(live({ instead }), 60_000, 'segment-error open@16000, segment-error close@20000');
  }
});

test('segments of a rung that nobody decodes are looked at, too', () => {
  const instead = (path: string) =>
    ['360p-15.ts', '360p-16.ts', '360p-17.ts'].includes(path) ? { status: 404 } : null;
  check(
    live({ instead, renditions: ['720p', '360p'] }),
    60_000,
    'segment-error[360p] open@16000, segment-error[360p] close@22000',
  );
});

test('a rung whose playlist does not answer for two reloads is missing, and its segments are not told apart', () => {
  const instead = (path: string, ms: number) =>
    path.startsWith('360p') && isIn(ms, 20_000, 40_000) ? { status: 404 } : null;
  check(
    live({ instead, renditions: ['720p', '360p'] }),
    60_000,
    'rendition-missing[360p] open@26000, rendition-missing[360p] close@46000',
  );
});

test('a rung that the manifest does not name any more is missing', () => {
  const one = ['#EXTM3U', '#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=100x720', '720p.m3u8'].join('\n');
  const instead = (path: string, ms: number) =>
    path === 'index.m3u8' && isIn(ms, 20_000, 40_000) ? { body: one } : null;
  check(
    live({ instead, renditions: ['720p', '360p'] }),
    60_000,
    'rendition-missing[360p] open@26000, rendition-missing[360p] close@46100',
  );
});

test('an origin where nothing answers has lost no rendition', () => {
  const instead = (_path: string, ms: number) =>
    isIn(ms, 20_000, 40_000) ? { outcome: 'unreachable' as const } : null;
  check(live({ instead, renditions: ['720p', '360p'] }), 60_000, '');
});

test('half of the bits for a minute are a drop, where as much moves as before', () => {
  const videoBytes = (path: string) => (isIn(Number(/\d+/.exec(path)), 40, 60) ? 200_000 : 500_000);
  check(live({ videoBytes }), 140_000, 'bitrate-drop open@66000, bitrate-drop close@106000');
});

test('programme time, and what is announced, go into the records', () => {
  const tags = (sequence: number) => {
    const time = `#EXT-X-PROGRAM-DATE-TIME:${new Date(1_600_000_000_000 + sequence * 2_000).toISOString()}`;
    if (sequence === 15) return `#EXT-X-DISCONTINUITY\n#EXT-X-CUE-OUT:10\n${time}`;
    return sequence === 20 ? `#EXT-X-CUE-IN\n${time}` : time;
  };
  const { records } = check(live({ tags }), 40_000, '');
  const markers = records.flatMap(({ basePtsMs, markerKind, markerPtsMs, markerDurationMs }) =>
    markerKind.map((kind, at) => `${kind}@${basePtsMs + markerPtsMs[at]!} ${markerDurationMs[at]}`),
  );
  assert.deepEqual(markers, ['discontinuity@16000 -1', 'cue-out@16000 10000', 'cue-in@26000 -1']);
});
