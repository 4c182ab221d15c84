import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QosAlert } from '../schemas/records.ts';
import { alertLine } from './alert-line.ts';
import type { Terminal } from './terminal.ts';

const ALERT = {
  status: 'firing',
  severity: 'warning',
  alertName: 'StreamVideoFreeze',
  programmeId: 'city',
  renditionId: 'main',
  vantage: 'origin',
  summary: 'city shows a frozen picture',
  mediaStartMs: 12_480,
  updatedAtMs: Date.UTC(2026, 0, 31, 18, 30, 2),
} as QosAlert;

const plain: Terminal = { isTty: false, hasColour: false, columns: 80, write: () => {} };

test('an alert is one line: when, what, where, since when', () => {
  const line =
    '18:30:02Z FIRING    warning   city at 00:12.480  city shows a frozen picture (StreamVideoFreeze)';
  assert.equal(alertLine(ALERT, false, plain), line);
  assert.equal(alertLine(ALERT, true, plain), `${line}, of an earlier run`);
  const lost = { ...ALERT, mediaStartMs: null, programmeId: 'news', vantage: 'cdn:a' };
  assert.match(alertLine(lost, false, plain), / news @cdn:a {2}city shows/);
});

test('its status has a colour where colours are shown', () => {
  const terminal = { ...plain, hasColour: true };
  assert.ok(alertLine(ALERT, false, terminal).includes('\x1b[31mFIRING'));
  assert.ok(alertLine({ ...ALERT, status: 'resolved' }, false, terminal).includes('\x1b[32mRESOLVED'));
});
