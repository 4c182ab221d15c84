import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { type FaultDecision, PASS } from '../../runtime/memory-faults.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { newTopics } from '../../schemas/topics.ts';
import { EventWriter } from './event-writer.ts';
import { normaliseEventBody } from './normalise-cmcd.ts';
import { testContext } from './testing.ts';

const codec = localCodec();
const PARTITIONS = 2;

function world(decide: () => FaultDecision = () => PASS) {
  const clock = new VirtualClock({ startMs: 1_000, wakesMax: 100_000 });
  const broker = new MemoryBroker({ clock });
  broker.createTopics(newTopics(PARTITIONS));
  const port = broker.openPort({
    clientId: 'writer',
    faults: { decide: ({ method }) => (method === 'produce' ? decide() : PASS) },
  });
  const acknowledged: [number, number][] = [];
  const writer = new EventWriter({
    port,
    clock,
    partitions: PARTITIONS,
    encode: (event) => codec.encode('playback-events', event),
    lingerMs: 10,
    queueBytesMax: 10_000_000,
    giveUpAfterMs: 5_000,
    onAcknowledged: (durationMs, events) => acknowledged.push([durationMs, events]),
  });
  const written = (): PlaybackEvent[] =>
    Array.from({ length: PARTITIONS }, (_, partition) => broker.dump('playback-events', partition))
      .flat()
      .map(({ value }) => codec.decode('playback-events', value!) as PlaybackEvent);
  return { clock, broker, writer, written, acknowledged };
}

/** Events of one session, numbered, with some text in each. */
function eventsOf(sid: string, count: number, text = ''): readonly PlaybackEvent[] {
  const lines = Array.from(
    { length: count },
    (_, sn) => `e=ce,sid="${sid}",sn=${sn}${text === '' ? '' : `,ec=("${text}")`}`,
  );
  return normaliseEventBody(lines.join('\n'), testContext()).events;
}

test('what comes within the linger is written together, each session in its order', async () => {
  const { clock, broker, writer, written, acknowledged } = world();
  await clock.run(
    (async () => {
      await Promise.all(['a', 'b', 'a'].map((sid) => writer.write(eventsOf(sid, 2))));
    })(),
  );
  assert.equal(written().length, 6);
  assert.deepEqual(
    written()
      .filter(({ sessionId }) => sessionId === 'a')
      .map(({ sn }) => sn),
    [0, 1, 0, 1],
  );
  assert.deepEqual(acknowledged, [[10, 6]]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    assert.ok(broker.log({ topic: 'playback-events', partition }).batches.length <= 1);
  }
  assert.deepEqual([writer.queuedEvents, writer.queuedBytes], [0, 0]);
});

test('a request too large for one batch is written in several, in order', async () => {
  const { clock, broker, writer, written } = world();
  const many = eventsOf('a', 1_000, 'x'.repeat(120)).map((event) => ({
    ...event,
    errorCodes: Array(8).fill('y'.repeat(125)),
  }));
  await clock.run(writer.write(many));
  assert.deepEqual(
    written().map(({ sn }) => sn),
    Array.from({ length: 1_000 }, (_, sn) => sn),
  );
  const sizes = [0, 1].flatMap((partition) =>
    broker.log({ topic: 'playback-events', partition }).batches.map(({ start, end }) => end - start),
  );
  assert.ok(sizes.length === 2 && sizes.every((size) => size <= 1_000_000), `batches of ${sizes} bytes`);
});

test('Kafka is asked again until time is up; then the sender is told, and the next ones are taken as ever', async () => {
  let isDown = true;
  const { clock, writer, written } = world(() => (isDown ? { kind: 'refuse', code: 'not-leader' } : PASS));
  await clock.run(
    (async () => {
      await assert.rejects(writer.write(eventsOf('a', 1)), { name: 'NotWritten', reason: 'kafka' });
      assert.ok(clock.nowMs() > 4_000 && clock.nowMs() <= 6_010, `${clock.nowMs()}`);
      assert.notEqual(writer.failingSinceMs, null);
      isDown = false;
      await writer.write(eventsOf('b', 1));
      assert.equal(writer.failingSinceMs, null);
    })(),
  );
  assert.deepEqual(
    written().map(({ sessionId }) => sessionId),
    ['b'],
  );
});

test('a full queue refuses, and closing does not wait once for each batch that waits', async () => {
  const { clock, writer } = world(() => ({ kind: 'refuse', code: 'not-leader' }));
  await clock.run(
    (async () => {
      const big = eventsOf('a', 1_000).map((event) => ({
        ...event,
        errorCodes: Array(8).fill('y'.repeat(125)),
      }));
      const outcomes: Promise<unknown>[] = [];
      while (!writer.isFull)
        outcomes.push(writer.write(big).catch((error: { reason: string }) => error.reason));
      await assert.rejects(writer.write(big), { reason: 'overloaded' });
      const startedAtMs = clock.nowMs();
      await writer.close();
      assert.ok(outcomes.length >= 5 && clock.nowMs() - startedAtMs <= 6_000);
      assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(['kafka']));
      await assert.rejects(writer.write(big), { reason: 'closed' });
    })(),
  );
});
