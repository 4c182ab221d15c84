import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamDefect } from '../schemas/records.ts';
import { chunk, tinyCounting, tinyGathering } from '../test/support/tiny-topologies.ts';
import { configStore } from './config-store.ts';
import { consumerGroup } from './consumer-group.ts';
import { encodeControl } from './control-records.ts';
import { applicationIdOf, deployTopics, partitionCounts, writerTasksOf } from './deploy.ts';
import { fixedGroup, type OpenGroup } from './group-session.ts';
import { MemoryBroker } from './memory-broker.ts';
import { send, take } from './memory-fixture.ts';
import { partitionOf } from './partitioner.ts';
import { activeMembers, planReset, type ResetTarget, reset } from './reset.ts';
import type { TaskPosition } from './task-core.ts';
import { localCodec } from './value-codec.ts';
import { VirtualClock } from './virtual-clock.ts';
import { Worker, type WorkerEvent } from './worker.ts';

const PARTITIONS = 3;
const T0 = 1_700_000_000_000;
const APPLICATION = applicationIdOf(tinyCounting);
const codec = localCodec();

async function cluster() {
  const clock = new VirtualClock({ startMs: T0 });
  const broker = new MemoryBroker({ clock });
  const port = broker.openPort({ clientId: 'tool' });
  const topologies = [tinyCounting, tinyGathering];
  await clock.run(deployTopics(port, { topologies, applicationIdOf, partitions: PARTITIONS }));
  const partitions = await clock.run(partitionCounts(port));
  const writerTasks = writerTasksOf(topologies, partitions);
  const optionsOf = (target: ResetTarget) => ({
    port,
    clock,
    topology: tinyCounting,
    applicationId: APPLICATION,
    partitions,
    writerTasks,
    target,
  });
  const work = (openGroup: OpenGroup = fixedGroup(), onEvent: (event: WorkerEvent) => void = () => {}) =>
    new Worker({
      topology: tinyCounting,
      applicationId: APPLICATION,
      port: broker.openPort({ clientId: 'worker' }),
      clock,
      codec,
      configs: configStore(port, codec),
      partitions,
      writerTasks,
      openGroup,
      onEvent,
    });
  const send = (programmeId: string, seq: number) => {
    const key = Buffer.from(programmeId);
    const value = codec.encode('frame-features', chunk(programmeId, seq));
    return broker.append('frame-features', partitionOf(key, PARTITIONS), key, value);
  };
  /** Revisions of alpha that were said, in order. */
  const said = () => {
    const partition = partitionOf(Buffer.from('alpha'), PARTITIONS);
    return broker.dump('stream-defects', partition).flatMap(({ value }) => {
      if (value === null) return [];
      const { programmeId, event, revision } = codec.decode('stream-defects', value) as StreamDefect;
      return programmeId === 'alpha' && event === 'open' ? [revision] : [];
    });
  };
  const keysLeft = () =>
    Array.from({ length: PARTITIONS }, (_, p) => {
      const live = new Map(
        broker
          .dump(`${APPLICATION}-counts-changelog`, p)
          .map(({ key, value }) => [String(key), value !== null]),
      );
      return [...live.values()].filter((isLive) => isLive).length;
    }).reduce((sum, count) => sum + count, 0);
  const position = (task: number) =>
    JSON.parse(
      Buffer.from(broker.dump(`${APPLICATION}-positions-changelog`, task).at(-1)!.value!).toString(),
    ) as TaskPosition;
  return { clock, broker, port, optionsOf, work, send, said, keysLeft, position };
}

type World = Awaited<ReturnType<typeof cluster>>;

/** Three chunks of alpha and one of beta, half a second apart, seen by a worker that has ended. */
async function ranBefore(world: World): Promise<void> {
  const { clock, work, send } = world;
  const worker = work();
  for (let seq = 0; seq < 3; seq++) {
    send('alpha', seq);
    await clock.advance(500);
  }
  send('beta', 0);
  await clock.advance(500);
  await clock.run(worker.stop());
}

async function runOn(world: World): Promise<void> {
  const worker = world.work();
  await world.clock.advance(300);
  await world.clock.run(worker.stop());
}

test('to the earliest offset: the state is gone, and everything is counted anew', async () => {
  const world = await cluster();
  await ranBefore(world);
  const options = world.optionsOf({ kind: 'earliest' });
  const plan = await world.clock.run(planReset(options));
  assert.deepEqual(await world.clock.run(planReset(options)), plan, 'planning changes nothing');
  assert.equal(
    plan.flatMap(({ stores }) => stores).reduce((sum, { keys }) => sum + keys, 0),
    2,
  );
  for (const { inputs } of plan) {
    const [input] = inputs;
    assert.deepEqual([input!.from, input!.to, input!.start], [input!.end, 0, 0]);
  }
  assert.equal(world.keysLeft(), 2);
  const done: number[] = [];
  assert.deepEqual(await world.clock.run(reset(options, ({ task }) => done.push(task))), plan);
  assert.deepEqual(done, [0, 1, 2]);
  assert.equal(world.keysLeft(), 0);
  assert.deepEqual(
    world.broker
      .groupOffsets(APPLICATION)
      .map(({ partition, offset }) => [partition, offset])
      .sort(),
    [
      [0, 0],
      [1, 0],
      [2, 0],
    ],
    'lag tools see the new position',
  );
  await runOn(world);
  assert.deepEqual(world.said(), [1, 2, 3, 1, 2, 3]);
});

test('to the latest offset: only what comes from now on is counted, from nothing', async () => {
  const world = await cluster();
  await ranBefore(world);
  await world.clock.run(reset(world.optionsOf({ kind: 'latest' })));
  world.send('alpha', 3);
  await runOn(world);
  assert.deepEqual(world.said(), [1, 2, 3, 1]);
});

test('to a time, and to an offset, which is kept within the log', async () => {
  const world = await cluster();
  await ranBefore(world);
  await world.clock.run(reset(world.optionsOf({ kind: 'time', atMs: T0 + 500 })));
  await runOn(world);
  assert.deepEqual(world.said(), [1, 2, 3, 1, 2]);
  const partition = partitionOf(Buffer.from('alpha'), PARTITIONS);
  const toOf = async (offset: number) =>
    (await world.clock.run(planReset(world.optionsOf({ kind: 'offset', offset }))))[partition]!.inputs[0]!.to;
  assert.equal(await toOf(2), 2);
  world.broker.truncate('frame-features', partition, 1);
  assert.equal(await toOf(0), 1);
  const { stableEnd } = world.broker.log({ topic: 'frame-features', partition }).bounds;
  assert.equal(await toOf(1e9), stableEnd);
  const past = await world.clock.run(planReset(world.optionsOf({ kind: 'time', atMs: T0 + 1e9 })));
  assert.equal(past[partition]!.inputs[0]!.to, stableEnd);
});

test('it is the way out of a position that retention overtook, and of one that cannot be read', async () => {
  const world = await cluster();
  await ranBefore(world);
  const partition = partitionOf(Buffer.from('alpha'), PARTITIONS);
  for (let seq = 3; seq < 9; seq++) world.send('alpha', seq);
  const { stableEnd } = world.broker.log({ topic: 'frame-features', partition }).bounds;
  world.broker.truncate('frame-features', partition, stableEnd - 2);
  const lost = world.work();
  await world.clock.advance(500);
  await assert.rejects(lost.done, /deleted before they were read.*everyview reset tiny-counting/);
  world.broker.append(`${APPLICATION}-positions-changelog`, partition, 'position', '{"version":');
  await world.clock.run(reset(world.optionsOf({ kind: 'earliest' })));
  await runOn(world);
  assert.deepEqual(world.said(), [1, 2, 3, 1, 2]);
});

test('the configuration in force and the number of the next record stay', async () => {
  const world = await cluster();
  const hash = 'c'.repeat(64);
  const entry = { name: `set/${hash}`, kind: 'set', contentHash: hash, body: '{}', bodyVersion: 1 };
  const body = { ...entry, author: '', comment: '', createdAtMs: 0 };
  world.broker.append('everyview-config', 0, entry.name, codec.encode('everyview-config', body));
  const headers = encodeControl({ kind: 'config-effective', configHash: hash });
  for (let p = 0; p < PARTITIONS; p++) world.broker.append('frame-features', p, null, null, T0, headers);
  await ranBefore(world);
  const before = world.position(0);
  assert.equal(before.configHash, hash);
  await world.clock.run(reset(world.optionsOf({ kind: 'latest' })));
  const after = world.position(0);
  assert.deepEqual(
    [after.configHash, after.outSeq, after.timeMs, after.sealedUpToMs],
    [hash, before.outSeq, 0, 0],
  );
});

test('members are named; one that runs on is fenced, and goes on from the new position', async () => {
  const world = await cluster();
  const { clock, port } = world;
  const events: string[] = [];
  const group = consumerGroup({ port, clock, groupId: APPLICATION, topics: ['frame-features'] });
  const options = world.optionsOf({ kind: 'earliest' });
  assert.deepEqual(await clock.run(activeMembers(options)), []);
  const worker = world.work(group, (event) => events.push(event.kind));
  for (let seq = 0; seq < 3; seq++) {
    world.send('alpha', seq);
    await clock.advance(500);
  }
  const members = await clock.run(activeMembers(options));
  assert.deepEqual(
    members.map(({ clientId }) => clientId),
    ['tool'],
  );
  await clock.run(reset(options));
  world.send('alpha', 3);
  await clock.advance(5_000);
  assert.deepEqual(world.said(), [1, 2, 3, 1, 2, 3, 4]);
  assert.ok(events.includes('retrying'));
  await clock.run(worker.stop());
});

test('what a dead instance left open is aborted, and fenced', async () => {
  const world = await cluster();
  await ranBefore(world);
  const { clock, port, broker } = world;
  const changelog = `${APPLICATION}-counts-changelog`;
  const zombie = await clock.run(take(port, `${APPLICATION}-0`));
  await clock.run(send(port, zombie, changelog, 0, 0, ['ghost=state']));
  const plan = await clock.run(reset(world.optionsOf({ kind: 'earliest' })));
  assert.deepEqual(broker.transactions.unfinished(), []);
  await assert.rejects(clock.run(port.endTransaction(zombie, 'commit')), { kind: 'fenced' });
  assert.ok(plan.every(({ stores }) => stores.every(({ keys }) => keys < 2)));
  assert.ok(broker.dump(changelog, 0).every(({ key }) => String(key) !== 'ghost'));
});
