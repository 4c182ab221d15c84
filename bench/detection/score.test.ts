import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FileResult, figuresOf, median, peerFigures } from './score.ts';

const black = (startMs: number, endMs: number) => ({ type: 'video-black', startMs, endMs });
const freeze = (startMs: number, endMs: number) => ({ type: 'video-freeze', startMs, endMs });

function file(kind: FileResult['kind'], more: Partial<FileResult>): FileResult {
  const nothing = { truths: [], found: [], peers: null };
  return { id: kind, kind, what: '', durationMs: 1_800_000, ...nothing, ...more };
}

test('precision and recall over files with faults, false alarms over all of them', () => {
  const files = [
    file('faults', {
      truths: [black(2_000, 5_000), black(8_000, 11_000)],
      found: [black(2_100, 5_000), black(20_000, 23_000)],
    }),
    file('negative', { found: [black(1_000, 4_000), freeze(1_000, 4_000)] }),
  ];
  const figures = figuresOf('video-black', files, ({ found }) => found);
  assert.deepEqual(figures, {
    ...{ instances: 2, hits: 1, falseInFaults: 1, falseInNegatives: 1 },
    ...{ precision: 0.5, recall: 0.5, f1: 0.5, startErrorMsMedian: 100, falsePerHour: 2 },
  });
  assert.equal(figuresOf('video-flat', files, ({ found }) => found).f1, 0);
});

test('a filter is not blamed for a freeze where it is black, and gets its best limit', () => {
  const blockiness = [0, 40, 80, 4_000, 4_040, 4_080, 4_120, 4_160].map(
    (ms) => [ms, ms < 4_000 ? 1 : 5] as const,
  );
  const truths = [black(2_000, 5_000), { type: 'video-block-corruption', startMs: 4_000, endMs: 4_200 }];
  const figures = peerFigures([
    file('faults', { truths, peers: { found: [freeze(2_000, 5_000), black(2_000, 5_000)], blockiness } }),
  ]);
  const of = (name: string) => figures.find((one) => one.name === name)!;
  assert.equal(of('blackdetect').f1, 1);
  assert.equal(of('freezedetect').falseInFaults, 0);
  assert.equal(of('blockdetect').f1, 1);
});

test('the median of an even number of figures is the mean of the middle two', () => {
  assert.deepEqual([median([]), median([3]), median([4, 1]), median([9, 1, 5])], [null, 3, 2.5, 5]);
});
