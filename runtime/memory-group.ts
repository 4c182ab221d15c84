/**
 * The simulated broker's group coordinator: eager groups as in Kafka's classic protocol (join, sync, heartbeat, leave).
 * Members that stop speaking are removed when their session times out, and those that do not rejoin when the rebalance
 * does.
 */
import type { Deadlines } from './deadlines.ts';
import {
  type ActiveMember,
  type Clock,
  type GroupMembership,
  type JoinedGroup,
  type JoinRequest,
  LogError,
  type MemberAssignment,
} from './port.ts';

export type GroupCoordinatorOptions = {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** How long an empty group waits for more members after the first (Kafka's group.initial.rebalance.delay.ms). */
  readonly initialRebalanceDelayMs: number;
};

export type GroupDescription = {
  readonly state: GroupState;
  readonly generationId: number;
  readonly leaderId: string | null;
  readonly memberIds: readonly string[];
};

/** `preparing`: waiting for members to join; `completing`: waiting for the leader's assignment. */
export type GroupState = 'empty' | 'preparing' | 'completing' | 'stable';

export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions;
  readonly #groups = new Map<string, Group>();
  #nextMember = 1;

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options;
  }

  join(clientId: string, request: JoinRequest): Promise<JoinedGroup> {
    checkTimeouts(request);
    const group = this.#groups.get(request.groupId) ?? this.#newGroup(request.groupId);
    if (group.members.size > 0 && group.protocolName !== request.protocolName) {
      throw new LogError(
        'protocol',
        `Group ${group.groupId} uses the assignor "${group.protocolName}", not "${request.protocolName}": ` +
          'stop the other application, or choose another group id.',
      );
    }
    const known =
      request.memberId === '' ? this.#addMember(group, clientId, request) : memberOf(group, request.memberId);
    const isUnchanged = request.memberId !== '' && Buffer.compare(known.metadata, request.metadata) === 0;
    known.metadata = request.metadata.slice();
    known.lastSeenMs = this.#options.clock.nowMs();
    const isSettled =
      isUnchanged &&
      (group.state === 'completing' || (group.state === 'stable' && known.memberId !== group.leaderId));
    if (isSettled) return Promise.resolve(joinedAs(group, known));
    known.joining?.reject(rebalancing(group));
    const joining = Promise.withResolvers<JoinedGroup>();
    known.joining = joining;
    if (group.state === 'preparing') this.#completeWhenAllJoined(group);
    else this.#prepareRebalance(group);
    return joining.promise;
  }

  sync(membership: GroupMembership, assignments: readonly MemberAssignment[]): Promise<Uint8Array> {
    const { group, member } = this.#checked(membership);
    if (group.state === 'preparing') throw rebalancing(group);
    member.isSynced = true;
    if (group.state === 'stable') return Promise.resolve(member.assignment);
    member.syncing?.reject(rebalancing(group));
    const syncing = Promise.withResolvers<Uint8Array>();
    member.syncing = syncing;
    if (member.memberId === group.leaderId) this.#assign(group, assignments);
    return syncing.promise;
  }

  heartbeat(membership: GroupMembership): void {
    const { group } = this.#checked(membership);
    if (group.state === 'preparing') throw rebalancing(group);
  }

  leave(membership: GroupMembership): void {
    const group = this.#groups.get(membership.groupId);
    if (group === undefined) throw unknownMember(membership.groupId, membership.memberId);
    this.#remove(group, memberOf(group, membership.memberId));
  }

  describe(groupId: string): GroupDescription {
    const group = this.#groups.get(groupId);
    if (group === undefined) return { state: 'empty', generationId: 0, leaderId: null, memberIds: [] };
    const { state, generationId, leaderId } = group;
    return { state, generationId, leaderId, memberIds: [...group.members.keys()] };
  }

  members(groupId: string): readonly ActiveMember[] {
    const members = this.#groups.get(groupId)?.members.values() ?? [];
    return Array.from(members, ({ memberId, clientId }) => ({ memberId, clientId, host: 'in memory' }));
  }

  #newGroup(groupId: string): Group {
    const group: Group = {
      groupId,
      state: 'empty',
      generationId: 0,
      leaderId: null,
      protocolName: '',
      members: new Map(),
      rebalances: 0,
      isWaitingForFirstMembers: false,
    };
    this.#groups.set(groupId, group);
    return group;
  }

  #addMember(group: Group, clientId: string, request: JoinRequest): Member {
    const member: Member = {
      memberId: `${clientId}-${this.#nextMember++}`,
      clientId,
      metadata: request.metadata.slice(),
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      assignment: new Uint8Array(0),
      isSynced: false,
      joining: null,
      syncing: null,
      lastSeenMs: this.#options.clock.nowMs(),
    };
    group.members.set(member.memberId, member);
    group.protocolName = request.protocolName;
    this.#watchSession(group, member);
    return member;
  }

  /** The group and the member, who is alive as of now. */
  #checked({ groupId, memberId, generationId }: GroupMembership): {
    readonly group: Group;
    readonly member: Member;
  } {
    const group = this.#groups.get(groupId);
    if (group === undefined) throw unknownMember(groupId, memberId);
    const member = memberOf(group, memberId);
    if (generationId !== group.generationId) {
      throw new LogError(
        'stale-generation',
        `Group ${groupId} is at generation ${group.generationId}, not ${generationId}: give the tasks up and rejoin.`,
      );
    }
    member.lastSeenMs = this.#options.clock.nowMs();
    return { group, member };
  }

  #watchSession(group: Group, member: Member): void {
    const dueMs = member.lastSeenMs + member.sessionTimeoutMs;
    this.#options.deadlines.at(dueMs, () => {
      if (group.members.get(member.memberId) !== member) return;
      // who waits for an answer of the coordinator cannot send heartbeats
      if (member.joining !== null || member.syncing !== null) member.lastSeenMs = this.#options.clock.nowMs();
      if (member.lastSeenMs + member.sessionTimeoutMs > this.#options.clock.nowMs())
        this.#watchSession(group, member);
      else this.#remove(group, member);
    });
  }

  #remove(group: Group, member: Member): void {
    group.members.delete(member.memberId);
    if (group.leaderId === member.memberId) group.leaderId = null;
    const gone = unknownMember(group.groupId, member.memberId);
    member.joining?.reject(gone);
    member.syncing?.reject(gone);
    if (group.state === 'preparing') this.#completeWhenAllJoined(group);
    else if (group.state !== 'empty') this.#prepareRebalance(group);
  }

  #prepareRebalance(group: Group): void {
    const { clock, deadlines, initialRebalanceDelayMs } = this.#options;
    const wasEmpty = group.state === 'empty';
    for (const member of group.members.values()) {
      if (member.syncing === null) continue;
      member.syncing.reject(rebalancing(group));
      member.syncing = null;
      member.lastSeenMs = clock.nowMs();
    }
    group.state = 'preparing';
    group.rebalances += 1;
    const { rebalances } = group;
    group.isWaitingForFirstMembers = wasEmpty && initialRebalanceDelayMs > 0;
    const waitMs = group.isWaitingForFirstMembers ? initialRebalanceDelayMs : rebalanceTimeoutMs(group);
    const onDeadline = (): void => {
      if (group.state === 'preparing' && group.rebalances === rebalances) this.#completeJoin(group);
    };
    if (!this.#completeWhenAllJoined(group)) deadlines.at(clock.nowMs() + waitMs, onDeadline);
  }

  #completeWhenAllJoined(group: Group): boolean {
    if (group.isWaitingForFirstMembers) return false;
    for (const member of group.members.values()) if (member.joining === null) return false;
    this.#completeJoin(group);
    return true;
  }

  #completeJoin(group: Group): void {
    group.isWaitingForFirstMembers = false;
    for (const [memberId, member] of group.members)
      if (member.joining === null) group.members.delete(memberId);
    group.generationId += 1;
    const firstMemberId = group.members.keys().next().value ?? null;
    if (group.leaderId === null || !group.members.has(group.leaderId)) group.leaderId = firstMemberId;
    if (firstMemberId === null) {
      group.state = 'empty';
      return;
    }
    group.state = 'completing';
    for (const member of group.members.values()) {
      member.isSynced = false;
      member.lastSeenMs = this.#options.clock.nowMs();
      member.joining?.resolve(joinedAs(group, member));
      member.joining = null;
    }
    this.#watchSyncs(group);
  }

  /** Who joined but never asks for its assignment is put out, so that a silent leader cannot hold the group up. */
  #watchSyncs(group: Group): void {
    const { clock, deadlines } = this.#options;
    const { generationId } = group;
    deadlines.at(clock.nowMs() + rebalanceTimeoutMs(group), () => {
      if (group.generationId !== generationId || (group.state !== 'completing' && group.state !== 'stable'))
        return;
      const silent = [...group.members.values()].filter((member) => !member.isSynced);
      for (const member of silent) this.#remove(group, member);
    });
  }

  #assign(group: Group, assignments: readonly MemberAssignment[]): void {
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
    group.state = 'stable';
    for (const member of group.members.values()) {
      member.assignment = byMember.get(member.memberId)?.slice() ?? new Uint8Array(0);
      if (member.syncing !== null) member.lastSeenMs = this.#options.clock.nowMs();
      member.syncing?.resolve(member.assignment);
      member.syncing = null;
    }
  }
}

type Answer<T> = { readonly resolve: (value: T) => void; readonly reject: (error: LogError) => void };

type Member = {
  readonly memberId: string;
  readonly clientId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  metadata: Uint8Array;
  assignment: Uint8Array;
  isSynced: boolean;
  joining: Answer<JoinedGroup> | null;
  syncing: Answer<Uint8Array> | null;
  lastSeenMs: number;
};

type Group = {
  readonly groupId: string;
  /** In the order of joining; the first is the leader when there is none. */
  readonly members: Map<string, Member>;
  state: GroupState;
  generationId: number;
  leaderId: string | null;
  protocolName: string;
  rebalances: number;
  isWaitingForFirstMembers: boolean;
};

function joinedAs(group: Group, member: Member): JoinedGroup {
  const isLeader = member.memberId === group.leaderId;
  return {
    generationId: group.generationId,
    memberId: member.memberId,
    leaderId: group.leaderId ?? '',
    members: isLeader
      ? Array.from(group.members.values(), ({ memberId, metadata }) => ({ memberId, metadata }))
      : [],
  };
}

function memberOf(group: Group, memberId: string): Member {
  const member = group.members.get(memberId);
  if (member === undefined) throw unknownMember(group.groupId, memberId);
  return member;
}

function rebalanceTimeoutMs(group: Group): number {
  let longestMs = 0;
  for (const member of group.members.values()) longestMs = Math.max(longestMs, member.rebalanceTimeoutMs);
  return longestMs;
}

function checkTimeouts({ sessionTimeoutMs, rebalanceTimeoutMs: rebalanceMs }: JoinRequest): void {
  if (sessionTimeoutMs > 0 && rebalanceMs > 0) return;
  throw new LogError('protocol', 'joinGroup needs a session timeout and a rebalance timeout above 0 ms.');
}

function unknownMember(groupId: string, memberId: string): LogError {
  return new LogError(
    'unknown-member',
    `Group ${groupId} has no member "${memberId}" (any more): give the tasks up and join anew with an empty member id.`,
  );
}

function rebalancing(group: Group): LogError {
  return new LogError(
    'rebalance-in-progress',
    `Group ${group.groupId} is rebalancing: give the tasks up and rejoin.`,
  );
}
