import assert from 'node:assert/strict';
import { test } from 'node:test';
import { audioSilence } from './audio-silence.ts';
import { cut, defectsOf, draw, everySecond, LOG_START_MS, type Looks, tell } from './drawn-stream.ts';
import { rankOf, SUPPRESSES, suppresses } from './precedence-table.ts';
import { closeCauseOf } from './stream-step.ts';
import { videoBlack } from './video-black.ts';
import { videoFreeze } from './video-freeze.ts';

const SILENT = { rmsCentiDbfs: [-12_000, -12_000] };
const LOOKS: Looks = {
  '.': {},
  '#': { darkPermille: 1_000, still: true, diffMeanCenti: 0 },
  f: { still: true, diffMeanCenti: 0 },
  // One still run for the probe, which darkens by less than coding noise and passes the limit of black on the way.
  x: (index) => ({ still: true, diffMeanCenti: 0, darkPermille: index < 60 || index >= 140 ? 900 : 1_000 }),
  s: SILENT,
  b: { darkPermille: 1_000, ...SILENT },
};
const DETECTORS = [audioSilence, videoFreeze, videoBlack];

function check(drawing: string, expected: string, detectors = DETECTORS): void {
  const recording = draw(drawing, LOOKS);
  assert.equal(tell(defectsOf(detectors, cut(recording, everySecond(recording))), ''), expected);
}

test('black suppresses the freeze that every black picture also is, in whatever order detectors stand', () => {
  check('..######..', 'video-black:open@1000 video-black:close@4000');
  check('..######..', 'video-black:open@1000 video-black:close@4000', [...DETECTORS].reverse());
});

test('a freeze without black is reported', () => {
  check('..ffffff..', 'video-freeze:open@1000 video-freeze:close@4000');
});

test('of a freeze that is black in between, what is left over is reported where it is long enough', () => {
  check(
    `..${'x'.repeat(18)}..`,
    'video-freeze:open@1000 video-black:open@3000 video-freeze:close@3000 ' +
      'video-black:close@7000 video-freeze:open@7000 video-freeze:close@10000',
  );
  check(
    `..${'x'.repeat(14)}..`,
    'video-freeze:open@1000 video-black:open@3000 video-freeze:close@3000 video-black:close@7000',
  );
});

test('the piece that gave way says to what', () => {
  const recording = draw(`..${'x'.repeat(18)}..`, LOOKS);
  const records = defectsOf(DETECTORS, cut(recording, everySecond(recording)));
  const closed = records.filter(({ event }) => event === 'close').map(({ reason }) => closeCauseOf(reason));
  assert.deepEqual(closed, ['suppressed', 'recovered', 'recovered']);
  const ids = new Set(records.filter(({ event }) => event !== 'anchor').map(({ defectId }) => defectId));
  assert.equal(ids.size, 3);
});

test('video never suppresses audio, nor audio video', () => {
  check(
    '..bbbb..',
    'video-black:open@1000 audio-silence:open@1000 video-black:close@3000 audio-silence:close@3000',
  );
  for (const [type, others] of Object.entries(SUPPRESSES)) {
    const [kind] = type.split('-');
    for (const other of others) {
      if (kind === 'video' || kind === 'audio')
        assert.ok(!other.startsWith(kind === 'video' ? 'audio' : 'video'));
    }
  }
});

test('a type ranks after all that suppress it', () => {
  const types = [...new Set([...Object.keys(SUPPRESSES), ...Object.values(SUPPRESSES).flat()])];
  for (const a of types) {
    for (const b of types) if (suppresses(a, b)) assert.ok(rankOf(a) < rankOf(b), `${a} before ${b}`);
  }
});

test('revisions count up, and one defect keeps its id, start and charge', () => {
  const recording = draw(`..${'f'.repeat(24)}..`, LOOKS);
  const records = defectsOf(DETECTORS, cut(recording, everySecond(recording)));
  const steps = records.filter(({ event }) => event !== 'anchor');
  assert.deepEqual(
    steps.map(({ event, revision }) => `${event} ${revision}`),
    ['open 1', 'update 2', 'close 3'],
  );
  for (const name of ['defectId', 'startMs', 'chargeFromMs', 'type'] as const) {
    assert.equal(new Set(steps.map((one) => one[name])).size, 1, name);
  }
});

test('an anchor is said at the start, and again when presentation time moves by 500 ms against the log', () => {
  const recording = draw('........', LOOKS);
  const chunks = cut(recording, everySecond(recording)).map((chunk) => ({
    ...chunk,
    programTimeMs: LOG_START_MS - 8_000 + chunk.basePtsMs,
    programTimeSource: 'pdt',
  }));
  const late = chunks.map((chunk, index) =>
    index < 2 ? chunk : { ...chunk, basePtsMs: chunk.basePtsMs + 600 },
  );
  const anchorsOf = (given: typeof chunks) =>
    defectsOf([], given).map(({ startMs, programTimeStartMs, detectedAtMs }) => [
      startMs,
      programTimeStartMs! - LOG_START_MS,
      detectedAtMs - LOG_START_MS,
    ]);
  assert.deepEqual(anchorsOf(chunks), [[1_000, -7_000, 1_300]]);
  // The arrival follows the presentation time, so only programme time has moved here.
  assert.deepEqual(anchorsOf(late), [
    [1_000, -7_000, 1_300],
    [3_600, -5_000, 3_900],
  ]);
});
