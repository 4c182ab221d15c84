import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeControl } from '../runtime/control-records.ts';
import { MemoryBroker } from '../runtime/memory-broker.ts';
import { localCodec } from '../runtime/value-codec.ts';
import { VirtualClock } from '../runtime/virtual-clock.ts';
import { newTopics } from '../schemas/topics.ts';
import { chunk } from '../test/support/tiny-topologies.ts';
import { watchRun } from './run-watcher.ts';

const T0 = 1_700_000_000_000;
const codec = localCodec();

test('a run begins where the log ends, and catching up reads all that is there', async () => {
  const { clock, send, watch, tick } = openWorld();
  send('one', 0);
  const watcher = await clock.run(watch());
  assert.equal(watcher.run.streams.size, 0);
  await clock.advance(1000);
  send('one', 1);
  tick();
  send('two', 0);
  await clock.run(watcher.catchUp());
  assert.deepEqual(
    [...watcher.run.streams.values()].map(({ programmeId, chunks }) => [programmeId, chunks]),
    [
      ['one', 1],
      ['two', 1],
    ],
  );
  assert.equal(watcher.latestSourceTimeMs(), T0 + 1000);
  assert.ok((await watcher.firstRecord) >= T0 + 1000);
  await clock.run(watcher.stop());
});

test('a record that cannot be decoded is told of and left out', async () => {
  const { clock, broker, send, watch, undecodable } = openWorld();
  const watcher = await clock.run(watch());
  broker.append('frame-features', 0, Buffer.from('one'), Buffer.from('not Avro'));
  send('one', 0);
  await clock.run(watcher.catchUp());
  assert.deepEqual(undecodable, ['frame-features/0@0 bad-framing']);
  assert.equal(watcher.run.streams.size, 1);
  await clock.run(watcher.stop());
});

function openWorld() {
  const clock = new VirtualClock({ startMs: T0, wakesMax: 10_000 });
  const broker = new MemoryBroker({ clock });
  broker.createTopics(newTopics(1));
  const undecodable: string[] = [];
  return {
    clock,
    broker,
    undecodable,
    send: (programmeId: string, seq: number) => {
      const value = codec.encode('frame-features', chunk(programmeId, seq));
      broker.append('frame-features', 0, Buffer.from(programmeId), value);
    },
    tick: () =>
      broker.append('frame-features', 0, null, null, clock.nowMs(), encodeControl({ kind: 'tick' })),
    watch: () =>
      watchRun({
        port: broker.openPort({ clientId: 'watcher' }),
        clock,
        codec,
        onAlert: () => {},
        onUndecodable: ({ topic, partition, offset }, error) =>
          undecodable.push(`${topic}/${partition}@${offset} ${error.code}`),
      }),
  };
}
