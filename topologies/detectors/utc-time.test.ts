import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { utcMsOf } from './utc-time.ts';

test('the same as the language has it, for every day from 1970 on', () => {
  const [min, max] = [new Date('1970-01-01T00:00:00Z'), new Date('2399-12-31T23:59:59Z')];
  fc.assert(
    fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
      const text = `${date.toISOString().slice(0, 19)}Z`;
      assert.equal(utcMsOf(text), Date.parse(text));
    }),
  );
  assert.equal(utcMsOf('2024-02-29T12:30Z'), Date.parse('2024-02-29T12:30:00Z'));
});

test('what is no time, or not in UTC, is none', () => {
  for (const text of [
    '',
    '2026-11-22',
    '2026-11-22T01:00:00',
    '2026-11-22T01:00:00+01:00',
    '2026-13-01T00:00Z',
    '2026-00-01T00:00Z',
    '2023-02-29T00:00Z',
    '1900-02-29T00:00Z',
    '2100-02-29T00:00Z',
    '2026-04-31T00:00Z',
    '2026-01-01T24:00Z',
    '2026-01-01T23:60Z',
    5,
    null,
  ])
    assert.equal(utcMsOf(text), null, String(text));
});
