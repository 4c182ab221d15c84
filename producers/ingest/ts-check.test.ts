import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TsCheck, type TsErrorAt } from './ts-check.ts';
import { TsPackets } from './ts-packets.ts';

const PMT_PID = 0x100;
const VIDEO_PID = 0x101;
const PACKET_MS = 10;

type Options = {
  readonly payload?: readonly number[];
  readonly begins?: boolean;
  readonly adaptation?: number;
};

function packet(
  pid: number,
  counter: number,
  { payload = [], begins = false, adaptation }: Options = {},
): Uint8Array {
  const bytes = new Uint8Array(188).fill(0xff);
  bytes.set([
    0x47,
    (begins ? 0x40 : 0) | (pid >> 8),
    pid & 0xff,
    (adaptation === undefined ? 0x10 : 0x30) | counter,
  ]);
  let at = 4;
  if (adaptation !== undefined) {
    bytes.set([1, adaptation], at);
    at += 2;
  }
  bytes.set(payload, at);
  return bytes;
}

/** A section with its pointer field; its checksum is not looked at. */
const section = (tableId: number, body: readonly number[]): readonly number[] => {
  const length = 5 + body.length + 4;
  return [0, tableId, 0xb0 | (length >> 8), length & 0xff, 0, 1, 0xc1, 0, 0, ...body, 0, 0, 0, 0];
};
const PAT = section(0, [0, 1, 0xe0 | (PMT_PID >> 8), PMT_PID & 0xff]);
const PMT = section(2, [
  0xe0 | (VIDEO_PID >> 8),
  VIDEO_PID & 0xff,
  0xf0,
  0,
  0x1b,
  0xe0 | (VIDEO_PID >> 8),
  VIDEO_PID & 0xff,
  0xf0,
  0,
]);

/** A packet each 10 ms: the tables each 100 ms, pictures between them. `change` may leave one out or put another there. */
function check(
  packets: number,
  change: (at: number, plain: Uint8Array) => Uint8Array | null,
): readonly TsErrorAt[] {
  const checked = new TsCheck('continuous');
  const counters = new Map<number, number>();
  for (let at = 0; at < packets; at++) {
    const pid = at % 10 === 0 ? 0 : at % 10 === 1 ? PMT_PID : VIDEO_PID;
    const counter = counters.get(pid) ?? 0;
    counters.set(pid, (counter + 1) & 15);
    const table = pid === 0 ? PAT : pid === PMT_PID ? PMT : null;
    const plain = packet(pid, counter, table === null ? {} : { payload: table, begins: true });
    const made = change(at, plain);
    checked.advance(at * PACKET_MS);
    if (made === null) continue;
    if (checked.sync(made[0] === 0x47) && made[0] === 0x47) checked.packet(made, 0);
  }
  return checked.takeAll();
}

const pidOf = (bytes: Uint8Array) => ((bytes[1]! & 0x1f) << 8) | bytes[2]!;

test('a stream as it should be has no errors', () => {
  assert.deepEqual(
    check(500, (_at, plain) => plain),
    [],
  );
});

test('a packet that is lost is an error of continuity, where it is missing', () => {
  assert.deepEqual(
    check(500, (at, plain) => (at === 205 ? null : plain)),
    [{ atMs: 2_060, kind: 14, count: 1 }],
  );
});

test('a packet may come twice, and not three times', () => {
  const twice = new TsCheck('continuous');
  for (const counter of [0, 1, 1, 2]) twice.packet(packet(VIDEO_PID, counter), 0);
  assert.deepEqual(twice.takeAll(), []);
  for (const counter of [3, 3, 3]) twice.packet(packet(VIDEO_PID, counter), 0);
  assert.deepEqual(twice.takeAll(), [{ atMs: 0, kind: 14, count: 1 }]);
});

test('the discontinuity indicator announces another count', () => {
  const checked = new TsCheck('continuous');
  checked.packet(packet(VIDEO_PID, 3), 0);
  checked.packet(packet(VIDEO_PID, 9, { adaptation: 0x80 }), 0);
  checked.packet(packet(VIDEO_PID, 10), 0);
  assert.deepEqual(checked.takeAll(), []);
});

test('one wrong sync byte is an error, two in a row lose synchronisation until five are right', () => {
  const one = check(500, (at, plain) => (at === 205 ? plain.with(0, 0) : plain));
  assert.deepEqual(one.map(({ kind }) => kind).sort(), [12, 14]);
  const two = check(500, (at, plain) => (at === 205 || at === 206 ? plain.with(0, 0) : plain));
  assert.deepEqual([...new Set(two.map(({ kind }) => kind))].sort(), [11, 12, 14]);
});

test('a table that is absent for 500 ms is told with its length, up to where it comes again', () => {
  const noPat = check(500, (at, plain) => (pidOf(plain) === 0 && at >= 200 && at < 300 ? null : plain));
  const absences = noPat.filter(({ kind }) => kind === 13);
  assert.deepEqual(absences[0], { atMs: 2_400, kind: 13, count: 500 });
  assert.deepEqual(absences.at(-1), { atMs: 3_000, kind: 13, count: 1_100 });
  const noPmt = check(500, (at, plain) => (pidOf(plain) === PMT_PID && at >= 200 && at < 300 ? null : plain));
  assert.deepEqual(noPmt.filter(({ kind }) => kind === 15).at(-1), { atMs: 3_010, kind: 15, count: 1_100 });
});

test('a PID that a PMT names and that is not there is told', () => {
  const found = check(500, (at, plain) =>
    pidOf(plain) === VIDEO_PID && at >= 200 && at < 300 ? null : plain,
  );
  assert.deepEqual(found.filter(({ kind }) => kind === 16).at(-1), { atMs: 3_020, kind: 16, count: 1_030 });
});

test('a segment needs its tables once, and its counters begin anew', () => {
  const checked = new TsCheck('segments');
  for (const firstCounter of [3, 9]) {
    checked.beginSegment(firstCounter * 1_000);
    checked.packet(packet(0, firstCounter, { payload: PAT, begins: true }), 0);
    checked.packet(packet(PMT_PID, firstCounter, { payload: PMT, begins: true }), 0);
    for (let at = 0; at < 300; at++) {
      checked.advance(firstCounter * 1_000 + at * PACKET_MS);
      checked.packet(packet(VIDEO_PID, (firstCounter + at) & 15), 0);
    }
  }
  assert.deepEqual(checked.takeAll(), []);
  checked.beginSegment(20_000);
  checked.packet(packet(VIDEO_PID, 0), 0);
  checked.beginSegment(22_000);
  assert.deepEqual(checked.takeAll(), [{ atMs: 20_000, kind: 13, count: 1 }]);
});

test('packets are found in pieces of any length, and behind bytes that are none', () => {
  const stream = new Uint8Array(20 * 188 + 50);
  for (let at = 0; at < 20; at++) stream.set(packet(VIDEO_PID, at & 15), at * 188 + (at < 10 ? 0 : 50));
  for (const size of [1, 7, 188, 1_000, 5_000]) {
    let packets = 0;
    const wrong: boolean[] = [];
    const listener = {
      sync: (isRight: boolean) => {
        if (!isRight) wrong.push(isRight);
        return isRight;
      },
      packet: () => packets++,
    };
    const reader = new TsPackets(listener);
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    assert.equal(packets, 20, `pieces of ${size}`);
  }
});
