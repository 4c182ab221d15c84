/**
 * Kafka and a schema registry on this machine, as real processes, started side by side. They live exactly as long as
 * this process, whatever it dies of, and keep their data in one folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock, describeHolder, type Lock, LockHeldError } from '../bin/processes.mjs';
import { messageOf } from '../schemas/errors.ts';
import { type ClassArchive, classArchive } from './class-archive.ts';
import { checkFreeSpace, folderError, makeFolder } from './folders.ts';
import { type Jars, resolveJars } from './jars.ts';
import { type Java, resolveJava } from './java.ts';
import { askKafka, kafkaServer, prepareKafka } from './kafka.ts';
import {
  choosePort,
  choosePorts,
  LOOPBACK,
  type LocalPorts,
  PREFERRED_PORTS,
  rememberedPorts,
  rememberPorts,
} from './ports.ts';
import { type OnProgress, reportStep } from './progress.ts';
import { askRegistry, localRegistryUrl, markRegistryReady, registryServer } from './registry.ts';
import { interrupted, SetupError, type SetupErrorCode } from './setup-error.ts';
import { lastLogLines, type Server, type Supervisor, startSupervisor } from './supervised.ts';
import type { ServerSpec } from './supervisor.ts';
import { KAFKA_VERSION, REGISTRY_VERSION } from './versions.ts';

export type LocalPart = 'kafka' | 'registry';

export type LocalOptions = {
  /** Durable data; a temporary folder when `ephemeral` and not given. */
  readonly dataDir?: string;
  readonly onProgress: OnProgress;
  /** For tests: random ports, and the data folder is removed at the end. */
  readonly ephemeral?: boolean;
  /** Whether Java and Maven may be installed where that is possible; true unless said otherwise. */
  readonly allowInstall?: boolean;
  /** Which servers to start; both unless said otherwise. */
  readonly parts?: readonly LocalPart[];
  readonly signal?: AbortSignal | undefined;
};

export type LocalCluster = {
  /** `host:port`, or '' when the part was not asked for. */
  readonly brokers: string;
  readonly registryUrl: string;
  readonly dataDir: string;
  readonly logsDir: string;
  /** Resolves when a server ends that nobody stopped; never rejects. */
  readonly broken: Promise<SetupError>;
  /** Ends both servers and releases the data folder; resolves when nothing is left. Safe to call twice. */
  stop(): Promise<void>;
};

/**
 * Starts what `parts` names and resolves when it answers over its own protocol. Fetches Java, Maven and the jars first
 * where they are missing. Throws a {@link SetupError}; nothing runs then, and a second call starts afresh.
 */
export async function startLocal(options: LocalOptions): Promise<LocalCluster> {
  const parts = options.parts ?? ['kafka', 'registry'];
  const ephemeral = options.ephemeral ?? false;
  const dataDir = openDataFolder(options.dataDir, ephemeral);
  const lock = await lockFolder(dataDir);
  let run: Run | null = null;
  try {
    const setup = { ...options, dataDir, allowInstall: options.allowInstall ?? true };
    const java = await resolveJava(setup);
    const jars = await resolveJars(setup);
    run = await openRun(lock, dataDir, ephemeral, java, jars, options);
    await startParts(run, parts);
    return clusterHandle(run, parts);
  } catch (error) {
    if (run !== null) await closeRun(run);
    lock.release();
    if (ephemeral) rmSync(dataDir, { recursive: true, force: true });
    throw options.signal?.aborted ? interrupted() : folderError(dataDir, error);
  }
}

/** Everything about one start. `ports` changes when one of them was taken between the look and the use. */
type Run = {
  readonly lock: Lock;
  readonly dataDir: string;
  readonly logsDir: string;
  readonly java: Java;
  readonly jars: Jars;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal | undefined;
  readonly supervisor: Supervisor;
  readonly archives: Readonly<Record<LocalPart, ClassArchive>>;
  readonly servers: Map<LocalPart, Server>;
  ports: LocalPorts;
  closing: Promise<void> | null;
};

const READY_TIMEOUT_MS = 90_000;
const POLL_MS = 40;
const PORT_TRIES = 4;
const LOG_LINES = 8;
const PORT_TAKEN = /Address already in use|BindException|Port \d+ seems to be in use/;

class PortTakenError extends Error {}

function openDataFolder(given: string | undefined, ephemeral: boolean): string {
  if (given === undefined && !ephemeral)
    throw new TypeError('startLocal: dataDir is needed unless ephemeral');
  const dataDir = given ?? mkdtempSync(path.join(tmpdir(), 'everyview-'));
  if (dataDir.includes(',')) {
    throw new SetupError(
      'data-folder',
      `the data folder ${dataDir} has a comma in its path, which Kafka takes for two folders`,
      'set EVERYVIEW_DATA_DIR to another folder',
    );
  }
  makeFolder(dataDir);
  checkFreeSpace(dataDir);
  return dataDir;
}

async function lockFolder(dataDir: string): Promise<Lock> {
  try {
    return await acquireLock(path.join(dataDir, 'lock.json'), { what: commandLine() });
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw folderError(dataDir, error);
    throw new SetupError(
      'already-running',
      `the data folder ${dataDir} is in use by ${describeHolder(error.holder)}`,
      'stop that process, or set EVERYVIEW_DATA_DIR to another folder for a second one',
      { cause: error },
    );
  }
}

function commandLine(): string {
  return ['everyview', ...process.argv.slice(2)].join(' ').slice(0, 100);
}

async function openRun(
  lock: Lock,
  dataDir: string,
  ephemeral: boolean,
  java: Java,
  jars: Jars,
  options: LocalOptions,
): Promise<Run> {
  const logsDir = makeFolder(path.join(dataDir, 'logs'));
  const wanted = ephemeral ? {} : { ...PREFERRED_PORTS, ...rememberedPorts(portsFile(dataDir)) };
  const ports = await choosePorts(wanted);
  return {
    lock,
    dataDir,
    logsDir,
    java,
    jars,
    onProgress: options.onProgress,
    signal: options.signal,
    supervisor: startSupervisor({ lock, logsDir, temporaryFolder: ephemeral ? dataDir : undefined }),
    archives: {
      kafka: classArchive(path.dirname(jars.kafkaFolder), java, jars.kafkaClassPath),
      registry: classArchive(path.dirname(jars.registryFolder), java, jars.registryJar),
    },
    servers: new Map(),
    ports,
    closing: null,
  };
}

function portsFile(dataDir: string): string {
  return path.join(dataDir, 'ports.json');
}

async function startParts(run: Run, parts: readonly LocalPart[]): Promise<void> {
  const starts = parts.map((part) => (part === 'kafka' ? startKafka(run) : startRegistry(run)));
  await Promise.all(starts);
  rememberPorts(portsFile(run.dataDir), run.ports);
}

async function startKafka(run: Run): Promise<void> {
  await reportStep(
    run.onProgress,
    'start Kafka',
    `Apache Kafka ${KAFKA_VERSION}`,
    async () => {
      await withFreePorts(run, ['kafka', 'controller'], async () => {
        const setup = {
          folder: path.join(run.dataDir, 'kafka'),
          logPath: path.join(run.logsDir, 'kafka.log'),
          java: run.java,
          jars: run.jars,
          archive: run.archives.kafka,
          ports: run.ports,
        };
        await prepareKafka(setup, run.signal);
        const brokers = [brokerAddress(run)];
        await startServer(run, 'kafka', kafkaServer(setup), () => askKafka(brokers));
      });
    },
    () => `Apache Kafka ${KAFKA_VERSION} at ${brokerAddress(run)}`,
  );
}

async function startRegistry(run: Run): Promise<void> {
  await reportStep(
    run.onProgress,
    'start schema registry',
    `Apicurio Registry ${REGISTRY_VERSION}`,
    async () => {
      await withFreePorts(run, ['registry'], async () => {
        const spec = registryServer({
          folder: path.join(run.dataDir, 'registry'),
          logPath: path.join(run.logsDir, 'registry.log'),
          java: run.java,
          jars: run.jars,
          archive: run.archives.registry,
          port: run.ports.registry,
        });
        const url = localRegistryUrl(run.ports.registry);
        await startServer(run, 'registry', spec, () => askRegistry(url));
        markRegistryReady(path.join(run.dataDir, 'registry'));
      });
    },
    () => `Apicurio Registry ${REGISTRY_VERSION} at ${localRegistryUrl(run.ports.registry)}`,
  );
}

function brokerAddress(run: Run): string {
  return `${LOOPBACK}:${run.ports.kafka}`;
}

/** Someone else may take a port between our look at it and the server's use of it: then another one is tried. */
async function withFreePorts(
  run: Run,
  names: readonly (keyof LocalPorts)[],
  start: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof PortTakenError)) throw error;
      if (attempt === PORT_TRIES) throw portsTaken(error);
      for (const name of names) {
        const port = await choosePort(undefined, new Set(Object.values(run.ports)));
        run.ports = { ...run.ports, [name]: port };
      }
    }
  }
}

function portsTaken(cause: PortTakenError): SetupError {
  const what = 'no port could be kept: each one that was free was taken before a server could use it';
  return new SetupError('kafka-failed', what, `start again (${cause.message})`, { cause });
}

/** Resolves when `ask` is content; throws when the server ends first or says nothing for too long. */
async function startServer(
  run: Run,
  part: LocalPart,
  spec: ServerSpec,
  ask: () => Promise<void>,
): Promise<void> {
  if (run.closing !== null || run.signal?.aborted) throw interrupted();
  const server = run.supervisor.start(spec);
  run.servers.set(part, server);
  const state: { ended: string | null; latest: unknown } = { ended: null, latest: null };
  void server.ended.then((reason) => {
    state.ended = reason;
  });
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      state.latest = error;
    }
    if (run.closing !== null || run.signal?.aborted) throw interrupted();
    if (state.ended !== null) throw serverError(part, `did not start (${state.ended})`, server.logPath);
    if (performance.now() > deadlineMs) {
      const why = messageOf(state.latest);
      throw serverError(part, `gave no answer for ${READY_TIMEOUT_MS / 1000} s (${why})`, server.logPath);
    }
    await sleep(POLL_MS);
  }
}

function serverError(part: LocalPart, what: string, logPath: string): Error {
  const lines = lastLogLines(logPath, 200);
  if (lines.some((line) => PORT_TAKEN.test(line))) return new PortTakenError(lines.at(-1) ?? what);
  const code: SetupErrorCode = part === 'kafka' ? 'kafka-failed' : 'registry-failed';
  const name = part === 'kafka' ? 'Kafka' : 'the schema registry';
  return new SetupError(
    code,
    `${name} ${what}`,
    `its whole log is ${logPath}; to start afresh, set EVERYVIEW_DATA_DIR to a new folder`,
    { detail: lines.slice(-LOG_LINES) },
  );
}

function clusterHandle(run: Run, parts: readonly LocalPart[]): LocalCluster {
  const endings = [...run.servers].map(async ([part, server]) => {
    const reason = await server.ended;
    return serverError(part, `ended while it was needed (${reason})`, server.logPath);
  });
  const broken = new Promise<SetupError>((resolve) => {
    for (const ending of endings) {
      void ending.then((error) => {
        if (run.closing === null && error instanceof SetupError) resolve(error);
      });
    }
  });
  return {
    brokers: parts.includes('kafka') ? brokerAddress(run) : '',
    registryUrl: parts.includes('registry') ? localRegistryUrl(run.ports.registry) : '',
    dataDir: run.dataDir,
    logsDir: run.logsDir,
    broken,
    stop: () => closeRun(run),
  };
}

function closeRun(run: Run): Promise<void> {
  run.closing ??= (async () => {
    await run.supervisor.close();
    // Nothing is left unless the supervisor itself was killed.
    await run.lock.endProcesses();
    run.lock.release();
  })();
  return run.closing;
}
