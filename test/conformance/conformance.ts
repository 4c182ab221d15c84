/**
 * One suite for every log port: what `runtime/` relies on, said in cases that run against any implementation. A new port,
 * or a new version of a broker, is right when they pass.
 */
import { describe, test } from 'node:test';
import type { AdminPort, Clock, LogPort, TopicPartition } from '../../runtime/port.ts';
import { GROUP_CASES } from './group-cases.ts';
import { Lab } from './lab.ts';
import { READING_CASES } from './reading-cases.ts';
import { TOPIC_CASES } from './topic-cases.ts';
import { TRANSACTION_CASES } from './transaction-cases.ts';

/** A log to try a port on, and what a test can do to it that a port cannot. */
export type Subject = {
  readonly clock: Clock;
  /** Runs a case's body while time passes. */
  run(body: () => Promise<void>): Promise<void>;
  /** As another process would. The suite closes what it opens. */
  openPort(clientId: string): Promise<AdminPort>;
  openLossyPort(clientId: string): Promise<LossyPort>;
  /** Configuration of a compacted topic for {@link compact}. */
  readonly compactedConfigs: Readonly<Record<string, string>>;
  /** Makes the topic's next record begin a segment: only whole older segments are compacted. */
  rollSegment(topic: string): Promise<void>;
  /** Returns when the partition was compacted, and holds a batch of which compaction left no record. */
  compact(partition: TopicPartition): Promise<void>;
  /** Retention: the log begins at `offset` from now on. */
  deleteBefore(partition: TopicPartition, offset: number): Promise<void>;
  /** The offset that a group has committed for a partition, as lag tools see it; null for none. */
  groupOffset(groupId: string, partition: TopicPartition): Promise<number | null>;
  close(): Promise<void>;
};

export type LossyMethod = 'initProducer' | 'addPartitions' | 'produce' | 'endTransaction';

export type LossyPort = {
  readonly port: LogPort;
  /** The broker does what the next such request asks for; its reply never arrives. */
  loseNextReply(method: LossyMethod): void;
};

export type Case = { readonly name: string; readonly body: (lab: Lab) => Promise<void> };

const ALL_CASES: readonly Case[] = [...TOPIC_CASES, ...READING_CASES, ...TRANSACTION_CASES, ...GROUP_CASES];

/** Registers the suite; `open` is called for each case. */
export function conformance(name: string, open: () => Promise<Subject>): void {
  describe(`${name} conforms:`, { concurrency: 4 }, () => {
    for (const one of ALL_CASES) {
      test(one.name, { timeout: 120_000 }, async () => {
        const subject = await open();
        const lab = new Lab(subject);
        try {
          await subject.run(() => one.body(lab));
        } finally {
          await subject.run(() => lab.close());
          await subject.close();
        }
      });
    }
  });
}
