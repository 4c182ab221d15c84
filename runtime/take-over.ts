/**
 * Taking a task's transactional id over, and finishing what its coordinator forgot to finish.
 *
 * InitProducerId promises that nothing of an earlier holder is open any more. Kafka 4.3.1 does not keep that: a coordinator
 * takes the marker for a partition without a leader for written ("Couldn't find leader endpoint"), as while the only
 * broker starts after kill -9. The transaction is over for the coordinator, its records stay open, and the next
 * transaction of the same producer id would decide them. So here they are looked for, and decided first.
 *
 * Decided how? A task never aborts with EndTxn; aborts are the coordinator's (timeout, takeover), which raises the epoch
 * for it, and the takeover raises it again. So an epoch just below ours was ended by its own producer: that was a commit,
 * and some of its partitions may have got their markers. Any other is aborted. That is wrong for one case that cannot be
 * told apart: a commit with some of its markers, after which somebody took the task over and died before it came to here.
 */
import { POSITIONS_STORE, storesOf } from './define-topology.ts';
import { type Clock, LogError, type LogPort, type OpenTransaction, type TopicPartition } from './port.ts';
import { withRetries } from './retry.ts';
import { snapshotTopic } from './snapshot.ts';
import { changelogTopic } from './task-inputs.ts';
import type { Topology } from './topology.ts';
import { TransactionalProducer } from './transactional-producer.ts';

/** What was found open, and is not any more. */
export type FinishedTransaction = {
  readonly outcome: 'commit' | 'abort';
  readonly open: readonly OpenTransaction[];
};

export type TakeOverOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  readonly applicationId: string;
  readonly topology: Topology;
  readonly task: number;
  /** Partition counts by topic. */
  readonly partitions: ReadonlyMap<string, number>;
  readonly hasSnapshots: boolean;
  readonly transactionTimeoutMs: number;
  readonly onHanging?: (finished: FinishedTransaction) => void;
};

/**
 * Fences whoever had the task. When it resolves, no record of the task is open in any partition that it may write. Throws a
 * {@link LogError}; `protocol` where somebody has to finish a transaction by hand.
 */
export async function takeOver(options: TakeOverOptions): Promise<TransactionalProducer> {
  const { port, clock, applicationId, task, transactionTimeoutMs } = options;
  const transactionalId = `${applicationId}-${task}`;
  const producer = await TransactionalProducer.open({ port, clock, transactionalId, transactionTimeoutMs });
  const open = await retrying(clock, `looking for what ${transactionalId} left open`, () =>
    openTransactionsOf(options, producer),
  );
  if (open.length === 0) return producer;
  const { epoch } = producer.identity;
  const outcome = open.every((one) => one.epoch === epoch - 1) ? 'commit' : 'abort';
  // these markers can get lost like those before them
  let left = open;
  for (let tries = 0; left.length > 0; tries++) {
    if (tries === TRIES_MAX)
      throw new LogError(
        'timed-out',
        `${transactionalId}: still open after ${tries} markers: ${left.map(textOf).join(', ')}`,
      );
    await producer.finish(left, outcome);
    left = await leftOpen(options, producer);
  }
  options.onHanging?.({ outcome, open });
  return producer;
}

/** What is open once the markers had time to be written. */
async function leftOpen(
  options: TakeOverOptions,
  producer: TransactionalProducer,
): Promise<readonly OpenTransaction[]> {
  const { clock } = options;
  const untilMs = clock.nowMs() + MARKERS_MS;
  for (;;) {
    const left = await retrying(clock, 'looking for markers', () => openTransactionsOf(options, producer));
    if (left.length === 0 || clock.nowMs() >= untilMs) return left;
    await clock.sleep(POLL_MS);
  }
}

/** As people read it. */
export function textOf({ topic, partition, firstOffset }: OpenTransaction): string {
  return `${topic}/${partition} from offset ${firstOffset} on`;
}

async function openTransactionsOf(
  options: TakeOverOptions,
  { identity }: TransactionalProducer,
): Promise<readonly OpenTransaction[]> {
  const { port, applicationId, task } = options;
  const positions = changelogTopic(applicationId, POSITIONS_STORE);
  const all = await port.openTransactions(writtenBy(options));
  for (const one of all) {
    if (one.topic !== positions || one.producerId === identity.producerId) continue;
    throw new LogError(
      'protocol',
      `Producer ${one.producerId} left a transaction open in ${textOf(one)}, and task ${task} of ${applicationId} is ` +
        `producer ${identity.producerId} by now, so nobody will ever end it. Abort it with: kafka-transactions.sh ` +
        `--bootstrap-server HOST:PORT abort --topic ${one.topic} --partition ${one.partition} --start-offset ${one.firstOffset}`,
    );
  }
  // others write some of these partitions as well, and a newer holder of the id may be writing already
  return all.filter((one) => one.producerId === identity.producerId && one.epoch < identity.epoch);
}

/** Every partition that the task may write: its own ones, and all of the topics that it shares, ticked inputs among them. */
function writtenBy(options: TakeOverOptions): readonly TopicPartition[] {
  const { applicationId, topology, task, partitions, hasSnapshots } = options;
  const own = [POSITIONS_STORE, ...storesOf(topology)].map((store) => changelogTopic(applicationId, store));
  if (hasSnapshots) own.push(snapshotTopic(applicationId));
  const shared = new Set<string>([
    ...[...topology.sources, ...topology.sinks].map(({ topic }) => topic),
    ...['dead-letters', 'late-records'],
  ]);
  return [
    ...own.map((topic) => ({ topic, partition: task })),
    ...[...shared].flatMap((topic) =>
      Array.from({ length: partitions.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
    ),
  ];
}

function retrying<T>(clock: Clock, what: string, attempt: () => Promise<T>): Promise<T> {
  return withRetries(clock, { initialMs: 2, maxMs: 100, giveUpAfterMs: GIVE_UP_MS }, what, attempt);
}

const GIVE_UP_MS = 10_000;
const TRIES_MAX = 10;
const MARKERS_MS = 1_000;
const POLL_MS = 10;
