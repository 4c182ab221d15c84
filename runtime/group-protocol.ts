/**
 * What members tell each other, in the form of Kafka's own consumers (ConsumerProtocolSubscription and
 * ConsumerProtocolAssignment, version 0), so that Kafka's tools show who reads what. Our part is in the user data.
 */
import { LogError } from './port.ts';
import { stringSize, WireReader, WireWriter } from './wire-codec.ts';

/** Members with another name of it cannot be in the same group. Goes up with every change of what is exchanged. */
export const GROUP_PROTOCOL = 'everyview-sticky-1';

export type MemberState = {
  readonly owned: readonly number[];
  /** Of the last assignment. Another one with every join: a broker does not rebalance for who says the same again. */
  readonly generationId: number;
  readonly taskCount: number;
};

export function encodeMember(topics: readonly string[], state: MemberState): Uint8Array {
  const userData = Buffer.from(JSON.stringify(state));
  const writer = new WireWriter(
    10 + userData.length + topics.reduce((sum, topic) => sum + stringSize(topic), 0),
  );
  writer.int16(0).int32(topics.length);
  for (const topic of topics) writer.string(topic);
  return writer.bytes(userData).written();
}

/** Throws `protocol` for what no EveryView instance wrote. */
export function decodeMember(groupId: string, metadata: Uint8Array): MemberState {
  return ours(groupId, () => {
    const reader = new WireReader(metadata);
    reader.int16();
    reader.array(() => reader.string());
    const { owned, generationId, taskCount } = jsonOf(reader.bytes());
    if (!isTasks(owned) || !isInteger(generationId) || !isInteger(taskCount)) throw new Error('not ours');
    return { owned, generationId, taskCount };
  });
}

/** `topics` are the inputs of which every task reads the partition with its own number. */
export function encodeAssignment(topics: readonly string[], tasks: readonly number[]): Uint8Array {
  const userData = Buffer.from(JSON.stringify({ tasks }));
  const topicBytes = topics.reduce((sum, topic) => sum + stringSize(topic) + 4 + tasks.length * 4, 0);
  const writer = new WireWriter(10 + userData.length + topicBytes);
  writer.int16(0).int32(topics.length);
  for (const topic of topics) {
    writer.string(topic).int32(tasks.length);
    for (const task of tasks) writer.int32(task);
  }
  return writer.bytes(userData).written();
}

/** No bytes, as a broker gives who came too late, are no tasks. */
export function decodeAssignment(groupId: string, assignment: Uint8Array): readonly number[] {
  if (assignment.length === 0) return [];
  return ours(groupId, () => {
    const reader = new WireReader(assignment);
    reader.int16();
    // partitions are for the tools: they say nothing that the tasks do not
    reader.array(() => {
      reader.string();
      reader.array(() => reader.int32());
    });
    const { tasks } = jsonOf(reader.bytes());
    if (!isTasks(tasks)) throw new Error('not ours');
    return tasks;
  });
}

function ours<T>(groupId: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new LogError(
      'protocol',
      `Group ${groupId} has a member that is no instance of this application: stop it, or choose another application id.`,
      { cause },
    );
  }
}

function jsonOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Readonly<Record<string, unknown>>;
}

function isTasks(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isInteger);
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}
