/**
 * Ways to break the runtime, each as an edit of one file, made while it is loaded and nowhere else. The simulation is
 * worth something only if every one of them turns it red.
 */
export type Mutation = {
  readonly name: string;
  /** Relative to the repository. */
  readonly file: string;
  /** Text that is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
};

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'fencing off: every instance has a transactional id of its own',
    file: 'runtime/task.ts',
    find: 'const transactionalId = `${applicationId}-${task}`;',
    replace:
      'const transactionalId = `${applicationId}-${task}-${(globalThis.mutant = (globalThis.mutant ?? 0) + 1)}`;',
  },
  {
    name: 'fencing off: the coordinator does not look at epochs',
    file: 'runtime/memory-transactions.ts',
    find: 'if (entry.producerId !== identity.producerId || entry.epoch !== identity.epoch) {',
    replace: 'if (entry.producerId !== identity.producerId) {',
  },
  {
    name: 'a producer is reused after an error',
    file: 'runtime/transactional-producer.ts',
    find: "      this.#state = 'dead';\n      this.#failure =",
    replace: "      this.#state = 'ready';\n      const unused =",
  },
  {
    name: 'a task goes on after a failed commit',
    file: 'runtime/task.ts',
    find: '        this.#failure = error;',
    replace: '        void error;',
  },
  {
    name: 'the abort filter is off',
    file: 'runtime/committed-reader.ts',
    find: 'if (!batch.isTransactional || !this.#abortedProducers.has(batch.producerId)) return true;',
    replace: 'return true;',
  },
  {
    name: 'aborted transactions are taken in the order in which the broker lists them',
    file: 'runtime/committed-reader.ts',
    find: ': [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset);',
    replace: ': [...fetched.aborted];',
  },
  {
    name: 'an abort marker does not end the transaction',
    file: 'runtime/committed-reader.ts',
    find: 'this.#abortedProducers.delete(batch.producerId);',
    replace: '',
  },
  {
    name: 'flush on commit: what is open is emitted when a transaction ends',
    file: 'runtime/task.ts',
    find: '    this.#writeChangelog();\n    const batches',
    replace:
      '    const dueMs = this.core.graph.nextDueMs;\n    if (dueMs !== null && dueMs < this.core.timeMs + 300) this.core.graph.advanceTo(dueMs, this.core.context);\n    this.#writeChangelog();\n    const batches',
  },
  {
    name: 'timers fire in the order in which they were set',
    file: 'runtime/timer-queue.ts',
    find: '  const order = compareKeys(a.key, b.key) || compareKeys(a.name, b.name) || compareKeys(a.reducer, b.reducer);\n  return order < 0;',
    replace: '  return left.sequence < right.sequence;',
  },
  {
    name: 'a seal one detector too early: less than the slowest needs',
    file: 'runtime/task-core.ts',
    find: 'const sealedUpToMs = timeMs - this.#options.topology.sealDelayMs;',
    replace: 'const sealedUpToMs = timeMs - this.#options.topology.sealDelayMs + 300;',
  },
  {
    name: 'a seal too early: before the timers that are due',
    file: 'runtime/task-core.ts',
    find: '    this.graph.advanceTo(timeMs, this.#context);\n    if (Math.floor(timeMs / SEAL_EVERY_MS) === Math.floor(before / SEAL_EVERY_MS)) return;',
    replace:
      '    queueMicrotask(() => undefined);\n    if (Math.floor(timeMs / SEAL_EVERY_MS) === Math.floor(before / SEAL_EVERY_MS)) return this.graph.advanceTo(timeMs, this.#context);',
  },
  {
    name: 'the position is committed before the outputs',
    file: 'runtime/task.ts',
    find: '    await this.#producer.send(batches);',
    replace:
      "    await this.#producer.send(batches.filter(({ topic }) => topic.endsWith('-changelog')));\n    await this.#producer.commit();\n    this.#producer.begin();\n    await this.#producer.send(batches.filter(({ topic }) => !topic.endsWith('-changelog')));",
  },
  {
    name: 'inputs are merged as they arrive',
    file: 'runtime/merge.ts',
    find: '  return blocker === null\n',
    replace: '  return blocker === null || blocker !== null\n',
  },
];
