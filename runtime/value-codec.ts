/** Values to bytes and back for the runtime: the generated codec of `schemas/` with a table of what the registry knows. */
import { schemaText } from '../schemas/avsc-files.ts';
import { decodeRange, decodeValue, encodeShared, encodeValue, WriterSchemas } from '../schemas/codec.ts';
import { learnWriterSchema, lookUpSchemaIds, type Registry } from '../schemas/registry.ts';
import { RegistryError } from '../schemas/registry-error.ts';
import {
  isTopicName,
  type RecordOf,
  TOPIC_NAMES,
  type TopicName,
  topicDefinition,
} from '../schemas/topics.ts';
import type { Clock } from './port.ts';
import type { FetchingCodec } from './task.ts';

/**
 * @param idOf id under which this build writes each topic's values
 * @param writers what is known of the registry; `fetchSchema` adds to it
 */
export function valueCodec(
  idOf: (topic: TopicName) => number,
  writers: WriterSchemas,
  fetchSchema: (schemaId: number) => Promise<boolean>,
): FetchingCodec {
  return {
    decode: (topic, bytes) => decodeValue(known(topic), bytes, writers),
    decodeRange: (topic, bytes, start, end) => decodeRange(known(topic), bytes, start, end, writers),
    encode: (topic, value) => {
      const name = known(topic);
      return encodeValue(name, idOf(name), value as RecordOf[typeof name]);
    },
    encodeShared: (topic, value) => {
      const name = known(topic);
      return encodeShared(name, idOf(name), value as RecordOf[typeof name]);
    },
    fetchSchema,
  };
}

/**
 * A codec with a registry behind it. Looks the ids of this build's schemas up, and never registers one: that is the
 * deploy step. While the registry is away, records under ids that were met before are read as ever.
 */
export async function registryCodec(registry: Registry, clock: Clock): Promise<FetchingCodec> {
  const ids = await lookUpSchemaIds(registry, TOPIC_NAMES);
  const writers = new WriterSchemas();
  let askAgainAtMs = 0;
  return valueCodec(
    (topic) => ids.get(topic)!,
    writers,
    async (schemaId) => {
      if (clock.nowMs() < askAgainAtMs) return false;
      try {
        await learnWriterSchema(registry, writers, schemaId);
        return true;
      } catch (error) {
        if (!(error instanceof RegistryError) || !error.canRetry) throw error;
        askAgainAtMs = clock.nowMs() + ASK_AGAIN_MS;
        return false;
      }
    },
  );
}

/** A codec with no registry behind it, for the in-memory port: ids are the topics' places in the list. */
export function localCodec(): FetchingCodec {
  const writers = new WriterSchemas();
  const ids = new Map<TopicName, number>();
  for (const [index, topic] of TOPIC_NAMES.entries()) {
    ids.set(topic, index + 1);
    writers.learn(index + 1, schemaText(topicDefinition(topic).schema));
  }
  return valueCodec(
    (topic) => ids.get(topic)!,
    writers,
    async (schemaId) => {
      writers.refuse(schemaId, `no schema has the id ${schemaId} here`);
      return true;
    },
  );
}

const ASK_AGAIN_MS = 1_000;

function known(topic: string): TopicName {
  if (!isTopicName(topic)) throw new Error(`${topic} is not in schemas/topics.ts`);
  return topic;
}
