import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FaultDecision, type PortMethod, type PortRequest, scriptedFaults } from './memory-faults.ts';
import { batchOf, committed, openWorld, send, take, type World } from './memory-fixture.ts';
import type { MemoryPort } from './memory-port.ts';

const PLAIN = [batchOf('out', 0, null, -1, ['a=1'])];

/** A world whose second port meets `decision` at its first request of that method. */
function openFaulty(method: PortMethod, decision: FaultDecision): World & { readonly faulty: MemoryPort } {
  const world = openWorld();
  const faults = scriptedFaults([{ method, nth: 1, decision }]);
  return { ...world, faulty: world.broker.openPort({ clientId: 'faulty', faults }) };
}

test('unreachable: nothing was done', async () => {
  const { broker, clock, faulty } = openFaulty('produce', { kind: 'unreachable', delayMs: 30 });
  const failing = assert.rejects(faulty.produce(null, PLAIN), { code: 'unreachable', kind: 'ambiguous' });
  await clock.run(failing);
  assert.equal(clock.nowMs(), 1_000_030);
  assert.equal(committed(broker, 'out', 0), '');
  await faulty.produce(null, PLAIN);
  assert.equal(committed(broker, 'out', 0), '0:a=1');
});

test('lose-reply: it was done, at once, and the caller learns only that there was no answer', async () => {
  const { broker, clock, faulty } = openFaulty('produce', { kind: 'lose-reply', delayMs: 30 });
  const failing = assert.rejects(faulty.produce(null, PLAIN), { code: 'timed-out', kind: 'ambiguous' });
  assert.equal(committed(broker, 'out', 0), '0:a=1');
  await clock.run(failing);
  assert.equal(clock.nowMs(), 1_000_030);
});

test('a lost reply to a commit leaves a transaction that is decided, to one who cannot know it', async () => {
  const { broker, clock, faulty } = openFaulty('endTransaction', { kind: 'lose-reply', delayMs: 0 });
  const txn = await take(faulty, 'task-0');
  await send(faulty, txn, 'out', 0, 0, ['a=1']);
  await clock.run(assert.rejects(faulty.endTransaction(txn, 'commit'), { code: 'timed-out' }));
  await take(faulty, 'task-0');
  assert.equal(committed(broker, 'out', 0), '0:a=1');
});

test('arrive-late: a request that was given up reaches the broker later, and is fenced if somebody took over', async () => {
  const decision = { kind: 'arrive-late', delayMs: 100 } as const;
  for (const isTakenOver of [false, true]) {
    const { broker, clock, port, faulty } = openFaulty('endTransaction', decision);
    const txn = await take(faulty, 'task-0');
    await send(faulty, txn, 'out', 0, 0, ['a=1']);
    await assert.rejects(faulty.endTransaction(txn, 'commit'), { code: 'timed-out' });
    if (isTakenOver) await take(port, 'task-0');
    assert.equal(committed(broker, 'out', 0), '');
    await clock.advance(100);
    assert.equal(committed(broker, 'out', 0), isTakenOver ? '' : '0:a=1');
    assert.deepEqual(broker.transactions.unfinished(), []);
  }
});

test('a request on its way does not see what the caller does to its buffers meanwhile', async () => {
  const { broker, clock, faulty } = openFaulty('produce', { kind: 'arrive-late', delayMs: 5 });
  const { bytes, ...rest } = batchOf('out', 0, null, -1, ['a=1']);
  await assert.rejects(faulty.produce(null, [{ ...rest, bytes }]), { code: 'timed-out' });
  bytes.fill(0);
  await clock.advance(5);
  assert.equal(committed(broker, 'out', 0), '0:a=1');
});

test('delay: done later; delay-reply: done now, told later, as things were', async () => {
  const later = openFaulty('bounds', { kind: 'delay', delayMs: 10 });
  const stale = openFaulty('bounds', { kind: 'delay-reply', delayMs: 10 });
  const seen: number[] = [];
  for (const { broker, clock, faulty } of [later, stale]) {
    const asking = faulty.bounds([{ topic: 'out', partition: 0 }]);
    broker.append('out', 0, 'a', '1');
    const [bounds] = await clock.run(asking);
    assert.equal(clock.nowMs(), 1_000_010);
    seen.push(bounds!.stableEnd);
  }
  assert.deepEqual(seen, [1, 0]);
});

test('duplicate: a request that arrives twice is answered with what it did the first time', async () => {
  const { broker, faulty } = openFaulty('produce', { kind: 'duplicate' });
  const txn = await take(faulty, 'task-0');
  const { baseOffset } = await send(faulty, txn, 'out', 0, 0, ['a=1']);
  assert.equal(baseOffset, 0);
  await faulty.endTransaction(txn, 'commit');
  assert.equal(committed(broker, 'out', 0), '0:a=1');
  // a producer without an identity cannot be protected
  const plain = openFaulty('produce', { kind: 'duplicate' });
  await plain.faulty.produce(null, PLAIN);
  assert.equal(committed(plain.broker, 'out', 0), '0:a=1 1:a=1');
});

test('refuse: the broker says so and does nothing', async () => {
  const { broker, faulty } = openFaulty('produce', { kind: 'refuse', code: 'not-leader' });
  await assert.rejects(faulty.produce(null, PLAIN), { code: 'not-leader', kind: 'retry' });
  assert.equal(committed(broker, 'out', 0), '');
});

test('crash: all calls of the port fail, those under way too; its transaction waits for its timeout', async () => {
  for (const when of ['before', 'after'] as const) {
    const { broker, clock, faulty } = openFaulty('endTransaction', { kind: 'crash', when });
    const txn = await take(faulty, 'task-0');
    await send(faulty, txn, 'out', 0, 0, ['a=1']);
    const waiting = faulty.fetch([{ topic: 'in', partition: 0, offset: 0 }], 60_000, 1);
    const failing = assert.rejects(waiting, { code: 'closed', kind: 'fatal' });
    await assert.rejects(faulty.endTransaction(txn, 'commit'), { code: 'closed' });
    await failing;
    assert.equal(faulty.isClosed, true);
    await assert.rejects(faulty.describeTopics(['in']), { code: 'closed' });
    assert.deepEqual(broker.transactions.unfinished(), when === 'before' ? ['task-0'] : []);
    await clock.advance(10_000);
    assert.equal(committed(broker, 'out', 0), when === 'before' ? '' : '0:a=1');
    assert.deepEqual(broker.transactions.unfinished(), []);
  }
});

test('a plan is told what it needs, and what it decided is counted', async () => {
  const told: PortRequest[] = [];
  const { broker } = openWorld();
  const faults = {
    decide(request: PortRequest): FaultDecision {
      told.push(request);
      return { kind: request.method === 'bounds' ? 'duplicate' : 'pass' };
    },
  };
  const port = broker.openPort({ clientId: 'watched', faults });
  const txn = await take(port, 'task-0');
  await send(port, txn, 'out', 0, 0, ['a=1']);
  await port.endTransaction(txn, 'abort');
  await port.bounds([
    { topic: 'out', partition: 0 },
    { topic: 'out', partition: 1 },
  ]);
  const summary = told.map(({ step, method, topics, transactionalId, outcome }) =>
    [step, method, topics.join('+'), transactionalId, outcome].join(' ').trim(),
  );
  assert.deepEqual(summary, [
    '1 initProducer  task-0',
    '2 addPartitions out task-0',
    '3 produce out task-0',
    '4 endTransaction  task-0 abort',
    '5 bounds out',
  ]);
  assert.equal(broker.faultTally.count('bounds', 'duplicate'), 1);
  assert.equal(broker.faultTally.count('bounds', 'pass'), 0);
  assert.deepEqual(broker.faultTally.cells().slice(0, 2), [
    { method: 'addPartitions', kind: 'pass', count: 1 },
    { method: 'bounds', kind: 'duplicate', count: 1 },
  ]);
});

test('topics: what exists is left alone, what is unknown is named', async () => {
  const { port } = openWorld();
  const configs = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'LogAppendTime' };
  const created = await port.createTopics([
    { topic: 'out', partitions: 9, replicas: 1, configs },
    { topic: 'new', partitions: 3, replicas: 1, configs },
  ]);
  assert.deepEqual(created, ['new']);
  assert.deepEqual(await port.describeTopics(['new', 'out']), [
    { topic: 'new', partitions: 3, timestampType: 'log-append', cleanup: 'compact' },
    { topic: 'out', partitions: 2, timestampType: 'create', cleanup: 'delete' },
  ]);
  await assert.rejects(port.describeTopics(['x', 'out', 'y']), { code: 'unknown-topic', message: /x, y/ });
  await assert.rejects(port.createTopics([{ topic: 'a b', partitions: 1, replicas: 1, configs: {} }]), {
    code: 'protocol',
  });
  await assert.rejects(port.createTopics([{ topic: 'none', partitions: 0, replicas: 1, configs: {} }]), {
    code: 'protocol',
  });
});
