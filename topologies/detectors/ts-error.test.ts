import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cut, defectsOf, draw, everySecond, tell } from './drawn-stream.ts';
import type { DetectionConfig } from './settings.ts';
import { tsError } from './ts-error.ts';

type Found = readonly [atMs: number, kind: number, count: number];

/** Errors in a stream of 12 s; each is told by the chunk that it lies in. */
function check(errors: readonly Found[], expected: string, config?: DetectionConfig): void {
  const recording = draw('.'.repeat(24), { '.': {} });
  const chunks = cut(recording, everySecond(recording)).map((chunk) => {
    const own = errors.filter(
      ([atMs]) => atMs >= chunk.basePtsMs && atMs < chunk.basePtsMs + chunk.durationMs,
    );
    return {
      ...chunk,
      tsChecked: true,
      tsErrorPtsMs: own.map(([atMs]) => atMs - chunk.basePtsMs),
      tsErrorKind: own.map(([, kind]) => kind),
      tsErrorCount: own.map(([, , count]) => count),
    };
  });
  assert.equal(tell(defectsOf([tsError], chunks, config ?? null), 'ts-error'), expected);
}

test('errors of a row are one defect, from the first to the last', () => {
  check([[3_210, 14, 1]], 'open@3210 close@3210');
  check(
    [
      [3_210, 14, 2],
      [4_100, 12, 1],
      [5_000, 11, 1],
    ],
    'open@3210 close@5000',
  );
});

test('a second without an error ends it', () => {
  check(
    [
      [3_000, 14, 1],
      [4_000, 14, 1],
    ],
    'open@3000 close@3000 open@4000 close@4000',
  );
  check(
    [
      [3_000, 14, 1],
      [3_999, 14, 1],
    ],
    'open@3000 close@3999',
  );
});

test('a table that is absent is an error from where it was last, and a PID only after 5 s', () => {
  check(
    [
      [3_500, 13, 500],
      [4_000, 13, 1_000],
      [4_200, 13, 1_200],
    ],
    'open@3000 close@4200',
  );
  check(
    [
      [3_500, 16, 500],
      [7_900, 16, 4_900],
    ],
    '',
  );
  check(
    [
      [7_500, 16, 4_500],
      [8_100, 16, 5_100],
    ],
    'open@3000 close@8100',
  );
  check([[3_500, 16, 500]], 'open@3000 close@3500', { detectors: { 'ts-error': { pidAbsentMsMin: 500 } } });
});

test('many errors are of high severity', () => {
  check(
    [
      [3_000, 14, 10],
      [3_500, 14, 60],
    ],
    'open@3000 high@3500 close@3500',
  );
});
