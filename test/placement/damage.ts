/** Changes one byte of a record where it is kept, as a failing disk or somebody else might. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ATTRIBUTES, CRC } from '../../runtime/batch-layout.ts';
import { crc32c } from '../../runtime/crc32c.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { AdminPort, TopicPartition } from '../../runtime/port.ts';
import { batchesOf } from '../../runtime/record-batch.ts';

export type Damage = TopicPartition & {
  readonly record: CommittedRecord;
  /** Where in the record's value. */
  readonly byteAt: number;
  /** The batch's checksum is made to fit again, so that nobody can tell from it. */
  readonly isChecksumMended: boolean;
};

/** On the disk of a broker that is stopped. Throws when the record is not in the first segment of its partition. */
export function changeByte(logFolder: string, damage: Damage): void {
  const { topic, partition, record } = damage;
  const file = path.join(logFolder, `${topic}-${partition}`, '00000000000000000000.log');
  const bytes = readFileSync(file);
  if (!changed(bytes, damage)) throw new Error(`offset ${record.offset} is not in ${file}`);
  writeFileSync(file, bytes);
}

/** A log in which everything is as it was, but for that byte. */
export function damagedPort(port: AdminPort, damage: Damage): AdminPort {
  return {
    ...port,
    bounds: (partitions) => port.bounds(partitions),
    offsetsForTime: (partitions, timeMs) => port.offsetsForTime(partitions, timeMs),
    describeTopics: (topics) => port.describeTopics(topics),
    async fetch(requests, maxWaitMs, maxBytes) {
      const fetched = await port.fetch(requests, maxWaitMs, maxBytes);
      return fetched.map((one) => {
        if (one.topic !== damage.topic || one.partition !== damage.partition) return one;
        const batches = Buffer.from(one.batches);
        changed(batches, damage);
        return { ...one, batches };
      });
    },
  };
}

/** Whether the record is in these batches. */
function changed(bytes: Buffer, { record, byteAt, isChecksumMended }: Damage): boolean {
  const batch = batchesOf(bytes).find(
    ({ baseOffset, lastOffset }) => baseOffset <= record.offset && record.offset <= lastOffset,
  );
  if (batch === undefined) return false;
  const valueAt = bytes.indexOf(record.value!, batch.start);
  if (valueAt < 0 || valueAt >= batch.end) return false;
  bytes[valueAt + byteAt]! ^= 1;
  if (isChecksumMended)
    bytes.writeUInt32BE(crc32c(bytes, batch.start + ATTRIBUTES, batch.end), batch.start + CRC);
  return true;
}
