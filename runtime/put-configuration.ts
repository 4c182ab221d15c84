/** Puts a configuration in force: its content into `everyview-config`, then the word into every external input. */
import type { ConfigEntry } from '../schemas/records.ts';
import { encodeControl } from './control-records.ts';
import { type Clock, LogError, type LogPort, type ProduceBatch } from './port.ts';
import { BatchBuilder, type LogHeader, NO_HEADERS, NO_PRODUCER } from './record-batch.ts';
import type { ValueCodec } from './task-core.ts';
import type { Topology } from './topology.ts';

const TOPIC = 'everyview-config';
const ATTEMPTS_MAX = 5;
const RETRY_DELAY_MS = 200;

/**
 * Every task takes it when it comes to the word in its own inputs, and hands it on to those who read its outputs. The
 * content is acknowledged before the word is said. Doing it again changes nothing. Returns how many partitions were told.
 */
export async function putInForce(
  port: LogPort,
  clock: Clock,
  codec: ValueCodec,
  entry: ConfigEntry,
  topologies: readonly Topology[],
  partitions: ReadonlyMap<string, number>,
): Promise<number> {
  const value = codec.encode(TOPIC, entry);
  const { createdAtMs } = entry;
  await put(port, clock, [batchOf(TOPIC, 0, Buffer.from(entry.name), value, NO_HEADERS, createdAtMs)]);
  const headers = encodeControl({ kind: 'config-effective', configHash: entry.contentHash });
  const told = externalTopicsOf(topologies).flatMap((topic) =>
    Array.from({ length: partitions.get(topic)! }, (_, partition) =>
      batchOf(topic, partition, null, null, headers, createdAtMs),
    ),
  );
  await put(port, clock, told);
  return told.length;
}

/** Topics that topologies read and none of them writes. */
export function externalTopicsOf(topologies: readonly Topology[]): readonly string[] {
  const sources = topologies.flatMap((topology) => topology.sources);
  return [...new Set(sources.filter(({ writers }) => writers === 'external').map(({ topic }) => topic))];
}

/** What was written twice because a reply was lost does no harm. */
async function put(port: LogPort, clock: Clock, batches: readonly ProduceBatch[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await port.produce(null, batches);
      return;
    } catch (error) {
      const mayPass = error instanceof LogError && (error.kind === 'retry' || error.kind === 'ambiguous');
      if (!mayPass || attempt >= ATTEMPTS_MAX) throw error;
      await clock.sleep(RETRY_DELAY_MS * attempt);
    }
  }
}

function batchOf(
  topic: string,
  partition: number,
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: readonly LogHeader[],
  timestampMs: number,
): ProduceBatch {
  const builder = new BatchBuilder();
  builder.append(key, value, headers, timestampMs);
  return { topic, partition, bytes: builder.finish(NO_PRODUCER), baseSequence: NO_PRODUCER.baseSequence };
}
