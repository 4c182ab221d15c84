/** Records written outside any transaction, for tools: few, acknowledged by all replicas, twice at worst. */
import type { OutputRecord } from './output-buffer.ts';
import { type Clock, LogError, type LogPort, type ProduceBatch } from './port.ts';
import { BatchBuilder, NO_PRODUCER } from './record-batch.ts';

const ATTEMPTS_MAX = 5;
const RETRY_DELAY_MS = 200;

/** In this order within each partition. Throws the last {@link LogError} when it fails again and again. */
export async function putRecords(
  port: LogPort,
  clock: Clock,
  records: readonly OutputRecord[],
): Promise<void> {
  const builders = new Map<string, { topic: string; partition: number; builder: BatchBuilder }>();
  for (const { topic, partition, key, value, headers, timestampMs } of records) {
    const name = `${topic}/${partition}`;
    const known = builders.get(name) ?? { topic, partition, builder: new BatchBuilder() };
    builders.set(name, known);
    known.builder.append(key, value, headers, timestampMs);
  }
  const batches: ProduceBatch[] = [...builders.values()].map(({ topic, partition, builder }) => ({
    topic,
    partition,
    bytes: builder.finish(NO_PRODUCER),
    baseSequence: NO_PRODUCER.baseSequence,
  }));
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
