/** Changes one byte of a record where a broker that is stopped keeps it, as a failing disk or somebody else might. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ATTRIBUTES, CRC } from '../../runtime/batch-layout.ts';
import { crc32c } from '../../runtime/crc32c.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { TopicPartition } from '../../runtime/port.ts';
import { batchesOf } from '../../runtime/record-batch.ts';

export type Damage = TopicPartition & {
  readonly record: CommittedRecord;
  /** Where in the record's value. */
  readonly byteAt: number;
  /** The batch's checksum is made to fit again, so that nobody can tell from it. */
  readonly isChecksumMended: boolean;
};

/** Throws when the record is not in the first segment of its partition. */
export function changeByte(logFolder: string, damage: Damage): void {
  const { topic, partition, record, byteAt, isChecksumMended } = damage;
  const file = path.join(logFolder, `${topic}-${partition}`, '00000000000000000000.log');
  const bytes = readFileSync(file);
  const batch = batchesOf(bytes).find(
    ({ baseOffset, lastOffset }) => baseOffset <= record.offset && record.offset <= lastOffset,
  );
  if (batch === undefined) throw new Error(`offset ${record.offset} is not in ${file}`);
  const valueAt = bytes.indexOf(record.value!, batch.start);
  if (valueAt < 0 || valueAt >= batch.end) throw new Error(`the value is not in its batch in ${file}`);
  bytes[valueAt + byteAt]! ^= 1;
  if (isChecksumMended)
    bytes.writeUInt32BE(crc32c(bytes, batch.start + ATTRIBUTES, batch.end), batch.start + CRC);
  writeFileSync(file, bytes);
}
