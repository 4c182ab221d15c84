/**
 * Kafka and a schema registry for tests, whichever way this machine offers. Usage, in any integration test:
 *
 *     const cluster = await testCluster();
 *     after(() => cluster.stop());
 *
 * Topics and subjects are shared with other tests: give them names of your own ({@link uniqueName}).
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { startLocal } from '../../local/cluster.ts';
import { dockerVersion } from '../../local/doctor.ts';
import { SINGLE_NODE_PROPERTIES } from '../../local/kafka.ts';
import { givenBrokers, givenRegistry } from '../../local/resolve.ts';
import { KAFKA_IMAGE, REGISTRY_MEMORY_IMAGE, REGISTRY_PATH } from '../../local/versions.ts';

export type TestCluster = {
  readonly brokers: readonly string[];
  readonly registryUrl: string;
  /** Ends what this call started; nothing when the cluster was given. */
  stop(): Promise<void>;
};

/**
 * `KAFKA_BROKERS` and `SCHEMA_REGISTRY_URL` where both are set (`npm test` sets them to the one cluster that all its
 * tests share), containers where a Docker engine answers, else local processes.
 */
export async function testCluster(env: NodeJS.ProcessEnv = process.env): Promise<TestCluster> {
  const brokers = givenBrokers(env);
  const registryUrl = givenRegistry(env);
  if (brokers !== null && registryUrl !== null) return { brokers, registryUrl, stop: async () => {} };
  return (await dockerVersion(env)) === null ? await localCluster() : await containerCluster();
}

/** A name that no other test uses. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}

async function localCluster(): Promise<TestCluster> {
  const local = await startLocal({ ephemeral: true, onProgress: () => {} });
  return { brokers: [local.brokers], registryUrl: local.registryUrl, stop: () => local.stop() };
}

/** The broker has to advertise the port under which it is reached from here, so that one is chosen first. */
async function containerCluster(): Promise<TestCluster> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = await freePort();
  const [kafka, registry] = await Promise.all([
    new GenericContainer(KAFKA_IMAGE)
      .withEnvironment(brokerEnvironment(port))
      .withExposedPorts({ container: 9092, host: port })
      .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
      .start(),
    new GenericContainer(REGISTRY_MEMORY_IMAGE)
      .withExposedPorts(8080)
      .withWaitStrategy(Wait.forHttp(`${REGISTRY_PATH}/subjects`, 8080))
      .start(),
  ]);
  return {
    brokers: [`127.0.0.1:${port}`],
    registryUrl: `http://${registry.getHost()}:${registry.getMappedPort(8080)}${REGISTRY_PATH}`,
    stop: async () => {
      await Promise.all([kafka.stop(), registry.stop()]);
    },
  };
}

/** Setting one variable replaces the image's whole configuration, so every setting is given. */
function brokerEnvironment(port: number): Record<string, string> {
  const settings = Object.entries(SINGLE_NODE_PROPERTIES).map(
    ([name, value]) => [`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`, value] as const,
  );
  return {
    ...Object.fromEntries(settings),
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_NODE_ID: '1',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://localhost:9093',
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
  };
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(),
      );
    });
  });
}
