/** What segment files hold of feature records: batches, records, and what each column costs. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { BATCH_HEADER_BYTES } from '../../runtime/batch-layout.ts';
import { batchesOf } from '../../runtime/record-batch.ts';
import { RecordCursor } from '../../runtime/record-cursor.ts';
import { schemaText } from '../../schemas/avsc-files.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import { decodeValue, encodeValue, WriterSchemas } from '../../schemas/codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

export type LogContents = {
  readonly streamSeconds: number;
  readonly batches: number;
  readonly records: number;
  readonly headerBytes: number;
  /** Compressed, without batch headers. */
  readonly recordBytes: number;
  readonly compression: string;
  /** Mean value as Avro, and the same compressed by itself. */
  readonly valueBytes: number;
  readonly compressedValueBytes: number;
  /** By field: how much smaller a value compressed by itself would be without it, largest first. */
  readonly columns: readonly { readonly name: string; readonly bytes: number }[];
};

/** `schemaId` is what the records were written under. */
export function readSegments(paths: readonly string[], schemaId: number): LogContents {
  const writers = new WriterSchemas();
  writers.learn(schemaId, schemaText('frame-features'));
  const records: FrameFeatures[] = [];
  const sums = { batches: 0, headerBytes: 0, recordBytes: 0, compression: new Set<string>() };
  for (const path of paths) {
    const bytes = new Uint8Array(readFileSync(path));
    for (const { start, end, compression } of batchesOf(bytes)) {
      sums.batches++;
      sums.headerBytes += BATCH_HEADER_BYTES;
      sums.recordBytes += end - start - BATCH_HEADER_BYTES;
      sums.compression.add(compression);
    }
    const cursor = new RecordCursor();
    cursor.reset(bytes, 0, () => true);
    while (cursor.next()) records.push(decodeValue('frame-features', cursor.value()!, writers));
  }
  const whole = records.filter(({ event }) => event === 'features');
  const sample = whole.filter((_, at) => at % Math.ceil(whole.length / SAMPLE_RECORDS) === 0);
  const sizeOf = (record: FrameFeatures) => encodeValue('frame-features', schemaId, record).length;
  return {
    ...sums,
    compression: [...sums.compression].join(', '),
    streamSeconds: whole.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1_000,
    records: records.length,
    valueBytes: meanOf(sample, sizeOf),
    compressedValueBytes: meanOf(sample, (record) => compressedSize(record)),
    columns: costs(sample),
  };
}

export function renderContents(contents: LogContents): string {
  const { batches, records, headerBytes, recordBytes, streamSeconds, compression } = contents;
  const per = (bytes: number) => (bytes / streamSeconds).toFixed(0);
  return [
    `${records} records in ${batches} batches (${compression}): ${per(headerBytes)} bytes of batch headers and ${per(recordBytes)} of records per stream-second.`,
    `A value has ${contents.valueBytes.toFixed(0)} bytes, compressed by itself ${contents.compressedValueBytes.toFixed(0)}: ` +
      `${(contents.compressedValueBytes + BATCH_HEADER_BYTES + KEY_BYTES).toFixed(0)} in a batch of its own, which is the most that it can take.`,
    '',
    '| field | bytes that a compressed value would be smaller by without it |',
    '|---|---|',
    ...contents.columns.slice(0, SHOWN).map(({ name, bytes }) => `| ${name} | ${bytes.toFixed(1)} |`),
    '',
  ].join('\n');
}

/** Key and lengths of a record, about. */
const KEY_BYTES = 20;
const SAMPLE_RECORDS = 100;
const SHOWN = 24;

function costs(sample: readonly FrameFeatures[]): { name: string; bytes: number }[] {
  const blank = blankRecord('frame-features', {});
  const names = Object.keys(blank) as (keyof FrameFeatures)[];
  return names
    .map((name) => ({
      name,
      bytes: meanOf(
        sample,
        (record) => compressedSize(record) - compressedSize({ ...record, [name]: blank[name] }),
      ),
    }))
    .sort((a, b) => b.bytes - a.bytes);
}

function compressedSize(record: FrameFeatures): number {
  return gzipSync(encodeValue('frame-features', 1, record)).length;
}

function meanOf<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0) / Math.max(1, items.length);
}
