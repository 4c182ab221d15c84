/** Records that could not be used, kept whole: dead letters and late records, with the headers of KIP-1034. */
import type { DeadLetter, LateRecord } from '../schemas/records.ts';
import { textHeader } from './control-records.ts';
import type { PendingRecord } from './merge.ts';
import type { LogHeader } from './record-batch.ts';

/** A record that cannot be used; `code` is counted. */
export class BadRecord extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'BadRecord';
    this.code = code;
  }
}

export type Sidelined = {
  readonly topology: string;
  readonly task: number;
  readonly code: string;
  readonly reason: string;
  readonly sourceTopic: string;
  readonly sourcePartition: number;
  readonly record: PendingRecord;
  readonly taskTimeMs: number;
  readonly configHash: string;
};

export function deadLetterOf(one: Sidelined): DeadLetter {
  return { ...common(one), code: one.code };
}

export function lateRecordOf(one: Sidelined): LateRecord {
  return { ...common(one), lateByMs: one.taskTimeMs - one.record.timestampMs };
}

/** Headers that tools for Kafka Streams' dead letter queues understand (KIP-1034). */
export function sidelineHeaders(one: Sidelined): readonly LogHeader[] {
  return [
    textHeader('__streams.errors.exception', one.code),
    textHeader('__streams.errors.message', one.reason),
    textHeader('__streams.errors.topic', one.sourceTopic),
    textHeader('__streams.errors.partition', String(one.sourcePartition)),
    textHeader('__streams.errors.offset', String(one.record.offset)),
  ];
}

/** Code under which an error is counted. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'undecodable';
}

function common(one: Sidelined) {
  const { record } = one;
  return {
    topology: one.topology,
    task: one.task,
    node: '',
    reason: one.reason,
    sourceTopic: one.sourceTopic,
    sourcePartition: one.sourcePartition,
    sourceOffset: record.offset,
    sourceTimestampMs: record.timestampMs,
    taskTimeMs: one.taskTimeMs,
    recordKey: record.key,
    recordValue: record.value,
    headerKeys: record.headers.map(([name]) => name),
    headerValues: record.headers.map(([, value]) => value),
    configHash: one.configHash,
  };
}
