import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cut, draw, everySecond } from '../../topologies/detectors/drawn-stream.ts';
import { timeMarks } from './plots.ts';
import { reportHtml, stripPlaces } from './report.ts';

const recording = draw('......######......', { '.': {}, '#': { darkPermille: 1_000, lumaMeanCenti: 1_600 } });
const chunks = cut(recording, everySecond(recording));
const analysis = {
  ...{
    streamId: 'news <1>',
    input: 'news.mp4',
    durationMs: 9_000,
    chunks,
    decoder: '5.1',
    notWatched: ['ts-error'],
    steps: [],
  },
  defects: [
    {
      ...{ streamId: 'news <1>', type: 'video-black', startMs: 3_000, endMs: 6_000, open: false },
      ...{ severity: 'medium', confidencePermille: 900, reason: 'dark & neutral' },
    },
  ],
};

test('one page with a strip of pictures, lanes, plots over one axis of time, and a card for each defect', () => {
  const places = stripPlaces(analysis);
  assert.deepEqual(places.slice(0, 2).concat(places.length), [450, 1_350, 10]);
  const thumbnails = new Map([...places, 3_000].map((ms) => [ms, 'data:image/jpeg;base64,AA']));
  const html = reportHtml([{ analysis, thumbnails }]);
  assert.equal(html.match(/<img src="data:/g)?.length, 11);
  assert.match(html, /news &#60;1&#62;/);
  const titles = [...html.matchAll(/aria-label="([^"]+)"/g)].map(([, title]) => title);
  for (const title of [
    'defects over time',
    'luma',
    'dark pixels',
    'change',
    'interval',
    'sound level',
    'loudness',
  ])
    assert.ok(titles.includes(title), `${title}: ${titles.join(', ')}`);
  // The band of the defect is at the same place in the lane and in the plots of pictures.
  const bands = [...html.matchAll(/class="band medium"[^>]* x="([\d.]+)"/g)].map(([, x]) => x);
  assert.ok(bands.length >= 5);
  assert.equal(new Set(bands).size, 1, bands.join());
  assert.doesNotMatch(html, /NaN|undefined/);
});

test('marks of time are round and not too many', () => {
  assert.deepEqual(timeMarks(9_000), [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000]);
  assert.deepEqual(timeMarks(55_000).slice(0, 3), [0, 5_000, 10_000]);
  assert.ok([1, 61_000, 3_600_000, 86_400_000, 900_000_000].every((ms) => timeMarks(ms).length <= 13));
});
