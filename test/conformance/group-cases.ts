/** Groups: who has which task, and who only thinks so. */
import assert from 'node:assert/strict';
import { type GroupAssignment, GroupMember } from '../../runtime/group-member.ts';
import type { GroupMembership, JoinRequest, LogPort } from '../../runtime/port.ts';
import type { Case } from './conformance.ts';
import type { Lab } from './lab.ts';

export const GROUP_CASES: readonly Case[] = [
  {
    name: 'members share the tasks, keep what they have, and take over from who leaves',
    body: async (lab) => {
      const groupId = lab.name('group');
      const a = await member(lab, groupId);
      await lab.until('one has all', () => a.has('0 1 2 3'));
      const b = await member(lab, groupId);
      await lab.until('two share', () => a.has('0 1') && b.has('2 3'));
      await a.member.assertGeneration(a.generation());
      await b.member.close();
      await lab.until('one has all again', () => a.has('0 1 2 3'));
      assert.deepEqual(a.assignments.at(-1)!.revoked, []);
      await a.member.close();
    },
  },
  {
    name: 'who dies is replaced when the session times out, and fenced by then',
    body: async (lab) => {
      const groupId = lab.name('group');
      const [a, b] = [await member(lab, groupId), await member(lab, groupId)];
      await lab.until(
        'two share',
        () => a.assignments.length > 0 && b.assignments.length > 0 && a.count() + b.count() === 4,
      );
      const stale = b.assignments.at(-1)!;
      await b.port.close();
      await lab.until('one has all', () => a.has('0 1 2 3'));
      const late: GroupMembership = { groupId, memberId: stale.memberId, generationId: stale.generationId };
      await assert.rejects((await lab.port()).heartbeat(late), { kind: 'fenced' });
      await a.member.close();
    },
  },
  {
    name: 'who is in a group is named, nobody once all have left',
    body: async (lab) => {
      const groupId = lab.name('group');
      const port = await lab.port();
      assert.deepEqual(await port.groupMembers(groupId), []);
      const joined = await port.joinGroup(joinRequest(groupId, ''));
      const membership = { groupId, memberId: joined.memberId, generationId: joined.generationId };
      await port.syncGroup(membership, [{ memberId: joined.memberId, assignment: Buffer.from('all') }]);
      const [member, ...others] = await port.groupMembers(groupId);
      assert.deepEqual([member?.memberId, others], [joined.memberId, []]);
      assert.match(member!.clientId, /^conformance-/);
      assert.ok(member!.host.length > 0);
      await port.leaveGroup(membership);
      assert.deepEqual(await port.groupMembers(groupId), []);
    },
  },
  {
    name: 'an old generation is told that it is old',
    body: async (lab) => {
      const groupId = lab.name('group');
      const port = await lab.port();
      const first = await port.joinGroup(joinRequest(groupId, ''));
      assert.equal(first.leaderId, first.memberId);
      assert.deepEqual(
        first.members.map(({ metadata }) => Buffer.from(metadata).toString()),
        ['hello'],
      );
      const membership = { groupId, memberId: first.memberId, generationId: first.generationId };
      const assignment = await port.syncGroup(membership, [
        { memberId: first.memberId, assignment: Buffer.from('yours') },
      ]);
      assert.equal(Buffer.from(assignment).toString(), 'yours');
      await port.heartbeat(membership);
      const second = await port.joinGroup(joinRequest(groupId, first.memberId));
      assert.ok(second.generationId > first.generationId);
      await assert.rejects(port.heartbeat(membership), { kind: 'fenced' });
      await assert.rejects(port.syncGroup(membership, []), { kind: 'fenced' });
      await port.leaveGroup({ ...membership, generationId: second.generationId });
      await assert.rejects(port.heartbeat(membership), { code: 'unknown-member' });
      await assert.rejects(port.leaveGroup(membership), { code: 'unknown-member' });
      await assert.rejects(port.joinGroup(joinRequest(groupId, first.memberId)), { code: 'unknown-member' });
    },
  },
  {
    name: 'a rebalance is told by the heartbeat, and waits for everybody',
    body: async (lab) => {
      const groupId = lab.name('group');
      const [one, other] = [await lab.port(), await lab.openPort()];
      const first = await one.joinGroup(joinRequest(groupId, ''));
      const membership = { groupId, memberId: first.memberId, generationId: first.generationId };
      await one.syncGroup(membership, [{ memberId: first.memberId, assignment: Buffer.from('all') }]);
      const joining = other.joinGroup(joinRequest(groupId, ''));
      await lab.until(
        'the heartbeat tells',
        async () => (await heartbeatCode(one, membership)) === 'rebalance-in-progress',
      );
      const [again, newcomer] = await Promise.all([
        one.joinGroup(joinRequest(groupId, first.memberId)),
        joining,
      ]);
      assert.equal(again.generationId, newcomer.generationId);
      assert.equal(
        again.members.length + newcomer.members.length,
        2,
        'the leader is told of both, the other of nobody',
      );
      for (const [port, joined] of [
        [one, again],
        [other, newcomer],
      ] as const) {
        await port.leaveGroup({ groupId, memberId: joined.memberId, generationId: joined.generationId });
      }
    },
  },
];

const SESSION_MS = 2_000;

async function member(lab: Lab, groupId: string) {
  const port = await lab.openPort();
  const assignments: GroupAssignment[] = [];
  const groupMember = new GroupMember({
    port,
    clock: lab.subject.clock,
    groupId,
    taskCount: 4,
    topics: ['input'],
    sessionTimeoutMs: SESSION_MS,
    heartbeatEveryMs: 200,
    rebalanceTimeoutMs: SESSION_MS,
    onAssigned: (assignment) => assignments.push(assignment),
    onLost: () => {},
    onFailed: (error) => {
      // the case that killed its port knows
      if ((error as { code?: string }).code !== 'closed') throw error;
    },
  });
  return {
    member: groupMember,
    port,
    assignments,
    has: (tasks: string) => assignments.at(-1)?.tasks.join(' ') === tasks,
    count: () => assignments.at(-1)?.tasks.length ?? 0,
    generation: () => assignments.at(-1)!.generationId,
  };
}

function joinRequest(groupId: string, memberId: string): JoinRequest {
  return {
    groupId,
    memberId,
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: SESSION_MS,
    protocolName: 'conformance',
    metadata: Buffer.from('hello'),
  };
}

async function heartbeatCode(port: LogPort, membership: GroupMembership): Promise<string | null> {
  try {
    await port.heartbeat(membership);
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}
