/**
 * A task on a log port: takes over, restores, steps, commits. What it computes is decided in `task-core.ts`; nothing here
 * (when it fetches, when it commits, how large a transaction is) can change an output.
 *
 * The commit protocol, by number, is in ARCHITECTURE.md.
 */

import { POSITIONS_STORE, storesOf } from './define-topology.ts';
import { isStarved } from './merge.ts';
import { OutputBuffer } from './output-buffer.ts';
import { OutputDraft } from './output-draft.ts';
import type { Clock, FetchedPartition, FetchRequest, GroupOffset, LogPort } from './port.ts';
import type { StoreProgress } from './restore.ts';
import { Silence } from './silence.ts';
import { SnapshotWriter, snapshotTopic } from './snapshot.ts';
import { type FinishedTransaction, takeOver } from './take-over.ts';
import { POSITION_KEY, TaskCore, type ValueCodec } from './task-core.ts';
import type { TaskInput } from './task-input.ts';
import { changelogTopic, inputsOf, restoreTask } from './task-inputs.ts';
import type { Source } from './task-sources.ts';
import type { Topology } from './topology.ts';
import type { TransactionalProducer } from './transactional-producer.ts';

/** {@link ValueCodec} that can get what it lacks. */
export type FetchingCodec = ValueCodec & {
  /**
   * Fetches a writer's schema. True: `decode` now works, or throws for good. False: the registry can't be asked just
   * now; the record waits, and is tried again.
   */
  fetchSchema(schemaId: number): Promise<boolean>;
};

export type ConfigStore = {
  /** Parsed configuration; undefined when it is not known here yet. */
  get(hash: string): unknown | undefined;
  /** Reads `everyview-config` up to its end; throws when the hash is not there either. */
  fetch(hash: string): Promise<void>;
};

export type TaskLimits = {
  readonly commitEveryMs: number;
  /** Records that wait in the merge, for all inputs together. */
  readonly queuedRecordsMax: number;
  readonly uncommittedBytesMax: number;
  /** Of one record batch. The broker's default limit is 1 MiB; one large record may overshoot, and is told so by name. */
  readonly batchBytesMax: number;
  /** A silent input partition is ticked this often. */
  readonly tickEveryMs: number;
  /** How long a derived input may say nothing before the task goes on without it, and says so in the log. */
  readonly sealWaitMs: number;
  /**
   * Longer than a broker may take to start: a coordinator that finds a transaction over time while it starts gives it up
   * before its partitions have leaders, and drops the markers (`take-over.ts` finds them missing). Whoever takes a task
   * over ends its transaction at once anyway.
   */
  readonly transactionTimeoutMs: number;
  /** Committed group offsets, for lag tools only. */
  readonly groupOffsetsEveryMs: number;
  /** Of log time; never where the application has no topic for snapshots. */
  readonly snapshotEveryMs: number;
  /** Of a snapshot that is being written, in one commit. */
  readonly snapshotBytesPerCommit: number;
};

export const DEFAULT_LIMITS: TaskLimits = {
  commitEveryMs: 100,
  queuedRecordsMax: 50_000,
  uncommittedBytesMax: 16 * 1024 * 1024,
  batchBytesMax: 900_000,
  tickEveryMs: 1_000,
  sealWaitMs: 10_000,
  transactionTimeoutMs: 120_000,
  groupOffsetsEveryMs: 5_000,
  snapshotEveryMs: 10 * 60_000,
  snapshotBytesPerCommit: 1024 * 1024,
};

export type RestoreProgress = StoreProgress & { readonly store: string };

export type TaskOptions = {
  readonly applicationId: string;
  readonly topology: Topology;
  readonly task: number;
  readonly port: LogPort;
  readonly clock: Clock;
  readonly codec: FetchingCodec;
  readonly configs: ConfigStore;
  readonly partitions: ReadonlyMap<string, number>;
  readonly writerTasks: ReadonlyMap<string, number>;
  readonly limits: TaskLimits;
  /** The application has a topic for snapshots. */
  readonly hasSnapshots: boolean;
  /** Throws `fenced` unless the group still gives this task to this instance. */
  readonly assertOwned: () => Promise<void>;
  readonly onRestore: (progress: RestoreProgress) => void;
  /** Told of what earlier owners left open for ever. */
  readonly onHanging?: (finished: FinishedTransaction) => void;
  /** Told of every commit how long it took, from taking what was stepped to the coordinator's answer. */
  readonly onCommit?: (durationMs: number) => void;
};

export type TaskMetrics = {
  readonly task: number;
  /** Offsets up to the inputs' stable ends that were not taken yet; markers among them make it an upper bound. */
  readonly lagRecords: number;
  /** Log time up to which everything was merged; 0 before the first record. */
  readonly timeMs: number;
  readonly commits: number;
  readonly commitMsLast: number;
  readonly queued: number;
  readonly uncommittedBytes: number;
  /** Records of aborted transactions that were left out of the inputs. */
  readonly abortedRecords: number;
  readonly stateKeys: number;
  readonly timers: number;
  readonly snapshots: number;
  /** Those that were left out because the one before was not written yet. */
  readonly snapshotsSkipped: number;
};

export class Task {
  readonly core: TaskCore;
  readonly number: number;
  readonly #options: TaskOptions;
  readonly #producer: TransactionalProducer;
  readonly #outputs: OutputBuffer;
  readonly #inputs: readonly TaskInput[];
  readonly #draft = new OutputDraft();
  /** Changelog topics by store. */
  readonly #changelogs: ReadonlyMap<string, string>;
  readonly #snapshots: SnapshotWriter;
  readonly #silence: Silence;
  #dirty = false;
  #committing: Promise<void> | null = null;
  #failure: unknown = null;
  #tickPending = false;
  #lastCommitAtMs: number;
  #lastGroupOffsetsAtMs: number;
  #commits = 0;
  #commitMsLast = 0;

  /**
   * Takes the task over: checks that it is still ours, fences whoever had it, finishes what is open, restores every store
   * to the changelog's stable end, and reads the position. Throws a {@link LogError}, or an error that names what cannot
   * be read.
   */
  static async open(options: TaskOptions): Promise<Task> {
    await options.assertOwned();
    const outputs = new OutputBuffer(options.limits.batchBytesMax);
    const { applicationId, task, limits } = options;
    const core: TaskCore = new TaskCore({
      topology: options.topology,
      task,
      partitions: options.partitions,
      writerTasks: options.writerTasks,
      codec: options.codec,
      configOf: (hash) => options.configs.get(hash),
      output: (draft) => outputs.appendDraft(draft),
      ...(options.hasSnapshots ? { snapshotEveryMs: limits.snapshotEveryMs } : {}),
      onSnapshotDue: (boundaryMs) => snapshots.begin(boundaryMs, core.position()),
    });
    const snapshots = new SnapshotWriter({
      topic: snapshotTopic(applicationId),
      task,
      topology: options.topology,
      graph: core.graph,
      append: (record) => outputs.append(record),
      bytesPerCommit: limits.snapshotBytesPerCommit,
    });
    const producer = await takeOver({ ...options, transactionTimeoutMs: limits.transactionTimeoutMs });
    const found = await restoreTask(core, options);
    return new Task(options, core, producer, outputs, await inputsOf(core, options, found), snapshots);
  }

  private constructor(
    options: TaskOptions,
    core: TaskCore,
    producer: TransactionalProducer,
    outputs: OutputBuffer,
    inputs: readonly TaskInput[],
    snapshots: SnapshotWriter,
  ) {
    this.core = core;
    this.number = options.task;
    this.#options = options;
    this.#producer = producer;
    this.#outputs = outputs;
    this.#inputs = inputs;
    this.#changelogs = new Map(
      storesOf(options.topology).map((store) => [store, changelogTopic(options.applicationId, store)]),
    );
    this.#snapshots = snapshots;
    const { task, clock, limits } = options;
    this.#silence = new Silence({ task, inputs, clock, limits, append: (record) => outputs.append(record) });
    const nowMs = options.clock.nowMs();
    this.#lastCommitAtMs = nowMs;
    this.#lastGroupOffsetsAtMs = nowMs;
  }

  /** Why the task can't go on; null while it can. */
  get failure(): unknown {
    return this.#failure;
  }

  /** What to fetch next: every input that has room. */
  fetchRequests(): readonly FetchRequest[] {
    const hasRoom = this.#queued() < this.#options.limits.queuedRecordsMax;
    // A full queue must not starve the one input that the merge waits for.
    const wanted = ({ source, bytesAhead }: TaskInput): boolean =>
      hasRoom ? bytesAhead < AHEAD_BYTES_MAX : bytesAhead === 0 && isStarved(source);
    return this.#inputs.filter(wanted).map((input) => input.request);
  }

  /** Takes what was fetched for one of the requests. */
  offer(fetched: FetchedPartition, requestedOffset: number): void {
    const input = this.#inputs.find(
      ({ source }) => source.topic === fetched.topic && source.partition === fetched.partition,
    );
    input?.offer(fetched, requestedOffset, this.#options.clock.nowMs());
  }

  /** As much waits to be committed as may. */
  get isFull(): boolean {
    return this.#outputs.sizeBytes >= this.#options.limits.uncommittedBytesMax;
  }

  /** The commit under way; null when there is none. Never rejects. */
  get committed(): Promise<void> | null {
    return this.#committing;
  }

  /** Steps until there is nothing to do, the merge is blocked, or a limit is reached; whether there is more to step. */
  async drain(stepsMax: number): Promise<boolean> {
    const { codec, configs } = this.#options;
    for (let steps = 0; steps < stepsMax; steps++) {
      if (this.isFull) return false;
      const result = this.core.step();
      switch (result.kind) {
        case 'processed':
          this.#dirty = true;
          this.#silence.isOver();
          break;
        case 'empty':
          if (!this.#refill()) return false;
          break;
        case 'blocked':
          if (this.#refill()) break;
          if (this.#silence.goOnWithout(result.untilMs) > 0) this.#tickPending = true;
          return false;
        case 'needs-schema':
          if (!(await codec.fetchSchema(result.schemaId))) return false;
          break;
        case 'needs-config':
          await configs.fetch(result.hash);
          break;
      }
    }
    return true;
  }

  /** Brings more of what was fetched into the merge; false when there is nothing that it lacks. */
  #refill(): boolean {
    const nowMs = this.#options.clock.nowMs();
    let isRefilled = false;
    for (const input of this.#inputs)
      if (input.hasFetched && isStarved(input.source) && input.refill(this.core, nowMs)) isRefilled = true;
    return isRefilled;
  }

  #queued(): number {
    return this.#inputs.reduce((sum, input) => sum + input.ahead, this.core.queued());
  }

  /** Ticks silent inputs and starts a commit when one is due; never waits for it. */
  tend(): void {
    if (this.#failure !== null || this.#committing !== null) return;
    if (this.#silence.tickOutside() > 0) this.#tickPending = true;
    const { clock, limits } = this.#options;
    const due =
      clock.nowMs() - this.#lastCommitAtMs >= limits.commitEveryMs ||
      this.#outputs.sizeBytes >= limits.uncommittedBytesMax;
    if (this.#snapshots.isBusy) this.#dirty = true;
    if (!this.#tickPending && !(this.#dirty && due)) return;
    this.#committing = this.#commit()
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#committing = null;
      });
  }

  /** Commits what was stepped and gives the transactional id up without a word. */
  async close(): Promise<void> {
    await this.#committing;
    if (this.#failure === null && this.#dirty) await this.#commit();
  }

  /** Lets go at once: what was not committed is done again by the next owner. */
  async abandon(): Promise<void> {
    await this.#committing;
  }

  metrics(): TaskMetrics {
    let lagRecords = 0;
    let abortedRecords = 0;
    for (const input of this.#inputs) {
      lagRecords += Math.max(0, input.bounds.stableEnd - input.source.fetchOffset);
      abortedRecords += input.abortedRecords;
    }
    return {
      task: this.number,
      lagRecords: lagRecords + this.core.queued(),
      timeMs: this.core.timeMs,
      commits: this.#commits,
      commitMsLast: this.#commitMsLast,
      queued: this.#queued(),
      uncommittedBytes: this.#outputs.sizeBytes,
      abortedRecords,
      stateKeys: this.core.graph.keyCount,
      timers: this.core.graph.timerCount,
      snapshots: this.#snapshots.taken,
      snapshotsSkipped: this.#snapshots.skipped,
    };
  }

  async #commit(): Promise<void> {
    const { clock, applicationId, limits } = this.#options;
    const startedAtMs = clock.nowMs();
    // From here to the first await nothing else runs, so outputs, state and position are of one moment.
    this.#snapshots.writeSome(this.core.timeMs);
    this.#writeChangelog();
    const batches = this.#outputs.take();
    const offsets = groupOffsets(this.core.sources, this.number);
    this.#dirty = false;
    this.#tickPending = false;
    this.#lastCommitAtMs = startedAtMs;
    this.#producer.begin();
    await this.#producer.send(batches);
    if (startedAtMs - this.#lastGroupOffsetsAtMs >= limits.groupOffsetsEveryMs) {
      this.#lastGroupOffsetsAtMs = startedAtMs;
      await this.#producer.sendGroupOffsets(applicationId, offsets);
    }
    await this.#producer.commit();
    this.#outputs.recycle(batches);
    this.#commits += 1;
    this.#commitMsLast = clock.nowMs() - startedAtMs;
    this.#options.onCommit?.(this.#commitMsLast);
  }

  #writeChangelog(): void {
    const { applicationId, task } = this.#options;
    const draft = this.#draft;
    draft.partition = task;
    draft.headers = [];
    draft.timestampMs = this.core.timeMs;
    this.core.graph.takeDirty((store, key, bytes, length) => {
      draft.topic = this.#changelogs.get(store)!;
      draft.setKey(key);
      draft.valueBytes = bytes ?? draft.valueBytes;
      draft.valueLength = bytes === null ? -1 : length;
      this.#outputs.appendDraft(draft);
    });
    draft.topic = changelogTopic(applicationId, POSITIONS_STORE);
    draft.setKey(POSITION_KEY);
    draft.setValue(Buffer.from(JSON.stringify(this.core.position())));
    this.#outputs.appendDraft(draft);
  }
}

/** What may wait of one input, as it was fetched, before more is asked for. */
const AHEAD_BYTES_MAX = 2 * 1024 * 1024;

/** Of a partition that every task reads, one tells where it stands. */
function groupOffsets(sources: readonly Source[], task: number): readonly GroupOffset[] {
  return sources
    .filter(({ isBroadcast, partition }) => !isBroadcast || partition === task)
    .map(({ topic, partition, fetchOffset }) => ({ topic, partition, offset: fetchOffset }));
}
