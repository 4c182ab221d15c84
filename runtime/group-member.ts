/**
 * Membership in a consumer group: joins, takes part in rebalances, says that it lives. All in the background, so that long
 * steps and long restores never cost the membership; kafkajs's own members speak only between batches.
 *
 * Tasks that stay are never interrupted: a rebalance goes on beside the processing. That is safe, because what fences is
 * the transactional id of each task, and not the group; the group only says who shall try. Its generation is checked
 * before each takeover (`assertGeneration`), so that an instance that slept does not fence the rightful owner.
 */
import { assignTasks, type Claimant } from './assignor.ts';
import {
  decodeAssignment,
  decodeMember,
  encodeAssignment,
  encodeMember,
  GROUP_PROTOCOL,
} from './group-protocol.ts';
import { type Clock, type GroupMembership, type JoinedGroup, LogError, type LogPort } from './port.ts';

export type GroupMemberOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  readonly groupId: string;
  readonly taskCount: number;
  /** Inputs of which each task reads the partition with its own number: for Kafka's tools to show. */
  readonly topics: readonly string[];
  /** An instance that is silent for longer is taken for dead. */
  readonly sessionTimeoutMs: number;
  readonly heartbeatEveryMs: number;
  /** How long the others wait in a rebalance for one that lives but does not join. */
  readonly rebalanceTimeoutMs: number;
  /** A new generation came. Called in order; never after `close`. */
  readonly onAssigned: (assignment: GroupAssignment) => void;
  /** Nothing is this instance's any more, until the next assignment. */
  readonly onLost: (reason: LogError) => void;
  /** The member has ended by an error that trying again cannot mend. */
  readonly onFailed: (error: unknown) => void;
};

export type GroupAssignment = {
  readonly generationId: number;
  readonly memberId: string;
  readonly tasks: readonly number[];
  /** What was not this instance's before. */
  readonly added: readonly number[];
  /** What is not this instance's any more. */
  readonly revoked: readonly number[];
};

export class GroupMember {
  readonly #options: GroupMemberOptions;
  #membership: GroupMembership;
  #tasks: readonly number[] = [];
  #isAssigned = false;
  #isJoining = false;
  #lastAnswerMs: number;
  #wantsRejoin = false;
  #isClosed = false;
  /** Ends the sleep that is going on. */
  #wakeUp = new AbortController();

  /** Starts joining; what comes of it is told to the callbacks. */
  constructor(options: GroupMemberOptions) {
    this.#options = options;
    this.#membership = { groupId: options.groupId, memberId: '', generationId: -1 };
    this.#lastAnswerMs = options.clock.nowMs();
    this.#run().catch((error: unknown) => {
      this.#isClosed = true;
      options.onFailed(error);
    });
  }

  /**
   * Rejects with a `fenced` error unless `generationId` is this instance's and, by the broker's word, the group's; with
   * another one when the broker cannot be asked.
   */
  async assertGeneration(generationId: number): Promise<void> {
    const { groupId } = this.#options;
    if (!this.#isAssigned || generationId !== this.#membership.generationId) {
      throw new LogError(
        'stale-generation',
        `Group ${groupId} has moved on from generation ${generationId}: wait for the next assignment.`,
      );
    }
    await this.#options.port.heartbeat(this.#membership);
    this.#lastAnswerMs = this.#options.clock.nowMs();
  }

  /**
   * Asks for a new generation, keeping what is assigned until it comes. While a join is under way that is the one: to
   * join once more after it would disturb the group again, and whoever asks then for its tasks would ask for ever.
   */
  rejoin(): void {
    if (this.#isJoining) return;
    this.#wantsRejoin = true;
    this.#wakeUp.abort();
  }

  /** Leaves, so that others get the tasks at once. No callback is called any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wakeUp.abort();
    await this.#leave();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#join();
        await this.#stayIn();
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  /** Joins, as the leader assigns, and takes the assignment. */
  async #join(): Promise<void> {
    const { port, topics, taskCount, sessionTimeoutMs, rebalanceTimeoutMs, groupId } = this.#options;
    this.#wantsRejoin = false;
    this.#isJoining = true;
    const { memberId, generationId } = this.#membership;
    const state = { owned: this.#tasks, generationId, taskCount };
    const joined = await port.joinGroup({
      groupId,
      memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolName: GROUP_PROTOCOL,
      metadata: encodeMember(topics, state),
    });
    this.#membership = { groupId, memberId: joined.memberId, generationId: joined.generationId };
    this.#lastAnswerMs = this.#options.clock.nowMs();
    // closed while it waited: the broker must not wait for it in turn
    if (this.#isClosed) return this.#leave();
    const assignments = joined.memberId === joined.leaderId ? this.#assign(joined) : [];
    const tasks = decodeAssignment(groupId, await port.syncGroup(this.#membership, assignments));
    this.#lastAnswerMs = this.#options.clock.nowMs();
    this.#publish(tasks);
  }

  #assign({ members }: JoinedGroup) {
    const { groupId, taskCount, topics } = this.#options;
    const claimants = members.map(({ memberId, metadata }): Claimant => {
      const state = decodeMember(groupId, metadata);
      if (state.taskCount !== taskCount) {
        throw new LogError(
          'protocol',
          `Instances of ${groupId} disagree about the number of tasks (${taskCount} here, ${state.taskCount} in ${memberId}): run the same version everywhere, and never change the partition count of an input.`,
        );
      }
      return { memberId, owned: state.owned, generationId: state.generationId };
    });
    const given = assignTasks(taskCount, claimants);
    return [...given].map(([memberId, tasks]) => ({ memberId, assignment: encodeAssignment(topics, tasks) }));
  }

  #publish(tasks: readonly number[]): void {
    this.#isJoining = false;
    if (this.#isClosed) return;
    const before = this.#tasks;
    this.#tasks = tasks;
    this.#isAssigned = true;
    const { memberId, generationId } = this.#membership;
    this.#options.onAssigned({
      generationId,
      memberId,
      tasks,
      added: tasks.filter((task) => !before.includes(task)),
      revoked: before.filter((task) => !tasks.includes(task)),
    });
  }

  /**
   * Heartbeats until there is a reason to join again. One reason is that everything was given up for want of answers: a
   * broker that was away itself may still count this instance in, and would never tell it anew what it has.
   */
  async #stayIn(): Promise<void> {
    const { port, clock, heartbeatEveryMs } = this.#options;
    while (!this.#isClosed && !this.#wantsRejoin && this.#isAssigned) {
      await this.#sleep(heartbeatEveryMs);
      if (this.#isClosed || this.#wantsRejoin) return;
      try {
        await port.heartbeat(this.#membership);
        this.#lastAnswerMs = clock.nowMs();
      } catch (error) {
        if (!isPassing(error)) throw error;
        this.#loseWhenExpired(error);
      }
    }
  }

  /** After a failed join or heartbeat. */
  async #recover(error: unknown): Promise<void> {
    this.#isJoining = false;
    if (this.#isClosed) return;
    if (!(error instanceof LogError)) throw error;
    switch (error.code) {
      case 'rebalance-in-progress':
        return;
      case 'unknown-member':
        this.#membership = { ...this.#membership, memberId: '', generationId: -1 };
        this.#lose(error);
        return;
      case 'stale-generation':
        this.#lose(error);
        return;
      default:
        if (!isPassing(error)) throw error;
        this.#loseWhenExpired(error);
        await this.#sleep(RETRY_MS);
    }
  }

  /** The broker has not answered for so long that it must have given the tasks to others. */
  #loseWhenExpired(error: LogError): void {
    if (this.#options.clock.nowMs() - this.#lastAnswerMs >= this.#options.sessionTimeoutMs) this.#lose(error);
  }

  #lose(reason: LogError): void {
    if (!this.#isAssigned || this.#isClosed) return;
    this.#isAssigned = false;
    this.#tasks = [];
    this.#options.onLost(reason);
  }

  async #leave(): Promise<void> {
    if (this.#membership.memberId === '') return;
    try {
      await this.#options.port.leaveGroup(this.#membership);
    } catch (error) {
      // who cannot be told finds out when the session times out
      if (!(error instanceof LogError)) throw error;
    }
  }

  async #sleep(durationMs: number): Promise<void> {
    if (this.#wakeUp.signal.aborted && !this.#isClosed) this.#wakeUp = new AbortController();
    if (this.#wantsRejoin) return;
    await this.#options.clock.sleep(durationMs, this.#wakeUp.signal);
  }
}

const RETRY_MS = 100;

function isPassing(error: unknown): error is LogError {
  return error instanceof LogError && (error.kind === 'retry' || error.kind === 'ambiguous');
}
