import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GroupAssignment, GroupMember, type GroupMemberOptions } from './group-member.ts';
import { MemoryBroker } from './memory-broker.ts';
import type { MemoryPort } from './memory-port.ts';
import { LogError } from './port.ts';
import { VirtualClock } from './virtual-clock.ts';

test('the first member gets everything, and newcomers take their share of it', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.says('0 1 2 3 4 5'));
    const b = world.member();
    await world.until(() => a.says('0 1 2') && b.says('3 4 5'));
    assert.deepEqual([a.last!.added, a.last!.revoked, b.last!.added], [[], [3, 4, 5], [3, 4, 5]]);
    const c = world.member();
    await world.until(() => a.says('0 1') && b.says('3 4') && c.says('2 5'));
    assert.equal(new Set([a, b, c].map((one) => one.last!.generationId)).size, 1);
    await world.close(a, b, c);
  });
});

test('who leaves is replaced at once, who dies when the session times out', async () => {
  const world = new World();
  await world.run(async () => {
    const [a, b, c] = [world.member(), world.member(), world.member()];
    await world.until(() => [a, b, c].every((one) => one.last?.tasks.length === 2));
    const leftAtMs = world.clock.nowMs();
    await b.member.close();
    await world.until(() => a.last!.tasks.length === 3 && c.last!.tasks.length === 3);
    assert.ok(world.clock.nowMs() - leftAtMs <= HEARTBEAT_MS + 10, 'found out by the next heartbeat');
    const diedAtMs = world.clock.nowMs();
    await c.port.close();
    await world.until(() => a.says('0 1 2 3 4 5'));
    const tookMs = world.clock.nowMs() - diedAtMs;
    assert.ok(tookMs > SESSION_MS - HEARTBEAT_MS && tookMs <= SESSION_MS + 2 * HEARTBEAT_MS, `${tookMs} ms`);
    await world.close(a);
  });
});

test('a member that processes for long stays, and its tasks stay with it through every rebalance', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    // nothing is asked of the owner for ten sessions
    await world.clock.sleep(10 * SESSION_MS);
    assert.equal(a.assignments.length, 1);
    const b = world.member();
    await world.until(() => b.last !== null);
    await b.member.close();
    await world.until(() => a.assignments.length === 3);
    for (const { tasks } of a.assignments) assert.deepEqual(tasks.slice(0, 3), [0, 1, 2]);
    await world.close(a);
  });
});

test('a generation is checked with the broker', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    const first = a.last!.generationId;
    await a.member.assertGeneration(first);
    const b = world.member();
    await world.until(() => a.last!.generationId > first);
    await assert.rejects(a.member.assertGeneration(first), { code: 'stale-generation', kind: 'fenced' });
    await a.member.assertGeneration(a.last!.generationId);
    await world.close(a, b);
  });
});

test('rejoining gives a new generation, with the same tasks', async () => {
  const world = new World();
  await world.run(async () => {
    const [a, b] = [world.member(), world.member()];
    await world.until(() => a.says('0 1 2') && b.says('3 4 5'));
    for (const one of [a, b]) {
      const before = one.last!.generationId;
      one.member.rejoin();
      await world.until(() => a.last!.generationId > before && b.last!.generationId > before);
      assert.ok(a.says('0 1 2') && b.says('3 4 5'));
    }
    await world.close(a, b);
  });
});

test('asking for a new generation while one is on its way disturbs nobody a second time', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    const b = world.member();
    // as a worker does that wants to open its tasks while the group rebalances
    await world.until(() => world.broker.describeGroup('g').state === 'preparing');
    b.member.rejoin();
    await world.until(() => a.says('0 1 2') && b.says('3 4 5'));
    const { generationId } = b.last!;
    await world.clock.sleep(5 * HEARTBEAT_MS);
    assert.equal(b.last!.generationId, generationId);
    await b.member.assertGeneration(generationId);
    await world.close(a, b);
  });
});

test('who slept through its session loses everything, is told so, and comes back', async () => {
  const world = new World();
  await world.run(async () => {
    const [a, b] = [world.member(), world.member()];
    await world.until(() => a.says('0 1 2') && b.says('3 4 5'));
    const slept = a.last!.generationId;
    world.frozen.add(a.port);
    await world.until(() => b.says('0 1 2 3 4 5'));
    world.frozen.delete(a.port);
    await assert.rejects(a.member.assertGeneration(slept), { kind: 'fenced' });
    await world.until(() => a.lost.length > 0);
    assert.equal(a.lost[0]!.code, 'unknown-member');
    await world.until(() => a.last!.tasks.length === 3 && b.last!.tasks.length === 3);
    assert.deepEqual(a.last!.revoked, [], 'what was lost is not revoked a second time');
    await world.close(a, b);
  });
});

test('a broker that is away costs nothing before the session is over, and everything after', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    world.away.add(a.port);
    await world.clock.sleep(SESSION_MS / 2);
    assert.equal(a.lost.length, 0);
    await world.until(() => a.lost.length > 0);
    assert.equal(a.lost[0]?.code, 'unreachable');
    world.away.delete(a.port);
    await world.until(() => a.assignments.length === 2);
    await world.close(a);
  });
});

test('who hears nothing for a session comes back, also where the broker never missed it', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    world.deaf.add(a.port);
    await world.until(() => a.lost.length > 0);
    world.deaf.delete(a.port);
    await world.until(() => a.assignments.length === 2);
    await a.member.assertGeneration(a.last!.generationId);
    await world.close(a);
  });
});

test('instances that disagree about the tasks fail, and say why', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    const b = world.member({ taskCount: 7 });
    await world.until(() => a.failures.length > 0 || b.failures.length > 0);
    const failure = [...a.failures, ...b.failures][0] as LogError;
    assert.equal(failure.code, 'protocol');
    assert.match(failure.message, /disagree about the number of tasks.*same version/);
    await world.close(a, b);
  });
});

test('a stranger in the group is told from an instance', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await world.until(() => a.last !== null);
    const stranger = world.broker.openPort({ clientId: 'stranger' });
    const joining = stranger.joinGroup({
      groupId: 'g',
      memberId: '',
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: SESSION_MS,
      protocolName: 'everyview-sticky-1',
      metadata: Buffer.from('who?'),
    });
    await world.until(() => a.failures.length > 0);
    await joining;
    assert.match(
      (a.failures[0] as LogError).message,
      /no instance of this application.*another application id/,
    );
    await stranger.close();
  });
});

test('after close nothing is told, also when it was joining', async () => {
  const world = new World();
  await world.run(async () => {
    const a = world.member();
    await a.member.close();
    await world.clock.sleep(5 * SESSION_MS);
    assert.deepEqual([a.assignments, a.lost, a.failures], [[], [], []]);
    const b = world.member();
    await world.until(() => b.says('0 1 2 3 4 5'));
    await world.close(b);
  });
});

const SESSION_MS = 1_000;
const HEARTBEAT_MS = 100;

/** A broker, and members that write down what they are told. */
class World {
  readonly clock = new VirtualClock({ wakesMax: 100_000 });
  readonly broker = new MemoryBroker({ clock: this.clock });
  /** Whose calls are held back, as by a stopped process. */
  readonly frozen = new Set<MemoryPort>();
  /** Whose calls fail, as with a broken network. */
  readonly away = new Set<MemoryPort>();
  /** Whose calls arrive, and whose answers do not. */
  readonly deaf = new Set<MemoryPort>();
  #members = 0;

  run(body: () => Promise<void>): Promise<void> {
    return this.clock.run(body());
  }

  member(options: Partial<GroupMemberOptions> = {}) {
    const port = this.broker.openPort({ clientId: `member-${String.fromCharCode(97 + this.#members++)}` });
    const assignments: GroupAssignment[] = [];
    const lost: LogError[] = [];
    const failures: unknown[] = [];
    const member = new GroupMember({
      port: this.#troubled(port),
      clock: this.clock,
      groupId: 'g',
      taskCount: 6,
      topics: ['in'],
      sessionTimeoutMs: SESSION_MS,
      heartbeatEveryMs: HEARTBEAT_MS,
      rebalanceTimeoutMs: 2 * SESSION_MS,
      onAssigned: (assignment) => assignments.push(assignment),
      onLost: (reason) => lost.push(reason),
      onFailed: (error) => failures.push(error),
      ...options,
    });
    return {
      member,
      port,
      assignments,
      lost,
      failures,
      get last(): GroupAssignment | null {
        return assignments.at(-1) ?? null;
      },
      says: (tasks: string) => assignments.at(-1)?.tasks.join(' ') === tasks,
    };
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; !condition(); i++) {
      assert.ok(i < 10_000, 'the condition came true within 100 s');
      await this.clock.sleep(10);
    }
  }

  async close(...members: readonly { readonly member: GroupMember }[]): Promise<void> {
    for (const { member } of members) await member.close();
  }

  #troubled(port: MemoryPort): MemoryPort {
    return new Proxy(port, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target) as unknown;
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]) => {
          while (this.frozen.has(port)) await this.clock.sleep(10);
          if (this.away.has(port)) throw new LogError('unreachable', 'the broker is away');
          const answer = (await member.apply(target, args)) as unknown;
          if (this.deaf.has(port)) throw new LogError('timed-out', 'the answer was lost');
          return answer;
        };
      },
    });
  }
}
