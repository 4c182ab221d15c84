/**
 * The deterministic heart of a task: merges what it was given, steps the reducers, keeps position and counts. No I/O, no
 * clock. `task.ts` feeds it from a log port and commits what it collects; backtests and simulations use it as it is.
 */
import { messageOf, UnknownSchemaId } from '../schemas/errors.ts';
import {
  type ControlRecord,
  decodeControl,
  integerOf,
  PARTIAL_HEADER,
  SOURCE_TASK_HEADER,
} from './control-records.ts';
import {
  type Channel,
  enqueue,
  type Merged,
  type MergeSource,
  nextOf,
  type PendingRecord,
  queuedOf,
  take,
  WaitingRecord,
} from './merge.ts';
import type { OutputDraft } from './output-draft.ts';
import { partitionOf } from './partitioner.ts';
import type { LogHeader } from './record-batch.ts';
import { type GraphEvents, ReducerGraph } from './reducer-graph.ts';
import { BadRecord, codeOf } from './sideline.ts';
import { StateError } from './state.ts';
import { DEFAULT_CONFIG_HASH, type Surroundings, TaskSurroundings } from './surroundings.ts';
import { type Counts, countOne, newCounts } from './task-counts.ts';
import { TaskOutput } from './task-output.ts';
import {
  restoreSources,
  type SavedSource,
  type Source,
  type SourcesOptions,
  savedSource,
  sourcesOf,
} from './task-sources.ts';
import type { Origin } from './topology.ts';
import { readUtf8 } from './utf8.ts';
import { WarmUp } from './warm-up.ts';

/** How values become bytes; synchronous, so that a step never waits. */
export type ValueCodec = {
  /** Throws {@link UnknownSchemaId} when the schema has to be fetched first, anything else for bad bytes. */
  decode(topic: string, bytes: Uint8Array): unknown;
  /** The same for `bytes[start, end)`. */
  readonly decodeRange?: (topic: string, bytes: Uint8Array, start: number, end: number) => unknown;
  encode(topic: string, value: unknown): Uint8Array;
  /** The same without a buffer for each value: `bytes[0, pos)`, valid until the next value is encoded. */
  readonly encodeShared?: (
    topic: string,
    value: unknown,
  ) => { readonly bytes: Uint8Array; readonly pos: number };
};

export type TaskCoreOptions = SourcesOptions & {
  readonly codec: ValueCodec;
  /** Parsed configuration by content hash; undefined when it has to be read from the log first. */
  readonly configOf: (hash: string) => unknown | undefined;
  /** Called with one draft for all records, which holds what it says during the call. */
  readonly output: (record: OutputDraft) => void;
  /** For a run that begins with no state in the middle of the log, at `startMs` of log time: marks what is partial. */
  readonly warmUp?: { readonly startMs: number };
  /** For a run that tries another configuration: from `fromMs` of log time on it holds, whatever the log says. */
  readonly trial?: { readonly fromMs: number; readonly configHash: string; readonly config: unknown };
  /** A snapshot is due whenever log time passes a multiple of this. */
  readonly snapshotEveryMs?: number;
  /** Told at that moment: all that is before `boundaryMs` was taken, and nothing else. */
  readonly onSnapshotDue?: (boundaryMs: number) => void;
};

/** Everything a task needs besides its stores to go on where it stopped. Serialised as JSON in the positions store. */
export type TaskPosition = {
  /** 1: without the seals of inputs, and without {@link configSinceMs}. */
  readonly version: 1 | 2;
  readonly timeMs: number;
  readonly sealedUpToMs: number;
  readonly configHash: string;
  /** Log time at which it was said that this configuration holds. */
  readonly configSinceMs?: number;
  /** Records written on repartition edges so far; the next one's number. */
  readonly outSeq: number;
  readonly sources: readonly SavedSource[];
};

/** Key of the one record in the positions store. */
export const POSITION_KEY = Buffer.from('position');

export type StepResult =
  | { readonly kind: 'processed' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'blocked'; readonly on: MergeSource; readonly untilMs: number }
  | { readonly kind: 'needs-schema'; readonly schemaId: number }
  | { readonly kind: 'needs-config'; readonly hash: string };

/** Seals are written when log time passes a multiple of this. */
const SEAL_EVERY_MS = 1_000;

export class TaskCore {
  readonly graph: ReducerGraph;
  readonly sources: readonly Source[];
  readonly counts: Counts = newCounts();
  readonly #options: TaskCoreOptions;
  readonly #context: TaskSurroundings;
  readonly #output: TaskOutput;
  #timeMs = 0;
  #source: MergeSource | null = null;
  /** The one that is being processed. */
  #record: PendingRecord | null = null;
  /** One of the reducers left the current record out; it may be more than one, and counts once. */
  #isLeftOut = false;

  constructor(options: TaskCoreOptions) {
    this.#options = options;
    this.sources = sourcesOf(options);
    this.#output = new TaskOutput(options);
    this.#context = new TaskSurroundings(this.sources, (topic) => this.#output.partitionsOf(topic));
    const { topology, warmUp } = options;
    this.graph = new ReducerGraph(
      topology,
      this.#graphEvents(),
      warmUp === undefined ? null : new WarmUp(topology, warmUp.startMs),
    );
  }

  /** Log time up to which everything was merged. */
  get timeMs(): number {
    return this.#timeMs;
  }

  get context(): Surroundings {
    return this.#context;
  }

  /**
   * Queues a record of one of {@link sources}; the caller offers each partition's records in offset order. Returns the
   * channel that it is in, the first one where it is in all.
   */
  offer(source: MergeSource, record: PendingRecord): number {
    const waiting = WaitingRecord.of(record);
    const writer = source.channels.length === 1 ? 0 : writerOf(source, record);
    if (writer !== null || decodeControl(record.headers) === null) {
      // nobody's: it waits its turn among the first writer's, and is refused then
      enqueue(source.channels[writer ?? 0]!, waiting);
      return writer ?? 0;
    }
    // a configuration from outside, say: it holds for every writer
    for (const channel of source.channels) enqueue(channel, waiting);
    return 0;
  }

  /** Takes one record in merge order and lets the reducers see it. */
  step(): StepResult {
    const state = nextOf(this.sources);
    if (state.kind === 'empty') return state;
    if (state.kind === 'blocked') return state;
    const { source, channel } = state;
    const record = channel.queue[channel.head]!;
    const control = record.valueStart < 0 ? decodeControl(record.headers) : null;
    if (control !== null) {
      if (control !== 'unknown' && control.kind === 'config-effective') {
        if (this.#options.configOf(control.configHash) === undefined)
          return { kind: 'needs-config', hash: control.configHash };
      }
      this.#take(state);
      // a broker's clock may be put back; what a task writes carries the time at which it took it
      const saidAtMs = (source as Source).external ? state.timeMs : record.timestampMs;
      this.#applyControl(control, saidAtMs, channel);
      return PROCESSED;
    }
    let value: unknown;
    let fault: unknown = null;
    try {
      value = this.#decode(source as Source, record);
    } catch (error) {
      if (error instanceof UnknownSchemaId) return { kind: 'needs-schema', schemaId: error.schemaId };
      fault = error;
    }
    this.#take(state);
    this.counts.recordsIn += 1;
    if (fault !== null) {
      const code = codeOf(fault);
      this.counts.leftOut += 1;
      countOne(this.counts.deadLettered, code);
      const at = { topic: source.topic, partition: source.partition, record };
      this.#sideline('dead-letters', at, code, messageOf(fault));
    } else this.#process(source, record, value);
    return PROCESSED;
  }

  queued(): number {
    let queued = 0;
    for (const source of this.sources) queued += queuedOf(source);
    return queued;
  }

  position(): TaskPosition {
    const { sealedUpToMs, configHash, configSinceMs } = this.#context;
    return {
      version: 2,
      timeMs: this.#timeMs,
      sealedUpToMs,
      configHash,
      configSinceMs,
      outSeq: this.#output.outSeq,
      sources: this.sources.map(savedSource),
    };
  }

  /** Goes on from a committed position; throws when the position is not of this topology. */
  restore(position: TaskPosition): void {
    const { version, configHash, configSinceMs = 0, sealedUpToMs } = position;
    if (version !== 1 && version !== 2)
      throw this.#unusable(`has version ${version} and this build reads versions 1 and 2`);
    const config = configHash === DEFAULT_CONFIG_HASH ? null : this.#options.configOf(configHash);
    if (config === undefined)
      throw new Error(`configuration ${configHash} of the committed position is not in everyview-config`);
    this.#timeMs = position.timeMs;
    this.#output.timeMs = position.timeMs;
    this.#output.outSeq = position.outSeq;
    Object.assign(this.#context, { configHash, config, configSinceMs, sealedUpToMs });
    const misfit = restoreSources(this.sources, position.sources);
    if (misfit !== null) throw this.#unusable(misfit);
  }

  #unusable(why: string): StateError {
    const { topology, task } = this.#options;
    return new StateError(
      `the committed position of ${topology.name}, task ${task}, ${why}. Run the build that wrote it, or delete the ` +
        `state and choose a position with: everyview reset ${topology.name}`,
    );
  }

  #process(source: MergeSource, record: WaitingRecord, value: unknown): void {
    const key = readUtf8(record.keyIn, record.keyStart, record.keyEnd);
    const origin: Origin = { topic: source.topic, partition: source.partition, offset: record.offset };
    this.#source = source;
    this.#record = record;
    this.#isLeftOut = false;
    const isPartial = this.#options.warmUp !== undefined && isMarkedPartial(record.headers);
    this.graph.process(source.topic, key, value, this.#timeMs, origin, this.#context, isPartial);
    this.#record = null;
    if (this.#isLeftOut) this.counts.leftOut += 1;
    else this.counts.processed += 1;
  }

  #take(next: Merged): void {
    const { snapshotEveryMs, onSnapshotDue } = this.#options;
    if (next.timeMs > this.#timeMs && this.#timeMs > 0 && snapshotEveryMs !== undefined) {
      const boundaryMs = next.timeMs - (next.timeMs % snapshotEveryMs);
      if (boundaryMs > this.#timeMs) onSnapshotDue?.(boundaryMs);
    }
    take(next);
    const { trial } = this.#options;
    if (trial !== undefined && next.timeMs >= trial.fromMs) {
      this.#context.configHash = trial.configHash;
      this.#context.config = trial.config;
    }
    this.#advance(next.timeMs);
  }

  /** Log time moves on: timers first, then seals, then whatever moved it. */
  #advance(timeMs: number): void {
    if (timeMs <= this.#timeMs) return;
    const before = this.#timeMs;
    this.#timeMs = timeMs;
    this.#output.timeMs = timeMs;
    this.graph.advanceTo(timeMs, this.#context);
    if (Math.floor(timeMs / SEAL_EVERY_MS) === Math.floor(before / SEAL_EVERY_MS)) return;
    const sealedUpToMs = timeMs - this.#options.topology.sealDelayMs;
    this.#context.sealedUpToMs = sealedUpToMs;
    this.#sayToReaders({ kind: 'seal', sealedUpToMs });
  }

  #sayToReaders(record: ControlRecord): void {
    for (const sink of this.#options.topology.sinks) if (sink.sealed) this.#output.control(sink, record);
  }

  #applyControl(control: ControlRecord | 'unknown', saidAtMs: number, channel: Channel): void {
    if (control === 'unknown') {
      countOne(this.counts.dropped, 'unknown-control-record');
      return;
    }
    this.counts.controls += 1;
    if (control.kind === 'seal') channel.sealedUpToMs = Math.max(channel.sealedUpToMs, control.sealedUpToMs);
    if (control.kind === 'config-effective') this.#configure(control.configHash, saidAtMs);
  }

  /** What was said last holds, whoever passed it on first; each change goes on to the readers of what is said here. */
  #configure(configHash: string, sinceMs: number): void {
    const { trial } = this.#options;
    if (trial !== undefined && this.#timeMs >= trial.fromMs) return;
    const context = this.#context;
    if (sinceMs < context.configSinceMs) return;
    context.configSinceMs = sinceMs;
    if (configHash === context.configHash) return;
    context.configHash = configHash;
    context.config = this.#options.configOf(configHash);
    this.#sayToReaders({ kind: 'config-effective', configHash });
  }

  #decode(source: Source, record: WaitingRecord): unknown {
    const { topic } = source;
    if (source.channels.length > 1 && writerOf(source, record) === null)
      throw new BadRecord('no-source-task', `no header ${SOURCE_TASK_HEADER} names the task that wrote it`);
    if (record.keyStart < 0) throw new BadRecord('no-key', 'the record has no key');
    if (record.valueStart < 0)
      throw new BadRecord('no-value', 'the record has neither a value nor a control header');
    if (source.keyed && !this.#isPartitionOf(source, record)) {
      throw new BadRecord(
        'wrong-partition',
        `murmur2 of its key names another partition than ${source.partition}`,
      );
    }
    const { codec } = this.#options;
    return codec.decodeRange === undefined
      ? codec.decode(topic, record.value!)
      : codec.decodeRange(topic, record.valueIn, record.valueStart, record.valueEnd);
  }

  #isPartitionOf({ topic, partition }: Source, { keyIn, keyStart, keyEnd }: WaitingRecord): boolean {
    return partitionOf(keyIn, this.#output.partitionsOf(topic), keyStart, keyEnd) === partition;
  }

  #graphEvents(): GraphEvents {
    return {
      onEmit: (topic, key, value, edge) => {
        this.counts.recordsOut += 1;
        this.#output.emit(topic, key, value, edge, this.graph.isPartial);
      },
      onDrop: (reason) => {
        this.#isLeftOut = true;
        countOne(this.counts.dropped, reason);
      },
      onLate: (reason) => {
        const at = this.#located();
        this.#isLeftOut = true;
        this.counts.late += 1;
        if (at === null) return;
        this.#sideline('late-records', at, 'late', reason);
      },
      onDeadLetter: (code, reason) => {
        const at = this.#located();
        this.#isLeftOut = true;
        if (at === null)
          throw new Error(`a timer asked for a dead letter (${code}: ${reason}): only records can be one`);
        countOne(this.counts.deadLettered, code);
        this.#sideline('dead-letters', at, code, reason);
      },
    };
  }

  /** The record that is being processed, with its place; null while a timer fires. */
  #located(): Located | null {
    const record = this.#record;
    return record === null
      ? null
      : { topic: this.#source!.topic, partition: this.#source!.partition, record };
  }

  /** Keeps what could not be used, whole and with its place, where a person can look at it. */
  #sideline(topic: 'dead-letters' | 'late-records', at: Located, code: string, reason: string): void {
    const { topology, task } = this.#options;
    this.#output.sideline(topic, {
      topology: topology.name,
      task,
      code,
      reason,
      sourceTopic: at.topic,
      sourcePartition: at.partition,
      record: at.record,
      taskTimeMs: this.#timeMs,
      configHash: this.#context.configHash,
    });
  }
}

const PROCESSED: StepResult = { kind: 'processed' };

type Located = { readonly topic: string; readonly partition: number; readonly record: PendingRecord };

function isMarkedPartial(headers: readonly LogHeader[]): boolean {
  return headers.some(([name]) => name === PARTIAL_HEADER);
}

/** The task that wrote a record on a repartition edge; null when no header names one of them. */
function writerOf(source: MergeSource, record: PendingRecord): number | null {
  const writer = integerOf(record.headers, SOURCE_TASK_HEADER);
  return writer !== null && writer >= 0 && writer < source.channels.length ? writer : null;
}
