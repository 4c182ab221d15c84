/**
 * One topology in one process: the tasks that its group gives to this instance, one fetch loop for all of them. Start
 * more workers with the same application id, in this process or in others, and they share the tasks.
 */
import { messageOf } from '../schemas/errors.ts';
import { FetchAhead } from './fetch-ahead.ts';
import type { GroupSession, OpenGroup } from './group-session.ts';
import { type Clock, type FetchedPartition, LogError, type LogPort } from './port.ts';
import { hasSnapshotTopic } from './snapshot.ts';
import type { FinishedTransaction } from './take-over.ts';
import {
  type ConfigStore,
  DEFAULT_LIMITS,
  type FetchingCodec,
  type RestoreProgress,
  Task,
  type TaskLimits,
  type TaskMetrics,
} from './task.ts';
import { addCounts, type Counts, newCounts } from './task-counts.ts';
import type { Topology } from './topology.ts';

export type WorkerEvent =
  | { readonly kind: 'task-opened'; readonly task: number }
  | { readonly kind: 'task-closed'; readonly task: number; readonly why: string }
  | ({ readonly kind: 'restoring'; readonly task: number } & RestoreProgress)
  /** An earlier owner's transaction that its coordinator had forgotten; it is finished now. */
  | ({ readonly kind: 'hanging-transaction'; readonly task: number } & FinishedTransaction)
  | { readonly kind: 'retrying'; readonly what: string; readonly error: unknown };

export type WorkerOptions = {
  readonly topology: Topology;
  readonly applicationId: string;
  readonly port: LogPort;
  readonly clock: Clock;
  readonly codec: FetchingCodec;
  readonly configs: ConfigStore;
  /** Partition counts of all topics that the topology reads or writes. */
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  readonly openGroup: OpenGroup;
  readonly limits?: Partial<TaskLimits>;
  readonly onEvent: (event: WorkerEvent) => void;
  readonly onCommit?: (durationMs: number) => void;
};

/** What is counted is counted from the worker's start, tasks that it gave back included. */
export type WorkerMetrics = {
  readonly topology: string;
  readonly tasks: readonly (TaskMetrics & { readonly counts: Counts })[];
  readonly restoring: readonly (RestoreProgress & { readonly task: number })[];
  readonly counts: Counts;
  readonly commits: number;
  readonly abortedRecords: number;
  readonly snapshots: number;
  readonly snapshotsSkipped: number;
  /** Transactions that were given up. */
  readonly abandoned: number;
  /** Transactions that earlier owners left open for ever, and that were finished here. */
  readonly hanging: number;
  /** Failures that were met with another try. */
  readonly retries: number;
};

/** Number of tasks of a topology: a gather has one, every other one as many as the inputs have that are not broadcast. */
export function taskCountOf(topology: Topology, partitions: ReadonlyMap<string, number>): number {
  if (topology.sources.some((source) => source.span === 'all')) return 1;
  const own = topology.sources.filter((source) => source.span === 'same');
  const counts = new Set(own.map((source) => partitions.get(source.topic)));
  const [count] = counts;
  if (counts.size !== 1 || count === undefined) {
    throw new Error(
      `the inputs of ${topology.name} must have the same number of partitions, and have ` +
        own.map((source) => `${source.topic}: ${partitions.get(source.topic) ?? 'unknown'}`).join(', '),
    );
  }
  return count;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #limits: TaskLimits;
  readonly #fetch: FetchAhead;
  readonly #tasks = new Map<number, Task>();
  /** Who reads a partition; more than one where it is broadcast. */
  readonly #tasksOf = new Map<string, Set<Task>>();
  readonly #done: Promise<void>;
  /** Told when the worker is to stop, by whoever waits for something else meanwhile. */
  readonly #onStop = new Set<() => void>();
  readonly #restoring = new Map<number, RestoreProgress>();
  /** Of the tasks that were given back. */
  readonly #closed = newTotals();
  /** Whether the application has a topic for snapshots; null when nobody asked yet. */
  #hasSnapshots: boolean | null = null;
  #stopping = false;
  /** There is more to step than the last turn did. */
  #isBusy = false;
  #abandoned = 0;
  #hanging = 0;
  #retries = 0;
  #retriesInRow = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#fetch = new FetchAhead(options.port);
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#done = this.#run();
    // Whoever wants to know awaits `done`; a failure must not end the process before somebody had the chance.
    this.#done.catch(() => {});
  }

  /** Settles when the worker has ended: fulfilled after `stop`, rejected when it cannot go on. */
  get done(): Promise<void> {
    return this.#done;
  }

  /** Commits what was stepped, gives the tasks back and leaves the group. Rejects as {@link done} does. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const tell of this.#onStop) tell();
    await this.#done;
  }

  metrics(): WorkerMetrics {
    const totals = newTotals();
    addTotals(totals, this.#closed);
    const tasks = [...this.#tasks.values()].map((task) => ({ ...task.metrics(), counts: task.core.counts }));
    for (const task of tasks) addTotals(totals, task);
    return {
      topology: this.#options.topology.name,
      tasks,
      restoring: Array.from(this.#restoring, ([task, progress]) => ({ task, ...progress })),
      ...totals,
      abandoned: this.#abandoned,
      hanging: this.#hanging,
      retries: this.#retries,
    };
  }

  async #run(): Promise<void> {
    const { openGroup, partitions, topology } = this.#options;
    const session = await openGroup(taskCountOf(topology, partitions));
    try {
      while (!this.#stopping) {
        await this.#settleTasks(session);
        await this.#turn();
      }
      for (const number of [...this.#tasks.keys()]) await this.#closeTask(number, 'stopped');
    } finally {
      for (const task of this.#tasks.values()) await task.abandon();
      await this.#fetch.settled;
      await session.close();
    }
  }

  /** One round: ask for more, step what is there, commit, and take what came in the meantime. */
  async #turn(): Promise<void> {
    const { clock } = this.#options;
    const tasks = [...this.#tasks.values()];
    const requests = tasks.flatMap((task) => task.fetchRequests());
    this.#fetch.start(requests, this.#isBusy ? 0 : FETCH_WAIT_MS, FETCH_BYTES_MAX);
    let isBusy = false;
    for (const task of tasks) {
      try {
        if (await task.drain(STEPS_PER_TURN)) isBusy = true;
      } catch (error) {
        // what it lacked (a configuration) could not be read just now; the record still waits
        await this.#backOff(`reading what task ${task.number} needs`, error);
      }
      task.tend();
      // commits and heartbeats go on between the tasks
      if (isBusy) await clock.sleep(0);
    }
    this.#isBusy = isBusy;
    if (!isBusy) await this.#news(tasks);
    await this.#takeFetched();
  }

  /** Waits until there may be something to do again. */
  async #news(tasks: readonly Task[]): Promise<void> {
    const fetched = this.#fetch.settled ?? this.#options.clock.sleep(FETCH_WAIT_MS);
    const committed = tasks.flatMap((task) =>
      task.isFull && task.committed !== null ? [task.committed] : [],
    );
    await Promise.race([fetched, ...committed]);
  }

  async #takeFetched(): Promise<void> {
    try {
      for (const { partition: fetched, requestedOffset } of this.#fetch.take()) {
        const tasks = this.#tasksOf.get(`${fetched.topic}/${fetched.partition}`) ?? NO_TASKS;
        const partition = tasks.size > 1 ? shared(fetched) : fetched;
        for (const task of tasks) task.offer(partition, requestedOffset);
        this.#retriesInRow = 0;
      }
    } catch (error) {
      await this.#backOff('fetch', error);
    }
  }

  /** Brings the open tasks in line with what the group gave, and lets failed ones go. */
  async #settleTasks(session: GroupSession): Promise<void> {
    for (const task of [...this.#tasks.values()]) {
      if (task.failure !== null) await this.#giveUp(session, task, task.failure);
    }
    const assigned = await this.#unlessStopped(session.tasks());
    if (assigned === null) return;
    const { numbers, generation } = assigned;
    for (const number of [...this.#tasks.keys()]) {
      if (!numbers.includes(number)) await this.#closeTask(number, 'given to another instance');
    }
    for (const number of numbers) {
      if (!this.#tasks.has(number)) await this.#openTask(session, number, generation);
    }
    session.release();
  }

  async #openTask(session: GroupSession, number: number, generation: number): Promise<void> {
    const { onEvent } = this.#options;
    try {
      const { port, applicationId } = this.#options;
      this.#hasSnapshots ??= await hasSnapshotTopic(port, applicationId);
      const task = await Task.open({
        ...this.#options,
        hasSnapshots: this.#hasSnapshots,
        task: number,
        limits: this.#limits,
        assertOwned: () => session.assertGeneration(generation),
        onHanging: (finished) => {
          this.#hanging += 1;
          onEvent({ kind: 'hanging-transaction', task: number, ...finished });
        },
        onRestore: (progress) => {
          this.#restoring.set(number, progress);
          onEvent({ kind: 'restoring', task: number, ...progress });
        },
      });
      this.#tasks.set(number, task);
      for (const { topic, partition } of task.core.sources) {
        const name = `${topic}/${partition}`;
        const readers = this.#tasksOf.get(name) ?? new Set();
        this.#tasksOf.set(name, readers.add(task));
      }
      onEvent({ kind: 'task-opened', task: number });
    } catch (error) {
      await this.#recover(session, `opening task ${number}`, error);
    } finally {
      this.#restoring.delete(number);
    }
  }

  async #closeTask(number: number, why: string): Promise<void> {
    const task = this.#tasks.get(number);
    if (task === undefined) return;
    try {
      await task.close();
    } catch (error) {
      // What was not committed is done again by the next owner; only a broken invariant is ours to tell.
      if (!(error instanceof LogError)) throw error;
      this.#abandoned += 1;
      this.#retrying(`last commit of task ${number}`, error);
    }
    this.#forget(task, why);
  }

  async #giveUp(session: GroupSession, task: Task, error: unknown): Promise<void> {
    await task.abandon();
    this.#abandoned += 1;
    this.#forget(task, messageOf(error));
    await this.#recover(session, `commit of task ${task.number}`, error);
  }

  #forget(task: Task, why: string): void {
    addTotals(this.#closed, { ...task.metrics(), counts: task.core.counts });
    this.#tasks.delete(task.number);
    for (const readers of this.#tasksOf.values()) readers.delete(task);
    this.#options.onEvent({ kind: 'task-closed', task: task.number, why });
  }

  /** What to do after an error: rejoin, try again with a bound, or end. */
  async #recover(session: GroupSession, what: string, error: unknown): Promise<void> {
    if (error instanceof LogError && error.kind === 'fenced') {
      this.#retrying(what, error);
      await this.#unlessStopped(session.rejoin());
      return;
    }
    await this.#backOff(what, error);
  }

  #retrying(what: string, error: unknown): void {
    this.#retries += 1;
    this.#options.onEvent({ kind: 'retrying', what, error });
  }

  /** Waiting for the group must not hold up the end. No race with one lasting promise: that keeps every round of it. */
  #unlessStopped<T>(waiting: Promise<T>): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const stop = (): void => resolve(null);
      this.#onStop.add(stop);
      const settled = (): void => void this.#onStop.delete(stop);
      waiting.finally(settled).then(resolve, reject);
      if (this.#stopping) stop();
    });
  }

  async #backOff(what: string, error: unknown): Promise<void> {
    if (!(error instanceof LogError) || error.kind === 'fatal') throw error;
    this.#retriesInRow += 1;
    if (this.#retriesInRow > RETRIES_IN_ROW_MAX) {
      throw new LogError(
        error.code,
        `${what} failed ${this.#retriesInRow} times in a row: ${error.message}`,
        {
          cause: error,
        },
      );
    }
    this.#retrying(what, error);
    await this.#options.clock.sleep(
      Math.min(BACKOFF_MS * 2 ** Math.min(this.#retriesInRow, 6), BACKOFF_MS_MAX),
    );
  }
}

const NO_TASKS: ReadonlySet<Task> = new Set();

/** One of several readers cannot tell when the others are done with it. */
function shared({ release, ...fetched }: FetchedPartition): FetchedPartition {
  return fetched;
}

type Totals = {
  readonly counts: Counts;
  commits: number;
  abortedRecords: number;
  snapshots: number;
  snapshotsSkipped: number;
};

function newTotals(): Totals {
  return { counts: newCounts(), commits: 0, abortedRecords: 0, snapshots: 0, snapshotsSkipped: 0 };
}

function addTotals(totals: Totals, more: Totals): void {
  addCounts(totals.counts, more.counts);
  totals.commits += more.commits;
  totals.abortedRecords += more.abortedRecords;
  totals.snapshots += more.snapshots;
  totals.snapshotsSkipped += more.snapshotsSkipped;
}

const FETCH_WAIT_MS = 50;
const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const STEPS_PER_TURN = 2_000;
const RETRIES_IN_ROW_MAX = 60;
const BACKOFF_MS = 20;
const BACKOFF_MS_MAX = 1_000;
