import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { AUDIENCE_RULES, audienceRules } from './alerts/audience-rules.ts';
import { ruleFor } from './alerts/stream-alert-rules.ts';
import { CONFIGURATION_PARTS, checkConfiguration } from './configuration.ts';
import { SCORING_DEFAULTS } from './scoring/settings.ts';
import { SESSION_DEFAULTS } from './sessions/session-settings.ts';
import { DETECTOR_DEFAULTS } from './stream-detection.ts';

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
      audienceAlerts: {
        'rebuffering-high': { firePermille: 30, pendingForMs: { warning: 0 } },
        'startup-slow': { slowMs: 8_000, enabled: 0 },
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
      'detector: no such part of a configuration; there are detectors, streams, offAir, streamAlerts, audienceAlerts, sessions, scoring, ingest',
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

test('faults of audience alerts', () => {
  assert.deepEqual(
    checkConfiguration({
      audienceAlerts: {
        'rebuffering-low': {},
        'score-low': { firePermille: 200 },
        'startup-slow': { slowMs: 7_777 },
        'audience-vanished': { pendingForMs: { info: 1, warning: -1 }, limit: 3, runbookUrl: 4 },
        'telemetry-missing': [],
      },
    }),
    [
      `audienceAlerts.rebuffering-low: no such rule; there are ${AUDIENCE_RULES.join(', ')}`,
      'audienceAlerts.score-low.clearPermille is 300, above firePermille, which is 200',
      'audienceAlerts.startup-slow.slowMs is 7777, and has to be one of the bounds 0, 100, 200, 300, 400, 500, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000, 12500, 15000, 20000, 30000, 45000, 60000',
      'audienceAlerts.audience-vanished.pendingForMs: the key has to be one of warning, critical, and is "info"',
      'audienceAlerts.audience-vanished.pendingForMs.warning has to be at least 0, and is -1',
      `audienceAlerts.audience-vanished.limit: no such setting; there are ${Object.keys(audienceRules(null)['score-low']).join(', ')}`,
      'audienceAlerts.audience-vanished.runbookUrl has to be a text, and is 4',
      'audienceAlerts.telemetry-missing has to be an object',
    ],
  );
});

test('docs/configuration.md lists every setting with its default, and its example is fine', () => {
  const text = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  const [, example] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
  assert.deepEqual(checkConfiguration(parse(example ?? 'none')), []);
  for (const part of CONFIGURATION_PARTS) assert.ok(text.includes(`\`${part}\``), part);
  for (const [type, defaults] of Object.entries(DETECTOR_DEFAULTS)) {
    const settings = Object.entries(defaults).map(([name, value]) => `\`${name}\` ${value}`);
    assert.ok(text.includes(`| \`${type}\` | ${settings.join(', ')} |`), type);
  }
  for (const defaults of [SESSION_DEFAULTS, SCORING_DEFAULTS]) {
    for (const [name, value] of Object.entries(defaults))
      assert.ok(text.includes(`| \`${name}\` | ${value} |`), `${name} ${value}`);
  }
  const rules = audienceRules(null);
  for (const name of Object.keys({ ...ruleFor(null, 'video-black'), ...rules['score-low'] }))
    assert.ok(text.includes(`| \`${name}\` |`), name);
  for (const rule of AUDIENCE_RULES) {
    const { alertName, firePermille, clearPermille, criticalPermille } = rules[rule];
    const row = `| \`${rule}\` | ${alertName} | ${firePermille} | ${clearPermille} | ${criticalPermille} |`;
    assert.ok(text.includes(row), row);
  }
});
