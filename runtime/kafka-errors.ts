/** Kafka's error codes (protocol guide, "Error Codes"), and what each means to a caller of the log port. */
import { LogError, type LogErrorCode } from './port.ts';

/** The broker's codes that the port itself acts on. */
export const ERROR = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  topicAlreadyExists: 36,
  notController: 41,
  memberIdRequired: 79,
} as const;

/**
 * The error for a broker's code. `what` says what was asked for and where; `detail` is the broker's own message, if any.
 */
export function kafkaError(code: number, what: string, detail: string | null = null): LogError {
  const [name, errorCode] = MEANING.get(code) ?? [`error ${code}`, 'protocol'];
  const advice = ADVICE[errorCode];
  const text = `${what}: ${name}${detail === null || detail === '' ? '' : ` (${detail})`}`;
  return new LogError(errorCode, advice === undefined ? text : `${text}. ${advice}`);
}

const ADVICE: { readonly [code in LogErrorCode]?: string } = {
  unauthorized: "Grant the client's principal the right that the broker names, or change the credentials.",
  'record-too-large': 'Raise max.message.bytes of the topic, or write smaller records.',
  protocol: "Check the broker's version (4.x is tested) and its log.",
};

/**
 * Nothing here means "not written" unless the protocol promises it: whatever may have been written is `timed-out`.
 */
const MEANING: ReadonlyMap<number, readonly [name: string, code: LogErrorCode]> = new Map([
  [-1, ['UNKNOWN_SERVER_ERROR', 'timed-out']],
  [1, ['OFFSET_OUT_OF_RANGE', 'offset-out-of-range']],
  [2, ['CORRUPT_MESSAGE', 'corrupt-batch']],
  [3, ['UNKNOWN_TOPIC_OR_PARTITION', 'not-leader']],
  [5, ['LEADER_NOT_AVAILABLE', 'not-leader']],
  [6, ['NOT_LEADER_OR_FOLLOWER', 'not-leader']],
  [7, ['REQUEST_TIMED_OUT', 'timed-out']],
  [10, ['MESSAGE_TOO_LARGE', 'record-too-large']],
  [13, ['NETWORK_EXCEPTION', 'timed-out']],
  [14, ['COORDINATOR_LOAD_IN_PROGRESS', 'coordinator-moved']],
  [15, ['COORDINATOR_NOT_AVAILABLE', 'coordinator-moved']],
  [16, ['NOT_COORDINATOR', 'coordinator-moved']],
  [17, ['INVALID_TOPIC_EXCEPTION', 'unknown-topic']],
  [18, ['RECORD_LIST_TOO_LARGE', 'record-too-large']],
  [19, ['NOT_ENOUGH_REPLICAS', 'not-leader']],
  [20, ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'timed-out']],
  [22, ['ILLEGAL_GENERATION', 'stale-generation']],
  [25, ['UNKNOWN_MEMBER_ID', 'unknown-member']],
  [27, ['REBALANCE_IN_PROGRESS', 'rebalance-in-progress']],
  [29, ['TOPIC_AUTHORIZATION_FAILED', 'unauthorized']],
  [30, ['GROUP_AUTHORIZATION_FAILED', 'unauthorized']],
  [31, ['CLUSTER_AUTHORIZATION_FAILED', 'unauthorized']],
  [33, ['UNSUPPORTED_SASL_MECHANISM', 'unauthorized']],
  [45, ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'out-of-order-sequence']],
  // A producer that never repeats a sequence number for other records cannot see this: what it wrote is in doubt.
  [46, ['DUPLICATE_SEQUENCE_NUMBER', 'out-of-order-sequence']],
  [47, ['INVALID_PRODUCER_EPOCH', 'producer-fenced']],
  [48, ['INVALID_TXN_STATE', 'invalid-transaction-state']],
  [49, ['INVALID_PRODUCER_ID_MAPPING', 'invalid-transaction-state']],
  [51, ['CONCURRENT_TRANSACTIONS', 'concurrent-transactions']],
  [52, ['TRANSACTION_COORDINATOR_FENCED', 'coordinator-moved']],
  [53, ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'unauthorized']],
  [55, ['OPERATION_NOT_ATTEMPTED', 'invalid-transaction-state']],
  [56, ['KAFKA_STORAGE_ERROR', 'not-leader']],
  [58, ['SASL_AUTHENTICATION_FAILED', 'unauthorized']],
  [59, ['UNKNOWN_PRODUCER_ID', 'out-of-order-sequence']],
  [74, ['FENCED_LEADER_EPOCH', 'not-leader']],
  [75, ['UNKNOWN_LEADER_EPOCH', 'not-leader']],
  [78, ['OFFSET_NOT_AVAILABLE', 'not-leader']],
  [82, ['FENCED_INSTANCE_ID', 'unknown-member']],
  [87, ['INVALID_RECORD', 'corrupt-batch']],
  [90, ['PRODUCER_FENCED', 'producer-fenced']],
  [120, ['TRANSACTION_ABORTABLE', 'invalid-transaction-state']],
  // with a message of the broker's that says the rest
  [23, ['INCONSISTENT_GROUP_PROTOCOL', 'protocol']],
  [26, ['INVALID_SESSION_TIMEOUT', 'protocol']],
  [35, ['UNSUPPORTED_VERSION', 'protocol']],
  [37, ['INVALID_PARTITIONS', 'protocol']],
  [38, ['INVALID_REPLICATION_FACTOR', 'protocol']],
  [40, ['INVALID_CONFIG', 'protocol']],
  [44, ['POLICY_VIOLATION', 'protocol']],
  [50, ['INVALID_TRANSACTION_TIMEOUT', 'protocol']],
  [76, ['UNSUPPORTED_COMPRESSION_TYPE', 'protocol']],
  [81, ['GROUP_MAX_SIZE_REACHED', 'protocol']],
]);
