import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfiguration } from './configuration.ts';

test('the defaults and what changes a part of them are fine', () => {
  assert.deepEqual(checkConfiguration(null), []);
  assert.deepEqual(checkConfiguration({}), []);
  assert.deepEqual(
    checkConfiguration({
      detectors: { 'video-freeze': { minMs: 3_000 } },
      streams: { news: { 'video-freeze': { minMs: 4_000 } } },
      streamAlerts: {
        'audio-silence': { pendingForMs: { medium: 10_000 }, severityMin: 'high', alertName: 'Quiet' },
        'a-type-to-come': { severityOf: { low: 'critical' } },
      },
      sessions: { graceMs: 3_000 },
      scoring: { model: 'iqx-1', sealWaitMs: 0 },
    }),
    [],
  );
});

test('every fault is one sentence, all at once', () => {
  assert.deepEqual(checkConfiguration(7), ['a configuration has to be an object']);
  assert.deepEqual(
    checkConfiguration({
      detector: {},
      detectors: { 'video-freeze': { minMs: 'long' } },
      streamAlerts: {
        'video-black': {
          pendingForMs: { medium: 1.5, huge: 1 },
          severityMin: 'loud',
          severityOf: 'critical',
          resolveHoldMs: -1,
          title: 7,
          pager: 'me',
        },
        'video-blur': 3,
      },
      sessions: { windowMs: 7_000, grace: 1 },
      scoring: { model: 'p1203', sealWaitMs: -1 },
    }),
    [
      'detector: no such part of a configuration; there are detectors, streams, streamAlerts, audienceAlerts, sessions, scoring',
      'detectors.video-freeze.minMs has to be an integer, and is "long"',
      'streamAlerts.video-black.pendingForMs: the key has to be one of low, medium, high, critical, and is "huge"',
      'streamAlerts.video-black.pendingForMs.medium has to be an integer, and is 1.5',
      'streamAlerts.video-black.severityMin has to be one of low, medium, high, critical, and is "loud"',
      'streamAlerts.video-black.severityOf has to be an object by severity',
      'streamAlerts.video-black.resolveHoldMs has to be at least 0, and is -1',
      'streamAlerts.video-black.title has to be a text, and is 7',
      'streamAlerts.video-black.pager: no such setting; there are severityMin, severityOf, pendingForMs, resolveHoldMs, reopenWithinMs, staleAfterMs, runbookUrl, alertName, title',
      'streamAlerts.video-blur has to be an object',
      'sessions.grace: no such setting; there are windowMs, graceMs, heartbeatTimeoutMs, reopenMs, rolloverMs, heldEventsMax, clockJumpMs',
      'scoring.sealWaitMs has to be at least 0, and is -1',
      'scoring.model: no model "p1203"; there are iqx-1',
    ],
  );
  assert.deepEqual(checkConfiguration({ sessions: { windowMs: 7_000 } }), [
    'sessions.rolloverMs is 86400000, and has to be a whole number of windows of 7000 ms',
  ]);
});
