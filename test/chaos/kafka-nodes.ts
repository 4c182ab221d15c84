/**
 * One or three Kafka brokers of our own, as child processes that may be stopped, killed and started again at the same
 * address, keeping their logs. Small heaps: three of them fit beside everything else on a laptop.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tied } from '../../bin/processes.mjs';
import { classArchive } from '../../local/class-archive.ts';
import type { Jars } from '../../local/jars.ts';
import { type Java, javaEnvironment } from '../../local/java.ts';
import { askKafka, escapeProperty, SINGLE_NODE_PROPERTIES } from '../../local/kafka.ts';
import { choosePort, LOOPBACK } from '../../local/ports.ts';
import { runCommand } from '../../local/run-command.ts';
import { lastLogLines } from '../../local/supervised.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { JavaParts } from './java-parts.ts';

export type KafkaNodesOptions = {
  readonly parts: JavaParts;
  readonly nodes: 1 | 3;
  readonly heapMebibytes: number;
};

/** All that run. */
const living = new Set<KafkaNodes>();

/** For a process that is interrupted: ends all brokers, then itself. */
export async function exitInterrupted(): Promise<never> {
  await Promise.all([...living].map((nodes) => nodes.close()));
  process.exit(130);
}

export class KafkaNodes {
  readonly #folder: string;
  readonly #nodes: readonly Node[];
  readonly #parts: JavaParts;
  readonly #heapMebibytes: number;

  /** Formats, starts and waits until every broker answers. */
  static async start(options: KafkaNodesOptions): Promise<KafkaNodes> {
    const nodes = new KafkaNodes(options, await placesOf(options.nodes));
    try {
      await nodes.#format();
      await Promise.all(nodes.#nodes.map((node) => nodes.#launch(node)));
      return nodes;
    } catch (error) {
      await nodes.close();
      throw error;
    }
  }

  private constructor({ parts, heapMebibytes }: KafkaNodesOptions, places: readonly Place[]) {
    this.#parts = parts;
    this.#heapMebibytes = heapMebibytes;
    this.#folder = mkdtempSync(path.join(tmpdir(), 'everyview-chaos-'));
    living.add(this);
    this.#nodes = places.map((place) => ({
      ...place,
      folder: path.join(this.#folder, `node-${place.id}`),
      child: null,
    }));
    for (const node of this.#nodes) {
      mkdirSync(node.folder);
      writeFileSync(propertiesOf(node), propertiesText(node, this.#nodes));
    }
  }

  get brokers(): readonly string[] {
    return this.#nodes.map(addressOf);
  }

  /** Where a broker keeps its partitions, each in a folder `TOPIC-PARTITION`. */
  logFolderOf(index: number): string {
    return logFolder(this.#nodes[index]!);
  }

  /** SIGTERM, and waits for the end: the broker hands its leaderships over and closes its logs. */
  async stop(index: number): Promise<void> {
    await endOf(this.#nodes[index]!, 'SIGTERM');
  }

  async kill(index: number): Promise<void> {
    await endOf(this.#nodes[index]!, 'SIGKILL');
  }

  /** Starts a stopped broker at its old address; resolves when it answers. */
  async startAgain(index: number): Promise<void> {
    await this.#launch(this.#nodes[index]!);
  }

  async close(): Promise<void> {
    living.delete(this);
    await Promise.all(this.#nodes.map((node) => endOf(node, 'SIGKILL')));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #format(): Promise<void> {
    const { java, jars } = this.#parts;
    const clusterId = `c${randomBytes(16).toString('base64url').slice(0, 21)}`;
    for (const node of this.#nodes) {
      const args = ['format', '--cluster-id', clusterId, '--config', propertiesOf(node)];
      const { code, lines } = await runCommand(
        java.path,
        [
          ...JVM_FLAGS,
          ...archiveFlags(java, jars),
          '-cp',
          jars.kafkaClassPath,
          'kafka.tools.StorageTool',
          ...args,
        ],
        { env: javaEnvironment(), timeoutMs: START_MS_MAX },
      );
      if (code !== 0) throw new Error(`formatting broker ${node.id} failed: ${lines.slice(-5).join('\n')}`);
    }
  }

  async #launch(node: Node): Promise<void> {
    const { java, jars } = this.#parts;
    const logPath = path.join(node.folder, 'kafka.log');
    const log = openSync(logPath, 'a');
    const [command, args] = tied(java.path, [
      '-Xms64m',
      `-Xmx${this.#heapMebibytes}m`,
      ...JVM_FLAGS,
      ...archiveFlags(java, jars),
      `-Dlog4j2.configurationFile=${LOG4J}`,
      '-cp',
      jars.kafkaClassPath,
      'kafka.Kafka',
      propertiesOf(node),
    ]);
    const child = spawn(command, args, {
      cwd: node.folder,
      env: javaEnvironment(),
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    node.child = child;
    const deadlineMs = systemClock.nowMs() + START_MS_MAX;
    for (;;) {
      try {
        await askKafka([addressOf(node)]);
        return;
      } catch (error) {
        if (child.exitCode !== null || child.signalCode !== null || systemClock.nowMs() > deadlineMs) {
          const said = lastLogLines(logPath, 10).join('\n');
          throw new Error(`broker ${node.id} did not start: ${String(error)}\n${said}`, { cause: error });
        }
      }
      await systemClock.sleep(50);
    }
  }
}

type Place = { readonly id: number; readonly port: number; readonly controllerPort: number };
type Node = Place & { readonly folder: string; child: ChildProcess | null };

const START_MS_MAX = 120_000;
const LOG4J = path.join(import.meta.dirname, '..', '..', 'local', 'log4j2.properties');
const JVM_FLAGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xss512k', '-Djava.awt.headless=true'];

async function placesOf(count: number): Promise<readonly Place[]> {
  const taken = new Set<number>();
  const free = async (): Promise<number> => {
    const port = await choosePort(undefined, taken);
    taken.add(port);
    return port;
  };
  const places: Place[] = [];
  for (let id = 1; id <= count; id++) places.push({ id, port: await free(), controllerPort: await free() });
  return places;
}

/** An archive that earlier starts have left is used, none is written: these brokers are killed too often. */
function archiveFlags(java: Java, jars: Jars): readonly string[] {
  const { flags } = classArchive(path.dirname(jars.kafkaFolder), java, jars.kafkaClassPath);
  return flags.some((flag) => flag.startsWith('-XX:SharedArchiveFile')) ? flags : [];
}

function addressOf({ port }: Place): string {
  return `${LOOPBACK}:${port}`;
}

function logFolder({ folder }: Node): string {
  return path.join(folder, 'log');
}

function propertiesOf({ folder }: Node): string {
  return path.join(folder, 'server.properties');
}

function propertiesText(node: Node, all: readonly Node[]): string {
  const listener = `PLAINTEXT://${addressOf(node)}`;
  const properties: Record<string, string> = {
    ...SINGLE_NODE_PROPERTIES,
    ...(all.length === 1 ? {} : REPLICATED_PROPERTIES),
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': all
      .map(({ id, controllerPort }) => `${id}@${LOOPBACK}:${controllerPort}`)
      .join(','),
    listeners: `${listener},CONTROLLER://${LOOPBACK}:${node.controllerPort}`,
    'advertised.listeners': listener,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': logFolder(node),
    'log.index.size.max.bytes': '1048576',
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${escapeProperty(value)}\n`)
    .join('');
}

/** A dead broker is noticed after 3 s instead of 9. */
const REPLICATED_PROPERTIES = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'replica.lag.time.max.ms': '3000',
};

async function endOf(node: Node, signal: NodeJS.Signals): Promise<void> {
  const { child } = node;
  if (child === null) return;
  node.child = null;
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
