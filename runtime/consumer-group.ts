/** A {@link GroupSession} over a {@link GroupMember}: what a worker asks of its consumer group. */
import { GroupMember, type GroupMemberOptions } from './group-member.ts';
import type { OpenGroup } from './group-session.ts';
import type { LogError } from './port.ts';

export type ConsumerGroupOptions = Pick<GroupMemberOptions, 'port' | 'clock' | 'groupId' | 'topics'> &
  Partial<Pick<GroupMemberOptions, 'sessionTimeoutMs' | 'heartbeatEveryMs' | 'rebalanceTimeoutMs'>> & {
    /** Told when the group has taken everything away. */
    readonly onLost?: (reason: LogError) => void;
  };

/** Joins a consumer group of the log; the defaults are Kafka Streams' (session 45 s there, 10 s here). */
export function consumerGroup(options: ConsumerGroupOptions): OpenGroup {
  return async (taskCount) => {
    const assigned = new Latest<{ readonly numbers: readonly number[]; readonly generation: number }>();
    /** Of the tasks that were told last. */
    let toldGeneration = -1;
    let latestGeneration = -1;
    const member = new GroupMember({
      sessionTimeoutMs: 10_000,
      heartbeatEveryMs: 1_000,
      rebalanceTimeoutMs: 30_000,
      ...options,
      taskCount,
      onAssigned: ({ tasks, generationId }) => {
        latestGeneration = generationId;
        assigned.set({ numbers: tasks, generation: generationId });
      },
      onLost: (reason) => {
        assigned.clear();
        options.onLost?.(reason);
      },
      onFailed: (error) => assigned.fail(error),
    });
    return {
      tasks: async () => {
        const latest = await assigned.get();
        toldGeneration = latest.generation;
        return latest;
      },
      // what is revoked may be closed beside the rebalance: a slow close is fenced, never waited for
      release: () => {},
      assertGeneration: (generation) => member.assertGeneration(generation),
      rejoin: async () => {
        // Whoever acts on an old generation has a new one already. To ask for one more would make another instance's
        // generation old in turn, which would then ask for one more: two could go on like that for ever.
        if (latestGeneration <= toldGeneration) {
          assigned.clear();
          member.rejoin();
        }
        await assigned.get();
      },
      close: () => member.close(),
    };
  };
}

/** A value that may be away for a while: `get` waits until it is there. */
class Latest<T extends object> {
  #next: PromiseWithResolvers<T> = newPromise();
  #isSet = false;

  set(value: T): void {
    if (this.#isSet) this.#next = newPromise();
    this.#isSet = true;
    this.#next.resolve(value);
  }

  clear(): void {
    if (this.#isSet) this.#next = newPromise();
    this.#isSet = false;
  }

  fail(error: unknown): void {
    if (this.#isSet) this.#next = newPromise();
    this.#isSet = true;
    this.#next.reject(error);
  }

  get(): Promise<T> {
    return this.#next.promise;
  }
}

function newPromise<T>(): PromiseWithResolvers<T> {
  const next = Promise.withResolvers<T>();
  // a failure that nobody waits for yet is told to the next who asks
  next.promise.catch(() => undefined);
  return next;
}
