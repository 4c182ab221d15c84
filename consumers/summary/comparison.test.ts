import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareWithTruth, type FoundDefect, type InjectedFault } from './comparison.ts';
import { latencyFigures } from './latency.ts';

/**
 * One stream is drawn in half seconds: `#` under a fault or a defect, `>` a defect that is still open, `|` where watching
 * ended (the end of the drawing when absent). What comes out: a word for each fault, then `+n` for n false alarms.
 */
function check(truth: string, found: string, expected: string): void {
  const watchedUpToMs = (truth.includes('|') ? truth.indexOf('|') : truth.length) * 500;
  const faults = spansOf(truth.replace('|', '')).map(faultOf);
  const defects = spansOf(found).map(defectOf);
  const { faults: results, falseAlarms } = compareWithTruth(
    faults,
    defects,
    new Map([['one', watchedUpToMs]]),
  );
  const words = results.map(
    ({ outcome, startErrorMs, endErrorMs }) =>
      outcome + (startErrorMs === null ? '' : `(${startErrorMs},${endErrorMs ?? 'open'})`),
  );
  assert.equal([...words, `+${falseAlarms.length}`].join(' '), expected, `${truth}\n${found}`);
}

test('a fault is found by one defect of its type that starts within a second of it', () => {
  check('..####....', '..####....', 'found(0,0) +0');
  check('..####....', '...####...', 'found(500,500) +0');
  check('..####....', '.#######..', 'found(-500,1000) +0');
  check('..####....', '....####..', 'missed +1');
  check('..####....', '..........', 'missed +0');
  check('..........', '..####....', '+1');
});

test('each defect explains one fault only, and each fault takes one defect', () => {
  check('..####.####..', '..#########..', 'found(0,2500) missed +0');
  check('..#########..', '..####.####..', 'found(0,-2500) +1');
  check('..####.####..', '..####.####..', 'found(0,0) found(0,0) +0');
});

test('a defect that is still open has a start error only', () => {
  check('..####....', '..>', 'found(0,open) +0');
});

test('what was not watched to its end is neither found nor missed, and its defect is no false alarm', () => {
  check('..####|..', '..>', 'found(0,open) +0');
  check('..###|#..', '..>', 'not-finished(0,open) +0');
  check('..#|###..', '.........', 'not-finished +0');
  check('.|..####..', '.........', 'not-finished +0');
});

test('other programmes and other types explain nothing', () => {
  const fault = faultOf([2000, 6000]);
  for (const defect of [
    { ...defectOf([2000, 6000]), programmeId: 'two' },
    { ...defectOf([2000, 6000]), type: 'video-black' },
  ]) {
    const { faults, falseAlarms } = compareWithTruth([fault], [defect], new Map([['one', 9000]]));
    assert.equal(faults[0]?.outcome, 'missed');
    assert.deepEqual(falseAlarms, [defect]);
  }
});

test('a programme that nobody watched has no finished fault', () => {
  const { faults } = compareWithTruth([faultOf([0, 2000])], [], new Map());
  assert.equal(faults[0]?.outcome, 'not-finished');
});

test('the order in which faults and defects are listed changes nothing', () => {
  const spans = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 8 })), { maxLength: 12 });
  const shuffled = (items: readonly (readonly [number, number])[]) => [...items].reverse();
  const toSpan = ([at, length]: readonly [number, number]) => [at * 500, (at + length) * 500] as const;
  fc.assert(
    fc.property(spans, spans, (truth, found) => {
      const run = (a: readonly (readonly [number, number])[], b: readonly (readonly [number, number])[]) => {
        const result = compareWithTruth(
          a.map(toSpan).map(faultOf),
          b.map(toSpan).map(defectOf),
          new Map([['one', 15_000]]),
        );
        return [result.faults.filter(({ defectId }) => defectId !== null).length, result.falseAlarms.length];
      };
      const [matched = 0, unexplained] = run(truth, found);
      assert.deepEqual(run(shuffled(truth), shuffled(found)), [matched, unexplained]);
      assert.equal(matched + unexplained!, found.length);
    }),
  );
});

test('percentiles are values that were measured', () => {
  assert.deepEqual(latencyFigures([]), { count: 0, p50Ms: null, p99Ms: null, maxMs: null });
  assert.deepEqual(latencyFigures([7]), { count: 1, p50Ms: 7, p99Ms: 7, maxMs: 7 });
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual(latencyFigures(hundred), { count: 100, p50Ms: 50, p99Ms: 99, maxMs: 100 });
  assert.deepEqual(latencyFigures([5, 1000]), { count: 2, p50Ms: 5, p99Ms: 1000, maxMs: 1000 });
});

type Span = readonly [startMs: number, endMs: number | null];

function spansOf(drawing: string): Span[] {
  return [...drawing.matchAll(/#+|>/g)].map(({ 0: mark, index }) => [
    index * 500,
    mark === '>' ? null : (index + mark.length) * 500,
  ]);
}

function faultOf([startMs, endMs]: Span): InjectedFault {
  return { programmeId: 'one', type: 'video-freeze', startMs, endMs: endMs! };
}

function defectOf([startMs, endMs]: Span): FoundDefect {
  return { defectId: `at-${startMs}`, programmeId: 'one', type: 'video-freeze', startMs, endMs };
}
