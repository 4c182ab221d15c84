import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TINY_PARTITIONS, TINY_START_MS, tinyCluster, tinyCodec } from '../test/support/tiny-cluster.ts';
import { tinyCounting } from '../test/support/tiny-topologies.ts';
import { consumerGroup } from './consumer-group.ts';
import { encodeControl } from './control-records.ts';
import { applicationIdOf } from './deploy.ts';
import { findSnapshot } from './find-snapshot.ts';
import { send, take } from './memory-fixture.ts';
import { partitionOf } from './partitioner.ts';
import { activeMembers, planReset, type ResetTarget, reset } from './reset.ts';
import type { TaskPosition } from './task-core.ts';

const APPLICATION = applicationIdOf(tinyCounting);
const ALPHA = partitionOf(Buffer.from('alpha'), TINY_PARTITIONS);

async function cluster() {
  const tiny = await tinyCluster();
  const { clock, port, broker, partitions, writerTasks } = tiny;
  return {
    ...tiny,
    optionsOf: (target: ResetTarget) => ({
      port,
      clock,
      topology: tinyCounting,
      applicationId: APPLICATION,
      partitions,
      writerTasks,
      target,
    }),
    /** Revisions of alpha that were said, in order. */
    said: () =>
      tiny
        .values('stream-defects', ALPHA)
        .filter(({ programmeId, event }) => programmeId === 'alpha' && event === 'open')
        .map(({ revision }) => revision),
    keysLeft: () => {
      const live = new Set<string>();
      for (let p = 0; p < TINY_PARTITIONS; p++) {
        for (const { key, value } of broker.dump(`${APPLICATION}-counts-changelog`, p)) {
          if (value === null) live.delete(String(key));
          else live.add(String(key));
        }
      }
      return live.size;
    },
    position: (task: number) =>
      JSON.parse(
        Buffer.from(broker.dump(`${APPLICATION}-positions-changelog`, task).at(-1)!.value!).toString(),
      ) as TaskPosition,
  };
}

type World = Awaited<ReturnType<typeof cluster>>;

/** Three chunks of alpha and one of beta, half a second apart, seen by a worker that has ended. */
async function ranBefore(world: World): Promise<void> {
  const { clock, work, send } = world;
  const worker = work(tinyCounting);
  for (let seq = 0; seq < 3; seq++) {
    send('alpha', seq);
    await clock.advance(500);
  }
  send('beta', 0);
  await clock.advance(500);
  await clock.run(worker.stop());
}

async function runOn(world: World): Promise<void> {
  const worker = world.work(tinyCounting);
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

test('snapshots of the state that goes are deleted with it', async () => {
  const world = await cluster();
  const worker = world.work(tinyCounting, { limits: { snapshotEveryMs: 500 } });
  for (let seq = 0; seq < 6; seq++) {
    world.send('alpha', seq);
    await world.clock.advance(500);
  }
  await world.clock.run(worker.stop());
  const find = () => world.clock.run(findSnapshot(world.port, APPLICATION, ALPHA, TINY_START_MS + 1_000_000));
  assert.ok((await find()) !== null);
  await world.clock.run(reset(world.optionsOf({ kind: 'earliest' })));
  assert.equal(await find(), null);
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
  await world.clock.run(reset(world.optionsOf({ kind: 'time', atMs: TINY_START_MS + 500 })));
  await runOn(world);
  assert.deepEqual(world.said(), [1, 2, 3, 1, 2]);
  const toOf = async (offset: number) =>
    (await world.clock.run(planReset(world.optionsOf({ kind: 'offset', offset }))))[ALPHA]!.inputs[0]!.to;
  assert.equal(await toOf(2), 2);
  world.broker.truncate('frame-features', ALPHA, 1);
  assert.equal(await toOf(0), 1);
  const { stableEnd } = world.broker.log({ topic: 'frame-features', partition: ALPHA }).bounds;
  assert.equal(await toOf(1e9), stableEnd);
  const past = await world.clock.run(planReset(world.optionsOf({ kind: 'time', atMs: TINY_START_MS + 1e9 })));
  assert.equal(past[ALPHA]!.inputs[0]!.to, stableEnd);
});

test('it is the way out of a position that retention overtook, and of one that cannot be read', async () => {
  const world = await cluster();
  await ranBefore(world);
  for (let seq = 3; seq < 9; seq++) world.send('alpha', seq);
  const { stableEnd } = world.broker.log({ topic: 'frame-features', partition: ALPHA }).bounds;
  world.broker.truncate('frame-features', ALPHA, stableEnd - 2);
  const lost = world.work(tinyCounting);
  await world.clock.advance(500);
  await assert.rejects(lost.done, /deleted before they were read.*everyview reset tiny-counting/);
  world.broker.append(`${APPLICATION}-positions-changelog`, ALPHA, 'position', '{"version":');
  await world.clock.run(reset(world.optionsOf({ kind: 'earliest' })));
  await runOn(world);
  assert.deepEqual(world.said(), [1, 2, 3, 1, 2]);
});

test('the configuration in force and the number of the next record stay', async () => {
  const world = await cluster();
  const hash = 'c'.repeat(64);
  const entry = { name: `set/${hash}`, kind: 'set', contentHash: hash, body: '{}', bodyVersion: 1 };
  const body = { ...entry, author: '', comment: '', createdAtMs: 0 };
  world.broker.append('everyview-config', 0, entry.name, tinyCodec.encode('everyview-config', body));
  const headers = encodeControl({ kind: 'config-effective', configHash: hash });
  for (let p = 0; p < TINY_PARTITIONS; p++)
    world.broker.append('frame-features', p, null, null, TINY_START_MS, headers);
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
  const worker = world.work(tinyCounting, {
    openGroup: group,
    onEvent: (event) => events.push(event.kind),
  });
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
  assert.ok(broker.dump(changelog, 0).every(({ key }) => Buffer.from(key!).toString() !== 'ghost'));
});
