/**
 * A log port whose project topics have a prefix in the broker: any number of scenarios and tests share a cluster, each
 * with topics of its own, while the topologies go on naming them as in `schemas/topics.ts`. Names that are not in there
 * (changelogs) are left alone: they have the application id in front.
 */
import type { AdminPort, TopicPartition } from '../../runtime/port.ts';
import { isTopicName } from '../../schemas/topics.ts';

export function prefixedPort(port: AdminPort, prefix: string): AdminPort {
  const out = (topic: string): string => (isTopicName(topic) ? `${prefix}${topic}` : topic);
  const back = (topic: string): string =>
    topic.startsWith(prefix) && isTopicName(topic.slice(prefix.length)) ? topic.slice(prefix.length) : topic;
  const outAll = <T extends { readonly topic: string }>(all: readonly T[]): readonly T[] =>
    all.map((one) => ({ ...one, topic: out(one.topic) }));
  const backAll = <T extends TopicPartition>(all: readonly T[]): readonly T[] =>
    all.map((one) => ({ ...one, topic: back(one.topic) }));
  return {
    describeTopics: async (topics) =>
      (await port.describeTopics(topics.map(out))).map((one) => ({ ...one, topic: back(one.topic) })),
    createTopics: async (topics) => (await port.createTopics(outAll(topics))).map(back),
    bounds: async (partitions) => backAll(await port.bounds(outAll(partitions))),
    fetch: async (requests, maxWaitMs, maxBytes) =>
      backAll(await port.fetch(outAll(requests), maxWaitMs, maxBytes)),
    initProducer: (transactionalId, timeoutMs) => port.initProducer(transactionalId, timeoutMs),
    addPartitions: (txn, partitions) => port.addPartitions(txn, outAll(partitions)),
    produce: async (txn, batches) => backAll(await port.produce(txn, outAll(batches))),
    endTransaction: (txn, outcome) => port.endTransaction(txn, outcome),
    sendGroupOffsets: (txn, groupId, offsets) => port.sendGroupOffsets(txn, groupId, outAll(offsets)),
    openTransactions: async (partitions) => backAll(await port.openTransactions(outAll(partitions))),
    joinGroup: (request) => port.joinGroup(request),
    syncGroup: (membership, assignments) => port.syncGroup(membership, assignments),
    heartbeat: (membership) => port.heartbeat(membership),
    leaveGroup: (membership) => port.leaveGroup(membership),
    groupMembers: (groupId) => port.groupMembers(groupId),
    offsetsForTime: async (partitions, timeMs) =>
      backAll(await port.offsetsForTime(outAll(partitions), timeMs)),
    deleteRecords: (before) => port.deleteRecords(outAll(before)),
    close: () => port.close(),
  };
}
