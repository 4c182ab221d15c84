/** The registry of a run, and codecs with all that it knows. */
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { registryCodec, valueCodec } from '../../runtime/value-codec.ts';
import { schemaIdOf, WriterSchemas } from '../../schemas/codec.ts';
import {
  learnWriterSchema,
  lookUpSchemaIds,
  openRegistry,
  type Registry,
  registerSchemas,
} from '../../schemas/registry.ts';
import { TOPIC_NAMES } from '../../schemas/topics.ts';
import type { Contents } from './reference.ts';

export type Schemas = {
  readonly registry: Registry;
  /** Asks the registry for what it lacks. */
  readonly codec: FetchingCodec;
  /** No schema at all, and one of something else. */
  readonly foreignIds: readonly number[];
};

export type KnownSchemas = {
  /** Knows every schema that the records name: it never has to ask. */
  readonly codec: FetchingCodec;
  fingerprintOf(schemaId: number): string;
};

/** Registers this build's schemas where they are missing. */
export async function openSchemas(registryUrl: string): Promise<Schemas> {
  const registry = openRegistry(registryUrl);
  await registerSchemas(registry);
  const ids = await lookUpSchemaIds(registry, TOPIC_NAMES);
  const codec = await registryCodec(registry, systemClock);
  return { registry, codec, foreignIds: [UNKNOWN_SCHEMA_ID, ids.get('catalogue')!] };
}

/** All that the registry has under the ids that these records name. */
export async function knownSchemas(registry: Registry, contents: Contents): Promise<KnownSchemas> {
  const ids = await lookUpSchemaIds(registry, TOPIC_NAMES);
  const writers = new WriterSchemas();
  const named = new Set<number>(ids.values());
  for (const partitions of contents.values())
    for (const records of partitions) for (const { value } of records) addId(named, value);
  for (const id of named) await learnWriterSchema(registry, writers, id);
  return {
    codec: valueCodec(
      (topic) => ids.get(topic)!,
      writers,
      async (schemaId) => {
        throw new Error(`schema ${schemaId} should be known`);
      },
    ),
    fingerprintOf: (schemaId) => writers.fingerprintOf(schemaId) ?? `unknown schema ${schemaId}`,
  };
}

const UNKNOWN_SCHEMA_ID = 4_000_000;
const FRAMED_BYTES_MIN = 5;

/** Spoiled records may name anything, or nothing. */
function addId(ids: Set<number>, value: Uint8Array | null): void {
  if (value !== null && value.length >= FRAMED_BYTES_MIN && value[0] === 0) ids.add(schemaIdOf(value));
}
