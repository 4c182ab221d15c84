/** DASH with several periods, as where advertisements are put in: what was packaged apart is watched as one stream. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startIngest } from '../../producers/ingest/ingest.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import {
  assertGoesOn,
  FFMPEG,
  ffmpeg,
  picturesOf,
  RememberingSink,
  temporaryFolder,
  until,
  watchToEnd,
} from '../../producers/ingest/testing.ts';
import { startTestOrigin, type TestOrigin } from '../../producers/ingest/testing-origin.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

const folder = temporaryFolder();
const PARTS = { film: 3, advert: 2 } as const;
type Part = keyof typeof PARTS;

before(async () => {
  for (const [part, seconds] of Object.entries(PARTS)) {
    mkdirSync(join(folder.path, part));
    const pictures = ['-f', 'lavfi', '-i', `testsrc2=size=160x90:rate=25:duration=${seconds}`];
    const sound = ['-f', 'lavfi', '-i', `sine=sample_rate=48000:duration=${seconds}`];
    const coding = ['-c:v', 'mpeg2video', '-pix_fmt', 'yuv420p', '-g', '25', '-bf', '0', '-c:a', 'aac'];
    const cutting = ['-f', 'dash', '-seg_duration', '1', '-use_template', '1', '-use_timeline', '1'];
    await ffmpeg(...pictures, ...sound, ...coding, ...cutting, join(folder.path, part, 'all.mpd'));
  }
});
after(() => folder.remove());

/** A period with the segments of a part; open where it has no length. */
function period(id: number, part: Part, attributes: string): string {
  const mpd = readFileSync(join(folder.path, part, 'all.mpd'), 'utf8');
  const inside = /<Period[^>]*>([\s\S]*)<\/Period>/.exec(mpd)![1]!;
  return `<Period id="${id}" ${attributes}><BaseURL>${part}/</BaseURL>${inside}</Period>`;
}

async function startOrigin(manifest: () => string): Promise<TestOrigin> {
  return await startTestOrigin((path) => {
    if (path === '/all.mpd') return { body: manifest() };
    const [, part, name] = path.split('/');
    try {
      return { body: readFileSync(join(folder.path, part!, name!)) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  });
}

/** Where sound is longer than its pictures the next period begins with its end: an AAC frame is 21 ms. */
function assertNothingAbsent(records: readonly FrameFeatures[]): void {
  const pictures = picturesOf(records).map(({ ptsMs }) => ptsMs);
  const gaps = pictures.slice(1).map((ms, at) => ms - pictures[at]!);
  assert.ok(
    gaps.every((ms) => ms >= 39 && ms <= 85),
    gaps.join(),
  );
}

test('one that is whole is watched from its first period to its last, the same each time', async (t) => {
  const periods = [
    ...[period(0, 'film', 'duration="PT3S"'), period(1, 'advert', 'duration="PT2S"')],
    period(2, 'film', 'duration="PT3S"'),
  ];
  const origin = await startOrigin(
    () => `<MPD type="static" mediaPresentationDuration="PT8S">${periods.join('')}</MPD>`,
  );
  t.after(() => origin.stop());
  const watch = () => watchToEnd(`${origin.url}/all.mpd`, { allow: [origin.allow] });
  const { records, result } = await watch();
  assert.deepEqual(result.outcome, { kind: 'ended', reason: '' });
  assertGoesOn(records);
  assert.equal(picturesOf(records).length, 200);
  assertNothingAbsent(records);
  const again = await watch();
  const told = (all: typeof records) =>
    all.filter(({ event }) => event === 'features').map((record) => ({ ...record, decodedAtMs: 0, seq: 0 }));
  assert.deepEqual(told(again.records), told(records));
});

test('a live one is followed into the next period, and nothing lies between them', async (t) => {
  const begunAtMs = systemClock.nowMs();
  const start = new Date(begunAtMs - 3_000).toISOString();
  let hasNext = false;
  const origin = await startOrigin(() => {
    const periods = [
      period(0, 'film', 'start="PT0S"'),
      ...(hasNext ? [period(1, 'advert', 'start="PT3S"')] : []),
    ];
    return `<MPD type="dynamic" availabilityStartTime="${start}" minimumUpdatePeriod="PT1S">${periods.join('')}</MPD>`;
  });
  t.after(() => origin.stop());
  const sink = new RememberingSink();
  const ingest = await startIngest({
    streams: [
      parseStreamSpec({
        ...{ programmeId: 'live', input: `${origin.url}/all.mpd`, allow: [origin.allow] },
        signalLostMs: 500,
      }),
    ],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    probeId: 'test-probe',
  });
  t.after(() => ingest.stop());
  await until('pictures of the first period', () => picturesOf(sink.records).length > 50, 60_000);
  hasNext = true;
  await until('pictures of the second one', () => picturesOf(sink.records).length >= 100, 60_000);
  await ingest.stop();
  assertGoesOn(sink.records);
  assert.ok(!sink.records.some(({ event }) => event === 'signal-lost' || event === 'probe-lost'));
  assertNothingAbsent(sink.records);
  assert.ok(sink.records.some(({ markerKind }) => markerKind.includes('period')));
});
