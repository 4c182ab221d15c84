/** A log port that keeps some inputs back until the others have been read to their ends: fetched last, merged in order. */
import type { FetchedPartition, LogPort } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';

/**
 * The held topics are let go, all at once, when the other inputs have brought something and then nothing new for
 * {@link QUIET_MS}.
 */
export function heldPort(
  port: LogPort,
  held: readonly string[],
  others: readonly string[],
  onRelease: () => void,
): LogPort {
  let isHeld = true;
  let newsAtMs: number | null = null;
  const note = (fetched: readonly FetchedPartition[]): void => {
    const nowMs = systemClock.nowMs();
    if (fetched.some(({ topic, batches }) => others.includes(topic) && batches.length > 0)) newsAtMs = nowMs;
    if (newsAtMs === null || nowMs - newsAtMs < QUIET_MS) return;
    isHeld = false;
    onRelease();
  };
  return {
    describeTopics: (topics) => port.describeTopics(topics),
    createTopics: (topics) => port.createTopics(topics),
    bounds: (partitions) => port.bounds(partitions),
    fetch: async (requests, maxWaitMs, maxBytes) => {
      if (!isHeld) return port.fetch(requests, maxWaitMs, maxBytes);
      const wanted = requests.filter(({ topic }) => !held.includes(topic));
      if (wanted.length === 0) {
        await systemClock.sleep(maxWaitMs);
        return [];
      }
      const fetched = await port.fetch(wanted, maxWaitMs, maxBytes);
      note(fetched);
      return fetched;
    },
    initProducer: (transactionalId, timeoutMs) => port.initProducer(transactionalId, timeoutMs),
    addPartitions: (txn, partitions) => port.addPartitions(txn, partitions),
    produce: (txn, batches) => port.produce(txn, batches),
    endTransaction: (txn, outcome) => port.endTransaction(txn, outcome),
    sendGroupOffsets: (txn, groupId, offsets) => port.sendGroupOffsets(txn, groupId, offsets),
    openTransactions: (partitions) => port.openTransactions(partitions),
    joinGroup: (request) => port.joinGroup(request),
    syncGroup: (membership, assignments) => port.syncGroup(membership, assignments),
    heartbeat: (membership) => port.heartbeat(membership),
    leaveGroup: (membership) => port.leaveGroup(membership),
    close: () => port.close(),
  };
}

const QUIET_MS = 1_500;
