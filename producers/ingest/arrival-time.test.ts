import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArrivalTime, MOVE_MS, NO_PROGRAM_TIME, WINDOW_MS } from './arrival-time.ts';

const START_MS = 1_800_000_000_000;

test('before anything has come there is no programme time', () => {
  assert.deepEqual(new ArrivalTime().at(0), NO_PROGRAM_TIME);
});

test('pictures that come a little late leave the mapping where it is', () => {
  const property = fc.property(fc.array(fc.nat(MOVE_MS), { minLength: 1, maxLength: 3_000 }), (late) => {
    const arrival = new ArrivalTime();
    const said = new Set<number>();
    arrival.observe(0, START_MS);
    for (const [i, lateMs] of late.entries()) {
      arrival.observe((i + 1) * 40, START_MS + (i + 1) * 40 + lateMs);
      said.add(arrival.at(i * 40).programTimeMs! - i * 40);
    }
    assert.deepEqual([...said], [START_MS]);
  });
  fc.assert(property, { numRuns: 30 });
});

test('segments that come at once: the end of a segment is live when it comes, and the spread is said', () => {
  const arrival = new ArrivalTime();
  const said: number[] = [];
  for (let segment = 0; segment < 20; segment++) {
    const comesAtMs = START_MS + (segment + 1) * 2_000;
    for (let ptsMs = segment * 2_000; ptsMs < (segment + 1) * 2_000; ptsMs += 40)
      arrival.observe(ptsMs, comesAtMs);
    said.push(arrival.at(0).programTimeMs! - START_MS);
  }
  assert.equal(new Set(said.slice(1)).size, 1, 'steady from the second segment on');
  assert.ok(said[0]! >= 40 && said[0]! <= 40 + MOVE_MS, `${said[0]}`);
  const { programTimeSource, uncertaintyMs } = arrival.at(0);
  assert.equal(programTimeSource, 'arrival');
  assert.ok(uncertaintyMs >= 1_960 && uncertaintyMs <= 2_000 + MOVE_MS, `${uncertaintyMs}`);
});

test('a stream that falls behind for good moves the mapping once a window has seen nothing earlier', () => {
  const arrival = new ArrivalTime();
  const offsetAt = (ptsMs: number) => (ptsMs < 10_000 ? 0 : 600);
  const moves: number[] = [];
  let lastMs: number | null = null;
  for (let ptsMs = 0; ptsMs < 120_000; ptsMs += 40) {
    arrival.observe(ptsMs, START_MS + ptsMs + offsetAt(ptsMs));
    const heldMs = arrival.at(0).programTimeMs! - START_MS;
    if (heldMs !== lastMs) moves.push(heldMs, ptsMs);
    lastMs = heldMs;
  }
  assert.deepEqual(moves.slice(0, 3), [0, 0, 600]);
  assert.ok(moves[3]! >= 10_000 + WINDOW_MS && moves[3]! <= 10_000 + 3 * WINDOW_MS, `at ${moves[3]} ms`);
  assert.equal(moves.length, 4);
});

test('a leap in presentation time begins a mapping of its own', () => {
  const arrival = new ArrivalTime();
  arrival.observe(0, START_MS);
  arrival.observe(100_000, START_MS + 500);
  assert.equal(arrival.at(100_000).programTimeMs, START_MS + 500);
  assert.equal(arrival.at(100_000).uncertaintyMs, MOVE_MS);
});

test('an input that runs far ahead of the wall is not live', () => {
  const arrival = new ArrivalTime();
  for (let ptsMs = 0; ptsMs <= 61_000; ptsMs += 1_000) arrival.observe(ptsMs, START_MS);
  assert.deepEqual(arrival.at(61_000), NO_PROGRAM_TIME);
});
