/** Which tasks an instance has, as the worker sees it: from a consumer group, or fixed. */

export type GroupSession = {
  /** The tasks that are this instance's now; waits while a rebalance is going on. */
  tasks(): Promise<{ readonly numbers: readonly number[]; readonly generation: number }>;
  /** Tasks that were revoked are closed: the rebalance may go on. */
  release(): void;
  /** Rejects with a `fenced` error unless `generation` is still the group's. */
  assertGeneration(generation: number): Promise<void>;
  /** Gives everything up and joins again; a new generation follows. */
  rejoin(): Promise<void>;
  close(): Promise<void>;
};

/** Joins the group of a topology that has `taskCount` tasks. */
export type OpenGroup = (taskCount: number) => Promise<GroupSession>;

/** All tasks, always: for one process on its own, backtests and tests. */
export function fixedGroup(numbers?: readonly number[]): OpenGroup {
  return async (taskCount) => {
    const mine = numbers ?? Array.from({ length: taskCount }, (_, task) => task);
    return {
      tasks: async () => ({ numbers: mine, generation: 0 }),
      release: () => {},
      assertGeneration: async () => {},
      rejoin: async () => {},
      close: async () => {},
    };
  };
}
