/**
 * A log port with its input in memory and nothing behind it: what a worker costs without sockets and without a broker.
 * It writes nothing down; with a digest, it hashes what it is given.
 */
import { createHash, type Hash } from 'node:crypto';
import { restampBatch } from '../../runtime/broker-batch.ts';
import type { FetchedPartition, FetchRequest, LogPort, ProduceBatch } from '../../runtime/port.ts';
import { RecordCursor } from '../../runtime/record-cursor.ts';
import { batchesOf, PARTITIONS, type Workload } from './workload.ts';

export type CannedPort = LogPort & {
  /** Records of all partitions that were fetched past so far. */
  readonly fetchedRecords: () => number;
  /** Hash over every topic and partition: outputs in order, changelogs by what each key was last. */
  digest(): string;
};

type Log = { readonly bytes: Uint8Array; readonly starts: number[]; readonly offsets: number[]; end: number };

export function cannedPort(workload: Workload, count: number, withDigest: boolean): CannedPort {
  const logs = logsOf(workload, count);
  const positions = logs.map(() => 0);
  const ends = new Map<string, number>();
  const digests = withDigest ? new Digests() : null;
  const boundsOf = (topic: string, partition: number) => {
    const end = topic === workload.inputTopic ? logs[partition]!.end : 0;
    return { start: 0, stableEnd: end, highWatermark: end };
  };
  const fetchOne = ({ topic, partition, offset }: FetchRequest, bytesMax: number): FetchedPartition => {
    positions[partition] = offset;
    const batches = batchesFrom(logs[partition]!, offset, bytesMax);
    return { topic, partition, batches, bounds: boundsOf(topic, partition), aborted: [] };
  };
  return {
    describeTopics: async () => [],
    createTopics: async () => [],
    bounds: async (partitions) =>
      partitions.map(({ topic, partition }) => ({ topic, partition, ...boundsOf(topic, partition) })),
    async fetch(requests, maxWaitMs, maxBytes) {
      const share = Math.max(1 << 20, Math.floor(maxBytes / requests.length));
      const fetched = requests.map((request) => fetchOne(request, share));
      const isEmpty = fetched.every(({ batches }) => batches.length === 0);
      await new Promise((resolve) => (isEmpty ? setTimeout(resolve, maxWaitMs) : setImmediate(resolve)));
      return fetched;
    },
    initProducer: async () => ({ producerId: 1n, epoch: 0 }),
    addPartitions: () => nextTurn(),
    async produce(_txn, batches) {
      await nextTurn();
      return batches.map((batch) => {
        const name = `${batch.topic}/${batch.partition}`;
        const baseOffset = ends.get(name) ?? 0;
        ends.set(name, baseOffset + recordsIn(batch));
        digests?.add(batch);
        return { topic: batch.topic, partition: batch.partition, baseOffset, logAppendTimeMs: -1 };
      });
    },
    endTransaction: () => nextTurn(),
    sendGroupOffsets: () => nextTurn(),
    openTransactions: async () => [],
    joinGroup: unused,
    syncGroup: unused,
    heartbeat: unused,
    leaveGroup: unused,
    close: async () => {},
    fetchedRecords: () => positions.reduce((sum, position) => sum + position, 0),
    digest: () => digests?.hex() ?? '',
  };
}

function logsOf(workload: Workload, count: number): Log[] {
  const parts: Uint8Array[][] = Array.from({ length: PARTITIONS }, () => []);
  const ends = parts.map(() => 0);
  const offsets: number[][] = parts.map(() => []);
  for (const { partition, records, bytes } of batchesOf(workload, count)) {
    offsets[partition]!.push(ends[partition]!);
    parts[partition]!.push(restampBatch(bytes, ends[partition]!, null));
    ends[partition]! += records;
  }
  return parts.map((batches, partition) => {
    const starts: number[] = [];
    let size = 0;
    for (const batch of batches) {
      starts.push(size);
      size += batch.length;
    }
    const bytes = new Uint8Array(size);
    for (const [i, batch] of batches.entries()) bytes.set(batch, starts[i]!);
    return { bytes, starts, offsets: offsets[partition]!, end: ends[partition]! };
  });
}

/** As a broker answers: from the batch that holds the offset, whole, and cut anywhere at the end. */
function batchesFrom(log: Log, offset: number, bytesMax: number): Uint8Array {
  if (offset >= log.end) return new Uint8Array(0);
  let at = log.offsets.findLastIndex((first) => first <= offset);
  at = Math.max(0, at);
  const start = log.starts[at]!;
  return log.bytes.subarray(start, Math.min(log.bytes.length, start + bytesMax));
}

function recordsIn(batch: ProduceBatch): number {
  return new DataView(batch.bytes.buffer, batch.bytes.byteOffset).getInt32(57);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function unused(): Promise<never> {
  throw new Error('a canned port has no groups: the worker needs fixedGroup()');
}

/** The cutting of outputs into batches and transactions does not show, nor how often a key went into a changelog. */
class Digests {
  readonly #outputs = new Map<string, Hash>();
  readonly #changelogs = new Map<string, Map<string, string>>();

  add({ topic, partition, bytes }: ProduceBatch): void {
    const name = `${topic}/${partition}`;
    const cursor = new RecordCursor();
    cursor.reset(bytes, 0);
    if (topic.endsWith('-changelog')) {
      const latest = this.#changelogs.get(name) ?? new Map<string, string>();
      this.#changelogs.set(name, latest);
      while (cursor.next()) latest.set(hexOf(cursor.key()), hexOf(cursor.value()));
      return;
    }
    const hash = this.#outputs.get(name) ?? createHash('sha256');
    this.#outputs.set(name, hash);
    while (cursor.next()) {
      const headers = cursor.headers().map(([header, value]) => [header, hexOf(value)]);
      const record = [cursor.timestampMs, hexOf(cursor.key()), hexOf(cursor.value()), headers];
      hash.update(JSON.stringify(record));
    }
  }

  hex(): string {
    const all = createHash('sha256');
    for (const [name, hash] of [...this.#outputs].sort())
      all.update(`${name} ${hash.copy().digest('hex')}\n`);
    for (const [name, latest] of [...this.#changelogs].sort()) {
      for (const [key, value] of [...latest].sort()) all.update(`${name} ${key} ${value}\n`);
    }
    return all.digest('hex');
  }
}

function hexOf(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : Buffer.from(bytes).toString('hex');
}
