/** Configuration by content hash, read from the compacted topic `everyview-config`. */
import type { ConfigEntry } from '../schemas/records.ts';
import { LogError, type LogPort } from './port.ts';
import { restoreStore } from './restore.ts';
import type { ConfigStore, FetchingCodec } from './task.ts';

const TOPIC = 'everyview-config';

/** A store without any configuration in it: the defaults hold. */
export const NO_CONFIGS: ConfigStore = {
  get: () => undefined,
  fetch: async (hash) => {
    throw unknown(hash);
  },
};

export function configStore(port: LogPort, codec: FetchingCodec): ConfigStore {
  const known = new Map<string, unknown>();
  return {
    get: (hash) => known.get(hash),
    async fetch(hash) {
      const entries: Uint8Array[] = [];
      await restoreStore(
        port,
        { topic: TOPIC, partition: 0 },
        { onEntry: (_key, value) => void (value && entries.push(value)) },
      );
      for (const bytes of entries) {
        const entry = await decodeEntry(codec, bytes);
        known.set(entry.contentHash, JSON.parse(entry.body));
      }
      if (!known.has(hash)) throw unknown(hash);
    },
  };
}

async function decodeEntry(codec: FetchingCodec, bytes: Uint8Array): Promise<ConfigEntry> {
  try {
    return codec.decode(TOPIC, bytes) as ConfigEntry;
  } catch (error) {
    if (!(error instanceof Error) || !('schemaId' in error) || typeof error.schemaId !== 'number')
      throw error;
    await codec.fetchSchema(error.schemaId);
    return codec.decode(TOPIC, bytes) as ConfigEntry;
  }
}

function unknown(hash: string): LogError {
  return new LogError(
    'protocol',
    `the log says that configuration ${hash} holds, but ${TOPIC} has no such entry: write it there again, the hash names its content`,
  );
}
