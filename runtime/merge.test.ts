import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { enqueue, type MergeSource, newChannel, nextOf, take, WaitingRecord } from './merge.ts';

const record = (offset: number, timestampMs: number): WaitingRecord =>
  WaitingRecord.of({ offset, timestampMs, key: null, value: null, headers: [] });

const source = (order: number, channels = 1): MergeSource => ({
  topic: `t${order}`,
  partition: 0,
  order,
  channels: Array.from({ length: channels }, () => newChannel(0, 0)),
});

test('a record waits until every other input has passed its time', () => {
  const [a, b] = [source(0), source(1)];
  enqueue(a.channels[0]!, record(0, 10));
  const waiting = nextOf([a, b]);
  assert.equal(waiting.kind === 'blocked' && waiting.on, b);
  enqueue(b.channels[0]!, record(0, 11));
  const ready = nextOf([a, b]);
  assert.equal(ready.kind === 'ready' && ready.timeMs, 10);
});

test('at equal times the earlier input goes first, and a later one waits for it', () => {
  const [a, b] = [source(0), source(1)];
  enqueue(b.channels[0]!, record(0, 10));
  a.channels[0]!.boundMs = 10;
  assert.equal(nextOf([a, b]).kind, 'blocked', 'a may still bring a record of time 10, which sorts first');
  a.channels[0]!.boundMs = 11;
  assert.equal(nextOf([a, b]).kind, 'ready');
});

test('a clock that jumps back does not take the order with it', () => {
  const a = source(0);
  enqueue(a.channels[0]!, record(0, 100));
  enqueue(a.channels[0]!, record(1, 40));
  const times = [];
  for (let state = nextOf([a]); state.kind === 'ready'; state = nextOf([a])) {
    times.push(state.timeMs);
    take(state);
  }
  assert.deepEqual(times, [100, 100]);
});

test('what was taken before a restart is skipped', () => {
  const channel = newChannel(5, 50);
  assert.equal(enqueue(channel, record(4, 40)), false);
  assert.equal(enqueue(channel, record(5, 50)), true);
});

test('the merged order is the same for every order of arrival', () => {
  const times = fc
    .array(fc.integer({ min: 0, max: 20 }), { maxLength: 15 })
    .map((ts) => [...ts].sort((x, y) => x - y));
  fc.assert(
    fc.property(
      fc.array(times, { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      (inputs, schedule) => {
        const expected = inputs
          .flatMap((ts, order) => ts.map((timeMs, offset) => ({ timeMs, order, offset })))
          .sort((x, y) => x.timeMs - y.timeMs || x.order - y.order || x.offset - y.offset)
          .map(({ order, offset }) => `${order}/${offset}`);
        const sources = inputs.map((_, order) => source(order));
        const sent = inputs.map(() => 0);
        const got: string[] = [];
        const drain = () => {
          for (let state = nextOf(sources); state.kind === 'ready'; state = nextOf(sources)) {
            got.push(`${state.source.order}/${take(state).offset}`);
          }
        };
        while (sent.some((n, i) => n < inputs[i]!.length)) {
          const open = inputs.flatMap((ts, i) => (sent[i]! < ts.length ? [i] : []));
          const pick = open[schedule.next().value % open.length]!;
          enqueue(sources[pick]!.channels[0]!, record(sent[pick]!, inputs[pick]![sent[pick]!]!));
          sent[pick]! += 1;
          drain();
        }
        for (const one of sources) one.channels[0]!.boundMs = Math.max(one.channels[0]!.boundMs, 1_000);
        drain();
        assert.deepEqual(got, expected);
      },
    ),
  );
});
