/**
 * Ways to break the runtime, each as an edit of its text, made while it is loaded and nowhere else. The simulation is worth
 * something only if every one of them turns it red (`mutations.test.ts`).
 */
export type Edit = {
  /** Text that is in exactly one place of all files of `runtime/`, tests aside; code may move between files. */
  readonly find: string | RegExp;
  readonly replace: string;
};

export type Mutation = { readonly name: string; readonly edits: readonly Edit[] };

export const MUTATIONS: readonly Mutation[] = [
  mutation('fencing off: each owner of a task has a transactional id of its own', {
    find: 'open({ port, clock, transactionalId, transactionTimeoutMs })',
    replace: 'open({ port, clock, transactionalId: transactionalId + clock.nowMs(), transactionTimeoutMs })',
  }),
  mutation('fencing off: the coordinator looks at no epoch', {
    find: 'if (entry.producerId !== identity.producerId || entry.epoch !== identity.epoch) {',
    replace: 'if (entry.producerId !== identity.producerId) {',
  }),
  mutation('what the coordinator left open is left open', {
    find: 'if (open.length === 0) return producer;',
    replace: 'if (open.length >= 0) return producer;',
  }),
  mutation('a task is taken over without asking the group', {
    find: 'await options.assertOwned();',
    replace: '',
  }),
  mutation('a fenced task is taken over again in the same generation', {
    find: 'await this.#unlessStopped(session.rejoin());',
    replace: 'await this.#options.clock.sleep(100);',
  }),
  mutation('whoever is joining its group already joins again', {
    find: 'if (this.#isJoining) return;',
    replace: '',
  }),
  mutation(
    'a producer is used again after an error',
    {
      find: /this\.#state = 'dead';\s+this\.#failure =([^;]+);\s+throw this\.#failure;/,
      replace: "this.#state = 'ready'; throw ($1);",
    },
    { find: /catch\(\(error: unknown\) => \{\s+this\.#failure = error;/, replace: 'catch(() => {' },
  ),
  mutation('a task goes on after a failed commit', {
    find: /catch\(\(error: unknown\) => \{\s+this\.#failure = error;/,
    replace: 'catch(() => {',
  }),
  mutation('the abort filter is off', {
    find: 'if (!batch.isTransactional || !this.#abortedProducers.has(batch.producerId)) return true;',
    replace: 'return true;',
  }),
  mutation('aborted transactions are taken in the order in which the broker lists them', {
    find: '[...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset)',
    replace: '[...fetched.aborted]',
  }),
  mutation('readers see what is not decided yet', {
    find: 'get stableEnd(): number {',
    replace: 'get stableEnd(): number { if (this.#endOffset >= 0) return this.#endOffset;',
  }),
  mutation(
    'flush on commit: what is open is emitted when a transaction ends',
    {
      find: /this\.#writeChangelog\(\);(\s+const batches)/,
      replace:
        'this.core.graph.advanceTo(this.core.timeMs + 400, this.core.context); this.#writeChangelog();$1',
    },
    { find: 'if (timeMs < this.#timeMs) throw', replace: 'if (timeMs < 0) throw' },
  ),
  mutation(
    'timers that are due together fire in the order in which they were set',
    {
      find: '= { timer, dueMs: timer.dueMs };',
      replace: '= { timer, dueMs: timer.dueMs, pushed: (globalThis.pushed = (globalThis.pushed ?? 0) + 1) };',
    },
    {
      find: /const order = compareKeys\(a\.key, b\.key\).*\n\s+return order < 0;/,
      replace: 'return left.pushed < right.pushed;',
    },
  ),
  mutation('a seal one detector too early: it waits for less than the slowest needs', {
    find: '= timeMs - this.#options.topology.sealDelayMs;',
    replace: '= timeMs - this.#options.topology.sealDelayMs + 300;',
  }),
  mutation('a seal too early: it does not wait for the timers that are due', {
    find: /this\.graph\.advanceTo\(timeMs, this\.#context\);(\s+if \(Math[^\n]+SEAL_EVERY_MS\)\)) return;/,
    replace: '$1 return this.graph.advanceTo(timeMs, this.#context);',
  }),
  mutation('a seal with every record', {
    find: 'if (Math.floor(timeMs / SEAL_EVERY_MS) === Math.floor(before / SEAL_EVERY_MS)) return;',
    replace: '',
  }),
  mutation('the position is committed before the outputs', {
    find: 'await this.#producer.send(batches);',
    replace: `await this.#producer.send(batches.filter(({ topic }) => topic.endsWith('-changelog')));
      await this.#producer.commit();
      this.#producer.begin();
      await this.#producer.send(batches.filter(({ topic }) => !topic.endsWith('-changelog')));`,
  }),
  mutation('the position is how far was read, not how far was taken', {
    find: 'if (waiting !== undefined && waiting',
    replace: 'if (waiting !== undefined && offset < 0 && waiting',
  }),
  mutation('state is restored before the task is taken over', {
    find: /(const producer = await takeOver\([^;]+;)\s+(const found = await restoreTask\([^;]+;)/,
    replace: '$2 $1',
  }),
  mutation('a restored store keeps what was forgotten', {
    find: 'const old = store.find(key);',
    replace: 'if (bytes === null) return; const old = store.find(key);',
  }),
  mutation('timers are not restored', {
    find: 'for (const { name, dueMs } of saved.timers)',
    replace: 'for (const { name, dueMs } of saved.timers.slice(1))',
  }),
  mutation('the numbers of repartitioned records begin anew after a restart', {
    find: 'this.#output.outSeq = position.outSeq;',
    replace: '',
  }),
  mutation('what a writer said before the restart is taken again', {
    find: 'if (record.offset < channel.nextOffset) return false;',
    replace: '',
  }),
  mutation('inputs are merged as they arrive', {
    find: 'return blocker === null',
    replace: 'return blocker === null || blocker !== null',
  }),
  mutation('of records of one moment the first to arrive goes first', {
    find: 'const canTie = before && channel.boundMs === timeMs;',
    replace: 'const canTie = false;',
  }),
  mutation('a busy partition is ticked', {
    find: /!input\.(isA|a)tEnd \|\| !/,
    replace: '!',
  }),
  mutation('a tick waits for something else to commit', {
    find: 'if (!this.#tickPending && !(this.#dirty && due)) return;',
    replace: 'if (!(this.#dirty && due)) return;',
  }),
  mutation('fetched memory is given back while records of it wait', {
    find: 'if (head < queue.length && queue[head]!.offset < offset) return false;',
    replace: 'if (head > queue.length || queue.length < 0) return offset < 0;',
  }),
  mutation('a record in a wrong partition is processed', {
    find: 'if (source.keyed &&',
    replace: 'if (source.partition < 0 &&',
  }),
  mutation('configuration holds as soon as it is read', {
    find: /(offer\(source: MergeSource, record: PendingRecord\): number \{)/,
    replace:
      "$1 const said = decodeControl(record.headers); if (said?.kind === 'config-effective') this.#context.configHash = said.configHash;",
  }),
  mutation('a configuration stays with whom it was told', {
    find: "this.#sayToReaders({ kind: 'config-effective', configHash });",
    replace: '',
  }),
  mutation('a configuration goes on each time it is told, whether it changes anything or not', {
    find: 'if (configHash === context.configHash) return;',
    replace: '',
  }),
  mutation('a configuration goes on to the own partition alone', {
    find: /for \(let p = 0; p < partitions; p\+\+\) (this\.#write\(topic, p, \[\.\.\.headers)/,
    replace:
      "for (let p = 0; p < partitions; p++) if (record.kind === 'seal' || p === this.#options.task) $1",
  }),
  mutation('seals of inputs are not in the position', {
    find: /nextOffset,\s+boundMs,\s+sealedUpToMs,?\s+\}\)\),/,
    replace: 'nextOffset, boundMs, sealedUpToMs: 0 })),',
  }),
  mutation('seals of inputs are not taken', {
    find: 'channel.sealedUpToMs = Math.max(channel.sealedUpToMs, control.sealedUpToMs)',
    replace: 'channel.sealedUpToMs = 0',
  }),
  mutation('the time of what is said begins anew after a restart', {
    find: 'this.#output.timeMs = position.timeMs;',
    replace: '',
  }),
  mutation('not every configuration takes effect', {
    find: "if (control.kind === 'config-effective') this.#configure",
    replace: "if (control.kind === 'config-effective' && saidAtMs % 2 === 0) this.#configure",
  }),
  mutation('a seal of an input holds as soon as it is read', {
    find: /(offer\(source: MergeSource, record: PendingRecord\): number \{)/,
    replace:
      "$1 const said = decodeControl(record.headers); if (said?.kind === 'seal') source.channels[0].sealedUpToMs = said.sealedUpToMs;",
  }),
  mutation('a broadcast is read by the task of its number alone', {
    find: "node.span === 'same' ? [task]",
    replace: "node.span !== 'all' ? [task]",
  }),
  mutation('of the tasks of an instance that read a broadcast, one gets it', {
    find: 'for (const task of tasks) task.offer(partition, requestedOffset);',
    replace: '[...tasks][0]?.offer(partition, requestedOffset);',
  }),
  mutation('tasks that stand at different places of a broadcast do not take turns', {
    find: 'offsets[turn % offsets.length]!',
    replace: 'offsets[0]!',
  }),
  mutation('who looks at a state that was restored finds nothing', {
    find: 'return slot === undefined ? undefined : read.store.stateOf(slot);',
    replace: 'return slot?.state;',
  }),
];

function mutation(name: string, ...edits: readonly Edit[]): Mutation {
  return { name, edits };
}
