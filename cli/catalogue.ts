/** Entries of the catalogue: which programme a tenant's content id is. */
import type { Clock, LogPort } from '../runtime/port.ts';
import { putRecords } from '../runtime/put-records.ts';
import { NO_HEADERS } from '../runtime/record-batch.ts';
import type { ValueCodec } from '../runtime/task-core.ts';
import type { CatalogueEntry } from '../schemas/records.ts';

export type CatalogueInput = {
  readonly tenant: string;
  readonly contentId: string;
  readonly programmeId: string;
  readonly title?: string;
  readonly streamType?: 'live' | 'vod';
  readonly retired?: boolean;
  readonly retiredReason?: string;
};

/** Acknowledged when it resolves; the latest entry of a name holds. */
export async function putCatalogue(
  port: LogPort,
  clock: Clock,
  codec: ValueCodec,
  inputs: readonly CatalogueInput[],
): Promise<void> {
  const timestampMs = clock.nowMs();
  const records = inputs.map((input) => {
    const entry = entryOf(input, timestampMs);
    const key = Buffer.from(entry.name);
    const value = codec.encode('catalogue', entry).slice();
    return { topic: 'catalogue', partition: 0, key, value, headers: NO_HEADERS, timestampMs };
  });
  await putRecords(port, clock, records);
}

function entryOf(input: CatalogueInput, updatedAtMs: number): CatalogueEntry {
  const { tenant, contentId, programmeId } = input;
  return {
    name: `${tenant}/${contentId}`,
    tenant,
    contentId,
    programmeId,
    title: input.title ?? '',
    streamType: input.streamType ?? 'live',
    retired: input.retired ?? false,
    retiredReason: input.retiredReason ?? '',
    renditionIds: [],
    renditionBitratesBps: [],
    renditionHeightsPx: [],
    vantagePoints: [],
    vantageInputs: [],
    expectationsHash: '',
    playheadOffsetMs: 0,
    updatedAtMs,
  };
}
