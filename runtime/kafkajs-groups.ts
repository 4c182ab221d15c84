/** Group membership over kafkajs's requests: the classic protocol, one request for each method. */
import { ERROR, kafkaError } from './kafka-errors.ts';
import type { KafkajsCluster } from './kafkajs-cluster.ts';
import type { RequestName } from './kafkajs-connection.ts';
import type {
  ActiveMember,
  GroupMembership,
  JoinedGroup,
  JoinRequest,
  LogError,
  MemberAssignment,
} from './port.ts';

/** What Kafka's own tools take for a group of consumers. */
const PROTOCOL_TYPE = 'consumer';

export async function joinGroup(cluster: KafkajsCluster, request: JoinRequest): Promise<JoinedGroup> {
  const { groupId, sessionTimeoutMs, rebalanceTimeoutMs, protocolName, metadata } = request;
  const join = (memberId: string) =>
    askCoordinator<JoinAnswer>(cluster, groupId, 'JoinGroup', rebalanceTimeoutMs, {
      groupId,
      memberId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      protocolType: PROTOCOL_TYPE,
      groupProtocols: [{ name: protocolName, metadata: Buffer.from(metadata) }],
    });
  let answer = await join(request.memberId);
  // a newcomer is given an id first, and joins with it (KIP-394)
  if (answer.errorCode === ERROR.memberIdRequired) answer = await join(answer.memberId);
  failOn(cluster, groupId, 'joining', answer.errorCode);
  return {
    generationId: answer.generationId,
    memberId: answer.memberId,
    leaderId: answer.leaderId,
    members: answer.members.map(({ memberId, memberMetadata }) => ({
      memberId,
      metadata: memberMetadata ?? NO_BYTES,
    })),
  };
}

export async function syncGroup(
  cluster: KafkajsCluster,
  { groupId, memberId, generationId }: GroupMembership,
  assignments: readonly MemberAssignment[],
): Promise<Uint8Array> {
  // held back until the leader has said who gets what
  const answer = await askCoordinator<SyncAnswer>(cluster, groupId, 'SyncGroup', SYNC_MS_MAX, {
    groupId,
    memberId,
    generationId,
    groupAssignment: assignments.map((one) => ({
      memberId: one.memberId,
      memberAssignment: Buffer.from(one.assignment),
    })),
  });
  failOn(cluster, groupId, 'taking the assignment of', answer.errorCode);
  return answer.memberAssignment ?? NO_BYTES;
}

export async function heartbeat(cluster: KafkajsCluster, membership: GroupMembership): Promise<void> {
  const { groupId, memberId, generationId } = membership;
  const args = { groupId, memberId, groupGenerationId: generationId };
  const coordinator = await cluster.coordinatorOf('group', groupId);
  const answer = await cluster.exchange<Answer>(
    coordinator,
    'control',
    'Heartbeat',
    args,
    'coordinator-moved',
  );
  failOn(cluster, groupId, 'heartbeat to', answer.errorCode);
}

export async function leaveGroup(
  cluster: KafkajsCluster,
  { groupId, memberId }: GroupMembership,
): Promise<void> {
  const coordinator = await cluster.coordinatorOf('group', groupId);
  const args = { groupId, memberId };
  const answer = await cluster.exchange<LeaveAnswer>(
    coordinator,
    'control',
    'LeaveGroup',
    args,
    'coordinator-moved',
  );
  failOn(cluster, groupId, 'leaving', answer.errorCode);
  for (const member of answer.members) failOn(cluster, groupId, 'leaving', member.errorCode);
}

export async function groupMembers(
  cluster: KafkajsCluster,
  groupId: string,
): Promise<readonly ActiveMember[]> {
  const coordinator = await cluster.coordinatorOf('group', groupId);
  const { groups } = await cluster.exchange<DescribeAnswer>(
    coordinator,
    'control',
    'DescribeGroups',
    { groupIds: [groupId] },
    'coordinator-moved',
  );
  const members: ActiveMember[] = [];
  for (const group of groups) {
    failOn(cluster, groupId, 'describing', group.errorCode);
    for (const { memberId, clientId, clientHost } of group.members) {
      members.push({ memberId, clientId, host: clientHost.replace(/^\//, '') });
    }
  }
  return members;
}

async function askCoordinator<T>(
  cluster: KafkajsCluster,
  groupId: string,
  name: RequestName,
  longestMs: number,
  args: object,
): Promise<T> {
  const coordinator = await cluster.coordinatorOf('group', groupId);
  return cluster.exchangePatiently<T>(coordinator, name, args, 'coordinator-moved', longestMs);
}

function failOn(cluster: KafkajsCluster, groupId: string, what: string, errorCode: number): void {
  if (errorCode === ERROR.none) return;
  const error: LogError = kafkaError(errorCode, `${what} group ${groupId}`);
  if (error.code === 'coordinator-moved') cluster.forgetCoordinator('group', groupId);
  throw error;
}

const NO_BYTES = new Uint8Array(0);
const SYNC_MS_MAX = 60_000;

type Answer = { readonly errorCode: number };
type LeaveAnswer = Answer & { readonly members: readonly Answer[] };
type SyncAnswer = Answer & { readonly memberAssignment: Buffer | null };
type DescribeAnswer = {
  readonly groups: readonly (Answer & {
    readonly members: readonly {
      readonly memberId: string;
      readonly clientId: string;
      readonly clientHost: string;
    }[];
  })[];
};
type JoinAnswer = Answer & {
  readonly generationId: number;
  readonly memberId: string;
  readonly leaderId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer | null }[];
};
