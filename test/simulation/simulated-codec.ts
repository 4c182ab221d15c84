/** Values and a registry that is away for a while, each process with its own memory of what it asked for. */

import type { FetchingCodec } from '../../runtime/task.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { SchemaError, UnknownSchemaId } from '../../schemas/errors.ts';
import { featuresOf, playbackOf } from './values.ts';

/** Nothing in the registry has this id. */
export const UNKNOWN_SCHEMA_ID = 4_000_000;
/** Further ids of the topics' own schemas, which a reader has to ask for. */
export const FOREIGN_SCHEMA_ID = { 'frame-features': 5_000_001, 'playback-events': 5_000_002 } as const;

const shared = localCodec();
const idOfTopic = new Map<string, Uint8Array>();

export type Registry = {
  isAway(): boolean;
};

/** The codec of one process. */
export function simulatedCodec(registry: Registry): FetchingCodec {
  const asked = new Set<number>();
  return {
    encode: shared.encode,
    decode(topic, bytes) {
      try {
        return shared.decode(topic, bytes);
      } catch (error) {
        if (!(error instanceof UnknownSchemaId) || !asked.has(error.schemaId)) throw error;
        if (error.schemaId !== FOREIGN_SCHEMA_ID[topic as keyof typeof FOREIGN_SCHEMA_ID])
          throw new SchemaError('no-such-schema', `no schema has the id ${error.schemaId} here`);
        const known = Buffer.from(bytes);
        known.set(ownIdOf(topic), 1);
        return shared.decode(topic, known);
      }
    },
    async fetchSchema(schemaId) {
      if (registry.isAway()) return false;
      asked.add(schemaId);
      return true;
    },
  };
}

/** The four bytes under which this build writes the topic. */
function ownIdOf(topic: string): Uint8Array {
  let id = idOfTopic.get(topic);
  if (id === undefined) {
    id = Buffer.from(shared.encode(topic, exampleOf(topic))).subarray(1, 5);
    idOfTopic.set(topic, id);
  }
  return id;
}

function exampleOf(topic: string): unknown {
  return topic === 'frame-features' ? featuresOf('', 0, '', 0) : playbackOf('', 0, 0);
}
