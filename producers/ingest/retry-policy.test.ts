import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRUITLESS_MAX, nextStep, type PassFacts, retryDelayMs } from './retry-policy.ts';

const FILE: PassFacts = {
  kind: 'file',
  loop: false,
  listens: false,
  isOffline: false,
  exitCode: 0,
  exitSignal: null,
  packets: 100,
  inputFailed: false,
  brokeLimit: false,
  fruitless: 0,
};
const HLS: PassFacts = { ...FILE, kind: 'web' };
const SRT: PassFacts = { ...FILE, kind: 'srt', listens: true };
const KILLED = { exitCode: null, exitSignal: 'SIGKILL' };

const check = (facts: PassFacts, next: string) =>
  assert.equal(nextStep(facts).next, next, JSON.stringify(facts));

test('a file ends, is looped, is taken up again after a crash, or is given up', () => {
  check(FILE, 'end');
  check({ ...FILE, loop: true }, 'loop');
  check({ ...FILE, ...KILLED }, 'restart');
  check({ ...FILE, ...KILLED, fruitless: FRUITLESS_MAX }, 'give-up');
  check({ ...FILE, exitCode: 1 }, 'give-up');
  check({ ...FILE, packets: 0, loop: true }, 'give-up');
});

test('a live input ends only when it says so; otherwise it is tried again for ever', () => {
  check(HLS, 'end');
  check({ ...HLS, inputFailed: true }, 'reconnect');
  check({ ...HLS, packets: 0 }, 'reconnect');
  check({ ...HLS, exitCode: 1, fruitless: 1000 }, 'reconnect');
  check({ ...HLS, ...KILLED }, 'restart');
});

test('what is pushed never ends for good, and who listens is soon there again', () => {
  check(SRT, 'reconnect');
  check({ ...SRT, packets: 0, exitCode: 1 }, 'reconnect');
  assert.deepEqual(nextStep({ ...SRT, fruitless: 100 }), { next: 'reconnect', delayMs: 250 });
  check({ ...SRT, isOffline: true }, 'end');
});

test('who waits for a result does not wait for ever', () => {
  check({ ...HLS, isOffline: true, exitCode: 1, fruitless: FRUITLESS_MAX - 1 }, 'reconnect');
  check({ ...HLS, isOffline: true, exitCode: 1, fruitless: FRUITLESS_MAX }, 'give-up');
});

test('a file that breaks a limit is given up, a stream is tried again', () => {
  check({ ...FILE, ...KILLED, brokeLimit: true }, 'give-up');
  check({ ...HLS, ...KILLED, brokeLimit: true }, 'reconnect');
});

test('attempts come at growing distances', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 100].map(retryDelayMs),
    [500, 500, 1000, 2000, 4000, 8000, 10_000, 10_000],
  );
});
