import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { QosAlert, StreamDefect } from '../../schemas/records.ts';
import { qosAlerting } from '../qos-alerting.ts';
import { ruleFor } from './stream-alert-rules.ts';

const START_MS = 1_700_000_000_000;

const DEFECT: StreamDefect = {
  event: 'open',
  defectId: 'd1',
  revision: 1,
  programmeId: 'news',
  renditionId: 'main',
  trackId: 'video',
  vantage: 'origin',
  probeId: 'probe-1',
  type: 'video-freeze',
  severity: 'medium',
  confidencePermille: 1_000,
  reason: 'no change for 2000 ms',
  startMs: 10_000,
  endMs: null,
  durationMs: 2_000,
  chargeFromMs: 10_000,
  programTimeStartMs: null,
  programTimeEndMs: null,
  programTimeUncertaintyMs: 0,
  detectedAtMs: START_MS,
  decodedAtMs: START_MS - 100,
  evidenceTopic: 'frame-features',
  evidencePartition: 0,
  evidenceFirstOffset: 1,
  evidenceLastOffset: 3,
  configHash: 'default',
  offsetMs: null,
  announced: '',
};

/**
 * A script, one step a word: seconds of log time, then what happens. `0:open` opens a defect with the next id, `4:close`
 * closes the latest, `5:close=not-seen` with a cause, `3:high` raises its severity, `3:announced=cue-out` says that it was announced (and `3:announced` no longer), `9:` lets time pass.
 */
function play(
  script: string,
  first: Partial<StreamDefect> = {},
  config: unknown = null,
): readonly QosAlert[] {
  const driver = new TopologyTestDriver(qosAlerting, { config });
  let number = 0;
  let revision = 0;
  let defect = { ...DEFECT, ...first };
  for (const word of script.split(' ')) {
    const [seconds, what = ''] = word.split(':');
    const timeMs = START_MS + Math.round(Number(seconds) * 1_000);
    if (what === '') {
      driver.advanceTo(timeMs);
      continue;
    }
    const [event, detail] = what.split('=') as [string, string?];
    if (event === 'open' || event === 'point') {
      number += 1;
      revision = 0;
      defect = {
        ...DEFECT,
        ...first,
        severity: detail ?? first.severity ?? 'medium',
        defectId: `d${number}`,
      };
    }
    revision += 1;
    defect = { ...defect, revision };
    if (event === 'close') {
      const reason = `${detail ?? 'recovered'}: for a reason`;
      driver.pipe('stream-defects', 'news', { ...defect, event, endMs: 13_000, reason }, timeMs);
    } else if (event === 'open' || event === 'point') {
      driver.pipe('stream-defects', 'news', { ...defect, event }, timeMs);
    } else if (event === 'announced') {
      defect = { ...defect, announced: detail ?? '' };
      driver.pipe('stream-defects', 'news', { ...defect, event: 'update' }, timeMs);
    } else {
      defect = { ...defect, severity: event };
      driver.pipe('stream-defects', 'news', { ...defect, event: 'update' }, timeMs);
    }
  }
  assert.deepEqual(
    driver.outputs('qos-alerts-current').map(({ key, value }) => [key, value]),
    driver.outputs('qos-alerts').map(({ key, value }) => [key, value]),
  );
  return driver.outputs('qos-alerts').map(({ value }) => value);
}

/** Alerts as text: `status(reason)@seconds`, with `#n` where it is not the first alert. */
function tell(alerts: readonly QosAlert[]): string {
  const ids = [...new Set(alerts.map(({ alertId }) => alertId))];
  return alerts
    .map(({ alertId, status, reason, updatedAtMs }) => {
      const number = ids.indexOf(alertId);
      return `${status}(${reason})@${(updatedAtMs - START_MS) / 1_000}${number === 0 ? '' : `#${number + 1}`}`;
    })
    .join(' ');
}

function check(script: string, expected: string, first?: Partial<StreamDefect>, config?: unknown): void {
  assert.equal(tell(play(script, first, config)), expected, script);
}

test('a defect that lasts: pending, firing, held, resolved', () => {
  check(
    '0:open 1: 4:close 9: 100:',
    'pending(defect-opened)@0 firing(persisted)@1 resolved(defect-closed)@9',
  );
});

test('a defect that is over before it lasted never fires', () => {
  check('0:open 0.5:close 100:', 'pending(defect-opened)@0 resolved(closed-while-pending)@0.5');
});

test('what was announced is no news, until it outlasts what was announced', () => {
  const slate = { announced: 'cue-out' };
  check('0:open 5:high 20:close 100:', '', slate);
  check(
    '0:open 20:announced 21: 30:close 35:',
    'pending(defect-opened)@20 firing(persisted)@21 resolved(defect-closed)@35',
    slate,
  );
});

test('an announcement that comes late takes the alert back, and it fires again when that is outlasted', () => {
  check('0:open 0.5:announced=cue-out 20:close 100:', 'pending(defect-opened)@0 resolved(announced)@0.5');
  check(
    '0:open 1: 2:announced=cue-out 20:announced 30:close 35:',
    'pending(defect-opened)@0 firing(persisted)@1 resolved(announced)@2 firing(flapping)@20 resolved(defect-closed)@35',
  );
});

test('a severity that needs no waiting fires at once, also where the wait for a lower one had begun', () => {
  check('0:open=critical 1:', 'firing(defect-opened)@0');
  check('0:open=low 2:high 20:', 'pending(defect-opened)@0 firing(severity-raised)@2');
  // Medium waits 1 s from the start, and that is over.
  check('0:open=low 5:medium', 'pending(defect-opened)@0 firing(severity-raised)@5');
});

test('a rise that changes the severity of the alert is a version, one that does not is none', () => {
  check(
    '0:open 1: 8:high 60:critical',
    'pending(defect-opened)@0 firing(persisted)@1 firing(severity-raised)@8',
  );
  assert.deepEqual(
    play('0:open 1: 8:high').map(({ severity }) => severity),
    ['warning', 'warning', 'critical'],
  );
});

test('another defect while the alert holds is one more occurrence; the hold begins anew', () => {
  check(
    '0:open 1: 3:close 5:open 7:close 11: 12:',
    'pending(defect-opened)@0 firing(persisted)@1 firing(another-defect)@5 resolved(defect-closed)@12',
  );
  const last = play('0:open 1: 3:close 5:open 7:close 12:').at(-1)!;
  assert.equal(last.occurrences, 2);
  assert.deepEqual(last.defectIds, ['d1', 'd2']);
});

test('a defect soon after the alert was resolved reopens it; later it is a new alert', () => {
  check(
    '0:open 1: 3:close 8: 30:open',
    'pending(defect-opened)@0 firing(persisted)@1 resolved(defect-closed)@8 firing(flapping)@30',
  );
  check(
    '0:open 1: 3:close 8: 69:open',
    'pending(defect-opened)@0 firing(persisted)@1 resolved(defect-closed)@8 pending(defect-opened)@69#2',
  );
  // One that never fired has to last again.
  check(
    '0:open 0.5:close 3:open 4:',
    'pending(defect-opened)@0 resolved(closed-while-pending)@0.5 pending(flapping)@3 firing(persisted)@4',
  );
});

test('where nobody saw the end the alert goes stale, not resolved', () => {
  for (const cause of ['not-seen', 'signal-lost', 'probe-lost', 'probe-silent', 'new-probe-run']) {
    check(
      `0:open 1: 4:close=${cause} 603: 604:`,
      'pending(defect-opened)@0 firing(persisted)@1 stale(lost-sight)@4 resolved(given-up)@604',
    );
  }
  check(
    '0:open 1: 4:close=not-seen 20:open 21:close 26:',
    'pending(defect-opened)@0 firing(persisted)@1 stale(lost-sight)@4 firing(seen-again)@20 resolved(defect-closed)@26',
  );
  check('0:open 0.5:close=not-seen', 'pending(defect-opened)@0 resolved(lost-sight)@0.5');
});

test('the end of the stream resolves at once; a defect that gave way to another one says so', () => {
  check(
    '0:open 1: 4:close=stream-ended',
    'pending(defect-opened)@0 firing(persisted)@1 resolved(stream-ended)@4',
  );
  check(
    '0:open 1: 4:close=suppressed 9:',
    'pending(defect-opened)@0 firing(persisted)@1 resolved(superseded)@9',
  );
});

test('a point fires at once and is resolved when nothing follows', () => {
  check('0:point 5:', 'firing(defect-opened)@0 resolved(defect-closed)@5', { type: 'pts-discontinuity' });
});

test('rules differ by type and are changed by the configuration', () => {
  check('0:open 1.9: 2:', 'pending(defect-opened)@0 firing(persisted)@2', { type: 'audio-silence' });
  check(
    '0:open 1: 30:',
    'pending(defect-opened)@0 firing(persisted)@30',
    {},
    {
      streamAlerts: { 'video-freeze': { pendingForMs: { medium: 30_000 } } },
    },
  );
  check(
    '0:open 5:high 6:close 11:',
    'firing(defect-opened)@5 resolved(defect-closed)@11',
    {},
    {
      streamAlerts: { 'video-freeze': { severityMin: 'high' } },
    },
  );
  assert.equal(ruleFor(null, 'video-blur').alertName, 'StreamVideoBlur');
});

test('what does not matter is dropped and counted: repeats, unknown ends, anchors leave nothing behind', () => {
  const driver = new TopologyTestDriver(qosAlerting);
  const give = (defect: Partial<StreamDefect>) =>
    driver.pipe('stream-defects', 'news', { ...DEFECT, ...defect }, START_MS);
  give({ event: 'anchor', defectId: '', type: '' });
  give({ event: 'close', revision: 3, defectId: 'unheard' });
  assert.deepEqual(driver.save().entries, []);
  give({});
  give({});
  give({ event: 'close', revision: 2, reason: 'recovered: x', endMs: 12_000 });
  give({});
  assert.deepEqual(Object.fromEntries(driver.leftOut), {
    'drop step-of-unknown-defect': 1,
    'drop older-revision': 2,
  });
  assert.equal(driver.outputs('qos-alerts').length, 2);
});

test('the same thing has one fingerprint, another stream or type has another', () => {
  const of = (first: Partial<StreamDefect>) => play('0:open', first)[0]!.fingerprint;
  assert.equal(of({}), of({ defectId: 'other', startMs: 99_000, probeId: 'probe-2' }));
  const others = [
    {},
    { programmeId: 'a' },
    { renditionId: '720p' },
    { vantage: 'cdn:x' },
    { type: 'video-black' },
  ];
  assert.equal(new Set(others.map(of)).size, others.length);
});

// A golden trace: every field as subscribers get it. It changes only with intent.
test('golden: the resolved version, field by field', () => {
  assert.deepEqual(play('0:open 1: 4:close 9:').at(-1), {
    alertId: '5a5d2c6869750a98',
    version: 3,
    fingerprint: 'df1df67b4260c160',
    status: 'resolved',
    previousStatus: 'firing',
    alertName: 'StreamVideoFreeze',
    severity: 'warning',
    scope: 'stream',
    programmeId: 'news',
    renditionId: 'main',
    vantage: 'origin',
    defectType: 'video-freeze',
    cdn: '',
    asn: '',
    country: '',
    device: '',
    playerVersion: '',
    summary: 'news no longer shows a frozen picture',
    description:
      'news showed a frozen picture once, first at 10.0 s of its own timeline: no change for 2000 ms. ' +
      'It is over, after 9.0 s.',
    reason: 'defect-closed',
    runbookUrl: '',
    startsAtMs: START_MS,
    firedAtMs: START_MS + 1_000,
    endsAtMs: START_MS + 9_000,
    updatedAtMs: START_MS + 9_000,
    mediaStartMs: 10_000,
    mediaEndMs: 13_000,
    decodedAtMs: 0,
    occurrences: 1,
    defectIds: ['d1'],
    affectedSessions: null,
    affectedSharePermille: null,
    verdict: 'source',
    configHash: 'default',
  });
});

const anyStep = fc.record({
  afterMs: fc.integer({ min: 0, max: 30_000 }),
  stream: fc.constantFrom('news', 'sports'),
  type: fc.constantFrom('video-freeze', 'audio-silence'),
  severity: fc.constantFrom('low', 'medium', 'high', 'critical'),
  cause: fc.constantFrom('recovered', 'not-seen', 'stream-ended', 'suppressed'),
});

/** Opens what is closed and closes what is open, so any steps make a possible log. */
function toRecords(
  steps: readonly { stream: string; type: string; severity: string; cause: string; afterMs: number }[],
) {
  const open = new Map<string, StreamDefect>();
  let timeMs = START_MS;
  return steps.map(({ stream, type, severity, cause, afterMs }, index) => {
    timeMs += afterMs;
    const key = `${stream} ${type}`;
    const running = open.get(key);
    if (running === undefined) {
      const value = { ...DEFECT, programmeId: stream, type, severity, defectId: `d${index}` };
      open.set(key, value);
      return { timeMs, value };
    }
    open.delete(key);
    return {
      timeMs,
      value: { ...running, event: 'close', revision: 2, endMs: 13_000, reason: `${cause}: so` },
    };
  });
}

test('restored at any point it says the same, and versions of each alert count up without gaps', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 25 }), fc.nat(25), (steps, stopAt) => {
      const records = toRecords(steps);
      const run = (driver: TopologyTestDriver, part: typeof records) => {
        for (const { value, timeMs } of part) driver.pipe('stream-defects', value.programmeId, value, timeMs);
        return driver;
      };
      const straight = run(new TopologyTestDriver(qosAlerting), records);
      const before = run(new TopologyTestDriver(qosAlerting), records.slice(0, stopAt));
      const after = run(
        new TopologyTestDriver(qosAlerting, { restoreFrom: before.save() }),
        records.slice(stopAt),
      );
      const all = [straight, before, after].map((driver) =>
        driver.outputs('qos-alerts').map(({ value }) => value),
      );
      assert.deepEqual([...all[1]!, ...all[2]!], all[0]);
      for (const versions of Map.groupBy(all[0]!, ({ alertId }) => alertId).values()) {
        for (const [index, { version, previousStatus }] of versions.entries()) {
          assert.equal(version, index + 1);
          assert.equal(previousStatus, versions[index - 1]?.status ?? '');
        }
      }
    }),
  );
});
