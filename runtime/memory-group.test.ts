import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld, type World } from './memory-fixture.ts';
import type { GroupMembership, JoinedGroup, JoinRequest, LogPort } from './port.ts';

const REBALANCING = { code: 'rebalance-in-progress', kind: 'fenced' };

function request(memberId: string, more: Partial<JoinRequest> = {}): JoinRequest {
  return {
    groupId: 'group',
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 30_000,
    protocolName: 'sticky',
    metadata: utf8('m'),
    ...more,
  };
}

function membershipOf({ memberId, generationId }: JoinedGroup): GroupMembership {
  return { groupId: 'group', memberId, generationId };
}

/** Syncs all; the leader gives each member its own id as the assignment. */
async function syncAll(ports: readonly LogPort[], joined: readonly JoinedGroup[]): Promise<string[]> {
  const syncs = joined.map((member, i) => {
    const assignments = member.members.map(({ memberId }) => ({ memberId, assignment: utf8(memberId) }));
    return ports[i]!.syncGroup(membershipOf(member), assignments);
  });
  return (await Promise.all(syncs)).map((bytes) => Buffer.from(bytes).toString());
}

async function beat(port: LogPort, member: JoinedGroup): Promise<void> {
  await port.heartbeat(membershipOf(member));
}

/** Two members, synced, at generation 2. */
async function openPair(): Promise<World & { two: LogPort; a: JoinedGroup; b: JoinedGroup }> {
  const world = openWorld();
  const two = world.broker.openPort({ clientId: 'two' });
  const first = await world.port.joinGroup(request(''));
  await syncAll([world.port], [first]);
  const joiningB = two.joinGroup(request(''));
  await assert.rejects(beat(world.port, first), REBALANCING);
  const a = await world.port.joinGroup(request(first.memberId));
  const b = await joiningB;
  await syncAll([world.port, two], [a, b]);
  return { ...world, two, a, b };
}

test('one member: it leads, assigns itself, and beats', async () => {
  const { broker, port } = openWorld();
  const joined = await port.joinGroup(request('', { metadata: utf8('about me') }));
  assert.equal(joined.leaderId, joined.memberId);
  assert.deepEqual(joined.members, [{ memberId: joined.memberId, metadata: utf8('about me') }]);
  assert.deepEqual(await syncAll([port], [joined]), [joined.memberId]);
  await beat(port, joined);
  assert.equal(broker.describeGroup('group').state, 'stable');
});

test('a second member makes the first rejoin; both share one generation and one leader', async () => {
  const { broker, a, b } = await openPair();
  assert.equal(a.generationId, b.generationId);
  assert.equal(a.leaderId, a.memberId);
  assert.equal(b.leaderId, a.memberId);
  assert.deepEqual(
    a.members.map(({ memberId }) => memberId),
    [a.memberId, b.memberId],
  );
  assert.deepEqual(b.members, []);
  assert.equal(broker.describeGroup('group').state, 'stable');
});

test('each member gets its own part, followers wait for the leader, and can ask again', async () => {
  const { port, two, broker } = await openPair();
  const third = broker.openPort({ clientId: 'three' });
  const joining = third.joinGroup(request(''));
  const description = broker.describeGroup('group');
  const [idA, idB] = description.memberIds;
  const joined = await Promise.all([port.joinGroup(request(idA!)), two.joinGroup(request(idB!)), joining]);
  const parts = await syncAll([port, two, third], joined);
  assert.deepEqual(
    parts,
    joined.map(({ memberId }) => memberId),
  );
  assert.deepEqual(
    Buffer.from(await two.syncGroup(membershipOf(joined[1]!), [])).toString(),
    joined[1]!.memberId,
  );
});

test('an older generation is refused everywhere', async () => {
  const { port, a } = await openPair();
  const stale = { ...membershipOf(a), generationId: a.generationId - 1 };
  await assert.rejects(port.heartbeat(stale), { code: 'stale-generation', kind: 'fenced' });
  await assert.rejects(port.syncGroup(stale, []), { code: 'stale-generation' });
});

test('a member that stops beating is removed at its session timeout, and the others rebalance', async () => {
  const { clock, port, two, a, b } = await openPair();
  for (let i = 0; i < 3; i += 1) {
    await clock.advance(3_000);
    await beat(port, a);
  }
  await clock.advance(999);
  await beat(port, a);
  await clock.advance(1);
  await assert.rejects(beat(port, a), REBALANCING);
  await assert.rejects(beat(two, b), { code: 'unknown-member' });
  const alone = await port.joinGroup(request(a.memberId));
  assert.equal(alone.generationId, a.generationId + 1);
  assert.equal(alone.members.length, 1);
});

test('when the leader goes, another one leads', async () => {
  const { port, two, a, b } = await openPair();
  await port.leaveGroup(membershipOf(a));
  await assert.rejects(beat(two, b), REBALANCING);
  const alone = await two.joinGroup(request(b.memberId));
  assert.equal(alone.leaderId, b.memberId);
  assert.deepEqual(await syncAll([two], [alone]), [b.memberId]);
  await assert.rejects(beat(port, a), { code: 'unknown-member' });
  await assert.rejects(port.leaveGroup(membershipOf(a)), { code: 'unknown-member' });
  await assert.rejects(port.joinGroup(request(a.memberId)), { code: 'unknown-member' });
});

test('who does not rejoin in time is left behind', async () => {
  const { clock, broker, port, two, a, b } = await openPair();
  const three = broker.openPort({ clientId: 'three' });
  const joiningC = three.joinGroup(request('', { rebalanceTimeoutMs: 20_000 }));
  const joiningA = port.joinGroup(request(a.memberId));
  // b beats on, so its session lives, but it never rejoins
  const startMs = clock.nowMs();
  while (clock.nowMs() < startMs + 30_000) {
    await assert.rejects(beat(two, b), REBALANCING);
    await clock.advance(5_000);
  }
  const [c, again] = [await joiningC, await joiningA];
  assert.equal(c.generationId, a.generationId + 1);
  assert.deepEqual(
    again.members.map(({ memberId }) => memberId),
    [a.memberId, c.memberId],
  );
  await assert.rejects(beat(two, b), { code: 'unknown-member' });
});

test('a leader that dies between join and sync does not hold the others up', async () => {
  const { clock, port, two, a, b } = await openPair();
  const joined = await Promise.all([port.joinGroup(request(a.memberId)), two.joinGroup(request(b.memberId))]);
  const waiting = two.syncGroup(membershipOf(joined[1]), []);
  const rejected = assert.rejects(waiting, REBALANCING);
  await clock.advance(10_000);
  await rejected;
  const alone = await two.joinGroup(request(b.memberId));
  assert.deepEqual(await syncAll([two], [alone]), [b.memberId]);
});

test('a member that joined, beats, but never syncs is put out at the rebalance timeout', async () => {
  const { clock, port, two, a, b } = await openPair();
  const joined = await Promise.all([port.joinGroup(request(a.memberId)), two.joinGroup(request(b.memberId))]);
  const assignments = joined[0].members.map(({ memberId }) => ({ memberId, assignment: utf8('x') }));
  await port.syncGroup(membershipOf(joined[0]), assignments);
  for (let i = 0; i < 6; i += 1) {
    await Promise.all([beat(port, joined[0]), beat(two, joined[1])]);
    await clock.advance(5_000);
  }
  await assert.rejects(beat(two, joined[1]), { code: 'unknown-member' });
  await assert.rejects(beat(port, joined[0]), REBALANCING);
});

test('a follower that joins again with nothing new changes nothing; with other metadata it does', async () => {
  const { broker, two, b } = await openPair();
  const again = await two.joinGroup(request(b.memberId));
  assert.equal(again.generationId, b.generationId);
  assert.equal(broker.describeGroup('group').state, 'stable');
  void two
    .joinGroup(request(b.memberId, { metadata: utf8('other') }))
    .catch(() => assert.fail('still waiting'));
  assert.equal(broker.describeGroup('group').state, 'preparing');
});

test('a group that everybody left starts anew with a greater generation', async () => {
  const { broker, port, two, a, b } = await openPair();
  await port.leaveGroup(membershipOf(a));
  await two.leaveGroup(membershipOf(b));
  const { generationId } = broker.describeGroup('group');
  assert.deepEqual(broker.describeGroup('group'), {
    state: 'empty',
    generationId,
    leaderId: null,
    memberIds: [],
  });
  const again = await port.joinGroup(request('', { protocolName: 'other' }));
  assert.ok(again.generationId > generationId);
});

test('an empty group may wait for its first members, to spare a rebalance', async () => {
  const { broker, clock, port } = openWorld({ initialRebalanceDelayMs: 3_000 });
  const two = broker.openPort({ clientId: 'two' });
  const joiningA = port.joinGroup(request(''));
  await clock.advance(1_000);
  const joiningB = two.joinGroup(request(''));
  await clock.advance(1_999);
  assert.equal(broker.describeGroup('group').state, 'preparing');
  await clock.advance(1);
  const [a, b] = [await joiningA, await joiningB];
  assert.equal(a.generationId, b.generationId);
  assert.equal(a.members.length, 2);
});

test('other assignors, other groups, unknown members', async () => {
  const { port } = await openPair();
  await assert.rejects(port.joinGroup(request('', { protocolName: 'range' })), { code: 'protocol' });
  await assert.rejects(port.joinGroup(request('ghost')), { code: 'unknown-member' });
  const nowhere = { groupId: 'nowhere', memberId: 'ghost', generationId: 1 };
  await assert.rejects(port.heartbeat(nowhere), { code: 'unknown-member' });
  await assert.rejects(port.joinGroup(request('', { sessionTimeoutMs: 0 })), { code: 'protocol' });
});

test('a port that closes leaves its member behind, which the session timeout takes', async () => {
  const { broker, clock, port, two, a } = await openPair();
  await two.close();
  await clock.advance(5_000);
  await beat(port, a);
  await clock.advance(5_000);
  assert.deepEqual(broker.describeGroup('group').memberIds, [a.memberId]);
});

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
