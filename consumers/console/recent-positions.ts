/** Where the records since a point in time begin, in every partition of some topics. */
import type { LogAdmin, LogPort, TopicPartition } from '../../runtime/port.ts';

export async function recentPositions(
  port: Pick<LogPort, 'describeTopics' | 'bounds'> & Pick<LogAdmin, 'offsetsForTime'>,
  topics: readonly string[],
  sinceMs: number,
): Promise<readonly (TopicPartition & { readonly offset: number })[]> {
  const described = await port.describeTopics(topics);
  const places = described.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  const bounds = await port.bounds(places);
  const offsets = await port.offsetsForTime(places, Math.max(0, sinceMs));
  return bounds.map(({ topic, partition, stableEnd }) => {
    const found = offsets.find((one) => one.topic === topic && one.partition === partition);
    return { topic, partition, offset: found?.offset ?? stableEnd };
  });
}
