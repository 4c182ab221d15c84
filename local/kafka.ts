/** One Kafka broker (KRaft, its own controller) as a local process, listening on the loopback interface only. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import type { ClassArchive } from './class-archive.ts';
import type { Jars } from './jars.ts';
import { type Java, javaEnvironment } from './java.ts';
import { LOOPBACK, type LocalPorts } from './ports.ts';
import { runCommand } from './run-command.ts';
import { SetupError } from './setup-error.ts';
import type { ServerSpec } from './supervisor.ts';

export type KafkaSetup = {
  /** Holds the log, the configuration and nothing else. */
  readonly folder: string;
  readonly logPath: string;
  readonly java: Java;
  readonly jars: Jars;
  readonly archive: ClassArchive;
  readonly ports: Pick<LocalPorts, 'kafka' | 'controller'>;
};

const LOG4J = path.join(import.meta.dirname, 'log4j2.properties');
/** C1 only: half the start-up time, and the broker mostly moves bytes. */
const JVM_FLAGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xss512k', '-Djava.awt.headless=true'];
const FORMAT_TIMEOUT_MS = 120_000;
const ATTEMPT_TIMEOUT_MS = 2_000;

/**
 * The broker's whole configuration. Small where one machine needs little (coordinator topics, threads, buffers), and
 * the same as a real cluster's in what EveryView relies on: no topic is created by accident, transactions that time out
 * are aborted soon.
 */
export function brokerProperties(
  logDir: string,
  ports: KafkaSetup['ports'],
): Readonly<Record<string, string>> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${LOOPBACK}:${ports.controller}`,
    listeners: `PLAINTEXT://${LOOPBACK}:${ports.kafka},CONTROLLER://${LOOPBACK}:${ports.controller}`,
    'advertised.listeners': `PLAINTEXT://${LOOPBACK}:${ports.kafka}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': logDir,
    ...SINGLE_NODE_PROPERTIES,
  };
}

/** What does not depend on the machine; docker-compose.yml says the same. */
export const SINGLE_NODE_PROPERTIES: Readonly<Record<string, string>> = {
  'auto.create.topics.enable': 'false',
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '4',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'num.recovery.threads.per.data.dir': '2',
  'log.cleaner.dedupe.buffer.size': '33554432',
};

/** Formats the log folder on first use, all or nothing, and writes the configuration. */
export async function prepareKafka(setup: KafkaSetup, signal?: AbortSignal): Promise<void> {
  mkdirSync(setup.folder, { recursive: true });
  const logDir = path.join(setup.folder, 'log');
  if (!existsSync(path.join(logDir, 'meta.properties'))) {
    const unfinished = path.join(setup.folder, 'formatting');
    rmSync(unfinished, { recursive: true, force: true });
    await formatLog(setup, unfinished, signal);
    rmSync(logDir, { recursive: true, force: true });
    renameSync(unfinished, logDir);
  }
  writeProperties(propertiesPath(setup), brokerProperties(logDir, setup.ports));
}

export function kafkaServer(setup: KafkaSetup): ServerSpec {
  return {
    name: 'kafka',
    command: setup.java.path,
    args: [
      '-Xms256m',
      '-Xmx512m',
      ...JVM_FLAGS,
      ...setup.archive.flags,
      `-Dlog4j2.configurationFile=${LOG4J}`,
      '-cp',
      setup.jars.kafkaClassPath,
      'kafka.Kafka',
      propertiesPath(setup),
    ],
    cwd: setup.folder,
    env: javaEnvironment(),
    logPath: setup.logPath,
    archive: setup.archive.made,
  };
}

/** Throws unless a broker answers over the protocol at `brokers`, at the address that it advertises too. */
export async function askKafka(brokers: readonly string[], timeoutMs = ATTEMPT_TIMEOUT_MS): Promise<void> {
  await clusterIdOf(brokers, timeoutMs);
}

/** The id that a cluster was given when it was made. Throws as {@link askKafka}. */
export async function clusterIdOf(
  brokers: readonly string[],
  timeoutMs = ATTEMPT_TIMEOUT_MS,
): Promise<string> {
  const kafka = new Kafka({
    clientId: 'everyview-setup',
    brokers: [...brokers],
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    enforceRequestTimeout: true,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const { brokers: members, clusterId } = await admin.describeCluster();
    if (members.length === 0) throw new Error('the cluster has no broker yet');
    return clusterId;
  } finally {
    await admin.disconnect();
  }
}

function propertiesPath(setup: KafkaSetup): string {
  return path.join(setup.folder, 'server.properties');
}

async function formatLog(setup: KafkaSetup, logDir: string, signal: AbortSignal | undefined): Promise<void> {
  const properties = path.join(setup.folder, 'format.properties');
  writeProperties(properties, brokerProperties(logDir, setup.ports));
  const args = ['format', '--cluster-id', randomClusterId(), '--config', properties];
  const { code, lines } = await runCommand(
    setup.java.path,
    [
      ...JVM_FLAGS,
      `-Dlog4j2.configurationFile=${LOG4J}`,
      '-cp',
      setup.jars.kafkaClassPath,
      'kafka.tools.StorageTool',
      ...args,
    ],
    { signal, timeoutMs: FORMAT_TIMEOUT_MS, env: javaEnvironment() },
  );
  rmSync(properties, { force: true });
  if (code === 0) return;
  throw new SetupError(
    'kafka-failed',
    `Kafka could not format its log in ${setup.folder} (exit code ${code})`,
    'look at its last lines; an empty EVERYVIEW_DATA_DIR starts afresh',
    { detail: lines.slice(-8) },
  );
}

/** A random UUID in URL-safe base64 that does not begin with a dash, which would look like an option. */
function randomClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

function writeProperties(file: string, properties: Readonly<Record<string, string>>): void {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
}

/** Java reads a properties file as Latin-1, in which a backslash escapes and \uXXXX stands for any UTF-16 unit. */
export function escapeProperty(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
