import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDurationMs, parseStartPoint, wholeNumber } from './values.ts';

test('durations: a number with its unit, from great to small', () => {
  const check = (text: string, ms: number) => assert.equal(parseDurationMs(text), ms, text);
  check('500ms', 500);
  check('60s', 60_000);
  check('2m', 120_000);
  check('1.5s', 1500);
  check('1m30s', 90_000);
  check('1h2m3s4ms', 3_723_004);
  check('1d', 86_400_000);
});

test('durations: anything else is refused with an example of what to write', () => {
  const check = (text: string, why: RegExp) =>
    assert.throws(
      () => parseDurationMs(text),
      (error: Error) => why.test(error.message) && error.message.includes('1m30s'),
      text,
    );
  check('', /is no duration/);
  check('60', /has no unit/);
  check('60 s', /is no duration/);
  check('sixty', /is no duration/);
  check('-5s', /is no duration/);
  check('5S', /is no duration/);
  check('1e3s', /is no duration/);
  check('30s1m', /greater units/);
  check('1s1s', /greater units/);
  check('0s', /longer than nothing/);
  check('0.5ms', /fraction/);
  check('99999999999999999999h', /too long/);
});

test('durations: whatever is written in units comes back in milliseconds', () => {
  fc.assert(
    fc.property(
      fc.nat(99),
      fc.nat(59),
      fc.integer({ min: 1, max: 59 }),
      (h, m, s) => parseDurationMs(`${h}h${m}m${s}s`) === ((h * 60 + m) * 60 + s) * 1000,
    ),
  );
});

test('whole numbers stay within their bounds', () => {
  const parse = wholeNumber('number of partitions', 1, 1000);
  assert.equal(parse('12'), 12);
  for (const text of ['0', '1001', '1.5', '', 'six', '1e2', ' 3'])
    assert.throws(() => parse(text), /is no number of partitions: write a whole number from 1 to 1000/);
});

test('start points: an end of the log or a time with its zone', () => {
  assert.deepEqual(parseStartPoint('beginning'), { kind: 'beginning' });
  assert.deepEqual(parseStartPoint('latest'), { kind: 'latest' });
  assert.deepEqual(parseStartPoint('1767225600000'), { kind: 'time', atMs: 1_767_225_600_000 });
  assert.deepEqual(parseStartPoint('2026-01-01T00:00:00Z'), { kind: 'time', atMs: 1_767_225_600_000 });
  assert.deepEqual(parseStartPoint('2026-01-01T01:00+01:00'), { kind: 'time', atMs: 1_767_225_600_000 });
  for (const text of ['2026-01-01T00:00:00', '2026-13-01T00:00:00Z', 'yesterday', '12345'])
    assert.throws(() => parseStartPoint(text), /is no place to begin/);
});
