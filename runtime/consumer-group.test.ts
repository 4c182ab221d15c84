import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consumerGroup } from './consumer-group.ts';
import { MemoryBroker } from './memory-broker.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a session waits for its tasks, through joins and rejoins', async () => {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock });
  const open = (clientId: string) =>
    consumerGroup({ port: broker.openPort({ clientId }), clock, groupId: 'g', topics: ['in'] })(4);
  await clock.run(
    (async () => {
      const one = await open('one');
      const first = await one.tasks();
      assert.deepEqual(first.numbers, [0, 1, 2, 3]);
      await one.assertGeneration(first.generation);
      const other = await open('other');
      assert.deepEqual((await other.tasks()).numbers, [2, 3]);
      const second = await one.tasks();
      assert.deepEqual(second.numbers, [0, 1]);
      await assert.rejects(one.assertGeneration(first.generation), { code: 'stale-generation' });
      await one.rejoin();
      const third = await one.tasks();
      assert.ok(third.generation > second.generation);
      assert.deepEqual(third.numbers, [0, 1]);
      await other.close();
      await one.close();
    })(),
  );
});

test('to rejoin twice from one generation disturbs the group once', async () => {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock });
  const open = (clientId: string) =>
    consumerGroup({ port: broker.openPort({ clientId }), clock, groupId: 'g', topics: ['in'] })(4);
  await clock.run(
    (async () => {
      const one = await open('one');
      const other = await open('other');
      await other.tasks();
      const { generation } = await one.tasks();
      // as when both find, task by task, that what they know is old
      await Promise.all([one.rejoin(), other.rejoin()]);
      await Promise.all([one.rejoin(), other.rejoin()]);
      assert.equal(broker.groups.describe('g').generationId, generation + 1);
      for (const session of [one, other]) {
        const assigned = await session.tasks();
        assert.equal(assigned.generation, generation + 1);
        await session.assertGeneration(assigned.generation);
      }
      await one.close();
      await other.close();
    })(),
  );
});

test('a session whose group cannot be joined fails whoever asks', async () => {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock });
  const port = broker.openPort({ clientId: 'one' });
  await port.close();
  const session = await consumerGroup({ port, clock, groupId: 'g', topics: ['in'] })(4);
  await clock.run(assert.rejects(session.tasks(), { code: 'closed' }));
  await session.close();
});
