/**
 * Kafka and the registry for the commands that use what runs already: the ones that the environment names, else those
 * that `everyview start` runs on this machine. They start nothing.
 */
import path from 'node:path';
import { isAlive, readLock } from '../bin/processes.mjs';
import { dataFolder } from '../local/folders.ts';
import { LOOPBACK, rememberedPorts } from '../local/ports.ts';
import { localRegistryUrl } from '../local/registry.ts';
import { checkKafka, checkRegistry, givenBrokers, givenRegistry } from '../local/resolve.ts';
import { openKafkajsPort } from '../runtime/kafkajs-port.ts';
import type { AdminPort } from '../runtime/port.ts';
import { systemClock } from '../runtime/system-clock.ts';
import type { FetchingCodec } from '../runtime/task.ts';
import { valueCodec } from '../runtime/value-codec.ts';
import { WriterSchemas } from '../schemas/codec.ts';
import { learnWriterSchema, openRegistry, type Registry } from '../schemas/registry.ts';
import { RegistryError } from '../schemas/registry-error.ts';
import type { CliContext } from './context.ts';
import { ExpectedError } from './failure.ts';

export type Cluster = {
  readonly brokers: readonly string[];
  readonly port: AdminPort;
  /** Throws when no registry was asked for. */
  readonly registry: Registry;
  close(): Promise<void>;
};

export type ClusterSettings = { readonly clientId: string; readonly needsRegistry: boolean };

type Addresses = { readonly brokers: readonly string[] | null; readonly registryUrl: string | null };

/** Connects, and checks that both answer. Throws an error that says what to start or to set. */
export async function openCluster(context: CliContext, settings: ClusterSettings): Promise<Cluster> {
  const cluster = await openClusterIfAny(context, settings);
  if (cluster !== null) return cluster;
  throw new ExpectedError(
    'no Kafka runs here and KAFKA_BROKERS is not set',
    'Start one with everyview start, or set KAFKA_BROKERS and SCHEMA_REGISTRY_URL',
  );
}

/** The same, but null when there is no Kafka to be asked at all. One that is named and does not answer is an error. */
export async function openClusterIfAny(
  { env }: CliContext,
  settings: ClusterSettings,
): Promise<Cluster | null> {
  const { brokers, registryUrl } = addressesOf(env);
  if (brokers === null) return null;
  if (settings.needsRegistry && registryUrl === null) {
    throw new ExpectedError(
      'KAFKA_BROKERS is set, but not SCHEMA_REGISTRY_URL',
      'Set it to the base of its API, such as http://127.0.0.1:8081',
    );
  }
  await Promise.all([
    checkKafka(brokers),
    settings.needsRegistry && registryUrl !== null ? checkRegistry(registryUrl) : null,
  ]);
  const port = await openKafkajsPort({ brokers, clientId: settings.clientId });
  const registry = registryUrl === null ? null : openRegistry(registryUrl);
  return {
    brokers,
    port,
    get registry() {
      if (registry === null) throw new Error('this command asked for no registry');
      return registry;
    },
    close: () => port.close(),
  };
}

/** Decodes every version of every schema, for subscribers; waits a while for a registry that is away. */
export function readingCodec(registry: Registry): FetchingCodec {
  const writers = new WriterSchemas();
  let failingSinceMs: number | null = null;
  return valueCodec(
    (topic) => {
      throw new Error(`a subscriber writes nothing into ${topic}`);
    },
    writers,
    async (schemaId) => {
      try {
        await learnWriterSchema(registry, writers, schemaId);
        failingSinceMs = null;
        return true;
      } catch (error) {
        if (!(error instanceof RegistryError) || !error.canRetry) throw error;
        failingSinceMs ??= systemClock.nowMs();
        if (systemClock.nowMs() - failingSinceMs > GIVE_UP_AFTER_MS) throw error;
        await systemClock.sleep(ASK_AGAIN_MS);
        return false;
      }
    },
  );
}

const ASK_AGAIN_MS = 1_000;
const GIVE_UP_AFTER_MS = 60_000;

function addressesOf(env: NodeJS.ProcessEnv): Addresses {
  const local = runningLocal(dataFolder(env));
  return {
    brokers: givenBrokers(env) ?? local.brokers,
    registryUrl: givenRegistry(env) ?? local.registryUrl,
  };
}

/** Where the servers listen that a living process runs on this data folder. */
function runningLocal(dataDir: string): Addresses {
  const lock = readLock(path.join(dataDir, 'lock.json'));
  if (lock === null || !isAlive(lock.owner)) return { brokers: null, registryUrl: null };
  const ports = rememberedPorts(path.join(dataDir, 'ports.json'));
  return {
    brokers: ports.kafka === undefined ? null : [`${LOOPBACK}:${ports.kafka}`],
    registryUrl: ports.registry === undefined ? null : localRegistryUrl(ports.registry),
  };
}
