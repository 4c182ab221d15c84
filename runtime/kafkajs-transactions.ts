/** The transaction protocol over kafkajs's requests, one method of the port each. */
import { ERROR, kafkaError } from './kafka-errors.ts';
import { describeProducersRequest, readDescribeProducersResponse } from './kafka-wire.ts';
import { type CoordinatorKind, type KafkajsCluster, topicsOf } from './kafkajs-cluster.ts';
import type { RequestName } from './kafkajs-connection.ts';
import {
  type GroupOffset,
  LogError,
  type OpenTransaction,
  type ProducerIdentity,
  type TopicPartition,
  type TransactionHandle,
} from './port.ts';

export async function initProducer(
  cluster: KafkajsCluster,
  transactionalId: string,
  transactionTimeoutMs: number,
): Promise<ProducerIdentity> {
  const args = { transactionalId, transactionTimeout: transactionTimeoutMs };
  const answer = await ask<InitAnswer>(
    cluster,
    'transaction',
    transactionalId,
    transactionalId,
    'InitProducerId',
    args,
  );
  failOn(
    cluster,
    'transaction',
    transactionalId,
    `taking over transactional id ${transactionalId}`,
    answer.errorCode,
  );
  return { producerId: BigInt(answer.producerId), epoch: answer.producerEpoch };
}

export async function addPartitions(
  cluster: KafkajsCluster,
  txn: TransactionHandle,
  partitions: readonly TopicPartition[],
): Promise<void> {
  const { transactionalId } = txn;
  const args = { ...producerOf(txn), topics: topicsOf(partitions, ({ partition }) => partition) };
  const { errors } = await ask<AddAnswer>(
    cluster,
    'transaction',
    transactionalId,
    transactionalId,
    'AddPartitionsToTxn',
    args,
  );
  const failed = errors.flatMap(({ topic, partitionErrors }) => {
    return partitionErrors.map(({ partition, errorCode }) => ({ name: `${topic}/${partition}`, errorCode }));
  });
  // all or none: where one fails, the others say that they were not attempted
  failed.sort((a, b) => Number(a.errorCode === NOT_ATTEMPTED) - Number(b.errorCode === NOT_ATTEMPTED));
  for (const { name, errorCode } of failed) {
    failOn(
      cluster,
      'transaction',
      transactionalId,
      `adding ${name} to the transaction of ${transactionalId}`,
      errorCode,
    );
  }
}

export async function endTransaction(
  cluster: KafkajsCluster,
  txn: TransactionHandle,
  outcome: 'commit' | 'abort',
): Promise<void> {
  const { transactionalId } = txn;
  const args = { ...producerOf(txn), transactionResult: outcome === 'commit' };
  const answer = await ask<Answer>(cluster, 'transaction', transactionalId, transactionalId, 'EndTxn', args);
  failOn(cluster, 'transaction', transactionalId, `${outcome} of ${transactionalId}`, answer.errorCode);
}

export async function sendGroupOffsets(
  cluster: KafkajsCluster,
  txn: TransactionHandle,
  groupId: string,
  offsets: readonly GroupOffset[],
): Promise<void> {
  const { transactionalId } = txn;
  const what = `group offsets of ${groupId} by ${transactionalId}`;
  const producer = producerOf(txn);
  const addArgs = { ...producer, groupId };
  const added = await ask<Answer>(
    cluster,
    'transaction',
    transactionalId,
    transactionalId,
    'AddOffsetsToTxn',
    addArgs,
  );
  failOn(cluster, 'transaction', transactionalId, what, added.errorCode);
  const topics = topicsOf(offsets, ({ partition, offset }) => ({ partition, offset, metadata: '' }));
  const args = { ...producer, groupId, topics };
  const answer = await ask<OffsetsAnswer>(
    cluster,
    'group',
    groupId,
    transactionalId,
    'TxnOffsetCommit',
    args,
  );
  for (const { partitions } of answer.topics) {
    for (const { errorCode } of partitions) failOn(cluster, 'group', groupId, what, errorCode);
  }
}

export async function openTransactions(
  cluster: KafkajsCluster,
  partitions: readonly TopicPartition[],
): Promise<readonly OpenTransaction[]> {
  const led = await cluster.byLeader(partitions);
  const answers = await Promise.all(
    [...led].map(async ([leader, ours]) => {
      const request = describeProducersRequest(ours);
      const answer = readDescribeProducersResponse(
        await cluster.ask(leader, 'control', request, 'not-leader'),
      );
      if (answer.length === ours.length) return answer;
      throw new LogError(
        'protocol',
        `The broker at ${leader} told the open transactions of ${answer.length} of ${ours.length} partitions.`,
      );
    }),
  );
  return answers.flat().flatMap(({ topic, partition, errorCode, errorMessage, open }) => {
    if (errorCode === ERROR.none) return open;
    cluster.forgetLeaders([{ topic, partition }]);
    throw kafkaError(errorCode, `open transactions of ${topic}/${partition}`, errorMessage);
  });
}

/**
 * The connection that carries what a transactional id sends to one broker. Ids share a bounded number of them: a slow
 * append of one task shall not hold up all others.
 */
export function transactionLane(transactionalId: string): string {
  let hash = 0;
  for (let i = 0; i < transactionalId.length; i++)
    hash = (Math.imul(hash, 31) + transactionalId.charCodeAt(i)) | 0;
  return `transactions-${(hash >>> 0) % LANES}`;
}

async function ask<T>(
  cluster: KafkajsCluster,
  kind: CoordinatorKind,
  id: string,
  transactionalId: string,
  name: RequestName,
  args: object,
): Promise<T> {
  const coordinator = await cluster.coordinatorOf(kind, id);
  return cluster.exchange<T>(coordinator, transactionLane(transactionalId), name, args, 'coordinator-moved');
}

function producerOf({ transactionalId, identity }: TransactionHandle) {
  return { transactionalId, producerId: String(identity.producerId), producerEpoch: identity.epoch };
}

function failOn(
  cluster: KafkajsCluster,
  kind: CoordinatorKind,
  id: string,
  what: string,
  errorCode: number,
): void {
  if (errorCode === ERROR.none) return;
  const error = kafkaError(errorCode, what);
  if (error.code === 'coordinator-moved') cluster.forgetCoordinator(kind, id);
  throw error;
}

const LANES = 8;
const NOT_ATTEMPTED = 55;

type Answer = { readonly errorCode: number };
type InitAnswer = Answer & { readonly producerId: string; readonly producerEpoch: number };
type PartitionAnswer = Answer & { readonly partition: number };
type AddAnswer = {
  readonly errors: readonly {
    readonly topic: string;
    readonly partitionErrors: readonly PartitionAnswer[];
  }[];
};
type OffsetsAnswer = {
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly PartitionAnswer[] }[];
};
