/** Puts a configuration in force: its content into `everyview-config`, then the word into every external input. */
import type { ConfigEntry } from '../schemas/records.ts';
import { encodeControl } from './control-records.ts';
import type { Clock, LogPort } from './port.ts';
import { putRecords } from './put-records.ts';
import { NO_HEADERS } from './record-batch.ts';
import type { ValueCodec } from './task-core.ts';
import type { Topology } from './topology.ts';

const TOPIC = 'everyview-config';

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
  const key = Buffer.from(entry.name);
  const value = codec.encode(TOPIC, entry);
  const timestampMs = entry.createdAtMs;
  await putRecords(port, clock, [
    { topic: TOPIC, partition: 0, key, value, headers: NO_HEADERS, timestampMs },
  ]);
  const headers = encodeControl({ kind: 'config-effective', configHash: entry.contentHash });
  const words = externalTopicsOf(topologies).flatMap((topic) =>
    Array.from({ length: partitions.get(topic)! }, (_, partition) => ({
      topic,
      partition,
      key: null,
      value: null,
      headers,
      timestampMs,
    })),
  );
  await putRecords(port, clock, words);
  return words.length;
}

/** Topics that topologies read and none of them writes. */
function externalTopicsOf(topologies: readonly Topology[]): readonly string[] {
  const sources = topologies.flatMap((topology) => topology.sources);
  return [...new Set(sources.filter(({ writers }) => writers === 'external').map(({ topic }) => topic))];
}
