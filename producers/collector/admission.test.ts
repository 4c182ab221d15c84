import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TenantAdmission } from './admission.ts';

const MINUTE_MS = 60_000;

test('two seconds of reports may come at once; what is beyond is waited for', () => {
  const admission = new TenantAdmission({ reportsPerSecondMax: 10, sessionsMax: 1 }, 0);
  assert.deepEqual(admission.admit(0), { admitted: true });
  admission.charge(50);
  assert.deepEqual(admission.admit(0), { admitted: false, waitMs: 3_100 });
  assert.deepEqual(admission.admit(3_099), { admitted: false, waitMs: 1 });
  assert.deepEqual(admission.admit(3_100), { admitted: true });
  assert.deepEqual(
    admission.admit(1_000),
    { admitted: true },
    'a clock that goes back earns and costs nothing',
  );
});

test('a session is remembered for five minutes after it was met', () => {
  const admission = new TenantAdmission({ reportsPerSecondMax: 10, sessionsMax: 2 }, 0);
  assert.deepEqual(
    [admission.admitSession('a', 0), admission.admitSession('b', 0), admission.admitSession('c', 0)],
    [true, true, false],
  );
  assert.equal(admission.admitSession('a', 4 * MINUTE_MS), true);
  assert.equal(admission.admitSession('a', 6 * MINUTE_MS), true);
  assert.equal(admission.admitSession('c', 6 * MINUTE_MS), false, 'b was met in the span before');
  assert.equal(admission.admitSession('c', 11 * MINUTE_MS), true, 'b is forgotten');
  assert.equal(admission.sessions, 2);
  assert.equal(admission.admitSession('d', 60 * MINUTE_MS), true);
  assert.equal(admission.sessions, 1, 'a long silence forgets all');
});
