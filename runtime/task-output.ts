/** What a task writes: into which partition, with which headers, at which log time. */
import {
  type ControlRecord,
  encodeControl,
  PARTIAL_HEADER,
  SOURCE_SEQ_HEADER,
  SOURCE_TASK_HEADER,
  textHeader,
} from './control-records.ts';
import { OutputDraft } from './output-draft.ts';
import { partitionOf } from './partitioner.ts';
import type { LogHeader } from './record-batch.ts';
import { deadLetterOf, lateRecordOf, type Sidelined, sidelineHeaders } from './sideline.ts';
import type { ValueCodec } from './task-core.ts';
import type { SinkEdge, SinkNode } from './topology.ts';

export type TaskOutputOptions = {
  readonly task: number;
  /** Partition counts by topic. */
  readonly partitions: ReadonlyMap<string, number>;
  readonly codec: ValueCodec;
  /** Called with one draft for all records, which holds what it says during the call. */
  readonly output: (record: OutputDraft) => void;
};

export class TaskOutput {
  readonly #options: TaskOutputOptions;
  readonly #draft = new OutputDraft();
  /** Records written on repartition edges so far; the next one's number. */
  outSeq = 0;
  /** Log time of whatever is being said. */
  timeMs = 0;

  constructor(options: TaskOutputOptions) {
    this.#options = options;
  }

  partitionsOf(topic: string): number {
    const partitions = this.#options.partitions.get(topic);
    if (partitions === undefined) throw new Error(`the partition count of ${topic} is not known`);
    return partitions;
  }

  emit(topic: string, key: string, value: unknown, edge: SinkEdge, isPartial: boolean): void {
    const { codec, task } = this.#options;
    const draft = this.#draft;
    draft.setKey(key);
    if (codec.encodeShared === undefined) draft.setValue(codec.encode(topic, value));
    else {
      const { bytes, pos } = codec.encodeShared(topic, value);
      draft.valueBytes = bytes;
      draft.valueLength = pos;
    }
    const marks = isPartial ? PARTIAL_HEADERS : NO_HEADERS;
    if (edge === 'same') {
      this.#write(topic, task, marks);
      return;
    }
    const keyBytes = draft.keyBytes.subarray(0, draft.keyLength);
    this.#write(topic, partitionOf(keyBytes, this.partitionsOf(topic)), [...this.#sourceHeaders(), ...marks]);
  }

  /** Says something to everybody who reads a sink in time order. */
  control({ topic, edge }: SinkNode, record: ControlRecord): void {
    const headers = encodeControl(record);
    this.#draft.keyLength = -1;
    this.#draft.valueLength = -1;
    if (edge === 'same') {
      this.#write(topic, this.#options.task, headers);
      return;
    }
    const partitions = this.partitionsOf(topic);
    for (let p = 0; p < partitions; p++) this.#write(topic, p, [...headers, ...this.#sourceHeaders()]);
  }

  /** Keeps what could not be used, whole and with its place, where a person can look at it. */
  sideline(topic: 'dead-letters' | 'late-records', one: Sidelined): void {
    const key = `${one.sourceTopic}-${one.sourcePartition}`;
    const value = topic === 'dead-letters' ? deadLetterOf(one) : lateRecordOf(one);
    this.#draft.setKey(key);
    this.#draft.setValue(this.#options.codec.encode(topic, value));
    this.#write(topic, partitionOf(Buffer.from(key), this.partitionsOf(topic)), sidelineHeaders(one));
  }

  #sourceHeaders(): readonly LogHeader[] {
    const seq = this.outSeq;
    this.outSeq += 1;
    return [
      textHeader(SOURCE_TASK_HEADER, String(this.#options.task)),
      textHeader(SOURCE_SEQ_HEADER, String(seq)),
    ];
  }

  /** Hands out the draft, whose key and value are set. */
  #write(topic: string, partition: number, headers: readonly LogHeader[]): void {
    const draft = this.#draft;
    draft.topic = topic;
    draft.partition = partition;
    draft.headers = headers;
    draft.timestampMs = this.timeMs;
    this.#options.output(draft);
  }
}

const NO_HEADERS: readonly LogHeader[] = [];
const PARTIAL_HEADERS: readonly LogHeader[] = [textHeader(PARTIAL_HEADER, '1')];
